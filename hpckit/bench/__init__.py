"""The benchmark: the same bag on each engine, in three scenarios.

For users: docs/explanation/scenarios.md.

`hpckit.bench.measure` runs a scenario and writes its document, ``hpckit.bench/1``::

    parameters    the parameters of a scenario, checked
    scenario      the three scenarios, from their parameters to their documents
    cases         the runs of which a scenario consists, and how each is started
    cluster       the Slurm they use: an emulated one of the benchmark's own, or the real one
    workload      the tasks: the program, its arrays, the file that each start of a task leaves
    run_hpckit    one run with hpckit
    run_baseline  one run without it, by the scripts in `hpckit.bench.baselines`
    preemptions   reclaims workers while a run is active
    wasted_work   the work that these reclaims cost
    memory        the memory of head and workers
    loopback      the bytes that pass through the loopback interface
    machine       this machine, its versions, and how busy others keep it
    sample        the result of one run, and the sample that follows from it
    statistics    medians and confidence intervals of samples
    checks        whether samples may be compared at all
    document      the whole document
    store         writes document and text into ``results/``

`hpckit.bench.report` reads the documents, and needs nothing of the above::

    load_results    reads them, and refuses to compare unequal measurements
    numbers         the format of each kind of number, and of its interval
    rows            table rows that the summary and the documents share
    text            one document as text
    summary         all documents as one text and one JSON document
    plots           the pictures; plot_timelines draws one of them, plot_style is what they share
    doc_figures     fills and checks the measured figures in docs/
    doc_references  the figure that a marker in a document names
    doc_tables      the tables that a marker in a document names
"""
