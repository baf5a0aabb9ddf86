"""Measuring: the same bag on each engine, in three scenarios. docs/SCENARIOS.md is for its users.

``hpckit bench baseline|slurm|spot`` measures, and leaves a document::

    parameters    what a scenario is run with; refuses what cannot be
    scenario      the three scenarios, each from its parameters to its document; the order of runs
    cases         which runs a scenario consists of, and how each is done
    place         the Slurm they go to: emulated, of our own, or real
    load          the work: the program, its arrays, what each start of a task leaves
    through       one run through hpckit
    without       one run without it, by the scripts in `plain`
    reclaims      takes capacity back while a run is on
    waste         what work that cost
    memory        watches head and workers
    loopback      counts the bytes that are moved
    machine       this machine, its versions, and who else is busy on it
    sample        what one run came to: `Ran` is seen, `sample` follows from it
    statistics    medians and intervals of samples
    checks        whether samples may be compared at all
    document      puts all of it together: ``hpckit.bench/1``
    text          that document as text
    store         writes both into ``results/``

``hpckit bench summary`` reads the documents back, and needs nothing of the above::

    gathered      reads them, and refuses to set unequal things side by side
    numbers       how each kind of number is written, and what its interval is worth
    rows          the rows of the tables that the summary and the documents share
    layout        lays rows out under their head, for all text
    summary       one text and one document of all
    plots         the pictures; plot_timelines draws one of them, plot_style is what they share
    figures       fills and checks the measured figures in docs/
    cited         the one figure that a marker there names
    doc_tables    the tables there
"""
