"""A run's settings and curves in MLflow."""

from __future__ import annotations

from typing import Any

from dask_horn.diagnostics.packages import needed
from dask_horn.records import Callback, Event, RoundRecord, RunBegun, RunEnded

_LONGEST_TAG = 5000  # characters, which every MLflow server takes


class MLflow(Callback):
    """Logs settings, and losses and score of each round, to MLflow.

    It needs the package ``mlflow``, or ``mlflow-skinny``. Where it logs to is said to MLflow, by
    ``mlflow.set_tracking_uri(...)`` or the environment variable ``MLFLOW_TRACKING_URI``, and
    ``mlflow.set_experiment(...)``.

    It logs into the active run, which it leaves open, or else into a new one, which it ends: as
    failed, or killed if the training was interrupted. Parameters of an MLflow run cannot change, so
    each training with other settings needs a run of its own.

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

    def __init__(self, name: str | None = None) -> None:
        self.name = name
        self._run: str | None = None
        self._is_own = False
        _mlflow()

    def on_event(self, event: Event) -> None:
        """Log the settings when training begins, and how it ended."""
        if isinstance(event, RunBegun):
            self._begin(event)
        elif isinstance(event, RunEnded) and self._run is not None:
            client = _mlflow().MlflowClient()
            client.set_tag(self._run, "ending", event.message)
            if event.best_round is not None:
                client.log_metric(self._run, "best_round", event.best_round)

    def on_round_end(self, record: RoundRecord) -> None:
        """Log a round's numbers, by its number."""
        names = ("loss", "validation_loss", "validation_score", "seconds", "samples")
        values = {name: getattr(record, name) for name in names}
        known = {name: value for name, value in values.items() if value is not None}
        _mlflow().log_metrics(known, step=record.round, run_id=self._run)

    def on_run_end(self, result: Any) -> None:
        """End the MLflow run, if it is this callback's."""
        self._end("FINISHED")

    def on_run_failed(self, error: BaseException) -> None:
        """End it as failed, or as killed where somebody has interrupted it."""
        self._end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")

    def _begin(self, event: RunBegun) -> None:
        mlflow = _mlflow()
        active = mlflow.active_run()
        self._is_own = active is None
        run = mlflow.start_run(run_name=self.name) if active is None else active
        self._run = run.info.run_id
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

    def _end(self, status: str) -> None:
        if self._run is not None and self._is_own:
            _mlflow().end_run(status)
        self._run = None


def _mlflow() -> Any:
    return needed("mlflow", "mlflow", "MLflow")
