"""A new user's first quarter of an hour, from a bare virtual environment.

    python -m benchmarks.first_quarter_hour [--python PATH] [--render]

It does what README says, in its order: installs, runs the two commands and the block of Python,
opens a notebook, looks at the page of a training, and makes three mistakes. Each step is a process
of its own, which knows nothing of the checkout, has an empty folder and no compiled kernels. With
`--python`, the environment of that Python takes the place of a new one, and nothing is installed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from benchmarks.benchmark import QUICK, Benchmark, Measured
from benchmarks.report import RESULTS, markdown_table

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "notebooks" / "first_steps.ipynb"
_LAST_LINE = r"(.*)\Z"
PATIENCE = 600  # seconds for one step: all of them together should take less than 900

# Runs a notebook from top to bottom, and says what it has shown.
_NOTEBOOK = """
import sys
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=300).execute()
cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
outputs = [output for cell in cells for output in cell.outputs]
shown = [kind for output in outputs for kind in output.get("data", {})]
pictures = sum(kind in ("image/png", "image/svg+xml") for kind in shown)
print(f"{len(cells)} cells, {pictures} pictures")
"""

# Trains on a cluster of this machine, and asks for the page until it is there or training ends.
_PAGE = """
import re
import threading
import urllib.error
import urllib.request
from distributed import Client
from sklearn.datasets import load_digits
import dask_horn as horn


class UntilSeen(horn.Callback):
    def on_round_end(self, record):
        if seen.is_set():
            raise StopIteration("the page is seen")


def train():
    result = horn.train(network, X, y, n_groups=2, n_rounds=60, callbacks=[UntilSeen()])
    rounds.append(len(result.history))


def look(page):
    try:
        with urllib.request.urlopen(page, timeout=10) as answer:
            title = re.search("<title>(.*?)</title>", answer.read().decode(), re.DOTALL)
            return answer.status, " ".join(title.group(1).split()) if title else "no title"
    except urllib.error.HTTPError as error:
        return error.code, error.reason


if __name__ == "__main__":
    X, y = load_digits(return_X_y=True)
    network = horn.Network([horn.Dense(256, activation="relu"), horn.Dense(10)], input_shape=64)
    seen, rounds, status = threading.Event(), [], None
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=":0") as client:
        page = client.dashboard_link.replace("/status", "/horn")
        training = threading.Thread(target=train)
        training.start()
        while training.is_alive() and status != 200:
            status, title = look(page)
            training.join(0.2)
        seen.set()
        training.join()
    print(f"/horn answers {status}, {title!r}; the training ended after round {rounds[0]} of 60")
    if status != 200:
        raise SystemExit("the page is missing")
"""

_MISTAKES = {
    "y is one shorter than X": "horn.HornClassifier().fit(X, y[:-1])",
    "a setting is misspelt": "horn.train(network, X, y, n_submodel=2)",
    "X holds a NaN": "X[700, 13] = float('nan'); horn.HornClassifier().fit(X, y)",
}
_MISTAKE = """
from sklearn.datasets import load_digits
import dask_horn as horn
X, y = load_digits(return_X_y=True)
network = horn.Network([horn.Dense(256, activation="relu"), horn.Dense(10)], input_shape=64)
try:
    {mistake}
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}")
    raise SystemExit("\\n" in str(error) and "more than a sentence")
raise SystemExit("nothing was told")
"""


@dataclass(frozen=True)
class Step:
    """One thing that a new user does, and what came of it.

    Attributes
    ----------
    name : str
        What is done.
    seconds : float
        How long it took.
    outcome : str
        What was printed last, or the last line of the error.
    worked : bool
        Whether it ended as it should.
    """

    name: str
    seconds: float
    outcome: str
    worked: bool


@dataclass
class Day:
    """A user's machine: a folder to work in, an environment, and the steps that are done.

    Attributes
    ----------
    folder : Path
        Everything is written below it.
    python : Path
        Of the environment.
    steps : list of Step
    """

    folder: Path
    python: Path
    steps: list[Step] = field(default_factory=list)

    def do(
        self,
        name: str,
        command: Sequence[str | Path],
        find: str = _LAST_LINE,
        here: Path | None = None,
    ) -> None:
        """Run a command in the working folder, or `here`; the outcome is what `find` finds."""
        began = time.perf_counter()
        try:
            process = subprocess.run(
                [os.fspath(part) for part in command],
                cwd=here or self.folder,
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
        except subprocess.TimeoutExpired:
            self._tell(Step(name, PATIENCE, "no end in sight", False))
            return
        seconds = time.perf_counter() - began
        found = re.search(find, process.stdout.strip())
        worked = process.returncode == 0 and found is not None
        said = [line for line in (process.stdout + process.stderr).splitlines() if line.strip()]
        outcome = found.group(1) if found and found.group(1) else ""
        if not worked:
            outcome = " ".join(filter(None, [outcome, *said[-1:]]))
        self._tell(Step(name, seconds, outcome, worked))

    def run(self, name: str, code: str, *arguments: str | Path) -> None:
        """Run a program, as the file that a user would write."""
        script = self.folder / f"step_{len(self.steps)}.py"
        script.write_text(code)
        self.do(name, [self.python, script, *arguments])

    def _environment(self) -> dict[str, str]:
        """Leave out what makes this process another than a user's."""
        variables = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "MPLBACKEND")}
        scripts = f"{self.python.parent}{os.pathsep}{variables['PATH']}"
        cache = os.fspath(self.folder.parent / "cache")  # kernels compile cold
        return variables | {"PATH": scripts, "XDG_CACHE_HOME": cache, "NO_COLOR": "1"}

    def _tell(self, step: Step) -> None:
        self.steps.append(step)
        mark = click.style("ok", fg="green") if step.worked else click.style("NO", fg="red")
        click.echo(f"{mark}  {step.seconds:6.1f} s  {step.name}: {step.outcome or 'done'}")


def spend(folder: Path, python: Path | None = None) -> list[Step]:
    """Spend it in an empty folder; in the environment of `python`, or in a new one."""
    (folder / "work").mkdir()
    scripts = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    day = Day(folder / "work", python or scripts / "python")
    if python is None:
        day.do("make an environment", [sys.executable, "-m", "venv", folder / "venv"])
        install = [day.python, "-m", "pip", "install", "--quiet"]
        day.do("`pip install .`", [*install, "."], here=ROOT)
        day.do('`pip install ".[notebooks]"`', [*install, ".[notebooks]"], here=ROOT)
    day.do("`dask-horn demo`", [day.python.parent / "dask-horn", "demo"], r"merged model +(.*)")
    for time_ in ("README's block", "the same again"):
        day.run(time_, readme_block())
    day.run("first_steps.ipynb", _NOTEBOOK, NOTEBOOK)
    day.run("the page, while training", _PAGE)
    for mistake, code in _MISTAKES.items():
        day.run(f"mistake: {mistake}", _MISTAKE.format(mistake=code))
    return day.steps


def readme_block() -> str:
    """Return README's first block of Python."""
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found, "README has a block of Python"
    return found.group(1)


def measure(folder: Path, full: bool) -> Measured:
    """Spend it in a new environment; no data sets are needed."""
    return _measured(None)


def _measured(python: Path | None) -> Measured:
    with tempfile.TemporaryDirectory(prefix="quarter-hour-") as folder:
        return {"steps": [asdict(step) for step in spend(Path(folder), python)]}


def render(measured: Measured, plots: Path) -> str:
    """Write the table of the steps."""
    steps = [Step(**step) for step in measured["steps"]]
    failed = [step.name for step in steps if not step.worked]
    minutes = sum(step.seconds for step in steps) / 60
    rows = [(step.name, f"{step.seconds:.1f}", _told(step)) for step in steps]
    verdict = f"**Not as it should be: {', '.join(failed)}.**" if failed else "All went well."
    return (
        "What README says, done by a script where nothing was installed but what the table tells, "
        f"and nothing compiled: {minutes:.1f} minutes of 15. {verdict}\n\n"
        + markdown_table(("step", "seconds", "outcome"), rows)
    )


def _told(step: Step) -> str:
    words = step.outcome.replace("|", r"\|") or "done"
    return words if step.worked else f"**{words}**"


BENCHMARK = Benchmark(
    "first_quarter_hour", "A new user's first quarter of an hour", measure, render
)


@click.command(help=BENCHMARK.title)
@click.option("--python", type=click.Path(exists=True, path_type=Path), help="Of an environment.")
@click.option("--render", "only", is_flag=True, help="Write the section, try nothing.")
def main(python: Path | None, only: bool) -> None:
    """Spend it, and end with 1 where something went wrong; RESULTS.md has the new environment's."""
    full = python is None
    if only:
        BENCHMARK.report(full)
        return
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    measured = _measured(python and python.absolute())
    option = "" if full else " --python PATH"
    BENCHMARK.keep(measured, f"python -m benchmarks.first_quarter_hour{option}", full)
    BENCHMARK.report(full)
    click.echo(f"Written to {RESULTS if full else QUICK / 'RESULTS.md'}")
    sys.exit(not all(step["worked"] for step in measured["steps"]))


if __name__ == "__main__":
    main()
