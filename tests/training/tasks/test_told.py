import pytest

from dask_horn.records import TaskDone, set_teller
from dask_horn.training.tasks import told as module


@pytest.fixture
def heard():
    events = []
    set_teller(events.append)
    yield events
    set_teller(None)


def test_a_task_tells_how_long_it_took(heard, monkeypatch):
    monkeypatch.setattr(module, "_LEAST", 0.0)
    with module.told("abc", "merge", 3):
        pass
    (event,) = heard
    assert isinstance(event, TaskDone)
    assert (event.run, event.stage, event.round) == ("abc", "merge", 3)
    assert event.seconds >= 0
    assert event.started > 0


def test_what_is_over_at_once_is_not_told(heard, monkeypatch):
    monkeypatch.setattr(module, "_LEAST", 1e9)
    with module.told("abc", "merge", 3):
        pass
    assert not heard
