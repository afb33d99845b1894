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
from dask_horn.training.graph.rounds import round_graph, start_graph
from dask_horn.training.run.rounds import shared_spec

COSTS = Costs(
    size=100, slice_bytes=400.0, delta_bytes=400.0, share_bytes=0.0, report_bytes=0.0, step=0.01,
    train=0.02, slice=0.001, add=0.004, share=0.003, part=0.005,
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
    training = COSTS.slice + COSTS.train + 10 * COSTS.step
    # Sixteen deltas are four sums, one of which the part's outer step begins with.
    path = training + COSTS.add + COSTS.share + COSTS.part + 1 / 8 * COSTS.add
    assert round_seconds(tasks, PERFECT) == pytest.approx(path)


def test_one_group_needs_no_slices_and_sends_nothing_but_shares() -> None:
    costs = replace(COSTS, share_bytes=7.0, report_bytes=2.0)
    tasks = divided_rounds(costs, 1, 4, 4, 10)
    assert Counter(task.stage for task in tasks) == {"start": 4, "train": 8, "share": 8, "part": 8}
    outcome = simulate(tasks, Platform(bandwidth=1e6))
    sent = {worker: seconds * 1e6 for worker, seconds in outcome.sending.items()}
    assert sent == pytest.approx(dict.fromkeys(range(4), 2 * 3 * 9.0))  # two rounds, three others


def test_scheduler_hands_out_one_task_after_the_other() -> None:
    tasks = [Task("empty", worker, 0.0) for worker in range(50)]
    outcome = simulate(tasks, Platform(scheduler_seconds=0.002))
    assert outcome.seconds == pytest.approx(0.1)
    assert outcome.scheduler == pytest.approx(0.1)


def test_chain_pays_for_each_link() -> None:
    tasks = [Task("a", 0, 1.0, (), 100.0), Task("b", 1, 2.0, (0,), 100.0), Task("c", 2, 3.0, (1,))]
    platform = Platform(0.01, 0.001, bandwidth=1000.0, latency=0.05, fetch_seconds=0.02)
    # Per task: the scheduler, the way to the worker, its overhead; then the word back, and the
    # request, its handling, the answer and its bytes.
    handed_out = 3 * (0.01 + 0.05 + 0.001)
    fetched = 2 * (0.05 + 2 * 0.05 + 0.02 + 0.1)
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
    """As many tasks of each stage, which need as many of each other stage, in a steady round."""
    network = horn.Network([horn.Dense(8, activation="relu"), horn.Dense(2)], input_shape=2)
    y = np.arange(512) % 2
    graph = dict(
        horn.training_graph(
            network,
            np.stack([y, 1 - y], axis=1).astype(np.float32),
            y,
            n_groups=n_groups,
            n_submodels=[n_submodels],
            n_rounds=3,
            steps_per_round=1,
        ).dask
    )
    real: Counter[tuple[str, ...]] = Counter()
    for key, task in graph.items():
        if isinstance(key, tuple) and key[1] == 1:  # neither the first round nor the last
            needed = Counter(map(_stage, task.dependencies))
            del needed["run"]  # what all tasks share is sent once: the model has it everywhere
            real[(_stage(key), *map(str, sorted(needed.items())))] += 1
    n_workers = n_groups * n_submodels
    tasks = divided_rounds(COSTS, n_groups, n_submodels, n_workers, 1, n_rounds=2)
    second = (len(tasks) + n_submodels) // 2  # a round is half of what begins with the parts
    modelled: Counter[tuple[str, ...]] = Counter()
    for task in tasks[second:]:
        needed = Counter(tasks[number].stage for number in task.inputs)
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


def test_slice_goes_from_its_part_to_each_worker_unless_it_is_relayed() -> None:
    platform = Platform(bandwidth=1e6)
    for design, n_slices in ((Design(), 63), (Design(relay=True), 8)):
        tasks = divided_rounds(COSTS, 64, 8, 512, 1, design=design, n_rounds=1)
        for submodel in range(8):
            home = placed(submodel, submodel, 64, 512)
            sent = simulate(tasks, platform).sending[home] * platform.bandwidth
            assert sent == pytest.approx(COSTS.slice_bytes * n_slices)


def test_relayed_slices_reach_each_group_once() -> None:
    n_groups = 40
    tasks = divided_rounds(COSTS, n_groups, 2, 80, 1, design=Design(relay=True), n_rounds=1)
    assert sum(task.stage == "train" for task in tasks) == 2 * n_groups
    got = sum(simulate(tasks, Platform(bandwidth=1.0)).receiving.values())
    deltas = 2 * (n_groups - 1)  # all but the first groups', by way of their sums
    assert got == pytest.approx(COSTS.slice_bytes * 2 * (n_groups - 1) + COSTS.delta_bytes * deltas)


def test_worker_gets_a_slice_once_for_all_groups_that_it_trains() -> None:
    platform = Platform(bandwidth=1e6)
    tasks = divided_rounds(replace(COSTS, delta_bytes=0.0), 32, 1, 2, 1, n_rounds=1)
    received = simulate(tasks, platform).receiving[1] * platform.bandwidth
    assert received == pytest.approx(COSTS.slice_bytes)


def test_wider_sums_are_fewer_tasks() -> None:
    stages = [
        Counter(
            task.stage
            for task in divided_rounds(COSTS, 64, 2, 128, 1, design=Design(arity=n), n_rounds=1)
        )
        for n in (4, 16)
    ]
    assert (stages[0]["merge-level-1"], stages[0]["merge-level-2"]) == (2 * 16, 2 * 4)
    assert (stages[1]["merge-level-1"], stages[1]["merge-level-2"]) == (2 * 4, 0)


@pytest.mark.parametrize("platform", [PERFECT, Platform(0.01, 0.02, 1e6, 0.001)])
def test_slices_never_wait_for_training_where_their_part_is(platform: Platform) -> None:
    tasks = divided_rounds(COSTS, 2, 8, 2, 100)  # four parts on each worker, which trains eight
    ends = simulate(tasks, platform).ends
    second = (len(tasks) + 8) // 2  # where the second round begins

    def ended(stage: str) -> list[float]:
        numbered = list(zip(tasks, ends, strict=True))[second:]
        return [end for task, end in numbered if (task.stage, task.worker) == (stage, 0)]

    assert (len(ended("slice")), len(ended("train"))) == (4, 8)
    assert max(ended("slice")) <= min(ended("train")) - (COSTS.train + 100 * COSTS.step) + 1e-9


def test_sums_are_where_the_library_prefers() -> None:
    """Beside the first of the groups that they add up, which come in an order of the part's own."""
    n_groups, n_workers = 21, 63
    found = [
        (task.stage, task.worker)
        for task in divided_rounds(COSTS, n_groups, 3, n_workers, 1, n_rounds=1)
        if task.stage.startswith(("merge", "share", "part"))
    ]
    sums = [
        ("merge-level-1", (submodel + number) % n_groups + n_groups * submodel)
        for submodel in range(3)
        for number in (0, 8, 16)
    ]
    assert found == [
        *sums,
        *((stage, m + n_groups * m) for stage in ("share", "part") for m in range(3)),
    ]


def test_same_answer_each_time() -> None:
    tasks = divided_rounds(COSTS, 30, 4, 70, 7, build_seconds=1e-4)
    platform = Platform(0.002, 0.001, 1e5, 1e-4)
    assert simulate(tasks, platform).ends == simulate(tasks, platform).ends


def test_limit_is_what_was_made_dear() -> None:
    dear = {
        "the scheduler": Situation(COSTS, 4, Platform(scheduler_seconds=0.1), 0.0, 1.0),
        "sending slices to the groups": Situation(COSTS, 4, Platform(bandwidth=1e4), 0.0, 1.0),
        "sending deltas and their sums": Situation(
            replace(COSTS, delta_bytes=4e6), 4, Platform(bandwidth=1e6), 0.0, 1.0
        ),
        "the outer step": Situation(replace(COSTS, part=9.0), 4, PERFECT, 0.0, 1.0),
        "building the graph": Situation(COSTS, 4, PERFECT, 0.1, 1.0),
    }
    for limit, situation in dear.items():
        assert limit in LIMITS
        (found, seconds), *_ = waterfall(situation, 128, 1)
        assert found == limit
        assert seconds < situation.seconds(128) / 2


def test_workers_at_half_lie_where_half_is_crossed() -> None:
    one = Situation(replace(COSTS, slice=0.0), 4, Platform(0.01, overhead_seconds=0.01), 0.0, 300.0)
    found = workers_at_half(one, most=1000)
    assert one.efficiency(found) >= 0.5 > one.efficiency(int(1.2 * found))
    assert 50 < found < 1000
    assert workers_at_half(one, most=8) == 8


def test_emptied_round_keeps_keys_needs_places_and_priorities() -> None:
    spec = inputs._spec(64, 5, 2, 1, n_rounds=3)
    shared = shared_spec(spec)
    cut = round_graph(spec, shared, start_graph(spec, shared), 0)
    graph = round_graph(
        spec, shared, cut.parents, 1, placement=lambda group, m: [f"worker-{(group + m) % 3}"]
    )
    assert len(graph.parents[0].parts) == 2
    emptied = inputs.emptied(graph)
    before, after = dict(graph.report.dask), dict(emptied.report.dask)
    assert set(before) == set(after)
    for key, task in before.items():
        assert after[key].dependencies == getattr(task, "dependencies", frozenset())
    for name, layer in graph.report.dask.layers.items():
        assert emptied.report.dask.layers[name].annotations == layer.annotations
    parts = [part.key for part in emptied.parents[0].parts]
    assert parts == [part.key for part in graph.parents[0].parts]
    for part in (*emptied.parents[0].parts, emptied.report):
        assert part.compute(scheduler="sync", optimize_graph=False) is None


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


def test_what_waits_is_told_from_measured_rounds() -> None:
    assert "none waited" in telling._waiting(0.6, [{"seconds": 1.0, "predicted": 0.9}])
    assert "too hopeful" in telling._waiting(0.6, [{"seconds": 1.5, "predicted": 0.9}])
