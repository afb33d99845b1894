"""Who listens to a fit: the library's own callbacks, and scikit-learn's (1.9) where it has some.

Both are set by `set_callbacks`. A fit is a task of scikit-learn's protocol, and each of its rounds
is a subtask: the run's own events are translated. The library's callbacks hear those events
themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Self, TypeVar

from dask_horn.model import Ensemble, Model
from dask_horn.records import Callback, RoundRecord, RunStart
from dask_horn.training import TrainingResult

__all__ = ["CallbackSupport", "FitTasks", "begin_fit", "managed", "refusing_callbacks"]

_Estimator = TypeVar("_Estimator")
_Method = TypeVar("_Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin, FitCallback, with_callbacks
except ImportError:  # scikit-learn before 1.9
    with_callbacks = None

    class FitCallback:  # type: ignore[no-redef]
        """scikit-learn has no callbacks."""

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Keeps callbacks, also in clones, as scikit-learn from 1.9 on does."""

        def set_callbacks(self, *callbacks: Any) -> Self:
            """Keep them."""
            self._skl_callbacks = list(callbacks)
            return self

        def __sklearn_clone__(self) -> Self:
            """Give a clone the same ones."""
            cloned: Self = super().__sklearn_clone__()  # type: ignore[misc]
            cloned._skl_callbacks = getattr(self, "_skl_callbacks", [])
            return cloned


class CallbackSupport(CallbackSupportMixin):  # type: ignore[misc]
    """Has estimators take both kinds of callbacks."""

    def set_callbacks(self, *callbacks: Any) -> Self:
        """Set who listens to `fit`, in place of those that were set before.

        Clones have the same callbacks, such as those of a grid search. `partial_fit` tells nobody.

        Parameters
        ----------
        *callbacks : dask_horn.Callback, or callback of scikit-learn
            The library's own hear of each round and of what else happens; scikit-learn's, from 1.9
            on, of the fit and of each round, and get an estimator fitted so far. None removes all.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        TypeError
            If one of them is of neither kind.

        Examples
        --------
        >>> import dask_horn as horn
        >>> class PrintRound(horn.Callback):
        ...     def on_round_end(self, record):
        ...         print("round", record.round)
        >>> classifier = horn.HornClassifier(hidden_layer_sizes=4, n_rounds=2, random_state=0)
        >>> classifier.set_callbacks(PrintRound()).fit([[0.0], [1.0]] * 8, [0, 1] * 8).best_round_
        round 1
        round 2
        2
        """
        for callback in callbacks:
            if not _is_callback(callback):
                raise TypeError(
                    "callbacks must be instances of dask_horn.Callback, or of scikit-learn's "
                    f"callbacks (from 1.9 on), one argument for each, got {callback!r}"
                )
        wrapped = [_Listener(one) if isinstance(one, Callback) else one for one in callbacks]
        super().set_callbacks(*wrapped)
        return self


def _is_callback(callback: Any) -> bool:
    # A class has the methods of the protocol too.
    return isinstance(callback, Callback | FitCallback) and not isinstance(callback, type)


def refusing_callbacks(estimator: type[_Estimator]) -> type[_Estimator]:
    """Have a constructor say where callbacks are set; parameters are plain values."""
    construct = estimator.__init__

    @functools.wraps(construct)
    def __init__(self: Any, *args: Any, **parameters: Any) -> None:
        if "callbacks" in parameters:
            raise TypeError(
                f"callbacks is no parameter of {estimator.__name__}: set them by "
                f"{estimator.__name__}(...).set_callbacks(...), one argument for each"
            )
        construct(self, *args, **parameters)

    estimator.__init__ = __init__  # type: ignore[method-assign]
    return estimator


class _Listener:
    """One of the library's callbacks among scikit-learn's, which keeps, clones and passes it on.

    To scikit-learn's protocol it says nothing: it hears the run itself.
    """

    def __init__(self, callback: Callback) -> None:
        self.callback = callback

    def setup(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def teardown(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        """Nothing."""

    def on_fit_task_end(self, estimator: Any, context: Any) -> None:
        """Nothing."""


def managed(method: _Method) -> _Method:
    """Tear callbacks down when a method ends, if scikit-learn has any."""
    return method if with_callbacks is None else with_callbacks(method)


class FitTasks(Callback):
    """Reports a fit and its rounds to scikit-learn's callbacks.

    Parameters
    ----------
    estimator : HornEstimator
    context : sklearn.callback.CallbackContext
        The fit's context.
    data : dict
        ``X`` and ``y`` as the user gave them.
    """

    def __init__(self, estimator: Any, context: Any, data: dict[str, Any]) -> None:
        self._estimator = estimator
        self._context = context
        self._told = {"estimator": estimator, **data}
        self._model: Callable[[], Model | Ensemble] | None = None
        context.call_on_fit_task_begin(**self._told)

    def on_run_start(self, event: RunStart) -> None:
        """Remember how to get the model between rounds."""
        self._model = event.model

    def on_round_end(self, record: RoundRecord) -> None:
        """Report begin and end of a round at once: on a cluster rounds overlap."""
        round_context = self._context.subcontext(task_name="round")
        round_context.call_on_fit_task_begin(**self._told)
        if round_context.call_on_fit_task_end(**self._told, reconstruction_attributes=self._fitted):
            raise StopIteration

    def on_run_end(self, result: TrainingResult) -> None:
        """Report the end of the fit."""
        self._model = lambda: result.model
        self._context.call_on_fit_task_end(**self._told, reconstruction_attributes=self._fitted)

    def _fitted(self) -> dict[str, Any]:
        """Return the fitted attributes, as if the fit had stopped now."""
        assert self._model is not None, "a run reports its start first"
        return self._estimator._attributes_of(self._model())  # type: ignore[no-any-return]


def begin_fit(estimator: Any, X: Any, y: Any) -> list[Callback]:
    """Begin a fit's task of scikit-learn's protocol, if it has one; return the run's callbacks."""
    kept = getattr(estimator, "_skl_callbacks", [])
    own = [one.callback for one in kept if isinstance(one, _Listener)]
    if with_callbacks is None:
        return own
    context = estimator._init_callback_context(max_subtasks=estimator.n_rounds)
    return [FitTasks(estimator, context, {"X": X, "y": y}), *own]
