"""`tune="quick"`: train a few presets on part of the rows, and take what does best on the rest.

How much regularization suits a table, and how large a network, its looks do not tell; a few fits
do. Presets change only what the user has left at its default.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sklearn.base import clone, is_regressor

from dask_horn.checks import checked_choice
from dask_horn.diagnostics.progress import ProgressBar
from dask_horn.errors import DivergedError
from dask_horn.network import Periodic, PiecewiseLinear
from dask_horn.records import Callback, Event, Remark, RunBegun

logger = logging.getLogger("dask_horn")

#: Settings of `tune`, besides None.
TUNINGS = ("quick",)

_HELD_OUT = 0.15  # of the rows: enough to choose by, and the others train almost as all rows will

# Standard deviation of the difference of two presets' losses of a sample, as a share of the mean
# loss. On five tables it was 0.1 (noisy classes) to 2.5 (letters), by the median about this. Over
# the root of the samples it is a standard error: a preset must be better by more.
_ERROR_OF_ONE = 0.5

#: Parameters that mean nothing where the network is given, by its layers or by a model.
_FORM = frozenset({"hidden_layer_sizes", "dropout", "numeric_encoding"})


@dataclass(frozen=True)
class Preset:
    """Values of parameters that go together.

    Attributes
    ----------
    name : str
    for_all : mapping
        Parameters and their values.
    for_classes, for_values : mapping
        Those of classifiers, and those of regressors, beside them.
    """

    name: str
    for_all: Mapping[str, Any] = field(default_factory=dict)
    for_classes: Mapping[str, Any] = field(default_factory=dict)
    for_values: Mapping[str, Any] = field(default_factory=dict)


#: What is tried, in this order; the first is what `tune=None` trains.
PRESETS = (
    Preset("default"),
    # Noisy targets, some of whose noise the default learns by heart.
    Preset("strong", for_classes={"dropout": 0.3}, for_values={"dropout": 0.15}),
    # Exact targets, to which more rounds come closer; dropout, which regressors have none of by
    # default, would be the only noise.
    Preset("weak", {"n_rounds": 24}, for_classes={"dropout": 0.0}),
    # Many classes, or an intricate function: one more layer, and the time to train it.
    Preset("deep", {"hidden_layer_sizes": (256, 256, 256), "n_rounds": 24}),
    # Smooth functions of columns that bins tell nothing new of, and are many inputs to.
    Preset("plain", {"numeric_encoding": None, "n_rounds": 24}),
)


@dataclass(frozen=True)
class Trial:
    """A preset that has been tried.

    Attributes
    ----------
    preset : str
        Its name.
    changes : dict
        The parameters that it changes, without those that the user has set.
    loss : float
        On the held-out rows, or the validation data: what decides. Infinite if training diverged.
    score : float
        The accuracy or R² on the same rows. NaN if training diverged.
    n_samples : int
        How many rows that were. 0 if training diverged.
    seconds : float
        How long the fit took.
    """

    preset: str
    changes: dict[str, Any]
    loss: float
    score: float
    n_samples: int
    seconds: float


@dataclass(frozen=True)
class Tuning:
    """What was tried before a fit, and what was chosen.

    Attributes
    ----------
    preset : str
        Name of the preset that was chosen.
    changes : dict
        The parameters that it changes.
    trials : tuple of Trial
        Empty where the user has set all that presets would change.
    """

    preset: str
    changes: dict[str, Any]
    trials: tuple[Trial, ...]


def is_tuned(estimator: Any) -> bool:
    """Whether an estimator is to choose among presets before it fits."""
    if estimator.tune is None:
        return False
    checked_choice("tune", estimator.tune, TUNINGS, none=True)
    return True


def choose(
    estimator: Any, train: Callable[[Any], Any], *, hold_out: bool, form_is_given: bool
) -> Tuning:
    """Fit a clone with each preset, and choose by the loss on rows that it has not trained on.

    Parameters
    ----------
    estimator : HornEstimator
        Its `random_state` is an integer, so that all clones hold out the same rows.
    train : callable
        Fits a clone.
    hold_out : bool
        Whether rows are to be held out; otherwise the fit itself has rows to score on.
    form_is_given : bool
        Whether the network is given, so that presets leave it alone.
    """
    ignored = _FORM if form_is_given else frozenset()
    trials: list[Trial] = []
    if not any(_changes(preset, estimator, ignored) for preset in PRESETS):
        return Tuning(PRESETS[0].name, {}, ())
    for preset in PRESETS:
        changes = _changes(preset, estimator, ignored)
        if any(changes == trial.changes for trial in trials):
            continue
        candidate = _candidate(estimator, changes, hold_out)
        trials.append(_tried(preset.name, candidate, changes, train, hold_out))
        if preset is PRESETS[0] and not _encodes(candidate):
            ignored |= {"numeric_encoding"}  # without encodings there is nothing to leave out
    chosen = _best(trials)
    return Tuning(chosen.preset, chosen.changes, tuple(trials))


def left_at_defaults(estimator: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes of those parameters that have their defaults: others are the user's."""
    defaults = {one.name: one.default for one in dataclasses.fields(estimator)}
    left = {}
    for name, value in changes.items():
        own, default = getattr(estimator, name), defaults[name]
        if type(own) is type(default) and own == default:
            left[name] = value
    return left


@contextmanager
def changed(estimator: Any, changes: Mapping[str, Any]) -> Iterator[None]:
    """Give parameters other values for a while."""
    before = {name: getattr(estimator, name) for name in changes}
    try:
        for name, value in changes.items():
            setattr(estimator, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(estimator, name, value)


def told(tuning: Tuning) -> str:
    """Say in a line what was chosen, and log it."""
    if not tuning.trials:
        words = "tune='quick' has nothing to choose: the user has set all that presets change"
    else:
        chosen = next(trial for trial in tuning.trials if trial.preset == tuning.preset)
        words = (
            f"training with preset {_described(chosen.preset, chosen.changes)}, the choice among "
            f"{len(tuning.trials)}: held-out loss {chosen.loss:.4g}, default "
            f"{tuning.trials[0].loss:.4g}"
        )
    logger.info("%s", words)
    return words


def bar_with(words: str) -> ProgressBar:
    """Return a progress bar that says something before all else."""
    bar = ProgressBar()
    bar.on_event(Remark(words=words))
    return bar


def _changes(preset: Preset, estimator: Any, ignored: frozenset[str]) -> dict[str, Any]:
    """Return what a preset changes of an estimator."""
    own = preset.for_values if is_regressor(estimator) else preset.for_classes
    values = {**preset.for_all, **own}
    wanted = {name: value for name, value in values.items() if name not in ignored}
    changes = left_at_defaults(estimator, wanted)
    # Where there is no encoding to leave out, what goes with that is no preset of its own.
    meaningless = "numeric_encoding" in values and "numeric_encoding" not in changes
    return {} if meaningless else changes


def _candidate(estimator: Any, changes: Mapping[str, Any], hold_out: bool) -> Any:
    """Return a clone with a preset, which trains to its last round."""
    candidate = clone(estimator).set_params(tune=None, **changes)
    if hold_out:
        candidate.set_params(
            early_stopping=True,
            validation_fraction=_HELD_OUT,
            n_iter_no_change=candidate.n_rounds,
        )
    return candidate


def _tried(
    preset: str,
    candidate: Any,
    changes: dict[str, Any],
    train: Callable[[Any], Any],
    hold_out: bool,
) -> Trial:
    """Train a candidate, and note how good it is in the round that a fit would keep."""
    words, counting = f"trying preset {_described(preset, changes)}", _Counting()
    logger.info("%s", words)
    candidate.set_callbacks(counting, *([bar_with(words)] if candidate.verbose else []))
    began = time.perf_counter()
    try:
        with _telling_why(hold_out):
            train(candidate)
    except DivergedError:  # a rate that the user has set may be too high for one preset alone
        return Trial(preset, changes, math.inf, math.nan, 0, time.perf_counter() - began)
    record = candidate.history_[-1 if hold_out else candidate.best_round_ - 1]
    loss, score = record.validation_loss, record.validation_score
    seconds = time.perf_counter() - began
    return Trial(preset, changes, loss, score, counting.n_samples, seconds)


def _encodes(candidate: Any) -> bool:
    """Whether a candidate's network encodes numbers, if it has trained."""
    model = getattr(candidate, "model_", None)
    layers = () if model is None else model.network.layers
    return any(isinstance(layer, PiecewiseLinear | Periodic) for layer in layers)


def _best(trials: list[Trial]) -> Trial:
    """Return the trial of the lowest loss; the default's unless that is lower by the margin."""
    default, best = trials[0], min(trials, key=lambda trial: trial.loss)
    margin = _ERROR_OF_ONE / math.sqrt(max(best.n_samples, 1))
    return best if best.loss < (1 - margin) * default.loss else default


class _Counting(Callback):
    """Notes how many samples a run is scored on."""

    n_samples = 0

    def on_event(self, event: Event) -> None:
        """Read it from what is told when training begins."""
        if isinstance(event, RunBegun):
            self.n_samples = event.held_out


@contextmanager
def _telling_why(hold_out: bool) -> Iterator[None]:
    """Say who holds rows out, where there are too few."""
    try:
        yield
    except ValueError as error:
        if hold_out and str(error).startswith("validation_fraction="):
            raise ValueError(f"tune='quick' holds rows out: {error}") from None
        raise


def _described(preset: str, changes: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{name}={value!r}" for name, value in changes.items())
    return f"{preset!r} ({listed})" if listed else repr(preset)
