"""The plan of a run's rounds: sub-models, groups, rows, steps, and the outer step of each.

Towards the end of a run there are fewer sub-models in a group. So that no worker idles then, a
group is re-formed into several, which share its rows: K sub-models become K/2 in each of two
groups, and at last K undivided copies, one with each worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from dask_horn.data import Block, deal
from dask_horn.network import Network
from dask_horn.rounding import ceil_div
from dask_horn.training.plan.division import multiplications
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.spec import OuterStep, RoundPlan

_SMALLEST_ROUND = 50  # steps: fewer and momentum never gets going after its reset
_LONGEST_SMALLEST_ROUND = 200

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

    Returns
    -------
    tuple of RoundPlan, (n_rounds,)
    """
    steps = steps_of_round(options, group_blocks, steps_of_pass)
    numbers = submodels_by_round(network, options, steps)
    ending = _first_of_ending(numbers)
    outer = OuterStep(*options.outer_step)
    plans: dict[tuple[int, OuterStep], RoundPlan] = {}
    rounds = []
    for round, number in enumerate(numbers):
        key = number, outer if round < ending else OuterStep(1.0, 0.0)
        if key not in plans:  # rounds that are alike share their plan: it is sent once
            pieces = max(numbers) // number if options.regroup else 1
            plans[key] = _plan(*key, options, group_blocks, pieces, steps_of_pass)
        rounds.append(plans[key])
    return tuple(rounds)


def steps_of_round(
    options: TrainingOptions,
    group_blocks: tuple[Blocks, ...],
    steps_of_pass: Callable[[Blocks], int],
) -> int:
    """Return the steps of a round, of the group that has the fewest."""
    return options.steps_per_round or min(map(steps_of_pass, group_blocks))


def most_regroupings(options: TrainingOptions, n_samples: int, batch_size: int) -> int:
    """Return the most groups that one group can become: bounds what rows must be cut into."""
    if not options.regroup:
        return 1
    steps = options.steps_per_round or n_samples // (options.n_groups * batch_size)
    return max(1, min(options.most_submodels, steps // _SMALLEST_ROUND))


def submodels_by_round(network: Network, options: TrainingOptions, steps: int) -> tuple[int, ...]:
    """How many sub-models each round has, (n_rounds,).

    Parameters
    ----------
    network : Network
    options : TrainingOptions
    steps : int
        Of a group's round.
    """
    given, n_rounds = options.n_submodels, options.n_rounds
    assert not isinstance(given, str), "a number is settled before rounds are planned"
    if isinstance(given, Sequence):
        return tuple([*given, *[given[-1]] * n_rounds][:n_rounds])
    most_pieces = max(1, steps // _SMALLEST_ROUND) if options.regroup else 1
    return _descending(network, given, n_rounds, most_pieces)


def _descending(network: Network, finest: int, n_rounds: int, most_pieces: int) -> tuple[int, ...]:
    """K … K, then K/2 … K/2, and so on to 1: as far down, and as long, as is affordable.

    Affordable is an ending that takes no longer than the rounds before it, by the weights of a
    sub-model and its share of the group's rows: an undivided copy of a wide network has up to K²
    times the weights of a sub-model. A group becomes `most_pieces` groups at most.
    """
    coarser = _halvings(finest)
    longest = max(1, n_rounds // 6) if n_rounds > 2 else 0  # two rounds are too few to end
    lengths = range(longest, 0, -1)
    for deepest, length in product(range(len(coarser), 0, -1), lengths):
        levels = coarser[:deepest][-(n_rounds // 2 // length) :]
        ending = [number for number in levels for _ in range(length)]
        divided = (n_rounds - len(ending)) * multiplications(network, finest)
        cost = sum(multiplications(network, k) / min(finest // k, most_pieces) for k in ending)
        if cost <= divided:
            return (finest,) * (n_rounds - len(ending)) + tuple(ending)
    return (finest,) * n_rounds


def _halvings(number: int) -> list[int]:
    """Half of a number, half of that, and so on to 1."""
    halvings = []
    while number > 1:
        number //= 2
        halvings.append(number)
    return halvings


def _fewest_steps(n_submodels: int, redraw: bool) -> int:
    """Return the steps that a default round has at least: 50; redrawn, 200 from K = 4 on.

    The more sub-models, the longer an entry between hidden layers waits for its next turn then,
    and the fewer of its unit's inputs it meets: with 50 steps small data are underfitted.
    """
    if not redraw:
        return _SMALLEST_ROUND
    return min(_SMALLEST_ROUND * max(n_submodels, 2) ** 2 // 4, _LONGEST_SMALLEST_ROUND)


def _first_of_ending(numbers: Sequence[int]) -> int:
    """Find the first round of the descent, where the outer step is off; n_rounds if none."""
    first = len(numbers)
    while first > 1 and numbers[first - 1] < max(numbers):
        first -= 1
    return first


def _plan(
    n_submodels: int,
    outer_step: OuterStep,
    options: TrainingOptions,
    group_blocks: tuple[Blocks, ...],
    pieces: int,
    steps_of_pass: Callable[[Blocks], int],
) -> RoundPlan:
    """Plan one round whose groups are each re-formed into `pieces`, as far as rows allow."""
    groups_of: list[tuple[int, ...]] = []
    dealt: list[Blocks] = []
    steps: list[int] = []
    for blocks in group_blocks:
        whole = options.steps_per_round or steps_of_pass(blocks)
        n_pieces = max(1, min(pieces, whole // _SMALLEST_ROUND, len(blocks)))
        own = deal(blocks, n_pieces, options.random_state) if n_pieces > 1 else (blocks,)
        groups_of.append(tuple(range(len(dealt), len(dealt) + n_pieces)))
        dealt.extend(own)
        if options.steps_per_round:
            steps.extend([ceil_div(options.steps_per_round, n_pieces)] * n_pieces)
        else:
            fewest = _fewest_steps(n_submodels, options.redraws)
            steps.extend(max(fewest, steps_of_pass(piece)) for piece in own)
    if options.merge != "ensemble":
        groups_of = [tuple(range(len(dealt)))]
    return RoundPlan(
        n_submodels,
        tuple(groups_of),
        tuple(dealt),
        tuple(steps),
        options.rate_factor(n_submodels),
        outer_step,
    )
