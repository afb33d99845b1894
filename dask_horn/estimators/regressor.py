"""The regressor: one value per sample, or several."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from dask_horn.checks import checked_choice
from dask_horn.data import SampleForm, in_memory
from dask_horn.estimators.base import HornEstimator, Task, merges
from dask_horn.estimators.callbacks import managed, refusing_callbacks
from dask_horn.estimators.inputs import n_columns
from dask_horn.estimators.parameters import documented
from dask_horn.estimators.pipelines import chosen_validation
from dask_horn.model import Model

_LOSSES = ("squared_error", "huber")


@documented
@refusing_callbacks
@dataclass(eq=False, repr=False, kw_only=True)
class HornRegressor(RegressorMixin, HornEstimator):  # type: ignore[misc]
    """A neural-network regressor, trained in disconnected sub-models on Dask.

    It trains on the cluster of the current `distributed.Client`, or on threads of this process if
    there is no client. Targets are standardized for training;
    predictions are in the units of the targets.

    {parameters}

    Attributes
    ----------
    n_features_in_ : int
        Number of values in one sample.
    feature_names_in_ : ndarray of str, (n_features_in_,)
        Names of the features, if the samples had names.
    model_ : Model or Ensemble
        The trained model; ``model_.save(path)`` saves it.
    history_ : History
        One record per round.
    n_iter_ : int
        Number of rounds.
    best_round_ : int
        The round that `model_` is from, counted from 1: with early stopping the one with the best
        validation score, else the last. ``history_[best_round_ - 1]`` is its record.
    loss_ : float
        Mean training loss of the last round, of standardized targets.
    preset_ : str
        With `tune`, the name of the preset that was chosen.
    tuning_ : tuple of Trial
        With `tune`, what was tried: its `preset`, the `changes` to parameters, `loss` and `score`
        on held-out rows, and the `seconds` that it took.
    n_outputs_ : int
        Number of values per sample.

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
        self,
        X: Any,
        y: Any = None,
        *,
        validation_data: Any = None,
        initial: Model | None = None,
        storage_options: Mapping[str, Any] | None = None,
        X_val: Any = None,
        y_val: Any = None,
    ) -> Self:
        """Train on samples and their values.

        Parameters
        ----------
        X : array-like, data frame, Dask array or frame, or zarr.Array, shape (n_samples, ...)
            Samples. A Zarr array is read where it is; the workers write a Dask array to Zarr first.
            Or a Zarr group, open or by its path, a `SampleStore`, or an xarray Dataset, which
            holds them as ``X`` and the targets as ``y``.
        y : likewise, shape (n_samples,) or (n_samples, n_outputs)
            Values. If the last of `layers` gives an output for each step, (n_samples, steps) or
            (n_samples, steps, n_outputs); those of padding are ignored.
        validation_data : pair of (X, y), or path or URL of a Zarr group, optional
            Samples and targets to score the model on after each round. The steps of a Pipeline
            would not transform them: there pass `X_val` and `y_val`.
        initial : Model, optional
            Model to continue from, such as ``horn.load(path)``. Its parameters and the scales of
            samples and targets are kept.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, for `validation_data`, `checkpoint` and
            `scratch` where they are URLs. They are no parameter, since those are shown and pickled.
        X_val, y_val : as X and y, optional
            The same as ``validation_data=(X_val, y_val)``. A Pipeline transforms them as `X` where
            it has ``transform_input=["X_val"]`` and this step
            ``set_fit_request(X_val=True, y_val=True)``, with scikit-learn's metadata routing.

        Returns
        -------
        HornRegressor
            The fitted estimator itself.

        Raises
        ------
        TypeError, ValueError
            If an argument is wrong; raised before any training.
        DivergedError
            If a loss is no longer finite; the error's ``model`` is the last good one.
        """
        pair = chosen_validation(validation_data, X_val, y_val)
        return self._fit(X, y, pair, initial, storage_options)

    @available_if(merges)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any = None) -> Self:
        """Train for one more round, at a constant learning rate.

        The first call fixes how samples and targets are standardized. `n_rounds`, `schedule`,
        `early_stopping`, `checkpoint` and the outer step have no effect, and the number of
        sub-models stays the same.

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

    def predict(
        self,
        X: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        return_std: bool = False,
    ) -> Any:
        """Predict the values of each sample.

        Parameters
        ----------
        X : array-like, data frame, Dask array or frame, zarr.Array, or path of a Zarr group
            Samples; in a group they are the array ``X``.
        out : str, optional
            Path or URL of a Zarr group. The predictions are written there chunk by chunk, as its
            array ``y``, and nothing is returned.
        overwrite : bool, default False
            Whether predictions that are at `out` already may be replaced.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, for `X` and `out` where they are URLs.
        return_std : bool, default False
            Whether to also return the standard deviation of an ensemble's members.

        Returns
        -------
        ndarray or dask.array.Array of float32, (n_samples,) or (n_samples, n_outputs_)
            With steps as dimension 1 if y has steps. Lazy and chunked if `X` is lazy or stored.
            With `return_std`, a pair of these. They are float64 where float32 would lose more than
            1e-4 of the targets' standard deviation.
        """
        places = {"out": out, "overwrite": overwrite, "storage_options": storage_options}
        return self._answer("predict", X, return_std=return_std, **places)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R², averaged over the outputs.

        If y has steps, over all steps that are not padding.

        Parameters
        ----------
        X, y
            As for `fit`.
        sample_weight : array-like, (n_samples,), optional
            Weight of each sample in the score.

        Returns
        -------
        float
        """
        true, predicted, weights = self._scored(X, y, sample_weight)
        y = np.asarray(true)
        if y.dtype.kind in "biuf" and y.shape in (predicted.shape, (*predicted.shape, 1)):
            # Squares of tiny and huge numbers are beyond float64, and those of float32 sooner.
            own = self.model_.targets.standardized
            true, predicted = own(y.reshape(predicted.shape)), own(predicted)
        return float(r2_score(true, predicted, sample_weight=weights))

    def _task(self, X: Any, y: Any, classes: Any, form: SampleForm) -> Task:
        """Make each column of the targets an output."""
        checked_choice("loss", self.loss, _LOSSES)
        steps = form.target_steps
        if steps is None and in_memory(y) and y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return Task(y, self.loss, n_columns(y, steps))
