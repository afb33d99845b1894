"""The folder that all workers share for the time of a run: made only once it is needed."""

from __future__ import annotations

from dask_horn.cluster import Executor, remove_folder
from dask_horn.data.store.locations import joined
from dask_horn.errors import ScratchError

NAME = "scratch"  #: of the folder in a checkpoint that scratch folders are made in


class Scratch:
    """A folder of the run's own.

    Samples that the workers do not see are written to it, and, in a run without a checkpoint, the
    parents between rounds.

    Parameters
    ----------
    executor : Executor
    location : str or None
        The user's folder or URL, which must be good from the start. None takes the checkpoint's,
        else Dask's temporary directory, or the system's, where that serves.
    checkpoint : str or None
        Where the run's checkpoint is.
    """

    def __init__(self, executor: Executor, location: str | None, checkpoint: str | None) -> None:
        self._executor = executor
        self._named = location is not None
        self._location = location
        if location is None and checkpoint is not None:
            self._location = joined(checkpoint, NAME)
        self._folder: str | None = None
        self._missing = False
        if self._named:
            self.folder()

    def folder(self) -> str | None:
        """Return the folder; None where the work is done in this process' memory.

        Raises
        ------
        ScratchError
            If the workers do not share it.
        """
        if self._folder is None:
            self._folder = self._executor.scratch(self._location)
        return self._folder

    def folder_if_shared(self) -> str | None:
        """Return the folder if all workers that there are now see it; else None.

        A folder that the user has named they must see.
        """
        if self._missing or self._named:
            return None if self._missing else self.folder()
        try:
            folder = self.folder()
            self._missing = folder is not None and not self._executor.is_visible(folder)
        except ScratchError:
            self._missing = True
        return None if self._missing else self._folder

    def holds(self, location: object) -> bool:
        """Whether something lies in the folder."""
        return self._folder is not None and str(location).startswith(str(self._folder))

    def give_up(self) -> None:
        """Treat the workers as sharing none from now on."""
        self._missing = True

    def remove(self) -> None:
        """Remove the folder, if there is one."""
        if self._folder is not None:
            remove_folder(self._folder)
            self._folder = None
