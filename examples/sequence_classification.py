"""Sequences of different lengths: an LSTM with padding, and its accuracy after each step.

    python sequence_classification.py
    python sequence_classification.py --data FOLDER

By default it generates oscillations and predicts their shape. FOLDER has the files
JapaneseVowels_TRAIN.ts and JapaneseVowels_TEST.ts of the UEA archive of time series: which of nine
men is speaking?
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import dask_horn as horn

# Sequences are padded to the length of the longest. A step whose values all equal this number is
# skipped, and does not count in means and scales either.
MASK = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the Japanese vowels")
    parser.add_argument("--rounds", type=int, default=30, help="rounds of training (default 30)")
    arguments = parser.parse_args()

    if arguments.data is None:
        X_train, y_train = oscillations(600, seed=0)
        X_test, y_test = oscillations(300, seed=1)
    else:
        X_train, y_train = read_ts(arguments.data / "JapaneseVowels_TRAIN.ts")
        X_test, y_test = read_ts(arguments.data / "JapaneseVowels_TEST.ts")
    lengths = (X_train != MASK).any(axis=2).sum(axis=1)
    n, steps, channels = X_train.shape
    print(f"{n} sequences of {lengths.min()} to {lengths.max()} steps, {channels} channels")

    # One class for each sequence: the state after its last step is the input of the output layer,
    # which the classifier adds. The LSTM's units are divided with all their gates.
    settings = {"n_submodels": 2, "n_rounds": arguments.rounds, "random_state": 0}
    whole = horn.HornClassifier(layers=[horn.LSTM(64, mask_value=MASK)], **settings)
    whole.fit(X_train, y_train)
    print(f"test accuracy: {whole.score(X_test, y_test):.2%}")

    # One class for each step: y is (n, steps), and so are the predictions. Here all steps
    # of a sequence have the same class; targets of padding may be anything.
    stepwise = horn.HornClassifier(
        layers=[horn.LSTM(64, return_sequences=True, mask_value=MASK)], **settings
    )
    stepwise.fit(X_train, np.repeat(y_train[:, np.newaxis], steps, axis=1))
    heard = stepwise.predict(X_test) == y_test[:, np.newaxis]
    counted = stepwise.model_.counted_steps(X_test)  # False where a step is padding
    for step in (0, 2, 4, 9, 14, 19):
        right = heard[counted[:, step], step]
        print(f"after {step + 1:2} steps: {right.mean():.1%} of {len(right)} sequences")


def oscillations(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Generate sines, squares and saws of 12 to 40 steps in noise, seen by three channels."""
    rng = np.random.default_rng(seed)
    shapes = {
        "sine": np.sin,
        "square": lambda phase: np.sign(np.sin(phase)),
        "saw": lambda phase: phase / np.pi % 2 - 1,
    }
    X = np.full((n, 40, 3), MASK, np.float32)
    y = rng.choice(list(shapes), n)
    for row, name in zip(X, y, strict=True):
        steps = rng.integers(12, 41)
        phase = rng.uniform(0, 2 * np.pi) + rng.uniform(0.4, 1.2) * np.arange(steps)
        seen = shapes[name](phase[:, np.newaxis] + [0, 0.3, 0.6])
        row[:steps] = seen + rng.normal(0, 0.3, (steps, 3))
    return X, y


def read_ts(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a .ts file: a case per line, its channels and its class joined by colons."""
    lines = path.read_text().splitlines()
    cases = [line.split(":") for line in lines[lines.index("@data") + 1 :]]
    X = np.full((len(cases), 29, len(cases[0]) - 1), MASK, np.float32)
    for row, (*channels, _) in zip(X, cases, strict=True):
        steps = np.array([channel.split(",") for channel in channels], np.float32).T
        row[: len(steps)] = steps
    return X, np.array([case[-1] for case in cases])


if __name__ == "__main__":
    main()
