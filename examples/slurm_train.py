"""What `slurm.sh` starts on every core: rank 0 schedules, rank 1 runs `main`, the others work.

Needs dask-jobqueue (`pip install "dask-horn[hpc]"`). All ranks must see the data's folder.
"""

from __future__ import annotations

import argparse

from dask_jobqueue.slurm import SLURMRunner
from distributed import Client

import dask_horn as horn
from dask_horn.diagnostics import ProgressBar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="Zarr group that holds X and y")
    parser.add_argument("--out", required=True, help="where to save the model")
    parser.add_argument("--checkpoint", required=True, help="folder to resume from")
    arguments = parser.parse_args()

    # The scheduler and the workers never leave this `with`: they end with the run.
    with (
        SLURMRunner(
            scheduler_file=f"{arguments.out}.{{job_id}}.json",  # ranks find each other by it
            worker_options={"nthreads": 1, "local_directory": "/tmp"},
        ) as runner,
        Client(runner) as client,
    ):
        # A few workers are enough to begin; later ones get work from the next round on.
        client.wait_for_workers(max(1, runner.n_workers // 2), timeout=600)

        network = horn.Network(
            [
                horn.Dense(4096, activation="relu"),
                horn.Dense(4096, activation="relu"),
                horn.Dense(10),  # one unit per class in y
            ],
            input_shape=horn.open_samples(arguments.data).sample_shape,
        )
        result = horn.train(
            network,
            arguments.data,
            n_groups=8,  # 8 groups of 4 sub-models keep 32 workers busy
            n_submodels=4,
            n_rounds=40,
            checkpoint=arguments.checkpoint,
            callbacks=[ProgressBar()],  # a line every few rounds in Slurm's log
        )
        result.model.save(arguments.out, overwrite=True)


if __name__ == "__main__":
    main()
