"""Train from a login node or a notebook, on Slurm jobs that come when there is work.

    python interactive.py DATA.zarr MODEL.zarr

Needs `pip install "dask-horn[hpc]"`. Ctrl-C, or `touch MODEL.zarr.stop` on any node, ends the run
after a round; the same command resumes it. With PBS or LSF, `PBSCluster` and `LSFCluster` take the
place of `SLURMCluster`.
"""

from __future__ import annotations

import argparse
import os
import signal

from dask_jobqueue import SLURMCluster
from distributed import Client

import dask_horn as horn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="Zarr group that holds X and y")
    parser.add_argument("out", help="where to save the model; the run is kept beside it")
    parser.add_argument("--cores", type=int, default=8, help="of each job, a worker on each")
    parser.add_argument("--jobs", type=int, default=4, help="at most at the same time")
    parser.add_argument("--hidden", type=int, default=1024, help="units in each hidden layer")
    parser.add_argument("--rounds", type=int, default=30)
    arguments = parser.parse_args()

    with (
        SLURMCluster(
            cores=arguments.cores,
            processes=arguments.cores,
            memory=f"{4 * arguments.cores}GB",
            walltime="01:00:00",
            interface=os.environ.get("INTERFACE"),  # that all nodes share, such as ib0
            # Workers leave before their job's time is up, one after the other; others take over.
            worker_extra_args=["--lifetime", "50m", "--lifetime-stagger", "5m"],
        ) as cluster,
        Client(cluster),
    ):
        cluster.adapt(minimum_jobs=0, maximum_jobs=arguments.jobs)
        network = horn.Network(
            [
                horn.Dense(arguments.hidden, activation="relu"),
                horn.Dense(arguments.hidden, activation="relu"),
                horn.Dense(10),  # one unit per class in y
            ],
            input_shape=horn.open_samples(arguments.data).sample_shape,
        )
        result = horn.train(
            network,
            arguments.data,
            n_groups=4,
            n_submodels=4,
            n_rounds=arguments.rounds,
            checkpoint=f"{arguments.out}.run",
            callbacks=[
                horn.StopOnSignal(signal.SIGINT),
                horn.StopFile(f"{arguments.out}.stop"),
            ],
            progress=True,
        )
    if result.stopped:
        print(f"Stopped ({result.stopped}); run the same command to resume")
    else:
        result.model.save(arguments.out, overwrite=True)


if __name__ == "__main__":
    main()
