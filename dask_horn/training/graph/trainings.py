"""The trainings of a round, of all its parents: one task each, or many in one for a device.

On the host's processor sub-models train each in a task of its own, as many at a time as a worker
has threads. A device with memory of its own is busy only with many at once: it takes as many in
one task as that memory holds, of any group and parent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from dask.task_spec import TaskRef

from dask_horn.cluster import Seat
from dask_horn.records import SubmodelId
from dask_horn.training.graph.task_layers import Key, TaskLayers
from dask_horn.training.plan.memory import Footprint, footprint_of
from dask_horn.training.plan.spec import RunSpec
from dask_horn.training.tasks.division import largest_sizes
from dask_horn.training.tasks.round_tasks import gather_slices, one_of, train_slice, train_slices


@dataclass(frozen=True)
class Start:
    """What one training starts from.

    Attributes
    ----------
    which : SubmodelId
    slice : TaskRef
        The sub-model's slice of its parent.
    seat : Seat
        Where it trains.
    arrives, leaves : bool
        Whether the slice arrives from another worker, and whether the delta leaves for one.
    """

    which: SubmodelId
    slice: TaskRef
    seat: Seat
    arrives: bool = True
    leaves: bool = True


@dataclass(frozen=True)
class Trainings:
    """Writes trainings.

    Attributes
    ----------
    tasks : TaskLayers
        Where they are written.
    spec, common : RunSpec, TaskRef
        The run's, and the task that has it on the workers.
    """

    tasks: TaskLayers
    spec: RunSpec
    common: TaskRef

    def write(self, starts: Iterable[Start]) -> dict[SubmodelId, TaskRef]:
        """Train from all these starts, of one round; return what has each sub-model's delta."""
        trained = {}
        by_device: dict[tuple[str | None, str], list[Start]] = {}
        for start in starts:
            seat = start.seat
            if seat.memory is None:
                trained[start.which] = self._alone(start)
            else:
                by_device.setdefault((seat.worker, seat.device), []).append(start)
        for of_one in by_device.values():
            for batch in self._batches(of_one):
                trained.update(self._together(batch))
        return trained

    def _key(self, stage: str, which: SubmodelId) -> Key:
        return (f"{stage}-{self.spec.keys}", *which)

    def _alone(self, start: Start) -> TaskRef:
        """Train one sub-model, softly near its seat where any worker has the device."""
        which, seat = start.which, start.seat
        return self.tasks.call(
            train_slice,
            self._key("train", which),
            (self.common, start.slice, which, seat.device, start.arrives, start.leaves),
            near=seat,
            only=seat.among,
        )

    def _batches(self, starts: list[Start]) -> Iterator[list[Start]]:
        """Share one device's trainings out to tasks, those of a group side by side."""
        round = starts[0].which.round
        footprint = footprint_of(
            self.spec, self.spec.rounds[round], largest_sizes(self.spec, round)
        )
        return batches(sorted(starts, key=attrgetter("which")), footprint)

    def _together(self, batch: Sequence[Start]) -> dict[SubmodelId, TaskRef]:
        """Train some sub-models in one task, where their device is and nowhere else.

        Dask has no preference among the workers that a task is restricted to, but goes to its
        data: these are gathered on the preferred one.
        """
        first, seat, tasks = batch[0].which, batch[0].seat, self.tasks
        slices = tasks.call(
            gather_slices,
            self._key("gather", first),
            ([start.slice for start in batch],),
            near=seat,
            priority=1,
        )
        ids = tuple(start.which for start in batch)
        trained = tasks.call(
            train_slices,
            self._key("train", first),
            (self.common, slices, ids, seat.device),
            only=seat.among,
        )
        return {
            start.which: tasks.call(
                one_of,
                self._key("delta", start.which),
                (trained, number, start.arrives, start.leaves),
                near=seat,
                priority=1,
            )
            for number, start in enumerate(batch)
        }


def batches(starts: Iterable[Start], footprint: Footprint) -> Iterator[list[Start]]:
    """Yield as many starts at a time as the memory of their seat holds; one at least."""
    batch: list[Start] = []
    for start in starts:
        memory = start.seat.memory
        assert memory is not None, "the device has memory of its own"
        groups = {one.which.group for one in (*batch, start)}
        if batch and footprint.of(len(batch) + 1, len(groups)) > memory:
            yield batch
            batch = []
        batch.append(start)
    if batch:
        yield batch
