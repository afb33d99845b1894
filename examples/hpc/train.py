"""What `slurm.sh` starts on every core: rank 0 schedules, rank 1 trains, the others work."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import tempfile

from dask_jobqueue.slurm import SLURMRunner
from distributed import Client
from distributed.utils import json_load_robust

import dask_horn as horn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="Zarr group that holds X and y")
    parser.add_argument("out", help="where to save the model; the run is kept beside it")
    parser.add_argument("--hidden", type=int, default=4096, help="units in each hidden layer")
    # 8 groups of 4 sub-models keep 32 workers busy.
    parser.add_argument("--groups", type=int, default=8)
    parser.add_argument("--submodels", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()

    # Ranks find each other by this file. A job that is requeued keeps its id, so its old file is
    # told apart by the count of restarts.
    job, restarts = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_RESTART_COUNT", "0")
    scheduler_file = f"{arguments.out}.{job}-{restarts}.json"
    if os.environ["SLURM_PROCID"] != "0":
        json_load_robust(scheduler_file)  # waits until it is whole, as SLURMRunner does not

    # Signals are heard in all of this `with`, also while workers are awaited. The scheduler and the
    # workers never leave it: they end with the run.
    network = {"interface": os.environ.get("INTERFACE")}  # that the nodes share, such as ib0
    with (
        horn.StopOnSignal() as stops,
        SLURMRunner(
            scheduler_file=scheduler_file,
            scheduler_options={"dashboard_address": ":0", **network},
            worker_options={"nthreads": 1, "local_directory": tempfile.gettempdir(), **network},
        ) as runner,
        Client(runner) as client,
    ):
        # The first worker alone would do the whole first round; later ones get work from the next.
        enough = max(1, runner.n_workers // 2)
        print(f"Waiting up to two minutes for {enough} workers", flush=True)
        with contextlib.suppress(TimeoutError):
            client.wait_for_workers(enough, timeout=120)
        result = train(arguments, stops)

    if result.stopped and stops.received == signal.SIGUSR1:  # not SIGTERM, as from scancel
        subprocess.run(["scontrol", "requeue", job], check=True)


def train(arguments: argparse.Namespace, stops: horn.Callback) -> horn.TrainingResult:
    """Train and save the model, unless a signal ends the run early: then its checkpoint is kept."""
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
        n_groups=arguments.groups,
        n_submodels=arguments.submodels,
        n_rounds=arguments.rounds,
        checkpoint=f"{arguments.out}.run",
        callbacks=[stops],
        progress=True,  # a line every few rounds in Slurm's log
    )
    print(result.stopped or f"Saving {arguments.out}", flush=True)
    if not result.stopped:
        result.model.save(arguments.out, overwrite=True)
    return result


if __name__ == "__main__":
    main()
