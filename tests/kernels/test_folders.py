from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dask_horn.kernels import folders
from dask_horn.kernels.folders import code_folder, lock_folder

ROOT = Path(__file__).parents[2]
VARIABLES = ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME", "HOME")

# Says where the code is, and holds that until it is told to end.
HOLD = """
import pwd
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = unknown
from dask_horn.kernels.folders import code_folder, lock_folder
code = code_folder("kernels-0")
print(code, lock_folder(code), flush=True)
input()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has other users and folders")


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """Nobody's home, and a temporary folder of the test's own."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.setattr(folders, "_temporary", set())
    folders._temporary_folder.cache_clear()
    yield temporary
    folders._temporary_folder.cache_clear()


def _start(temporary, cwd, **environment):
    own = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    own |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary), **environment}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process = subprocess.Popen([sys.executable, "-c", HOLD], cwd=cwd, env=own, **pipes)
    return process, process.stdout.readline().split()


@pytest.mark.parametrize("variable", VARIABLES)
def test_the_cache_folder_follows_the_environment(tmp_path, monkeypatch, variable):
    monkeypatch.setenv(variable, str(tmp_path))
    folder = code_folder("kernels-0")
    assert folder.is_dir()
    below = {"NUMBA_CACHE_DIR": "", "XDG_CACHE_HOME": "dask_horn", "HOME": ".cache/dask_horn"}
    assert folder == tmp_path / below[variable] / "kernels-0"
    assert folder == code_folder("kernels-0")


@pytest.mark.parametrize("variable", VARIABLES[:2])
def test_a_tilde_is_the_home(tmp_path, monkeypatch, variable):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv(variable, "~/caches")
    assert code_folder("kernels-0").is_relative_to(tmp_path / "home" / "caches")
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    "environment",
    [{}, {"HOME": ""}, {"HOME": "~"}, {"HOME": "/dev/null"}, {"NUMBA_CACHE_DIR": "~/caches"}],
    ids=str,
)
def test_processes_of_a_user_share_a_temporary_cache_and_the_last_removes_it(
    nobody, tmp_path, environment
):
    work = tmp_path / "work"
    work.mkdir()
    (first, found), (second, again) = (_start(nobody, work, **environment) for _ in range(2))
    assert found == again
    code, locks = map(Path, found)
    assert code == locks == nobody / f"dask-horn-kernels-{os.getuid()}" / "kernels-0"
    assert stat.S_IMODE(code.parent.stat().st_mode) == 0o700
    first.communicate("\n", timeout=60)
    assert code.is_dir()
    second.communicate("\n", timeout=60)
    assert (first.returncode, second.returncode) == (0, 0)
    assert not list(nobody.iterdir())
    assert not list(work.iterdir())  # no folder named ~


@pytest.mark.parametrize("kind", ["link", "open to all"])
def test_a_folder_that_a_stranger_may_have_made_is_not_used(nobody, tmp_path, kind):
    shared = nobody / f"dask-horn-kernels-{os.getuid()}"
    (tmp_path / "elsewhere").mkdir()
    if kind == "link":
        shared.symlink_to(tmp_path / "elsewhere")
    else:
        shared.mkdir()
        shared.chmod(0o777)
    folder = code_folder("kernels-0")
    assert folder.parent.parent == nobody
    assert folder.parent != shared
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_a_stranger_s_folder_among_everybody_s_is_not_used(nobody, tmp_path, monkeypatch):
    everybody = tmp_path / "everybody"
    everybody.mkdir()
    everybody.chmod(0o1777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(everybody))
    own = code_folder("kernels-0")
    assert own.parent == everybody
    own.chmod(0o777)
    assert code_folder("kernels-0").is_relative_to(nobody)


def test_where_nothing_can_be_written_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/dev/null/temporary")
    assert code_folder("kernels-0") is None
    assert lock_folder(Path("kernels-0")) is None
