"""From what tasks report to the record of a round."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from dask_horn.records import History, RoundRecord, RoundReport, SubmodelReport

#: As version 0.1 wrote it into a checkpoint's history.
RECORD_OF_0_1 = {
    "round": 3,
    "n_submodels": 2,
    "loss": 0.5,
    "losses": [[0.4, 0.6], [0.5, 0.5], [0.5, 0.5]],
    "validation_loss": None,
    "validation_score": None,
    "seconds": 1.0,
    "kernel_seconds": 1.5,
    "samples": 200,
    "bytes_to_workers": 80,
    "bytes_from_workers": 80,
}


def _report(group: int, submodel: int, *, samples: int = 100) -> SubmodelReport:
    return SubmodelReport(group, submodel, 0.1 * (group + 1), samples, 0.5, 8, 4)


def test_losses_are_weighted_by_samples():
    reports = (_report(0, 0, samples=300), _report(1, 0, samples=100))
    record = RoundRecord.of(RoundReport(4, 2, 1, reports, None), seconds=2.0)
    assert record.loss == pytest.approx((0.1 * 300 + 0.2 * 100) / 400)
    assert (record.round, record.samples, record.late) == (5, 400, 0)
    assert (record.bytes_to_workers, record.bytes_from_workers) == (16, 8)


def test_who_had_not_arrived_is_counted_as_late():
    reports = (_report(0, 0), _report(0, 1), _report(2, 1))
    record = RoundRecord.of(RoundReport(0, 3, 2, reports, None), seconds=1.0)
    assert (record.n_groups, record.n_submodels, record.late) == (3, 2, 3)


def test_records_of_the_version_before_still_open():
    record = RoundRecord.from_dict(dict(RECORD_OF_0_1))
    assert (record.n_groups, record.n_submodels, record.late) == (3, 2, 0)
    assert record.losses == ((0.4, 0.6), (0.5, 0.5), (0.5, 0.5))


def test_a_history_survives_plain_values():
    history = History([RoundRecord.from_dict(dict(RECORD_OF_0_1))])
    assert [RoundRecord.from_dict(values) for values in history.to_dicts()] == list(history)
    assert asdict(history[0]) == history.to_dicts()[0]
