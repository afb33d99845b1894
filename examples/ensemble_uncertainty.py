"""An ensemble that knows where it is uncertain: regression on the diabetes data, with a figure.

    python ensemble_uncertainty.py --out ensemble.png

The members' spread grows away from the training samples. It does not include the noise in the
data, which is large here, so the true values are often outside of it.
"""

from __future__ import annotations

import argparse

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

import dask_horn as horn

BODY_MASS_INDEX = 2  # column of X


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=8, help="members (default 8)")
    parser.add_argument("--rounds", type=int, default=6, help="rounds of training (default 6)")
    parser.add_argument("--out", default="ensemble.png", help="figure to write")
    arguments = parser.parse_args()

    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)

    network = horn.Network(
        [horn.Dense(64, activation="relu"), horn.Dropout(0.2), horn.Dense(1)],
        input_shape=10,
        loss="squared_error",  # targets are standardized for training only
    )
    result = horn.train(
        network,
        X_train,
        y_train,
        merge="ensemble",  # groups are never merged: each becomes a member
        n_groups=arguments.members,
        group_data="all",  # few rows: each member sees all of them, in its own order
        n_rounds=arguments.rounds,
        learning_rate=3e-3,
        weight_decay=0.01,
    )
    mean, std = result.model.predict(X_test, return_std=True)

    scores = [r2_score(y_test, member.predict(X_test)) for member in result.model.members]
    print(f"R² of the members {min(scores):.3f} to {max(scores):.3f}")
    print(f"R² of the ensemble {r2_score(y_test, mean):.3f}")
    far = result.model.predict(4 * X_test, return_std=True)[1]
    print(f"mean spread at test samples {std.mean():.1f}, four times as far out {far.mean():.1f}")
    draw(result.model, X_train, y_train).savefig(arguments.out, dpi=150)
    print(f"figure: {arguments.out}")


def draw(model: horn.Ensemble, X: np.ndarray, y: np.ndarray) -> Figure:
    """Draw the prediction along one feature, within the data and beyond them."""
    bmi = X[:, BODY_MASS_INDEX]
    reach = np.ptp(bmi)
    line = np.zeros((200, X.shape[1]))  # all other features at their mean, which is 0
    line[:, BODY_MASS_INDEX] = np.linspace(bmi.min() - reach, bmi.max() + reach, len(line))
    mean, std = model.predict(line, return_std=True)

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    at = line[:, BODY_MASS_INDEX]
    axes.axvspan(bmi.min(), bmi.max(), color="0.95", label="range of the training data")
    axes.scatter(bmi, y, s=8, color="0.55", label="training samples")
    axes.fill_between(at, mean - 2 * std, mean + 2 * std, color="#0072B2", alpha=0.25, linewidth=0)
    axes.plot(at, mean, color="#0072B2", label="ensemble ± 2 standard deviations")
    axes.set_xlim(at[0], at[-1])
    axes.set_xlabel("body mass index, standardized")
    axes.set_ylabel("disease progression after a year")
    axes.legend(frameon=False, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
