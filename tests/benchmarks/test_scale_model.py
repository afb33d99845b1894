"""The discrete-event model: closed forms, and the library's own graph."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

import dask_horn as horn
from benchmarks.scale_model import inputs, telling
from benchmarks.scale_model.methods import (
    Costs,
    Design,
    data_parallel_seconds,
    divided_rounds,
    placed,
    ring_seconds,
    round_seconds,
)
from benchmarks.scale_model.predictions import LIMITS, Situation, waterfall, workers_at_half
from benchmarks.scale_model.simulation import Platform, Task, simulate
from dask_horn.cluster import ClusterExecutor

COSTS = Costs(
    parent_size=1000, slice_size=100, partition_bytes=50.0, step=0.01, train=0.02, partition=0.001,
    take=0.002, put=0.003, add=0.004, parent=0.005,
)  # fmt: skip
PERFECT = Platform()


def test_one_worker_takes_the_sum_of_all_tasks() -> None:
    tasks = divided_rounds(COSTS, 3, 4, 1, 10)
    assert simulate(tasks, PERFECT).seconds == pytest.approx(sum(task.seconds for task in tasks))


def test_network_does_not_matter_to_one_worker() -> None:
    tasks = divided_rounds(COSTS, 3, 4, 1, 10)
    slow = simulate(tasks, Platform(bandwidth=1.0))
    assert slow.seconds == simulate(tasks, PERFECT).seconds
    assert not slow.sending and not slow.receiving


def test_a_worker_each_takes_the_longest_task() -> None:
    tasks = [Task("train", worker, seconds) for worker, seconds in enumerate((3.0, 5.0, 4.0))]
    assert simulate(tasks, PERFECT).seconds == 5.0


def test_free_round_takes_its_longest_path() -> None:
    tasks = divided_rounds(COSTS, 16, 4, 64, 10)
    training = 4 * COSTS.take + COSTS.train + 10 * COSTS.step  # home takes all, then trains
    puts = 4 * COSTS.put  # of four groups beside the first of them, one after the other
    path = training + puts + 2 * COSTS.add + COSTS.parent
    assert round_seconds(tasks, PERFECT) == pytest.approx(path)  # partitions are drawn meanwhile


def test_scheduler_hands_out_one_task_after_the_other() -> None:
    tasks = [Task("empty", worker, 0.0) for worker in range(50)]
    outcome = simulate(tasks, Platform(scheduler_seconds=0.002))
    assert outcome.seconds == pytest.approx(0.1)
    assert outcome.scheduler == pytest.approx(0.1)


def test_chain_pays_for_each_link() -> None:
    tasks = [Task("a", 0, 1.0, (), 100.0), Task("b", 1, 2.0, (0,), 100.0), Task("c", 2, 3.0, (1,))]
    platform = Platform(0.01, 0.001, bandwidth=1000.0, latency=0.05)
    # Per task: the scheduler, the way to the worker, its overhead; then the word back, and the
    # request, the answer and its bytes.
    handed_out = 3 * (0.01 + 0.05 + 0.001)
    fetched = 2 * (0.05 + 2 * 0.05 + 0.1)
    assert simulate(tasks, platform).seconds == pytest.approx(6.0 + handed_out + fetched)


def test_hot_spot_sends_one_slice_after_the_other() -> None:
    tasks = [Task("take", 0, 0.0, (), 100.0) for _ in range(8)]
    tasks += [Task("train", 1 + i, 1.0, (i,)) for i in range(8)]
    outcome = simulate(tasks, Platform(bandwidth=1000.0))
    assert outcome.seconds == pytest.approx(8 * 0.1 + 1.0)
    assert outcome.sending == pytest.approx({0: 0.8})


def test_fan_in_receives_one_slice_after_the_other() -> None:
    tasks = [Task("train", 1 + i, 1.0, (), 100.0) for i in range(8)]
    tasks.append(Task("put", 0, 0.5, tuple(range(8))))
    outcome = simulate(tasks, Platform(bandwidth=1000.0))
    assert outcome.seconds == pytest.approx(1.0 + 8 * 0.1 + 0.5)
    assert outcome.receiving == pytest.approx({0: 0.8})


def test_links_send_and_receive_at_the_same_time() -> None:
    tasks = [Task("a", 0, 0.0, (), 100.0), Task("b", 1, 0.0, (), 100.0)]
    tasks += [Task("c", 1, 0.0, (0,)), Task("d", 0, 0.0, (1,))]
    assert simulate(tasks, Platform(bandwidth=1000.0)).seconds == pytest.approx(0.1)


def test_worker_fetches_an_input_once() -> None:
    tasks = [Task("parent", 0, 0.0, (), 100.0)]
    tasks += [Task("take", 1, 0.0, (0,)) for _ in range(5)]
    outcome = simulate(tasks, Platform(bandwidth=1000.0))
    assert outcome.receiving == pytest.approx({1: 0.1})


def test_released_tasks_wait_for_the_client() -> None:
    late = [Task("a", 0, 1.0, released=5.0), Task("b", 0, 1.0, (0,), released=9.0)]
    assert simulate(late, PERFECT).seconds == 10.0


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
    simulated = simulate(tasks, platform).seconds
    assert simulated == pytest.approx(ring_seconds(n_bytes, n_workers, platform))


def test_ring_sends_twice_the_parameters_at_most() -> None:
    platform = Platform(bandwidth=1.0)
    assert ring_seconds(1.0, 1, platform) == 0
    assert ring_seconds(1.0, 10_000, platform) == pytest.approx(2.0, rel=1e-3)


def test_data_parallel_hides_the_shorter_of_two() -> None:
    slow, quick = Platform(bandwidth=1.0), Platform(bandwidth=1e9)
    assert data_parallel_seconds(0.5, 4.0, 2, 10, quick) == pytest.approx(5.0)
    assert data_parallel_seconds(0.5, 4.0, 2, 10, slow) == pytest.approx(40.0)


@pytest.mark.parametrize("n_groups, n_submodels", [(1, 1), (1, 3), (4, 2), (5, 3), (21, 1)])
def test_graph_is_the_librarys(n_groups: int, n_submodels: int) -> None:
    """As many tasks of each stage, which need as many of each other stage."""
    network = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=2)
    y = np.arange(512) % 2
    graph = dict(
        horn.training_graph(
            network,
            np.stack([y, 1 - y], axis=1).astype(np.float32),
            y,
            n_groups=n_groups,
            n_submodels=[n_submodels],
            n_rounds=1,
            steps_per_round=1,
        ).dask
    )
    real: Counter[tuple[str, ...]] = Counter()
    for key, task in graph.items():
        needed = Counter(map(_stage, task.dependencies))
        real[(_stage(key), *map(str, sorted(needed.items())))] += 1
    for unmodelled in ("run", "report"):
        real = Counter({edges: n for edges, n in real.items() if edges[0] != unmodelled})
    tasks = divided_rounds(COSTS, n_groups, n_submodels, n_groups * n_submodels, 1, n_rounds=1)
    modelled: Counter[tuple[str, ...]] = Counter()
    for task in tasks:
        needed = Counter(tasks[number].stage for number in task.inputs)
        needed["run"] += 1  # what all tasks share is sent once: the model has it everywhere
        if task.stage.startswith("merge"):
            del needed["run"]
        modelled[(task.stage, *map(str, sorted(needed.items())))] += 1
    assert modelled == real


def _stage(key: object) -> str:
    name = key[0] if isinstance(key, tuple) else str(key)
    return re.match(r"(merge-level-\d+|[a-z]+)", name)[0]


@pytest.mark.parametrize("n_groups, n_workers", [(1, 4), (3, 7), (4, 4), (8, 3)])
def test_training_runs_where_the_library_prefers(n_groups: int, n_workers: int) -> None:
    class Workers(ClusterExecutor):
        def __init__(self) -> None: ...

        def _workers(self) -> list[str]:
            return [f"worker-{i}" for i in range(n_workers)]

    prefer = Workers().placement(n_groups)
    for group in range(n_groups):
        for submodel in range(5):
            worker = placed(group, submodel, n_groups, n_workers)
            assert prefer(group, submodel) == [f"worker-{worker}"]


def test_home_sends_each_slice_to_each_worker_unless_they_are_relayed() -> None:
    platform = Platform(bandwidth=1e6)
    for design, n_slices in ((Design(), 64 * 8 - 1), (Design(relay=True), 7 + 4)):
        tasks = divided_rounds(
            replace(COSTS, partition_bytes=0.0), 64, 8, 512, 1, design=design, n_rounds=1
        )
        sent = simulate(tasks, platform).sending[0] * platform.bandwidth
        assert sent == pytest.approx(4 * COSTS.slice_size * n_slices)


def test_worker_gets_a_slice_once_for_all_groups_that_it_trains() -> None:
    platform = Platform(bandwidth=1e6)
    costs = replace(COSTS, partition_bytes=0.0, parent_size=0)  # so that sums weigh nothing
    tasks = divided_rounds(costs, 32, 1, 2, 1, n_rounds=1)
    assert simulate(tasks, platform).receiving[1] * platform.bandwidth == pytest.approx(
        4 * COSTS.slice_size * (1 + _deltas_received(tasks, 1))
    )


def _deltas_received(tasks: list[Task], worker: int) -> int:
    return sum(
        tasks[number].worker != worker
        for task in tasks
        if task.stage == "put" and task.worker == worker
        for number in task.inputs
        if tasks[number].stage == "train"
    )


@pytest.mark.parametrize("platform", [PERFECT, Platform(0.01, 0.02, 1e6, 0.001)])
def test_takes_never_wait_for_the_homes_own_training(platform: Platform) -> None:
    tasks = divided_rounds(COSTS, 16, 4, 64, 100)
    ends = simulate(tasks, platform).ends
    last_take = max(end for task, end in zip(tasks, ends, strict=True) if task.stage == "take")
    at_home = [
        end for task, end in zip(tasks, ends, strict=True)
        if task.stage == "train" and task.worker == 0
    ]  # fmt: skip
    second = at_home[-1]  # of the second round, as is the last take
    assert second - (COSTS.train + 100 * COSTS.step) >= last_take - 1e-9


def test_sums_are_where_the_library_prefers() -> None:
    """Of block i of four groups beside its first group, and so at every level of the tree."""
    n_groups, n_workers = 21, 63
    found = [
        (task.stage, task.worker)
        for task in divided_rounds(COSTS, n_groups, 3, n_workers, 1, n_rounds=1)
        if task.stage.startswith(("put", "merge", "parent"))
    ]
    puts = [("put", group - group % 4) for group in range(n_groups)]
    level_1 = [("merge-level-1", group) for group in (0, 4, 8, 12, 16, 20)]
    upper = [("merge-level-2", 0), ("merge-level-2", 16), ("merge-level-3", 0), ("parent", 0)]
    assert found == puts + level_1 + upper


def test_same_answer_each_time() -> None:
    tasks = divided_rounds(COSTS, 30, 4, 70, 7, build_seconds=1e-4)
    platform = Platform(0.002, 0.001, 1e5, 1e-4)
    assert simulate(tasks, platform).ends == simulate(tasks, platform).ends


def test_limit_is_what_was_made_dear() -> None:
    dear = {
        "the scheduler": Situation(COSTS, 4, Platform(scheduler_seconds=0.1), 0.0, 1.0),
        "the workers' links": Situation(COSTS, 4, Platform(bandwidth=1e4), 0.0, 1.0),
        "the outer step": Situation(replace(COSTS, parent=9.0), 4, PERFECT, 0.0, 1.0),
        "building the graph": Situation(COSTS, 4, PERFECT, 0.1, 1.0),
    }
    for limit, situation in dear.items():
        assert limit in LIMITS
        (found, seconds), *_ = waterfall(situation, 128, 1)
        assert found == limit
        assert seconds < situation.seconds(128) / 2


def test_workers_at_half_lie_where_half_is_crossed() -> None:
    one = Situation(replace(COSTS, take=0.0), 4, Platform(0.01, overhead_seconds=0.01), 0.0, 300.0)
    found = workers_at_half(one, most=1000)
    assert one.efficiency(found) >= 0.5 > one.efficiency(int(1.2 * found))
    assert 50 < found < 1000
    assert workers_at_half(one, most=8) == 8


def test_emptied_round_keeps_keys_needs_places_and_priorities() -> None:
    class Executor:
        def __init__(self, client: object) -> None: ...

        def placement(self, n_groups: int):
            return lambda group, submodel: [f"worker-{(group + submodel) % 3}"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inputs, "ClusterExecutor", Executor)
        graph = inputs._round(None, inputs._spec(64, 5, 2, 1))
    emptied = inputs._emptied(graph)
    before, after = dict(graph.dask), dict(emptied.dask)
    assert set(before) == set(after)
    for key, task in before.items():
        assert after[key].dependencies == task.dependencies
    for name, layer in graph.dask.layers.items():
        assert emptied.dask.layers[name].annotations == layer.annotations
    assert emptied.compute(scheduler="sync", optimize_graph=False) is None


def test_only_what_shortens_a_round_is_said_to_limit_it() -> None:
    found = {
        "one": [2.0, [["the scheduler", 1.0], ["latency", 0.9]]],
        "two": [2.0, [["the scheduler", 1.9], ["latency", 1.0]]],
        "none": [2.0, [["the scheduler", 1.99], ["latency", 1.98]]],
    }
    said = [telling._first({"limits": found}, name) for name in (*found, "more workers")]
    assert said == [
        "the scheduler (2 s, without 1 s)",
        "the scheduler and latency (2 s, without 1.9 s, without both 1 s)",
        "no one thing",
        "nothing yet",
    ]


def test_waiting_takes_are_told_from_measured_rounds() -> None:
    assert "none waited" in telling._waiting(0.6, [{"seconds": 1.0, "predicted": 0.9}])
    assert "too hopeful" in telling._waiting(0.6, [{"seconds": 1.5, "predicted": 0.9}])
