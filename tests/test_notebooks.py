"""The notebooks run from top to bottom, in small settings, and are kept as they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "examples" / "notebooks"

#: What each prints, and how many pictures it shows.
NOTEBOOKS = {
    "first_steps": (r"9\d\.\d% of 360 test digits are right", 4),
    "mnist_on_a_cluster": (r"9\d\.\d\d% of 360 test digits are right", 4),
    "uncertainty": (r"the ensemble: 8\d\.\d%", 4),
    "larger_than_memory": (r"R² of the predictions: 0\.9", 3),
}
SMALL = {"MNIST": "digits", "GIGABYTES": "0.1"}

# The folders of those who write notebooks.
LOCAL = re.compile(r"/(home|Users|root|tmp|mnt)/|[A-Z]:\\")


def _read(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.ipynb").read_text())


def test_all_notebooks_are_known():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NOTEBOOKS)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_what_running_leaves(name):
    notebook = _read(name)
    cells = notebook["cells"]
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert all(cell["metadata"] == {} for cell in cells)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert [cell["id"] for cell in code if cell["outputs"]] == []
    assert [cell["id"] for cell in code if cell["execution_count"] is not None] == []
    names = [cell["id"] for cell in cells]
    assert len(set(names)) == len(names)
    assert [found for found in names if not re.fullmatch(r"[a-z]+(-[a-z]+)*", found)] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_names_no_folder_of_one_machine_and_links_lead_somewhere(name):
    text = "\n".join("".join(cell["source"]) for cell in _read(name)["cells"])
    assert LOCAL.findall(text) == []
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (FOLDER / link).exists()] == []


@pytest.mark.examples
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs(name, tmp_path, monkeypatch):
    outputs = _executed(name, tmp_path, monkeypatch)
    words, n_pictures = NOTEBOOKS[name]
    printed = "".join(one["text"] for one in outputs if one["output_type"] == "stream")
    assert re.search(words, printed)
    assert "Warning" not in printed
    shown = [one["data"] for one in outputs if "data" in one]
    assert sum("image/png" in data or "image/svg+xml" in data for data in shown) >= n_pictures
    # A second run starts from what the first has left.
    assert {path.suffix for path in tmp_path.iterdir()} <= {".zarr"}


def _executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Run a notebook in a folder, as people do; return all that its cells have shown."""
    nbclient = pytest.importorskip("nbclient", reason="the extra `test` brings it")
    nbformat = pytest.importorskip("nbformat")
    for variable, value in SMALL.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:Port")  # the dashboard's may be taken
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a notebook shows figures by its own
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=240, resources=resources).execute()
    return [one for cell in notebook.cells for one in cell.get("outputs", ())]
