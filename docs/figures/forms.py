"""Draws what notebooks show of the library's objects, on a light and on a dark page.

`python docs/figures/forms.py` writes forms.png beside itself, by Chromium (Debian's package
`chromium`). `--html FOLDER` writes the pages themselves, to be looked at in a browser.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import dask_horn as horn

WIDTH, HEIGHT = 820, 4200  # of a page, in pixels; what is left below is cut off
THEMES = {"light": ("#ffffff", "#212121"), "dark": ("#111111", "#e0e0e0")}
#: As JupyterLab lays out what a cell returns: its own rules for tables must not show through.
PAGE = """<!doctype html><meta charset="utf-8"><style>
:root {{ color-scheme: {theme}; }}
body {{ background: {background}; color: {colour}; font: 13px/1.5 system-ui, sans-serif;
  margin: 16px; }}
body > p {{ margin: 1.2em 0 0.3em; opacity: 0.6; }}
.jp-RenderedHTMLCommon table {{ border-collapse: collapse; margin: 0 auto 1em;
  table-layout: fixed; }}
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr {{
  line-height: normal; max-width: none; padding: 0.5em; text-align: right;
  vertical-align: middle; white-space: normal; }}
.jp-RenderedHTMLCommon tbody tr:nth-child(even) {{ background: #8884; }}
</style><body data-jp-theme-light="{light}">{body}</body>"""


def objects() -> dict[str, object]:
    """Train small models, and return what is shown, by the Python that shows it."""
    X, y = load_digits(return_X_y=True)
    hidden = [horn.Dense(400, activation="relu"), horn.Dropout(0.3), horn.Dense(300, "relu")]
    network = horn.Network([*hidden, horn.Dense(10)], input_shape=64)
    stopping = dict(validation_data=(X[1200:], y[1200:]), early_stopping=True, n_iter_no_change=4)
    result = horn.train(network, X[:1200], y[:1200], n_rounds=14, **stopping)
    names = np.array(
        ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )[y]
    several = dict(n_groups=3, merge="ensemble", group_data="all", n_rounds=4)
    ensemble = horn.train(network, X[:1200], names[:1200], **several).model
    clf = horn.HornClassifier(hidden_layer_sizes=(64,), n_rounds=5, random_state=0)
    return {
        "network": network,
        "horn.Partition.draw(network, n_submodels=4)": horn.Partition.draw(network, 4, seed=3),
        "horn.TrainingOptions(n_groups=4, learning_rate=0.002, merge='ensemble')": (
            horn.TrainingOptions(n_groups=4, learning_rate=0.002, merge="ensemble")
        ),
        "result.model": result.model,
        "ensemble": ensemble.calibrate(X[1200:], names[1200:]),
        "result": result,
        "HornClassifier(…).fit(X, y)": clf.fit(X, y),
    }


def pages(shown: dict[str, object]) -> dict[str, str]:
    """Return a page for each theme."""
    body = "".join(
        f"<p><code>{escape(name)}</code></p>"
        f'<div class="jp-RenderedHTMLCommon">{one._repr_html_()}</div>'
        for name, one in shown.items()
    )
    found = {}
    for theme, (background, colour) in THEMES.items():
        words = {"theme": theme, "light": str(theme == "light").lower(), "body": body}
        found[theme] = PAGE.format(background=background, colour=colour, **words)
    return found


def picture(page: Path, width: int = WIDTH) -> Image.Image:
    """Return a page as Chromium draws it, without what is empty below."""
    with tempfile.TemporaryDirectory() as folder:
        png = Path(folder) / "page.png"
        command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += ["--no-first-run", "--disable-background-networking", "--disable-sync"]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={width},{HEIGHT}"]
        command += [f"--screenshot={png}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        pixels = np.asarray(Image.open(png).convert("RGB"))
    used = np.flatnonzero((pixels != pixels[-1, -1]).any(axis=(1, 2)))
    return Image.fromarray(pixels[: used.max() + 17])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--html", type=Path, metavar="FOLDER")
    folder = parser.parse_args().html
    with tempfile.TemporaryDirectory() as temporary:
        target = folder or Path(temporary)
        target.mkdir(parents=True, exist_ok=True)
        for theme, html in pages(objects()).items():
            (target / f"{theme}.html").write_text(html, encoding="utf-8")
        if folder is None:
            drawn = [picture(target / f"{theme}.html") for theme in THEMES]
            sheet = Image.new("RGB", (2 * WIDTH, max(image.height for image in drawn)))
            for i, image in enumerate(drawn):
                sheet.paste(image, (i * WIDTH, 0))
            small = sheet.quantize(64, dither=Image.Dither.NONE)
            small.save(Path(__file__).with_name("forms.png"), optimize=True)


if __name__ == "__main__":
    main()
