"""The regressor: one value per sample, or several."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from dask_horn.checks import checked_choice
from dask_horn.data import SampleForm, in_memory
from dask_horn.estimators.base import HornEstimator, Task, merges
from dask_horn.estimators.callbacks import managed
from dask_horn.estimators.inputs import n_columns
from dask_horn.estimators.parameters import documented
from dask_horn.model import Model

__all__ = ["HornRegressor"]

_LOSSES = ("squared_error", "huber")


@documented
@dataclass(eq=False, repr=False, kw_only=True)
class HornRegressor(RegressorMixin, HornEstimator):  # type: ignore[misc]
    """A neural network for values, trained in disconnected pieces on Dask.

    The work is done by the current `distributed.Client`'s cluster; where there is none, by Dask's
    threads in this process. Targets are standardized, and predictions are in the targets' unit.

    {parameters}

    Attributes
    ----------
    n_features_in_ : int
        Values in one sample.
    feature_names_in_ : ndarray of str, (n_features_in_,)
        Where the samples came with names.
    model_ : Model or Ensemble
        What was trained: save it with ``model_.save(path)``.
    history_ : History
        A record of each round.
    n_iter_ : int
        Rounds that were done.
    loss_ : float
        Mean training loss of the last round, of standardized targets.
    n_outputs_ : int
        Values per sample.

    Notes
    -----
    There is no ``sample_weight`` yet.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> reg = HornRegressor(hidden_layer_sizes=(32,), random_state=0).fit(X, y)
    >>> reg.predict(X[:3]).shape
    (3,)
    >>> reg.score(X, y) > 0.4
    True
    """

    loss: str = "squared_error"

    @managed
    def fit(
        self, X: Any, y: Any, *, validation_data: Any = None, initial: Model | None = None
    ) -> Self:
        """Train on samples and their values.

        Parameters
        ----------
        X : array-like, data frame, Dask array or frame, or zarr.Array, shape (n_samples, ...)
            Samples. Zarr arrays are used in place; Dask arrays are written to Zarr by the workers.
        y : likewise, shape (n_samples,) or (n_samples, n_outputs)
            Values. Where the last of `layers` gives an output for each step: (n_samples, steps)
            or (n_samples, steps, n_outputs); those of padding may be anything.
        validation_data : pair of (X, y), or path or URL of a Zarr group, optional
            What the model is scored on after each round.
        initial : Model, optional
            To go on from, such as ``horn.load(path)``: its parameters and the scales of samples
            and targets are kept.

        Returns
        -------
        HornRegressor
            Itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong; before any training.
        DivergedError
            If a loss is no longer finite; its ``model`` is the last good one.
        """
        return self._fit(X, y, validation_data, initial)

    @available_if(merges)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any) -> Self:
        """Train for one round more: at a constant rate, with a fixed number of sub-models.

        What samples and targets are standardized by is settled in the first call. `n_rounds`,
        `schedule`, `early_stopping`, `checkpoint` and the outer step are those of a whole fit,
        and play no part.

        Parameters
        ----------
        X, y
            As for `fit`.

        Returns
        -------
        HornRegressor
            Itself.
        """
        return self._partial_fit(X, y, None)

    def predict(self, X: Any, *, out: str | None = None, return_std: bool = False) -> Any:
        """Predict the values of each sample.

        Parameters
        ----------
        X : array-like, data frame, Dask array or frame, zarr.Array, or path of a Zarr group
            Samples; a group holds them as its array ``X``.
        out : str, optional
            Path or URL of a Zarr group to write the predictions to, as its array ``y``, chunk by
            chunk; nothing is returned then.
        return_std : bool, default False
            Whether to return the standard deviation of an ensemble's members too.

        Returns
        -------
        ndarray or dask.array.Array of float32, (n_samples,) or (n_samples, n_outputs_)
            With steps as dimension 1 where y has them. Lazy and chunked for what is lazy or
            stored. With `return_std` a pair of them.
        """
        return self._answer("predict", X, out=out, return_std=return_std)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R², averaged over the outputs.

        Where y has steps, over those that are no padding.

        Parameters
        ----------
        X, y
            As for `fit`.
        sample_weight : array-like, (n_samples,), optional
        """
        true, predicted, weights = self._scored(X, y, sample_weight)
        return float(r2_score(true, predicted, sample_weight=weights))

    def _task(self, X: Any, y: Any, classes: Any, form: SampleForm) -> Task:
        """Take each column of targets for an output."""
        checked_choice("loss", self.loss, _LOSSES)
        steps = form.target_steps
        if steps is None and in_memory(y) and y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return Task(y, self.loss, n_columns(y, steps))
