"""A run's settings and curves in MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dask_horn.diagnostics.packages import needed
from dask_horn.diagnostics.tracker import TrackedRun, Tracker
from dask_horn.records import Event, RoundRecord, RunBegun, RunEnded

_LONGEST_TAG = 5000  # characters, which every MLflow server takes


@dataclass
class _MLflowRun(TrackedRun):
    """The MLflow run that a run is logged into.

    Attributes
    ----------
    there : str
        Its id at MLflow; empty if it was active before and has not taken the settings.
    is_own : bool
        Whether it was started for this, and is to be ended.
    """

    there: str = ""
    is_own: bool = False


class MLflow(Tracker[_MLflowRun]):
    """Logs settings, and losses and score of each round, to MLflow.

    It needs the package ``mlflow``, or ``mlflow-skinny``. Where it logs to is said to MLflow, by
    ``mlflow.set_tracking_uri(...)`` or the environment variable ``MLFLOW_TRACKING_URI``, and
    ``mlflow.set_experiment(...)``.

    It logs into the active run, which it leaves open, or else into a new one, which it ends: as
    failed, or killed if the training was interrupted. Parameters of an MLflow run cannot change, so
    each training with other settings needs a run of its own. MLflow's active run is that of a
    thread: fits that a grid search has in other threads or processes get runs of their own.

    If MLflow refuses the settings, or cannot be reached before training begins, the run ends with
    that error. If it fails later, a warning says so once and the run goes on; after three failures
    in a row it is no longer tried.

    Parameters
    ----------
    name : str, optional
        Name of the new run, where none is active.

    Raises
    ------
    ImportError
        If the package is missing.

    Examples
    --------
    >>> import dask_horn as horn
    >>> network = horn.Network([horn.Dense(4, activation="relu"), horn.Dense(2)], input_shape=2)
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]] * 8, [0, 1, 1, 0] * 8
    >>> tracked = horn.MLflow("first")  # doctest: +SKIP
    >>> result = horn.train(network, X, y, n_rounds=2, callbacks=[tracked])  # doctest: +SKIP
    """

    patience = 3  # MLflow itself tries each request for minutes

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        self.name = name
        _mlflow()

    def _new_run(self) -> _MLflowRun:
        return _MLflowRun()

    def _place(self) -> str:
        return f"the run {self._run.there} at {_mlflow().get_tracking_uri()}"

    def _log_event(self, event: Event) -> None:
        if isinstance(event, RunBegun):
            self._log_settings(event)
        elif isinstance(event, RunEnded) and self._run.there:
            client = _mlflow().MlflowClient()
            client.set_tag(self._run.there, "ending", event.message)
            if event.best_round is not None:
                client.log_metric(self._run.there, "best_round", event.best_round)

    def _log_round(self, record: RoundRecord) -> None:
        names = ("loss", "validation_loss", "validation_score", "seconds", "samples")
        values = {name: getattr(record, name) for name in names}
        known = {name: value for name, value in values.items() if value is not None}
        _mlflow().log_metrics(known, step=record.round, run_id=self._run.there)

    def _log_settings(self, event: RunBegun) -> None:
        mlflow, run = _mlflow(), self._run
        active = mlflow.active_run()
        if active is None:
            active = mlflow.start_run(run_name=self.name)
            run.is_own, run.there = True, active.info.run_id
        mlflow.log_params(
            {
                **event.settings,
                "batch_size": event.batch_size,  # as it was settled
                "device": event.device,
                "n_parameters": event.n_parameters,
            }
        )
        mlflow.set_tags(
            {"network": event.network[:_LONGEST_TAG], "data": event.data[:_LONGEST_TAG]}
        )
        run.there = active.info.run_id  # only now, for it may be an earlier training's

    def _close(self, error: BaseException | None) -> None:
        if self._run.is_own:
            stopped = isinstance(error, KeyboardInterrupt)
            status = "FINISHED" if error is None else "KILLED" if stopped else "FAILED"
            _mlflow().end_run(status)


def _mlflow() -> Any:
    return needed("mlflow", "mlflow", "MLflow")
