"""The examples, and the Python of the README, run as they are written; with few rounds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

EXAMPLES = {
    "digits_classifier.py": (["--rounds", "6"], "test accuracy: 9"),
    "train_from_zarr.py": (["--rounds", "4", "--workers", "1"], "predictions: ["),
    "character_rnn.py": (["--rounds", "1"], "bits per character"),
    "mnist_cnn.py": (["--rounds", "6"], "undivided: test accuracy 9"),
    "sequence_classification.py": (["--rounds", "20"], "test accuracy: 9"),
    "ensemble_uncertainty.py": (["--members", "3", "--rounds", "2"], "figure: ensemble.png"),
    "many_models_on_a_gpu.py": ([], "2 members on cuda"),
}
NEED_A_GPU = {"many_models_on_a_gpu.py"}  # or the simulator, which they get here
NEED_A_BATCH_SYSTEM = {"hpc/interactive.py", "hpc/train.py"}  # tests/hpc runs them


def _run(folder: Path, *command: str, simulated: bool = False) -> str:
    """Run Python in a folder, where warnings are errors; return what it prints."""
    # matplotlib's own choice of a backend may be one with windows.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg"}
    if simulated:
        environment["NUMBA_ENABLE_CUDASIM"] = "1"
    # The dashboard's usual port may be taken, by another test too: Dask takes another one, warns,
    # and forgets to close the first one's socket.
    taken = ["-W", "ignore:Port", "-W", "ignore:unclosed"]
    if simulated:  # kernels in Python warn of what a GPU does silently
        taken += ["-W", "ignore::RuntimeWarning"]
    found = subprocess.run(
        [sys.executable, "-W", "error", *taken, *command],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    return found.stdout


@pytest.mark.examples
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name, tmp_path):
    arguments, words = EXAMPLES[name]
    script = str(ROOT / "examples" / name)
    assert words in _run(tmp_path, script, *arguments, simulated=name in NEED_A_GPU)


def test_all_examples_are_known():
    examples = ROOT / "examples"
    assert {path.relative_to(examples).as_posix() for path in examples.rglob("*.py")} == {
        *EXAMPLES,
        *NEED_A_BATCH_SYSTEM,
    }


@pytest.mark.parametrize("name", [*EXAMPLES, *sorted(NEED_A_BATCH_SYSTEM)])
def test_examples_may_be_imported_by_workers(name):
    source = (ROOT / "examples" / name).read_text()
    compile(source, name, "exec")
    assert source.rstrip().endswith("main()")
    assert '\nif __name__ == "__main__":' in source


def _python_of(page: str) -> list[str]:
    found = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    assert found
    return found


@pytest.mark.examples
def test_each_python_block_of_the_readme_is_a_script_that_runs_again(tmp_path):
    """As in a notebook whose cells are run a second time; worker processes import the script."""
    printed = []
    for number, block in enumerate(_python_of("README.md")):
        script = tmp_path / f"block_{number}.py"
        script.write_text(2 * f"{block}\n")
        printed.append(_run(tmp_path, str(script)))
    scores = re.findall(r"(\d+\.\d)% of the test digits are right", printed[0])
    assert len(scores) == 2 and min(map(float, scores)) > 90
    assert all(len(re.findall(r"\] for \[", text)) == 2 for text in printed[1:])


@pytest.mark.examples
def test_python_of_the_page_on_gpus_runs(tmp_path):
    assert _run(tmp_path, "-c", *_python_of("docs/gpu.md")) == ""


@pytest.mark.examples
def test_python_of_the_page_on_data_runs(tmp_path):
    told = _run(tmp_path, "-c", "\n".join(_python_of("docs/your_data.md")))
    assert told.startswith("X is a generator, which can be read only once; pass an array")


@pytest.mark.examples
def test_python_of_the_page_on_tables_runs(tmp_path):
    assert _run(tmp_path, "-c", *_python_of("docs/tables.md")).startswith("R² 0.")


PAGES = ["README.md", *(f"docs/{name}.md" for name in ("gpu", "hpc", "tables", "your_data"))]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text())
    assert links
    here = (ROOT / page).parent
    assert [link for link in links if "://" not in link and not (here / link).exists()] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
@pytest.mark.parametrize("name", ["slurm", "slurm_gpu", "slurm_array", "pbs", "lsf"])
def test_batch_scripts_are_bash(name):
    subprocess.run(["bash", "-n", ROOT / "examples" / "hpc" / f"{name}.sh"], check=True)
