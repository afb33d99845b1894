"""How good a model is on samples, wherever they lie: what models and ensembles have in common."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import SampleForm, Targets, as_samples, is_location
from dask_horn.data.intake.pairs import (
    encoded_targets,
    in_memory_targets,
    map_pairs,
    of_one_order,
    rows_in_memory,
    targets_of,
)
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.lazy import with_known_chunks
from dask_horn.data.store.locations import located
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.values.plain import plain
from dask_horn.model.scoring import score_of
from dask_horn.network import Network
from dask_horn.records import Score, add_scores


class Scored(ABC):
    """What predicts and can be scored; see `Predictor`."""

    network: Network
    targets: Targets
    temperature: float

    @property
    @abstractmethod
    def _form(self) -> SampleForm:
        """The form of samples that the network takes."""

    @abstractmethod
    def _checked(self, X: Any, first_row: int | None = 0) -> NDArray[Any]:
        """Return samples as rows that the kernels read."""

    @abstractmethod
    def _log_pooled(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        """Return logits, log-probabilities or log-odds before the temperature.

        Of values, the mean in units of the targets' scale. In float64, (n_samples, ..., n_outputs).
        """

    def score(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> float:
        """Return the accuracy, or for values the coefficient of determination R².

        It is the score of the history and of the estimators: for several labels, a sample counts
        where all of them are right; R² is averaged over the outputs; if each step has a target,
        all steps count that are not padding.

        Parameters
        ----------
        X, y, sample_weight, storage_options
            As for `evaluate`, which also returns the loss.

        Returns
        -------
        float

        Examples
        --------
        >>> import dask_horn as horn
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> network = horn.Network([horn.Dense(32, "relu"), horn.Dense(3)], input_shape=4)
        >>> horn.train(network, X, y).model.score(X, y) > 0.9
        True
        """
        found = self.evaluate(X, y, sample_weight, storage_options=storage_options)
        if found.of_values and not found.varies.any():
            warnings.warn(
                "y holds one target only, of which R² says nothing; score at least two samples "
                "with different targets.",
                UserWarning,
                stacklevel=2,
            )
        return found.score

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Score:
        """Return the score and the loss.

        The loss is the network's own. For classes and labels it is that of the probabilities which
        `predict_proba` gives, at the model's temperature. For values it is in units of their
        standard deviation, as in the history.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples, as `predict` takes them. If they are lazy or stored, they are read chunk by
            chunk, on the current client's cluster if there is one.
        y : array-like, data frame, Dask array or frame, or Zarr array, optional
            Their targets; leave it out if X is a group with an array ``y``.
        sample_weight : array-like, (n_samples,), optional
            Weight of each sample in score and loss.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, where X is a URL.

        Returns
        -------
        Score
            With the attributes `score`, `loss` and `n`: how many samples, or steps that are no
            padding, or the sum of their weights.

        Raises
        ------
        TypeError
            If `y` is missing.
        ValueError
            If samples or targets are wrong, as for `predict` and `calibrate`; the sample is named.
        """
        # Importing dask.array takes longer than the rest of the package; training does not need it.
        from dask_horn.data.intake.predictions import chunked_samples

        X = located(X, storage_options)
        y = targets_of(X, y)
        X = X if is_location(X) else plain_rows(X, "X")
        if sample_weight is not None:
            sample_weight = plain_rows(sample_weight, "sample_weight")
        X, y, sample_weight = of_one_order(X, y, sample_weight)
        if is_lazy(sample_weight):  # so many numbers are a small part of what is in memory then
            X, y, sample_weight = rows_in_memory(X, y, sample_weight)
        chunked = chunked_samples(X, self._form)
        if chunked is None:
            X = as_samples(self._form.unmasked(X), missing=self._form.missing)
            weights = _checked_weights(sample_weight, len(X))
            return self._rows_score(X, in_memory_targets(y), weights, 0)
        self._form.check(chunked.shape[1:])
        if sample_weight is not None:
            chunked = with_known_chunks(chunked)
        weights = _checked_weights(sample_weight, chunked.shape[0])
        return add_scores(map_pairs(self._rows_score, chunked, y, weights))

    def _rows_score(
        self,
        rows: NDArray[Any],
        y: NDArray[Any],
        weights: NDArray[np.float64] | None,
        first_row: int,
    ) -> Score:
        """Score some of the samples, `first_row` being the number of the first."""
        samples = self._checked(rows, first_row)
        counted = self._form.counted(samples)
        encoded = encoded_targets(y, self.targets, counted, first_row)
        logs = self._log_pooled(samples) / self.temperature
        kept = logs.reshape(counted.size, -1)[counted.ravel()]
        if weights is not None:
            weights = np.repeat(weights, counted.shape[1])[counted.ravel()]
        return score_of(self.network.loss, kept, encoded, weights)


def _checked_weights(sample_weight: Any, n_samples: int) -> NDArray[np.float64] | None:
    """Return the weights of samples as an array in memory, or None."""
    if sample_weight is None:
        return None
    sample_weight = plain(sample_weight, "sample_weight", numeric=True)
    try:
        weights: NDArray[np.float64] = sample_weight.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"sample_weight must hold numbers of float64 ({error})") from None
    if weights.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have the shape ({n_samples},), a weight for each sample, got "
            f"{weights.shape}"
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError("sample_weight must be finite, of at least 0, and not 0 for all samples")
    return weights
