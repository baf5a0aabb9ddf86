"""A real four-node Slurm on one machine, for tests.

Each node is a slurmd in network, UTS, mount, IPC and PID namespaces of its own: it has
its own address, hostname, process table, /tmp and /dev/shm. All daemons have their
configuration, sockets, ports, keys, database and logs under one prefix (`layout`), and
everything that is started is recorded by PID (`started_processes`) and ended by PID.

    python -m tests.slurm.cluster up | env | status | down | kill-node n2 | …
"""
