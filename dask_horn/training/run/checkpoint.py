"""Checkpoints: parents on disk between rounds, and the pointer to the last whole one.

    run.json              what the run is: a later run that differs is refused
    rounds/00012-3f9a1c07/model     the parent, or all members, as a saved model
    rounds/00012-3f9a1c07/momentum  one array for each parent
    rounds/00012-3f9a1c07/history.json
    best/00007-5e20b6d1   parents of the best round, with early stopping
    scratch/              samples that are not in Zarr, while a run goes on
    latest.json           names the folders of the last round that is whole; replaced last
    run-8c1f04d2e6a97b35/ all of these, of one of several runs that share a checkpoint

Only that small pointer is ever replaced, in one step, and no folder is written to twice, so nothing
harms the last good checkpoint: neither a write that is interrupted, nor one that is done again.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from dask_horn.data.store.locations import joined, location_text, raw_text
from dask_horn.data.store.storing import (
    check_writable,
    filesystem_at,
    make_folder,
    replacing,
    store_errors,
    store_with_retries,
)
from dask_horn.data.values.standardize import Standardizer
from dask_horn.errors import ModelFormatError
from dask_horn.model import read_standardizer
from dask_horn.records import History, RoundRecord
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.run.scratch import NAME

_RUN = "run-"  # how the folders of several runs begin

# The checkpoints of this process' runs that go on.
_in_use: set[str] = set()
_lock = threading.Lock()

# What a run.json of an earlier version does not say: all runs were so.
_ONCE = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8, "device": "cpu", "precision": "float32"}


@dataclass(frozen=True)
class Latest:
    """The last whole checkpoint.

    Attributes
    ----------
    rounds : int
        Rounds done.
    history : History
        Their records.
    location : str
        Where the parents are.
    best : str
        Where those of the best round are; empty without early stopping.
    """

    rounds: int
    history: History
    location: str
    best: str


@dataclass(frozen=True)
class Checkpoint:
    """A run's checkpoints.

    Attributes
    ----------
    location : str
        Path or URL of the folder.
    """

    location: str

    @classmethod
    def at(
        cls, location: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
    ) -> Checkpoint:
        """Checkpoints at a path, made absolute since workers have other folders, or a URL."""
        return cls(location_text(location, storage_options, "checkpoint"))

    def check_free(self) -> None:
        """Look whether something else is there, or nothing can be, before any work is done.

        Raises
        ------
        FileExistsError
            If something else is there.
        StoreError
            If it cannot be written.
        """
        with store_errors("checkpoint", self.location):
            self._is_new()
            check_writable(self.location)

    def of_run(self, identity: dict[str, Any]) -> Checkpoint:
        """Return the checkpoint of one of several runs: in a folder named after what it is.

        A run of an earlier version, which had the folder to itself, still does.
        """
        with store_errors("checkpoint", self.location, "read"):
            if not self._is_new() and not self._differing(identity):
                return self
        digest = blake2b(json.dumps(identity, sort_keys=True).encode(), digest_size=8)
        return Checkpoint(joined(self.location, f"{_RUN}{digest.hexdigest()}"))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other runs of this process from the checkpoint.

        Raises
        ------
        ValueError
            If one is at it.
        """
        mine = raw_text(self.location)
        with _lock:
            if mine in _in_use:
                raise ValueError(
                    f"checkpoint={self.location!r} is in use by another run of this process; pass "
                    "another path to each run, or let one end before the next begins"
                )
            _in_use.add(mine)
        try:
            yield
        finally:
            with _lock:
                _in_use.discard(mine)

    def begin(self, identity: dict[str, Any]) -> None:
        """Note what the run is; where a run is already, it must be the same one.

        Raises
        ------
        ValueError
            If the checkpoint belongs to a run with another network, settings or data.
        FileExistsError
            If something else is at the location.
        StoreError
            If it cannot be read, or a new one not written.
        """

        def note() -> bool:
            if not self._is_new():
                return False
            make_folder(*filesystem_at(self.location))
            self._replace("run.json", identity)
            return True

        if store_with_retries(note, "checkpoint", self.location):
            return
        for name, (before, now) in self._differing(identity).items():
            values = f" ({before!r} there, {now!r} now)" if len(repr(now)) < 80 else ""
            raise ValueError(
                f"checkpoint={self.location!r} belongs to a run with another {name}{values}; "
                "choose another path, or delete it"
            )

    def _differing(self, identity: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Return in what the run that is there differs: before, and now."""
        before = self._identity()
        # As JSON knows them: tuples have become lists.
        now = json.loads(json.dumps(identity))
        return {
            name: (before.get(name), now[name]) for name in now if before.get(name) != now[name]
        }

    def _is_new(self) -> bool:
        """Whether no run has begun at the location."""
        filesystem, path = filesystem_at(self.location)
        if filesystem.exists(f"{path}/run.json"):
            return False
        if filesystem.exists(path):
            # What lies in the scratch folder is of runs that were ended before they began.
            names = {name.rstrip("/").rpartition("/")[2] for name in filesystem.ls(path, False)}
            if any(name != NAME and not name.startswith(_RUN) for name in names):
                raise FileExistsError(
                    f"checkpoint={self.location!r} exists and holds no checkpoint; choose another"
                )
        return True

    def _identity(self) -> dict[str, Any]:
        """Read what the run is."""
        noted = self._read("run.json")
        if noted.get("optimizer") == "adamw" and "beta_1" not in noted:  # momentum was its name
            noted |= {"beta_1": noted["momentum"], "momentum": TrainingOptions.momentum}
        return {**_ONCE, **noted}

    def latest(self) -> Latest | None:
        """Find the last whole checkpoint."""
        pointer = self._pointer()
        if pointer is None:
            return None
        rounds = int(pointer["rounds"])
        folder = pointer.get("folder", f"rounds/{rounds:05d}")  # version 0.1 had no other
        kept = self._read(f"{folder}/history.json")
        records = [RoundRecord.from_dict(record) for record in kept["records"]]
        history = History(records, kept.get("device", "cpu"), kept.get("scoring_device"))
        best = pointer.get("best")
        return Latest(
            rounds,
            history,
            joined(self.location, folder),
            joined(self.location, best) if best else "",
        )

    def standardizer(self) -> Standardizer | None:
        """Return what the run that is there standardizes by; None where it has saved no round."""
        before = self.latest()
        if before is None:
            return None
        return read_standardizer(joined(before.location, "model"))

    def _pointer(self) -> Any:
        """Read what names the last whole checkpoint; None where there is none yet."""

        def is_there() -> bool:
            filesystem, path = filesystem_at(self.location)
            return bool(filesystem.exists(f"{path}/latest.json"))

        found = store_with_retries(is_there, "checkpoint", self.location, "read")
        return self._read("latest.json") if found else None

    def round_location(self, rounds: int) -> str:
        """How the folder of the parents after that many rounds begins."""
        return joined(self.location, "rounds", f"{rounds:05d}")

    def best_location(self, rounds: int) -> str:
        """How the folder of the parents of a round that is the best so far begins."""
        return joined(self.location, "best", f"{rounds:05d}")

    def commit(self, rounds: int, location: str, history: History, best: str = "") -> None:
        """Point at the parents after that many rounds, which `save_parents` has written.

        `best` is the folder of the best of them, if that is wanted: all other bests are removed,
        now that no run can go on from before.
        """
        kept = {
            "device": history.device,
            "scoring_device": history.scoring_device,
            "records": history.to_dicts(),
        }
        before = self._pointer() or {}
        begin = f"{raw_text(self.location)}/"
        folder, best = (raw_text(place).removeprefix(begin) for place in (location, best))

        def point() -> None:
            self._replace(f"{folder}/history.json", kept)
            self._replace("latest.json", {"rounds": rounds, "folder": folder, "best": best})
            # Others may be there too, of tasks that were done twice or cut short.
            self._prune("rounds", {folder, before.get("folder")})
            self._prune("best", {best})

        store_with_retries(point, "checkpoint", self.location)

    def _prune(self, folder: str, kept: Collection[str | None]) -> None:
        """Remove all that a folder holds but those to be kept, which are named with it."""
        filesystem, path = filesystem_at(joined(self.location, folder))
        for entry in filesystem.ls(path, False) if filesystem.exists(path) else ():
            name = entry.rstrip("/").rpartition("/")[2]
            if f"{folder}/{name}" not in kept:
                filesystem.rm(f"{path}/{name}", recursive=True)

    def _read(self, name: str) -> Any:
        def read() -> bytes:
            filesystem, path = filesystem_at(joined(self.location, name))
            content: bytes = filesystem.cat_file(path)
            return content

        content = store_with_retries(read, "checkpoint", self.location, "read")
        try:
            return json.loads(content)
        except ValueError as error:
            raise ModelFormatError(
                f"checkpoint={self.location!r} is damaged: {name} is no JSON ({error})"
            ) from error

    def _replace(self, name: str, content: dict[str, Any]) -> None:
        """Write a small object in one step."""
        with replacing(joined(self.location, name)) as file:
            file.write(json.dumps(content, indent=1).encode())
