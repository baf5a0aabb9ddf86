"""dask-jobqueue: a SLURMCluster of two workers computes, grows, shrinks and goes."""

from __future__ import annotations

import sys

from dask.distributed import Client
from dask_jobqueue import SLURMCluster


def main() -> None:
    cluster = SLURMCluster(
        queue="debug", cores=1, memory="600MB", processes=1, walltime="00:05:00",
        log_directory="logs", job_extra_directives=["--comment=dask"],
        scheduler_options={"host": sys.argv[1], "dashboard": False},
    )  # fmt: skip
    with cluster, Client(cluster) as client:
        cluster.scale(jobs=2)
        client.wait_for_workers(2, timeout=90)
        print("sum", sum(client.gather(client.map(lambda n: n * n, range(50)))))
        print("hosts", len({w["host"] for w in client.scheduler_info()["workers"].values()}) >= 1)
        cluster.scale(jobs=0)


if __name__ == "__main__":
    main()
