"""Takes pictures of the dashboard's page while something trains, and when it has ended.

python -m docs.figures.page                  docs/figures/page.png, the one in the README
python -m docs.figures.page --all FOLDER     1280 and 800 wide, light and dark, training and ended

Needs the extra `browser` and chromedriver; trains on four workers of its own, on made-up samples.
"""

from __future__ import annotations

import tempfile
import threading
import time
from pathlib import Path

import click
from distributed import Client, LocalCluster
from sklearn.datasets import make_classification

import dask_horn as horn
from tests.diagnostics.page.browser import Browser, chromium

HERE = Path(__file__).parent
SIZES = {1280: 800, 800: 1560}  # pixels, across and down
SHOWN = 8  # rounds that are done in the first picture
_PATIENCE = 600.0  # seconds
_SETTLE = 1.5  # seconds until the browser has drawn the last news


def train() -> None:
    """Train, each sub-model for some seconds of a round: shorter ones tell of no progress."""
    X, y = make_classification(
        14_000, 96, n_informative=48, n_classes=8, class_sep=1.6, flip_y=0.04, random_state=3
    )
    X = X.astype("float32")
    network = horn.Network(
        [horn.Dense(1200, activation="relu"), horn.Dense(1200, activation="relu"), horn.Dense(8)],
        input_shape=96,
    )
    horn.train(
        network, X[2000:], y[2000:], validation_data=(X[:2000], y[:2000]), n_groups=3,
        n_submodels=[4] * 6 + [2] * 6, n_rounds=12, steps_per_round=250, concentration=25.0,
    )  # fmt: skip


def take(browser: Browser, url: str, path: Path, width: int, theme: str) -> None:
    """Take one picture, once the page has what there is to see."""
    browser.size(width, SIZES[width])
    browser.open(f"{url}?theme={theme}")
    browser.until("rounds", "round", bool)
    time.sleep(_SETTLE)
    browser.driver.save_screenshot(str(path))
    print(path)


@click.command(help=__doc__)
@click.option("--all", "folder", type=click.Path(path_type=Path), help="Where all of them go.")
def main(folder: Path | None) -> None:
    """Train, look, and take the pictures."""
    with (
        LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        tempfile.TemporaryDirectory() as profile,
        chromium(profile) as browser,
    ):
        client.wait_for_workers(4)
        training = threading.Thread(target=train)
        training.start()
        url = client.dashboard_link.replace("/status", "/horn")
        while "dask-horn-page" not in client.run_on_scheduler(_plugins):
            time.sleep(0.5)
        browser.open(url)
        browser.until("rounds", "round", lambda rounds: len(rounds) >= SHOWN, _PATIENCE)
        browser.until("division", "percent", _is_half_way, _PATIENCE)
        if folder is None:
            take(browser, url, HERE / "page.png", 1280, "light")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _take_all(browser, url, folder, "training")
        training.join()
        if folder is not None:
            _take_all(browser, url, folder, "ended")


def _take_all(browser: Browser, url: str, folder: Path, when: str) -> None:
    for width in SIZES:
        for theme in ("light", "dark"):
            take(browser, url, folder / f"{when}-{width}-{theme}.png", width, theme)


def _is_half_way(percents: list[str]) -> bool:
    done = [int(percent.rstrip("%")) for percent in percents]
    return bool(done) and 30 <= sum(done) / len(done) <= 85


def _plugins(dask_scheduler: object) -> list[str]:
    return list(dask_scheduler.plugins)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
