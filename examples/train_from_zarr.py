"""Train from Zarr on a cluster of processes, stop half-way, and resume from the checkpoint.

    python train_from_zarr.py

For a real cluster, change only the line that makes the Client.
"""

from __future__ import annotations

import argparse
import tempfile

from distributed import Client, LocalCluster
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import dask_horn as horn


class StopAfter(horn.Callback):
    """Stops a run after some rounds, as a walltime would."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    def on_round_end(self, record: horn.RoundRecord) -> None:
        score = f"{record.validation_score:.4f}"
        print(f"  round {record.round}: loss {record.loss:.4f}, validation score {score}")
        if record.round == self.rounds:
            raise StopIteration


def write_digits(folder: str) -> None:
    """Write digits to two Zarr groups, each with arrays X and y."""
    X, y = load_digits(return_X_y=True)
    X_train, X_held, y_train, y_held = train_test_split(
        X.astype("uint8"), y, test_size=0.2, stratify=y, random_state=0
    )
    # Pixels stay bytes: the kernel standardizes them batch by batch.
    horn.write_samples(f"{folder}/train.zarr", X_train, y_train, chunk_bytes=8192)
    horn.write_samples(f"{folder}/held-out.zarr", X_held, y_held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="rounds in all (default 12)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    arguments = parser.parse_args()

    network = horn.Network(
        [
            horn.Dense(256, activation="relu"),
            horn.Dropout(0.2),
            horn.Dense(256, activation="relu"),
            horn.Dense(10),  # one unit per class; the loss applies the softmax
        ],
        input_shape=64,
    )
    print(network.summary())

    # One thread per worker: a training task uses one core.
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalCluster(n_workers=arguments.workers, threads_per_worker=1) as cluster,
        Client(cluster) as client,
    ):
        print(f"dashboard: {client.dashboard_link}")
        write_digits(folder)

        def train(stop_after: int) -> horn.TrainingResult:
            return horn.train(
                network,
                f"{folder}/train.zarr",  # a path or URL that every worker can read
                validation_data=f"{folder}/held-out.zarr",
                n_groups=2,
                n_submodels=2,
                n_rounds=arguments.rounds,
                checkpoint=f"{folder}/run",
                callbacks=[StopAfter(stop_after)],
            )

        print("first job:")
        train(stop_after=arguments.rounds // 2)
        print("second job, with the same call, resumes where the first one ended:")
        result = train(stop_after=arguments.rounds)

        moved = sum(record.bytes_to_workers for record in result.history) / 1e6
        print(f"{len(result.history)} rounds; {moved:.1f} MB sent to the workers")

        # A model is a Zarr group, without pickle, and opens anywhere.
        result.model.save(f"{folder}/model.zarr")
        model = horn.load(f"{folder}/model.zarr")
        print("predictions:", model.predict(f"{folder}/held-out.zarr").compute()[:8])


if __name__ == "__main__":  # the workers are new processes, which import this file
    main()
