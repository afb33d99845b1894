"""An ensemble of many small networks, all of which a GPU trains at once.

    python many_models_on_a_gpu.py

Without a GPU it says so, and trains on the CPU. To see the same code run GPU kernels on any
machine, in Numba's simulator, which does a few thousand threads a second, so very small:

    NUMBA_ENABLE_CUDASIM=1 python many_models_on_a_gpu.py
"""

from __future__ import annotations

import argparse
import os
import time

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import dask_horn as horn

SIMULATED = os.environ.get("NUMBA_ENABLE_CUDASIM") == "1"
MEMBERS, UNITS, ROUNDS, ROWS, BATCH = (2, 4, 1, 64, 8) if SIMULATED else (64, 100, 20, None, 32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=MEMBERS, help=f"members (default {MEMBERS})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"rounds (default {ROUNDS})")
    arguments = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )

    # Each member is small: alone it would leave a GPU idle. All sub-models that the GPU's memory
    # holds are one task, and each operation of all of them is one launch.
    classifier = horn.HornClassifier(
        hidden_layer_sizes=(UNITS, UNITS),
        merge="ensemble",
        n_groups=arguments.members,
        n_submodels=1,
        group_data="all",  # few rows: each member sees all of them, in its own order
        n_rounds=arguments.rounds,
        steps_per_round=1 if SIMULATED else None,  # or one pass over the rows
        batch_size=BATCH,
        random_state=0,
        device="cuda",
    )
    began = time.perf_counter()
    try:
        classifier.fit(X_train[:ROWS], y_train[:ROWS])
    except ValueError as error:  # there is no GPU, or a package is missing: the message says which
        print(error)
        classifier.set_params(device="cpu").fit(X_train[:ROWS], y_train[:ROWS])
    seconds = time.perf_counter() - began
    print(f"{arguments.members} members on {classifier.history_.device}: {seconds:.1f} s")

    # The model is of host arrays: it is scored, saved and loaded wherever you like.
    scores = [
        float((member.predict(X_test) == y_test).mean()) for member in classifier.model_.members
    ]
    print(f"accuracy of the members {min(scores):.2%} to {max(scores):.2%}")
    print(f"accuracy of the ensemble {classifier.score(X_test, y_test):.2%}")


if __name__ == "__main__":
    main()
