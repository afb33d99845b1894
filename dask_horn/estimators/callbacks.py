"""scikit-learn's callback protocol, where the installed version has one (1.9).

A fit is a task, and each of its rounds is a subtask. The run's own events are translated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from dask_horn.model import Ensemble, Model
from dask_horn.records import Callback, RoundRecord, RunStart
from dask_horn.training import TrainingResult

__all__ = ["CallbackSupport", "FitTasks", "begin_fit", "managed"]

_Method = TypeVar("_Method", bound=Callable[..., Any])

try:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
    from sklearn.callback import with_callbacks
except ImportError:  # scikit-learn before 1.9
    with_callbacks = None

    class CallbackSupport:  # type: ignore[no-redef]
        """scikit-learn has no callbacks to support."""


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
    """Begin a fit's task; return the callbacks for the run, none before scikit-learn 1.9."""
    if not hasattr(estimator, "_init_callback_context"):
        return []
    context = estimator._init_callback_context(max_subtasks=estimator.n_rounds)
    return [FitTasks(estimator, context, {"X": X, "y": y})]
