"""Draws what the library's own plots show: `python docs/figures/plots.py` writes them beside it.

history.png, workers.png, partition.png, calibration.png and graph.svg, from short trainings on
scikit-learn's own data, in half a minute.
"""

from __future__ import annotations

from pathlib import Path

from dask.distributed import Client
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import dask_horn as horn

HERE = Path(__file__).parent


def save(figure: Figure, name: str) -> None:
    figure.savefig(HERE / name, dpi=110)


def draw_run(network: horn.Network, seen: tuple, held_out: tuple) -> None:
    """A run on four workers, whose sub-models are joined in the end."""
    with Client(n_workers=4, threads_per_worker=1, dashboard_address=":0"):
        result = horn.train(
            network,
            *seen,
            validation_data=held_out,
            n_groups=2,
            n_submodels=[4] * 6 + [2] * 3 + [1] * 3,
            n_rounds=12,
            steps_per_round=200,
            random_state=0,
        )
    figure = Figure(figsize=(7, 4.6), layout="constrained")
    result.history.plot(ax=figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
    save(figure, "history.png")
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    result.history[:9].plot_workers(ax=figure.subplots())
    save(figure, "workers.png")


def draw_calibration(network: horn.Network, seen: tuple, held_out: tuple, test: tuple) -> None:
    """An ensemble of four, before and after its temperature is fitted."""
    model = horn.train(
        network, *seen, merge="ensemble", n_groups=4, n_submodels=[2, 1], n_rounds=4, random_state=0
    ).model
    figure = Figure(figsize=(5, 4.2), layout="constrained")
    model.calibrate(*held_out).plot_calibration(*test, ax=figure.subplots())
    save(figure, "calibration.png")


def draw_division(network: horn.Network, seen: tuple) -> None:
    """Who holds which units, and the tasks of two rounds."""
    figure = Figure(figsize=(7, 2.9), layout="constrained")
    horn.Partition.draw(network, n_submodels=4, seed=0).plot(ax=figure.subplots())
    save(figure, "partition.png")
    graph = horn.training_graph(network, *seen, n_groups=2, n_submodels=[2], n_rounds=2)
    graph.visualize(str(HERE / "graph.svg"))


def main() -> None:
    X, y = load_digits(return_X_y=True)
    seen_x, rest_x, seen_y, rest_y = train_test_split(X, y, test_size=0.6, random_state=0)
    half = len(rest_x) // 2
    held_out, test = (rest_x[:half], rest_y[:half]), (rest_x[half:], rest_y[half:])
    network = horn.Network(
        [horn.Dense(256, activation="relu"), horn.Dense(256, activation="relu"), horn.Dense(10)],
        input_shape=64,
    )
    draw_run(network, (seen_x, seen_y), held_out)
    draw_calibration(network, (seen_x, seen_y), held_out, test)
    draw_division(network, (seen_x, seen_y))


if __name__ == "__main__":
    main()
