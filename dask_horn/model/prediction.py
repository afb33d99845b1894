"""Predicting: what models and ensembles have in common.

Samples in memory are answered at once; what is chunked, a Dask array or a Zarr store, lazily and
chunk by chunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import as_samples, decoded_dtype

if TYPE_CHECKING:
    from dask_horn.model.models import Model

__all__ = ["Predictor"]


class Predictor(ABC):
    """What models and ensembles have in common: predicting."""

    @abstractmethod
    def _any_member(self) -> Model:
        """Return a model whose network and targets are those of all members."""

    @abstractmethod
    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Each member's probabilities or values for samples in memory.

        Returns an array of shape (n_members, n_samples, n_outputs), in the targets' own units.
        """

    @abstractmethod
    def save(self, location: str, overwrite: bool = False) -> None:
        """Write to a Zarr group."""

    @property
    def classes(self) -> NDArray[Any] | None:
        """The classes' labels, in the order of the outputs; None for values and label sets."""
        return self._any_member().targets.classes

    def predict(self, X: Any, *, out: str | None = None, return_std: bool = False) -> Any:
        """Predict labels or values.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples on axis 0, of the shape that the network was trained on. A group holds them
            as its array ``X``.
        out : str, optional
            Path or URL of a Zarr group to write the predictions to, as its array ``y``, chunk by
            chunk; nothing is returned then.
        return_std : bool, default False
            Whether to return the members' standard deviation too, for values.

        Returns
        -------
        ndarray or dask.array.Array
            (n_samples,), or (n_samples, n_outputs). Lazy and chunked for what is lazy or stored.

        Raises
        ------
        ValueError
            If the samples have another shape than the network's, hold NaN or infinity, or
            `return_std` is asked of a classifier.
        """
        if return_std:
            if self._any_member().targets.kind != "values":
                raise ValueError(
                    "return_std=True is for values; for classes use predict_proba(X, "
                    "return_std=True)"
                )
            return self._mean_and_std(X, out)
        return self._answer(X, self._decoded, out)

    def predict_proba(self, X: Any, *, out: str | None = None, return_std: bool = False) -> Any:
        """Predict the probability of each class, or of each label.

        Parameters are those of `predict`.

        Returns
        -------
        ndarray or dask.array.Array of float32, (n_samples, n_outputs)
            And, with `return_std`, the members' standard deviation of the same shape.
        """
        if self._any_member().targets.kind == "values":
            raise ValueError(
                f"predict_proba needs a classifier, but this model's loss is "
                f"{self._any_member().network.loss!r}; use predict"
            )
        if return_std:
            return self._mean_and_std(X, out)
        return self._answer(X, self._mean, out)

    def _mean(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return the members' mean, (n_samples, n_outputs)."""
        mean: NDArray[np.float32] = self.member_outputs(samples).mean(axis=0)
        return mean

    def _decoded(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Labels or values, as the targets were."""
        mean, targets = self._mean(samples), self._any_member().targets
        if targets.kind == "classes":
            return targets.decode(mean)
        answer = (mean > 0.5).astype(np.int64) if targets.kind == "labels" else mean
        return answer[:, 0] if targets.flat else answer

    def _mean_and_std(self, X: Any, out: str | None) -> tuple[Any, Any]:
        """Both, each in the shape of the mean."""
        if out is not None:
            raise ValueError(
                f"out={out!r} does not go with return_std=True; write the mean with out, or pass "
                "the two arrays on to Zarr yourself"
            )
        both = self._answer(X, self._spread, None)
        return both[:, 0], both[:, 1]

    def _spread(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Mean and standard deviation of the members' outputs, (n_samples, 2, n_outputs)."""
        outputs, targets = self.member_outputs(samples), self._any_member().targets
        both = np.stack([outputs.mean(axis=0), outputs.std(axis=0)], axis=1)
        return both[:, :, 0] if targets.kind == "values" and targets.flat else both

    def _answer(self, X: Any, answer: Any, out: str | None) -> Any:
        """Apply `answer` to samples in memory, or lazily to what is chunked."""
        # Importing dask.array takes longer than the rest of the package; training needs none.
        from dask_horn.data.predictions import chunked_samples, map_samples, store_predictions

        chunked = chunked_samples(X, known_lengths=out is not None)
        if chunked is None:
            predicted = answer(self._checked(X))
        else:
            self._check_shape(chunked.shape[1:])
            probe = answer(np.zeros((1, *chunked.shape[1:]), decoded_dtype(chunked.dtype)))

            def per_chunk(chunk: NDArray[Any], first_row: int | None) -> NDArray[Any]:
                return answer(self._checked(chunk, first_row))  # type: ignore[no-any-return]

            predicted = map_samples(per_chunk, chunked, probe)
        if out is None:
            return predicted
        store_predictions(out, predicted)
        return None

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if int(np.prod(shape)) != self._any_member().network.n_inputs:
            raise ValueError(
                f"X has samples of shape {shape}, but the network takes samples of shape "
                f"{self._any_member().network.input_shape}"
            )

    def _checked(self, X: Any, first_row: int | None = 0) -> NDArray[Any]:
        """Return samples as a (n, n_features) array of a dtype that the kernels read.

        `first_row` counts the samples before these, for messages; None where it is not known.
        """
        samples = as_samples(X)
        self._check_shape(samples.shape[1:])
        flat = np.ascontiguousarray(samples, decoded_dtype(samples.dtype))
        flat = flat.reshape(len(flat), -1)
        if flat.dtype.kind == "f" and not np.isfinite(flat).all():
            row = int(np.flatnonzero(~np.isfinite(flat).all(axis=1))[0])
            place = f"sample {row} of a chunk" if first_row is None else f"sample {first_row + row}"
            raise ValueError(f"X holds NaN or infinity at {place}; leave it out or impute it")
        return flat
