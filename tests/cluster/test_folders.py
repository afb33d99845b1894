"""Folders of runs: what a killed one leaves is removed by the next, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from dask_horn.cluster import folders
from dask_horn.cluster.folders import new_folder, remove_folder
from dask_horn.errors import ScratchError

_RUN = """
import sys
from dask_horn.cluster.folders import new_folder
folder = new_folder(sys.argv[1])
open(folder + "/samples", "w").close()
print(folder, flush=True)
{then}
"""


def _start(base: Path, then: str) -> tuple[subprocess.Popen, Path]:
    """Start a process that makes a folder; return it with the folder."""
    command = [sys.executable, "-c", _RUN.format(then=then), str(base)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, Path(process.stdout.readline().strip())


def _end(process: subprocess.Popen) -> int:
    process.stdin.close()
    process.stdout.close()
    return process.wait(60)


@pytest.fixture
def killed(tmp_path):
    """The folder of a process that has been killed."""
    process, folder = _start(tmp_path, "sys.stdin.read()")
    process.send_signal(signal.SIGKILL)
    assert _end(process) == -signal.SIGKILL
    assert (folder / "samples").exists()
    return folder


@pytest.mark.cluster
def test_the_folder_of_a_killed_run_is_removed_by_the_next(tmp_path, killed):
    folder = new_folder(str(tmp_path))
    assert not killed.exists()
    remove_folder(folder)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.cluster
def test_the_folder_of_a_run_that_lives_stays(tmp_path):
    process, living = _start(tmp_path, "sys.stdin.read()")
    mine = [new_folder(str(tmp_path)) for _ in range(2)]
    assert (living / "samples").exists()
    assert all(map(os.path.isdir, mine))
    assert _end(process) == 0
    assert not living.exists()  # removed when its process ended
    for folder in mine:
        remove_folder(folder)


@pytest.mark.cluster
def test_a_run_that_an_exception_ends_leaves_no_folder(tmp_path):
    process, folder = _start(tmp_path, "raise SystemExit(3)")
    assert _end(process) == 3
    assert not folder.exists()


@pytest.mark.cluster
def test_a_fork_leaves_the_folder_of_its_parent(tmp_path):
    script = "import os\nif not os.fork(): sys.exit()\nos.wait()\nprint(os.path.exists(folder))"
    process, _ = _start(tmp_path, script)
    assert process.stdout.read() == "True\n"
    assert _end(process) == 0


@pytest.mark.cluster
def test_folders_that_may_be_used_are_left(tmp_path, killed):
    unlocked = tmp_path / f"{killed.name[:-8]}00000000"  # of a disk without locks
    unlocked.mkdir()
    linked = tmp_path / f"{killed.name[:-8]}11111111"
    linked.symlink_to(killed)
    stranger = tmp_path / "dask-horn-elsewhere-1-00000000"  # whose locks this machine may not see
    stranger.mkdir()
    (stranger / ".lock").touch()
    with FileLock(killed / ".lock"):
        remove_folder(new_folder(str(tmp_path)))
    assert {entry.name for entry in tmp_path.iterdir()} == {
        killed.name, unlocked.name, linked.name, stranger.name,
    }  # fmt: skip


def test_a_disk_without_locks(tmp_path, monkeypatch):
    def no_locks(*_, **__):
        raise NotImplementedError("FileSystem does not appear to support flock")

    monkeypatch.setattr(folders.FileLock, "acquire", no_locks)
    folder = new_folder(str(tmp_path))
    assert os.listdir(folder) == []
    remove_folder(folder)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ScratchError, match=r"scratch='.*file' cannot be written \(Not a directory"):
        new_folder(str(tmp_path / "file"))
    assert os.path.isfile(tmp_path / "file")
