"""The plan of a run's rounds: sub-models, groups, rows, steps, and the outer step of each.

Towards the end of a run there are fewer sub-models in a group. So that no worker idles then, a
group is re-formed into several, which share its rows: K sub-models become K/2 in each of two
groups, and at last K undivided copies, one with each worker.
"""

from __future__ import annotations

from collections.abc import Callable

from dask_horn.data import Block, deal
from dask_horn.network import Network
from dask_horn.training.options import TrainingOptions
from dask_horn.training.spec import OuterStep, RoundPlan

__all__ = ["most_regroupings", "plan_rounds"]

_SMALLEST_ROUND = 50  # steps: fewer and momentum never gets going after its reset

Blocks = tuple[Block, ...]


def plan_rounds(
    network: Network,
    options: TrainingOptions,
    group_blocks: tuple[Blocks, ...],
    steps_of_pass: Callable[[Blocks], int],
) -> tuple[RoundPlan, ...]:
    """Plan every round.

    Parameters
    ----------
    network : Network
    options : TrainingOptions
    group_blocks : tuple of tuple of Block
        The rows of each of the `options.n_groups` groups.
    steps_of_pass : callable
        From blocks to the optimizer steps of one pass over them.
    """
    numbers = options.submodels_by_round(network)
    ending = options.ending(network)
    outer = OuterStep(options.outer_learning_rate, options.outer_momentum)
    plans: dict[tuple[int, OuterStep], RoundPlan] = {}
    rounds = []
    for round, number in enumerate(numbers):
        key = number, outer if round < ending else OuterStep(1.0, 0.0)
        if key not in plans:  # rounds that are alike share their plan: it is sent once
            pieces = max(numbers) // number if options.regroup else 1
            plans[key] = _plan(*key, options, group_blocks, pieces, steps_of_pass)
        rounds.append(plans[key])
    return tuple(rounds)


def most_regroupings(network: Network, n_samples: int, options: TrainingOptions) -> int:
    """Return the most groups that one group can become: bounds what rows must be cut into."""
    if not options.regroup:
        return 1
    numbers = options.submodels_by_round(network)
    steps = options.steps_per_round or n_samples // options.n_groups
    return max(1, min(max(numbers) // min(numbers), steps // _SMALLEST_ROUND))


def _plan(
    n_submodels: int,
    outer_step: OuterStep,
    options: TrainingOptions,
    group_blocks: tuple[Blocks, ...],
    pieces: int,
    steps_of_pass: Callable[[Blocks], int],
) -> RoundPlan:
    """Plan one round whose groups are each re-formed into `pieces`, as far as rows allow."""
    lineages: list[tuple[int, ...]] = []
    dealt: list[Blocks] = []
    steps: list[int] = []
    for blocks in group_blocks:
        whole = options.steps_per_round or steps_of_pass(blocks)
        n_pieces = max(1, min(pieces, whole // _SMALLEST_ROUND, len(blocks)))
        own = deal(blocks, n_pieces, options.random_state) if n_pieces > 1 else (blocks,)
        lineages.append(tuple(range(len(dealt), len(dealt) + n_pieces)))
        dealt.extend(own)
        if options.steps_per_round:
            steps.extend([-(-options.steps_per_round // n_pieces)] * n_pieces)
        else:
            steps.extend(max(_SMALLEST_ROUND, steps_of_pass(piece)) for piece in own)
    if options.merge == "average":
        lineages = [tuple(range(len(dealt)))]
    return RoundPlan(n_submodels, tuple(lineages), tuple(dealt), tuple(steps), outer_step)
