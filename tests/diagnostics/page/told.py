"""Records of a made-up run, as they travel, for the tests of what shows them."""

from __future__ import annotations

from dataclasses import replace

from dask_horn.diagnostics.page.state import State
from dask_horn.records import RoundMerged, RoundRecord, RunBegun, SubmodelProgress, TaskDone

BEGAN = 1_000_000.0
WORKERS = ("tcp://10.0.0.1:1", "tcp://10.0.0.2:1")
PLANS = ((2, 4), (2, 4), (2, 4), (2, 2), (2, 2))


def heard(*records):
    """The state after some records."""
    state = State()
    for one in records:
        state.heard(one)
    return state


def begun(run="ab12", time=BEGAN, plans=PLANS, **values):
    """A run's beginning."""
    given = {
        "network": "dense 8",
        "n_parameters": 1000,
        "data": "100 samples",
        "settings": {"n_groups": 2, "early_stopping": False},
        "batch_size": 10,
        "first_round": 0,
        "plans": plans,
        "device": "cpu",
        "changed": ("n_groups",),
        **values,
    }
    return RunBegun(run=run, time=time, **given).to_dict()


def record(number, n_groups=2, n_submodels=None, score=0.5, seconds=2.0, **values):
    """A merged round, two seconds after the one before, each sub-model 10 units, worker in turn."""
    k = n_submodels or PLANS[min(number, len(PLANS)) - 1][1]
    ended = BEGAN + seconds * number
    table = [[(g, s) for s in range(k)] for g in range(n_groups)]

    def by_place(value):
        return tuple(tuple(value(g, s) for g, s in row) for row in table)

    made = RoundRecord(
        round=number, n_groups=n_groups, n_submodels=k, loss=1 / number,
        losses=by_place(lambda g, s: (1 + g) / number), validation_loss=None,
        validation_score=score,
        seconds=seconds, kernel_seconds=1.0, samples=100 * k, bytes_to_workers=300,
        bytes_from_workers=200, workers=by_place(lambda g, s: WORKERS[s % 2]),
        submodel_seconds=by_place(lambda g, s: 0.5),
        submodel_started=by_place(lambda g, s: ended - seconds + 0.1 + 0.5 * (2 * g + s // 2) / 2),
        submodel_units=by_place(lambda g, s: 40 // k),
        submodel_samples=by_place(lambda g, s: 50),
        ended=ended,
    )  # fmt: skip
    return replace(made, **values)


def merged(number, run="ab12", time=None, **values):
    """A round that is merged."""
    made = record(number, **values)
    return RoundMerged(run=run, time=made.ended if time is None else time, record=made).to_dict()


def progress(number, group, submodel, steps=5, run="ab12", time=None, **values):
    """A training that is half done; `number` is the round's, counted from 1."""
    given = {"n_steps": 10, "loss": 0.25, "seconds": 0.6, "n_bytes": 100, "units": 10, **values}
    return SubmodelProgress(
        run=run, round=number - 1, group=group, submodel=submodel, steps=steps,
        worker=WORKERS[submodel % 2], time=BEGAN + 2.0 * number - 1 if time is None else time,
        **given,
    ).to_dict()  # fmt: skip


def task(number, stage="merge", run="ab12", **values):
    """A task that is no training."""
    at = BEGAN + 2.0 * number - 0.2
    given = {"started": at, "seconds": 0.1, "worker": WORKERS[0], "time": at + 0.1, **values}
    return TaskDone(run=run, stage=stage, round=number - 1, **given).to_dict()


def whole_run(run="ab12"):
    """All records of a run, in order."""
    records = [begun(run)]
    for number in range(1, len(PLANS) + 1):
        k = PLANS[number - 1][1]
        records += [progress(number, g, s, run=run) for g in range(2) for s in range(k)]
        records += [task(number, run=run), merged(number, run=run)]
    return records
