"""What a user may want to know of a run's division: a line each, for those who watch the run."""

from __future__ import annotations

from collections.abc import Iterator

from dask_horn.network import Network
from dask_horn.training.plan.division import AUTO, auto_submodels, loss_of, share_of_arithmetic
from dask_horn.training.plan.options import TrainingOptions
from dask_horn.training.plan.spec import RunSpec


def remarks(
    network: Network, options: TrainingOptions, spec: RunSpec, n_workers: int
) -> Iterator[str]:
    """Say what a division costs that the rule would not choose, and what idle workers could do.

    Parameters
    ----------
    network : Network
    options : TrainingOptions
        As the user gave them.
    spec : RunSpec
        What became of them.
    n_workers : int
        Workers there are now that can train.
    """
    if not network.divided_axes:  # a linear model, which is the same whatever is asked for
        return
    finest = max(plan.n_submodels for plan in spec.rounds)
    rule = auto_submodels(network, spec.samples.n_samples)
    if options.n_submodels == AUTO and finest > 1:
        yield f"n_submodels='auto' divides this network in {finest}, which costs no accuracy"
    elif finest > rule:
        yield f"n_submodels={finest} {loss_of(network, finest)}; the default here is {rule}"
    at_once = max(plan.n_groups * plan.n_submodels for plan in spec.rounds)
    if n_workers > at_once and not spec.redraw:
        more = "; ".join(_more(network, options.n_groups, finest, n_workers))
        yield f"{_trainings(n_workers, at_once)}: {more}"


def _trainings(n_workers: int, at_once: int) -> str:
    return f"{n_workers} workers, {at_once} train{'s' if at_once == 1 else ''} at a time"


def _more(network: Network, n_groups: int, finest: int, n_workers: int) -> Iterator[str]:
    """Say what could be asked for with so many workers, and what that brings."""
    narrowest = min(network.unit_axes[axis] for axis in network.divided_axes)
    number = 1
    while 2 * number * n_groups <= n_workers and 2 * number <= min(narrowest, 8):
        number *= 2
    if number > finest:
        share = f"{share_of_arithmetic(network, number):.0%} of the arithmetic"
        yield f"n_submodels={number} has {share} and {loss_of(network, number)}"
    ensemble = f"n_groups={n_workers}, group_data='all', merge='ensemble'"
    yield f"{ensemble} trains {n_workers} models, whose mean is better than one"
