"""The discrete-event model: closed forms, and the library's own graph."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("benchmarks", reason="a source distribution has no benchmarks")

import dask_horn as horn
from benchmarks.scale_model import (
    LIMITS,
    Costs,
    Platform,
    Simulation,
    Situation,
    Task,
    _emptied,
    placed,
    ring_seconds,
    round_seconds,
    rounds,
)

COSTS = Costs(step=0.01, train=0.02, add=0.004, part=0.005, n_bytes=400.0)
PERFECT = Platform()


def _seconds(tasks: list[Task], platform: Platform = PERFECT) -> float:
    return max(Simulation(tasks, platform).run().ends)


def test_one_worker_takes_the_sum_of_all_tasks_whatever_the_network() -> None:
    tasks = rounds(COSTS, 3, 4, 1, 10)
    total = sum(task.seconds for task in tasks)
    assert _seconds(tasks) == pytest.approx(total)
    assert _seconds(tasks, Platform(bandwidth=1.0)) == pytest.approx(total)


def test_free_round_takes_its_longest_path() -> None:
    # Sixteen deltas are two sums of eight, one of which the part's outer step adds to the other.
    path = COSTS.train + 10 * COSTS.step + 8 * COSTS.add + COSTS.part + COSTS.add
    assert round_seconds(rounds(COSTS, 16, 4, 64, 10), PERFECT) == pytest.approx(path)


def test_scheduler_hands_out_one_task_after_the_other() -> None:
    tasks = [Task("empty", worker, 0.0) for worker in range(50)]
    assert _seconds(tasks, Platform(scheduler_seconds=0.002)) == pytest.approx(0.1)


def test_chain_pays_for_each_link() -> None:
    tasks = [Task("a", 0, 1.0, (), 100.0), Task("b", 1, 2.0, (0,), 100.0), Task("c", 2, 3.0, (1,))]
    platform = Platform(0.01, 0.001, bandwidth=1000.0, latency=0.05, fetch_seconds=0.02)
    # Per task: the scheduler, the way to the worker, its overhead; then the word back, and the
    # request, its handling, the answer and its bytes.
    handed_out = 3 * (0.01 + 0.05 + 0.001)
    fetched = 2 * (0.05 + 2 * 0.05 + 0.02 + 0.1)
    assert _seconds(tasks, platform) == pytest.approx(6.0 + handed_out + fetched)


def test_links_are_busy_with_one_thing_at_a_time_each_way() -> None:
    platform = Platform(bandwidth=1000.0)
    out = [Task("send", 0, 0.0, (), 100.0) for _ in range(8)]
    out += [Task("train", 1 + i, 1.0, (i,)) for i in range(8)]
    assert _seconds(out, platform) == pytest.approx(8 * 0.1 + 1.0)
    into = [Task("train", 1 + i, 1.0, (), 100.0) for i in range(8)]
    assert _seconds([*into, Task("add", 0, 0.5, tuple(range(8)))], platform) == pytest.approx(2.3)
    both = [Task("a", 0, 0.0, (), 100.0), Task("b", 1, 0.0, (), 100.0)]
    both += [Task("c", 1, 0.0, (0,)), Task("d", 0, 0.0, (1,))]
    assert _seconds(both, platform) == pytest.approx(0.1)


def test_worker_fetches_an_input_once() -> None:
    tasks = [Task("update", 0, 0.0, (), 100.0)]
    tasks += [Task("send", 1, 0.0, (0,)) for _ in range(5)]
    done = Simulation(tasks, Platform(bandwidth=1000.0)).run()
    assert done.sent == {0: 100.0}


@pytest.mark.parametrize("n_workers", [2, 3, 8])
def test_ring_is_its_closed_form(n_workers: int) -> None:
    n_bytes, platform = 1200.0, Platform(bandwidth=1000.0)
    tasks = [Task("gradient", i, 0.0, (), n_bytes / n_workers) for i in range(n_workers)]
    for phase in range(2 * (n_workers - 1)):
        before = phase * n_workers
        tasks += [
            Task("add", i, 0.0, (before + (i - 1) % n_workers,), n_bytes / n_workers)
            for i in range(n_workers)
        ]
    assert _seconds(tasks, platform) == pytest.approx(ring_seconds(n_bytes, n_workers, platform))


@pytest.mark.parametrize("n_groups, n_submodels", [(1, 1), (1, 3), (4, 2), (21, 1)])
def test_graph_is_the_librarys(n_groups: int, n_submodels: int) -> None:
    """As many tasks of each stage, which need as many of each other stage, in a steady round."""
    network = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=2)
    y = np.arange(512) % 2
    graph = horn.training_graph(
        network, np.stack([y, 1 - y], axis=1).astype(np.float32), y, n_groups=n_groups,
        n_submodels=[n_submodels], n_rounds=3, steps_per_round=1,
    )  # fmt: skip
    real: Counter[tuple[str, ...]] = Counter()
    for key, task in dict(graph.dask).items():
        if isinstance(key, tuple) and key[1] == 1:  # neither the first round nor the last
            needed = Counter(map(_stage, task.dependencies))
            del needed["options"]  # what all tasks share is sent once: the model has it everywhere
            real[(_stage(key), *map(str, sorted(needed.items())))] += 1
    tasks = rounds(COSTS, n_groups, n_submodels, n_groups * n_submodels, 1)
    second = (len(tasks) + n_submodels) // 2  # a round is half of what begins with the parts
    modelled: Counter[tuple[str, ...]] = Counter()
    for task in tasks[second:]:
        needed = Counter(tasks[number].stage for number in task.inputs)
        modelled[(task.stage, *map(str, sorted(needed.items())))] += 1
    assert modelled == real


def _stage(key: object) -> str:
    name = key[0] if isinstance(key, tuple) else str(key)
    return re.match(r"(merge-\d+|[a-z]+)", name)[0]


def test_slice_goes_from_its_part_to_each_other_worker() -> None:
    tasks = rounds(replace(COSTS, part=0.0), 64, 8, 512, 1, n_rounds=1)
    sent = Simulation(tasks, Platform(bandwidth=1e6)).run().sent
    for m in range(8):
        assert sent[placed(m, m, 64, 512)] == pytest.approx(63 * COSTS.n_bytes)


@pytest.mark.parametrize("platform", [PERFECT, Platform(0.01, 0.02, 1e6, 0.001)])
def test_slices_never_wait_for_training_where_their_part_is(platform: Platform) -> None:
    tasks = rounds(COSTS, 2, 8, 2, 100)  # four parts on each worker, which trains eight
    ends = Simulation(tasks, platform).run().ends
    second = (len(tasks) + 8) // 2  # where the second round begins
    numbered = list(zip(tasks, ends, strict=True))[second:]
    slices, trainings = (
        [end for task, end in numbered if (task.stage, task.worker) == (stage, 0)]
        for stage in ("send", "train")
    )
    assert (len(slices), len(trainings)) == (4, 8)
    assert max(slices) <= min(trainings) - (COSTS.train + 100 * COSTS.step) + 1e-9


def test_limit_is_what_was_made_dear() -> None:
    dear = {
        "the scheduler": Situation(COSTS, 4, Platform(scheduler_seconds=0.1), 1.0),
        "sending slices and deltas": Situation(COSTS, 4, Platform(bandwidth=1e4), 1.0),
        "adding up and stepping": Situation(replace(COSTS, part=9.0), 4, PERFECT, 1.0),
    }
    for limit, situation in dear.items():
        found, seconds = situation.limit(128)
        assert found == limit
        assert found in LIMITS
        assert seconds < situation.seconds(128) / 2


def test_workers_at_half_lie_where_half_is_crossed() -> None:
    one = Situation(COSTS, 4, Platform(0.01, overhead_seconds=0.01), 300.0)
    found = one.workers_at_half(most=1000)
    assert 300 * COSTS.step / one.seconds(found) >= 0.5 > 300 * COSTS.step / one.seconds(2 * found)
    assert one.workers_at_half(most=8) == 8


def test_emptied_graph_keeps_what_each_task_needs() -> None:
    graph = _emptied(3, 2)
    assert sum(_stage(key) == "train" for key in dict(graph.dask)) == 2 * 3 * 2
    assert graph.compute(scheduler="sync", optimize_graph=False) is None
