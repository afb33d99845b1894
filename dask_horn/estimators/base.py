"""What both estimators share: parameters, fitting, continuing, and predicting.

Subclasses define what their targets mean: `_task` turns y into a loss and a number of outputs.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any, Literal, Self

import numpy as np
from dask.tokenize import normalize_token
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from dask_horn.checks import checked_choice, checked_integer, checked_number
from dask_horn.cluster import current_executor
from dask_horn.data import FEATURES, SampleForm, Targets, is_location
from dask_horn.data.intake.given import validation_pair
from dask_horn.data.intake.pairs import of_one_order, rows_in_memory
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.locations import located
from dask_horn.data.values.arrays import check_lengths, check_target_shape, unboxed
from dask_horn.data.values.padding import filled
from dask_horn.data.values.plain import plain
from dask_horn.errors import StoppedError, naming
from dask_horn.estimators.callbacks import CallbackSupport, begin_fit
from dask_horn.estimators.entrance import NUMERIC_ENCODINGS, Entrance, may_encode
from dask_horn.estimators.inputs import (
    checked_pair,
    checked_samples,
    given_samples,
    sample_shape,
    scored_targets,
    to_memory,
    with_targets,
)
from dask_horn.estimators.tuning import (
    Tuning,
    bar_with,
    changed,
    choose,
    is_tuned,
    left_at_defaults,
    told,
)
from dask_horn.model import Ensemble, Model, sample_form
from dask_horn.network import Dense, Dropout, MissingIndicator, Network, with_outputs
from dask_horn.network.layers import Layer
from dask_horn.randomness import Purpose, key
from dask_horn.records import History
from dask_horn.training import (
    Given,
    Settled,
    TrainingData,
    TrainingOptions,
    TrainingResult,
    run,
)

#: What may be done about missing values.
_MISSING = ("error", "indicator")

_OPTIONS = {option.name for option in dataclasses.fields(TrainingOptions)}


@dataclass(frozen=True, eq=False)
class Task:
    """What the targets need of the network.

    Attributes
    ----------
    y : array-like
        The targets, checked.
    loss : str
        The network's loss.
    n_outputs : int
        Number of outputs.
    settled : Settled
        What the targets tell before the run looks at them.
    check_found : callable, optional
        Where `n_outputs` is a guess, since the targets are not in memory and are read once: looks
        at what the run has found them to be.
    """

    y: Any
    loss: str
    n_outputs: int
    settled: Settled = field(default_factory=Settled)
    check_found: Callable[[Targets], None] | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class HornEstimator(CallbackSupport, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators; see `HornClassifier` for the parameters.

    A dataclass, so that each parameter is written only once; to scikit-learn its constructor looks
    like any other. Fitted attributes end with an underscore.
    """

    hidden_layer_sizes: int | Sequence[int] = (256, 256)
    layers: Sequence[Layer] | None = None
    activation: str = "gelu"
    dropout: float | None = None
    dropconnect: float = 0.0
    n_groups: int = TrainingOptions.n_groups
    n_submodels: int | Sequence[int] | Literal["auto"] = TrainingOptions.n_submodels
    concentration: float | None = TrainingOptions.concentration
    n_rounds: int = 16
    steps_per_round: int | None = TrainingOptions.steps_per_round
    batch_size: int | None = TrainingOptions.batch_size
    optimizer: str = TrainingOptions.optimizer
    learning_rate: float | None = TrainingOptions.learning_rate
    momentum: float = TrainingOptions.momentum
    beta_1: float = TrainingOptions.beta_1
    beta_2: float = TrainingOptions.beta_2
    epsilon: float = TrainingOptions.epsilon
    weight_decay: float | None = TrainingOptions.weight_decay
    clip_norm: float | None = TrainingOptions.clip_norm
    schedule: str = TrainingOptions.schedule
    merge: str = TrainingOptions.merge
    outer_learning_rate: float | None = TrainingOptions.outer_learning_rate
    outer_momentum: float | None = TrainingOptions.outer_momentum
    group_data: str = TrainingOptions.group_data
    standardize: bool = TrainingOptions.standardize
    missing: str = "error"
    numeric_encoding: str | None = "auto"
    tune: str | None = None
    early_stopping: bool = TrainingOptions.early_stopping
    validation_fraction: float = TrainingOptions.validation_fraction
    n_iter_no_change: int = TrainingOptions.n_iter_no_change
    checkpoint: str | None = None
    scratch: str | None = None
    absent_chunks: str = "warn"
    timeout: float | None = None
    verbose: bool = False
    random_state: int | np.random.RandomState | None = None
    device: str = TrainingOptions.device
    precision: str = TrainingOptions.precision

    @abstractmethod
    def _task(self, X: Any, y: Any, classes: Any, form: SampleForm) -> Task:
        """Return what checked targets need; `classes` are all labels, if known."""

    def _attributes_of(self, model: Model | Ensemble) -> dict[str, Any]:
        """Return the attributes that make the estimator fitted with this model."""
        return {"model_": model, "n_outputs_": model.network.n_outputs}

    def _fit(
        self,
        X: Any,
        y: Any,
        validation_data: Any,
        initial: Model | None,
        storage_options: Mapping[str, Any] | None,
    ) -> Self:
        """Train with the parameters, or first choose what presets change of them."""
        arguments = (X, y, validation_data, initial, storage_options)
        if not is_tuned(self):
            return self._train(*arguments)._keep_tuning(None)
        seed = {"random_state": self._seed()}  # one for all candidates: they hold out equal rows
        with changed(self, seed):
            tuning = choose(
                self,
                lambda candidate: candidate._train(*arguments),
                hold_out=validation_data is None and not self.early_stopping,
                form_is_given=self.layers is not None or initial is not None,
            )
        with changed(self, seed | tuning.changes):
            self._train(*arguments, words=told(tuning))
        return self._keep_tuning(tuning)

    def _train(
        self,
        X: Any,
        y: Any,
        validation_data: Any,
        initial: Model | None,
        storage_options: Mapping[str, Any] | None,
        *,
        words: str = "",
    ) -> Self:
        """Train with the parameters as they are; a progress bar begins with `words`."""
        options = self._options(random_state=self._seed())
        if initial is not None:
            _check_may_continue("initial", initial, options)
        callbacks = begin_fit(self, X, y)
        if words and self.verbose:
            callbacks.append(bar_with(words))
        with self._all_or_nothing():
            X, y, columns = given_samples(located(X, storage_options), y)
            form = self._form(X)
            checks = {"reset": True, "min_samples": 2, "columns": columns}
            X, y = self._checked_pair(X, y, form, **checks)
            task = self._task(X, y, None if initial is None else initial.classes, form)
            entrance = self._entrance(sample_shape(X), initial)
            network = self._network(sample_shape(X), task, entrance)
            result = run(
                network,
                Given(
                    X, task.y, self._checked_validation(validation_data, form), self.absent_chunks
                ).with_options(storage_options),
                options,
                task.settled if initial is None else _settled("initial", initial, network),
                storage_options=storage_options,
                checkpoint=self.checkpoint,
                one_of_several=True,
                callbacks=callbacks,
                initial=initial,
                scratch=self.scratch,
                timeout=self.timeout,
                progress=self.verbose,
                complete=self._completion(sample_shape(X), task, entrance),
            )
            _check_trained(result)
            self._keep(result.model, result.history, options.random_state, result.best_round)
        return self

    def _partial_fit(self, X: Any, y: Any, classes: Any) -> Self:
        """Train further what `fit` has trained, with the preset that it has chosen if any."""
        is_tuned(self)  # refuses what is no choice
        chosen: Mapping[str, Any] = getattr(self, "_chosen_changes", {})
        with changed(self, left_at_defaults(self, chosen)):
            return self._train_one_round(X, y, classes)

    def _train_one_round(self, X: Any, y: Any, classes: Any) -> Self:
        before: Any = getattr(self, "model_", None)
        done: int = 0 if before is None else self.n_iter_
        seed = self._seed() if before is None else self._run_seed
        options = self._one_round(seed, done)
        if before is not None:
            _check_may_continue("model_", before, options)
        with self._all_or_nothing():
            X, y, columns = given_samples(X, y)
            form = self._form(X)
            checks = {"reset": before is None, "min_samples": 1, "columns": columns}
            X, y = self._checked_pair(X, y, form, **checks)
            task = self._task(X, y, classes, form)
            entrance = self._entrance(sample_shape(X), before)
            network = self._network(sample_shape(X), task, entrance)
            result = run(
                network,
                Given(X, task.y, absent_chunks=self.absent_chunks),
                options,
                task.settled if before is None else _settled("model_", before, network),
                initial=before,
                scratch=self.scratch,
                timeout=self.timeout,
                progress=self.verbose,
                complete=self._completion(sample_shape(X), task, entrance),
            )
            _check_trained(result)
            record = dataclasses.replace(result.history[0], round=done + 1)
            records, new = [*getattr(self, "history_", ()), record], result.history
            history = History(records, new.device, new.scoring_device)
            self._keep(result.model, history, seed)
        return self

    def _checked_pair(
        self, X: Any, y: Any, form: SampleForm, *, reset: bool, min_samples: int, columns: Any
    ) -> tuple[Any, Any]:
        checks = {"reset": reset, "min_samples": min_samples, "columns": columns}
        return checked_pair(self, X, y, form, numeric=is_regressor(self), **checks)

    def _form(self, X: Any) -> SampleForm:
        """Return the form of samples that `layers` need; without them, rows of features."""
        indicates = checked_choice("missing", self.missing, _MISSING) == "indicator"
        shape = sample_shape(X)
        if indicates and len(shape) > 1:
            raise ValueError(
                f"missing='indicator' takes rows of features, got samples of shape {shape}; use "
                "missing='error', or pass X.reshape(len(X), -1)"
            )
        if self.layers is None or not shape:
            return dataclasses.replace(FEATURES, missing=indicates)
        hidden = [*self._entrance(shape).layers, *self._given_layers()]
        return sample_form(Network([*hidden, Dense(2)], input_shape=shape))

    def _given_layers(self) -> list[Layer]:
        given: Any = self.layers
        if not isinstance(given, list | tuple):  # an iterator would be empty the second time
            raise TypeError(f"layers must be a list or a tuple of layers, got {given!r}")
        return list(given)

    def _checked_validation(self, validation_data: Any, form: SampleForm) -> Any:
        """Check a pair's samples like those of `predict`; the run checks anything else."""
        if validation_data is None or is_location(validation_data):
            return validation_data
        X, y = validation_pair(validation_data)
        with naming("validation_data"):
            X, y, columns = given_samples(X, y)
            checks = {"reset": False, "columns": columns, "missing": form.missing}
            return checked_samples(self, X, **checks), y

    def _seed(self) -> int:
        """Turn `random_state` into an integer: once per fit."""
        if isinstance(self.random_state, Integral):
            return checked_integer("random_state", self.random_state, 0)
        if self.checkpoint is not None:
            raise ValueError(
                f"checkpoint={self.checkpoint!r} needs an integer random_state, so that a later "
                f"fit can resume from it; got {self.random_state!r}"
            )
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _options(self, **changes: Any) -> TrainingOptions:
        parameters = self.get_params(deep=False)
        return TrainingOptions.of(
            **{name: parameters[name] for name in parameters if name in _OPTIONS} | changes
        )

    def _one_round(self, seed: int, done: int) -> TrainingOptions:
        """Return options of a single round, whose seed differs from that of other rounds.

        The outer step is off: its momentum would not outlive the round.
        """
        given = self.n_submodels
        if isinstance(given, Sequence) and not isinstance(given, str) and given:
            given = max(given)
        return self._options(
            n_rounds=1,
            n_submodels=given if isinstance(given, str) else [given],
            redraw=True,  # later rounds must train all connections, whatever `fit` has trained
            schedule="constant",
            outer_learning_rate=1.0,
            outer_momentum=0.0,
            early_stopping=False,
            # The default is for a whole run: round after round it would be far too strong.
            weight_decay=0.0 if self.weight_decay is None else self.weight_decay,
            random_state=key(seed, Purpose.PARTIAL_FIT, done),
        )

    def _entrance(self, shape: tuple[int, ...], before: Any = None) -> Entrance:
        """Return what stands at the network's entrance; nothing before `layers` that has it.

        A model `before`, which is trained further, keeps its own.
        """
        encodes = self.numeric_encoding is not None
        if encodes:
            checked_choice("numeric_encoding", self.numeric_encoding, NUMERIC_ENCODINGS, none=True)
        given = [] if self.layers is None else self._given_layers()
        own = Entrance(
            indicates=self.missing == "indicator"
            and not any(isinstance(layer, MissingIndicator) for layer in given),
            encodes=encodes
            and self.layers is None
            and np.size(self.hidden_layer_sizes) > 0  # () asks for a linear model
            and self.standardize
            and len(shape) == 1
            and may_encode(*shape),
        )
        return own.with_layers_of(before, shape, given)

    def _network(self, input_shape: tuple[int, ...], task: Task, entrance: Entrance) -> Network:
        layers = [*entrance.layers, *self._hidden_layers()]
        return with_outputs(layers, task.n_outputs, input_shape, task.loss)

    def _completion(
        self, input_shape: tuple[int, ...], task: Task, entrance: Entrance
    ) -> Callable[[TrainingData], Network] | None:
        """Return what makes the network from the data, where nothing else tells it before."""
        check = task.check_found
        if check is None and not entrance.is_open:
            return None

        def complete(data: TrainingData) -> Network:
            found = task
            if check is not None:
                check(data.targets)
                found = dataclasses.replace(task, n_outputs=data.targets.n_outputs)
            own = entrance.settle(data.found) if entrance.is_open else entrance
            return self._network(input_shape, found, own)

        return complete

    def _hidden_layers(self) -> list[Layer]:
        if self.layers is not None:
            return self._given_layers()
        given: Any = self.hidden_layer_sizes
        if np.ndim(given) == 0:
            sizes = {"hidden_layer_sizes": given}
        else:
            sizes = {f"hidden_layer_sizes[{i}]": size for i, size in enumerate(given)}
        dropout = default_dropout(is_regressor(self)) if self.dropout is None else self.dropout
        dropout = checked_number("dropout", dropout, at_least=0, below=1)
        layers: list[Layer] = []
        for argument, size in sizes.items():
            units = checked_integer(argument, size, 1)
            layers.append(Dense(units, activation=self.activation, dropconnect=self.dropconnect))
            if dropout:
                layers.append(Dropout(dropout))
        return layers

    def _keep(
        self, model: Model | Ensemble, history: History, seed: int, best_round: int | None = None
    ) -> None:
        self.__dict__.update(self._attributes_of(model))
        self.history_ = history
        self.n_iter_ = len(history)
        self.best_round_ = best_round or len(history)
        self.loss_ = history[-1].loss
        self._run_seed = seed

    def _keep_tuning(self, tuning: Tuning | None) -> Self:
        """Keep what was tried for this fit; nothing of an earlier one."""
        for name in ("tuning_", "preset_", "_chosen_changes"):
            self.__dict__.pop(name, None)
        if tuning is not None:
            self.tuning_, self.preset_ = tuning.trials, tuning.preset
            self._chosen_changes = tuning.changes
        return self

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Leave the estimator as it was if fitting fails."""
        before = dict(vars(self))
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

    def _answer(self, method: str, X: Any, **arguments: Any) -> Any:
        """Call a method of the model, with checked samples; the model checks a path itself."""
        check_is_fitted(self)
        return getattr(self.model_, method)(self._samples_like_those_of_fit(X), **arguments)

    def _samples_like_those_of_fit(self, X: Any) -> Any:
        if is_location(X):
            return X
        X, _, columns = given_samples(X, None)
        missing = self.model_.network.takes_missing
        return checked_samples(self, X, reset=False, columns=columns, missing=missing)

    def _scored(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return targets, predictions and weights of samples, or of steps that are not padding."""
        check_is_fitted(self)
        X, y = with_targets(X, y)
        if sample_weight is not None:
            sample_weight = plain_rows(sample_weight, "sample_weight")
        X = self._samples_like_those_of_fit(X)
        steps, numeric = self.model_.targets.steps, is_regressor(self)
        with current_executor().scheduling():
            X, y, weights = of_one_order(X, y, sample_weight)
            predicted = self.model_.predict(X)
            counted = None if steps is None else self.model_.counted_steps(X)
            y, predicted, counted, weights = rows_in_memory(y, predicted, counted, weights)
        if weights is not None:
            weights = plain(weights, "sample_weight", numeric=True)
            if not weights.any():
                raise ValueError("sample_weight is 0 for all samples; a score needs some of them")
        if steps is None:
            return scored_targets(to_memory(y), numeric=numeric), predicted, weights
        y = plain(to_memory(y), "y", gaps=True)
        check_target_shape(y.shape, self.model_.targets.kind, steps)
        check_lengths(len(predicted), len(y))
        if weights is not None:
            weights = np.repeat(weights, steps)[counted.ravel()]
        y = scored_targets(unboxed(filled(y, counted)), numeric=numeric)
        return y.reshape(predicted.shape)[counted], predicted[counted], weights

    def _repr_html_inner(self) -> str:
        """Return scikit-learn's diagram and, below it, what is known after the fit."""
        return str(super()._repr_html_inner()) + self._fitted_html()

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, str]:
        bundle: dict[str, str] = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:  # not where scikit-learn is set to show text
            bundle["text/html"] += self._fitted_html()
        return bundle

    def _fitted_html(self) -> str:
        if not hasattr(self, "history_"):  # in the midst of a fit there is a model without one
            return ""
        from dask_horn.diagnostics.forms import fitted_html

        return fitted_html(self.model_, self.history_)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = self.missing != "indicator"
        tags.input_tags.allow_nan = self.missing == "indicator"
        return tags

    def __dask_tokenize__(self) -> Any:
        # Dask tokenizes a dataclass by its fields, in which two fits do not differ.
        return normalize_token((type(self), vars(self)))


def _check_trained(result: TrainingResult) -> None:
    if not result.history:
        raise StoppedError(result.ending)


def default_dropout(regression: bool) -> float:
    """Return the dropout of a network for values, whose noise the decay takes care of, or classes.

    Examples
    --------
    >>> default_dropout(regression=False)
    0.1
    """
    return 0.0 if regression else 0.1


def merges(estimator: Any) -> bool:
    """Whether the result is one model, which can be trained further; for `available_if`."""
    if estimator.merge == "ensemble":
        raise AttributeError("partial_fit needs merge='average', got 'ensemble'; use fit")
    return True


def _check_may_continue(name: str, initial: Any, options: TrainingOptions) -> None:
    if not isinstance(initial, Model):
        raise TypeError(
            f"{name} must be a Model, got {type(initial).__name__}; the members of an ensemble are "
            "models"
        )
    if options.merge == "ensemble":
        raise ValueError(
            f"merge='ensemble' starts each member anew and cannot continue from {name}; use "
            "merge='average'"
        )


def _settled(name: str, initial: Model, network: Network) -> Settled:
    """Return what a model that is trained further has settled."""
    if initial.network.parameters != network.parameters or initial.network.loss != network.loss:
        raise ValueError(
            f"{name} has the network {initial.network!r}, but parameters and y need {network!r}; "
            "pass layers=initial.network.layers[:-1], and targets of the same kind"
        )
    return Settled(initial.standardizer, initial.targets)
