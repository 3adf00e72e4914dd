"""A Dask cluster on this machine, in a process of its own: `python -m bench.workers COUNT CACHE`.

It prints the address of its scheduler and the processes that work, and ends with its standard input.
"""

import os
import sys


def main() -> None:
    """Run the cluster."""
    from distributed import Client, LocalCluster

    with LocalCluster(
        n_workers=int(sys.argv[1]),
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tcp://",
        dashboard_address="127.0.0.1:0",
        env={"RAFSIGHT_CACHE_DIR": sys.argv[2]},
    ) as cluster:
        with Client(cluster, set_as_default=False) as client:
            pids = client.run(os.getpid).values()
        print(cluster.scheduler_address, os.getpid(), *pids, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
