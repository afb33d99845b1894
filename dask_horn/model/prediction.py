"""Prediction: what models and ensembles have in common.

Predictions for samples in memory are computed at once; those for Dask arrays and Zarr stores are
lazy, chunk by chunk.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dask_horn.checks import checked_choice
from dask_horn.data import SampleForm, as_samples, decoded_dtype, is_location, outputs_in_words
from dask_horn.data.store.containers import plain_rows
from dask_horn.data.store.locations import located
from dask_horn.data.values.arrays import first_not_finite
from dask_horn.data.values.plain import column_names
from dask_horn.model.calibrated import Calibrated
from dask_horn.model.calibration import temper
from dask_horn.model.evaluation import Scored
from dask_horn.model.form import sample_form
from dask_horn.model.sampling import Draws


class Predictor(Calibrated, Scored):
    """What models and ensembles have in common: prediction, scores and calibration.

    Attributes
    ----------
    network : Network
        The network of the model, or of all members. Subclasses provide these attributes.
    targets : Targets
        How outputs become labels or values.
    temperature : float
        Logits, or logarithms of probabilities, are divided by it.
    """

    @abstractmethod
    def _sampled(self, draws: Draws) -> Predictor:
        """Return the same model or ensemble, with activations averaged over draws."""

    @abstractmethod
    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return each member's probabilities or values for samples in memory.

        The array has the shape (n_members, n_samples, n_outputs), or (n_members, n_samples, steps,
        n_outputs) if each step has outputs of its own. Values are in the units of the targets.
        Probabilities are at the member's own temperature, not at the ensemble's.
        """

    @abstractmethod
    def _pooled(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the members' mean before the temperature, (n_samples, n_outputs)."""

    @abstractmethod
    def save(
        self,
        location: str | os.PathLike[str],
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Write to a Zarr group."""

    @property
    def _form(self) -> SampleForm:
        """The form of samples that the network takes."""
        return sample_form(self.network)

    @property
    def classes(self) -> NDArray[Any] | None:
        """The class labels in the order of the outputs; None for values and for several labels."""
        return self.targets.classes

    @property
    def output_in_words(self) -> str:
        """What is predicted, such as "10 classes" or "1 value for each of 20 steps"."""
        return outputs_in_words(self.targets.kind, self.targets.n_outputs, self.targets.steps)

    @property
    def _in_words(self) -> str:
        """What a line of text says of a model that is calibrated; empty for others."""
        return "" if self.temperature == 1 else f", temperature {self.temperature:.3g}"

    def predict(
        self,
        X: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        return_std: bool = False,
        inference: str = "mean",
        n_draws: int = 1000,
        seed: int = 0,
    ) -> Any:
        """Predict labels or values.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples on axis 0, in the shape that the network was trained on. In a group they are
            the array ``X``.
        out : str, optional
            Path or URL of a Zarr group. The predictions are written there chunk by chunk, as its
            array ``y``, and nothing is returned.
        overwrite : bool, default False
            Whether predictions that are at `out` already may be replaced.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, for `X` and `out` where they are URLs.
        return_std : bool, default False
            Whether to also return the members' standard deviation; for values only.
        inference : {"mean", "sample"}, default "mean"
            How to use `Dense` layers with DropConnect. "mean" uses all weights, the mean over
            masks. "sample" is the paper's inference ([1]_, algorithm 2) and much slower: it draws
            each sum from a normal distribution with the sum's mean and variance over masks, and
            averages the activations over the draws. Recurrent layers always use the mean.
        n_draws : int, default 1000
            Draws of each sum, for "sample".
        seed : int, default 0
            Seed of the draws; all samples share them.

        Returns
        -------
        ndarray or dask.array.Array
            (n_samples,) or (n_samples, n_outputs); (n_samples, steps) or (n_samples, steps,
            n_outputs) if each step has outputs of its own. Those of padding mean nothing; see
            `counted_steps`. Lazy and chunked if `X` is lazy or stored. Values are float32, or
            float64 where float32 would lose more than 1e-4 of the targets' standard deviation.

        Raises
        ------
        ValueError
            If the samples do not have the network's shape, or hold infinity, an unknown token,
            only padding, or NaN where the network takes no missing values; if `return_std` is
            asked of a classifier; or if "sample" is not for the network: it needs a `Dense` with
            DropConnect, then only `Dense` and `Dropout`.
        FileExistsError
            If something is at `out` that may not be replaced.

        References
        ----------
        .. [1] Wan, Zeiler, Zhang, LeCun, Fergus: Regularization of Neural Networks using
           DropConnect, ICML 2013.
        """
        draws = Draws(n_draws, seed)
        X, out = self._places(X, out, overwrite, storage_options)
        if _samples(inference):
            return self._sampled(draws).predict(
                X, out=out, overwrite=overwrite, return_std=return_std
            )
        if not return_std:
            return self._answer(X, self._decoded, out)
        if self.targets.kind != "values":
            raise ValueError("return_std=True is for values; use predict_proba for classes")
        return self._mean_and_std(X, out)

    def predict_proba(
        self,
        X: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        return_std: bool = False,
        inference: str = "mean",
        n_draws: int = 1000,
        seed: int = 0,
    ) -> Any:
        """Predict the probability of each class, or of each label, at the model's temperature.

        Parameters are those of `predict`.

        Returns
        -------
        ndarray or dask.array.Array of float32, (n_samples, n_outputs)
            (n_samples, steps, n_outputs) if each step has outputs of its own. With `return_std`,
            also the standard deviation of the members' own probabilities, in the same shape. It
            does not depend on the ensemble's temperature.
        """
        if self.targets.kind == "values":
            raise ValueError(
                f"predict_proba needs a classifier, but this model's loss is "
                f"{self.network.loss!r}; use predict"
            )
        draws = Draws(n_draws, seed)
        X, out = self._places(X, out, overwrite, storage_options)
        if _samples(inference):
            return self._sampled(draws).predict_proba(
                X, out=out, overwrite=overwrite, return_std=return_std
            )
        if return_std:
            return self._mean_and_std(X, out)
        return self._answer(X, self._mean, out)

    def _places(
        self,
        X: Any,
        out: str | os.PathLike[str] | None,
        overwrite: bool,
        storage_options: Mapping[str, Any] | None,
    ) -> tuple[Any, Any]:
        """Return samples and out, their URLs with options; refuse an `out` that is taken."""
        X = located(X, storage_options)
        if out is None:
            return X, None
        from dask_horn.data.intake.predictions import check_predictions_free

        return X, check_predictions_free(located(out, storage_options), overwrite)

    def counted_steps(self, X: Any) -> Any:
        """Return which steps of samples count, that is, are not padding.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples, as `predict` takes them.

        Returns
        -------
        ndarray or dask.array.Array of bool, (n_samples, steps)
            Lazy and chunked if `X` is lazy or stored.

        Raises
        ------
        ValueError
            If the model does not predict each step, or `X` is wrong, as for `predict`.
        """
        if self.targets.steps is None:
            raise ValueError(
                f"counted_steps needs a model that predicts each step, but this one has "
                f"{self.network!r}; train a network with return_sequences=True"
            )
        return self._answer(X, self._form.counted, None)

    def _mean(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the members' mean at the temperature, (n_samples, ..., n_outputs)."""
        if self.temperature == 1:
            return self._pooled(samples)
        kind = self.targets.kind
        return temper(self._log_pooled(samples), self.temperature, kind)

    def _decoded(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Return labels or values; without temperature, whose rounding could show."""
        mean, targets = self._pooled(samples), self.targets
        if targets.kind == "classes":
            return targets.decode(mean)
        answer = (mean > 0.5).astype(np.int64) if targets.kind == "labels" else mean
        return answer[..., 0] if targets.flat else answer

    def _mean_and_std(self, X: Any, out: Any) -> tuple[Any, Any]:
        """Return both, each in the shape of the mean."""
        if out is not None:
            raise ValueError(
                f"out={out!r} cannot be used with return_std=True; leave out one of them, or write "
                "the two arrays to Zarr yourself"
            )
        both = self._answer(X, self._spread, None)
        return both[:, 0], both[:, 1]

    def _spread(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return the members' mean and standard deviation, (n_samples, 2, ..., n_outputs)."""
        outputs, targets = self.member_outputs(samples), self.targets
        mean = outputs.mean(axis=0) if self.temperature == 1 else self._mean(samples)
        if outputs.dtype == np.float64 and targets.scale is not None:
            # In units of the targets' scale: squares may be beyond float64, offsets eat digits.
            std = ((outputs - outputs[0]) / targets.scale).std(axis=0) * targets.scale
        else:
            std = outputs.std(axis=0)
        both = np.stack([mean, std], axis=1)
        return both[..., 0] if targets.kind == "values" and targets.flat else both

    def _answer(self, X: Any, answer: Any, out: Any) -> Any:
        """Apply `answer` to samples in memory, or lazily to chunks."""
        # Importing dask.array takes longer than the rest of the package; training does not need it.
        from dask_horn.data.intake.predictions import (
            chunked_samples,
            map_samples,
            store_predictions,
        )

        X = X if is_location(X) else plain_rows(X, "X")
        chunked = chunked_samples(X, self._form)
        if chunked is None:
            predicted = answer(self._checked(X))
        else:
            self._form.check(chunked.shape[1:])
            probe = answer(np.zeros((1, *chunked.shape[1:]), decoded_dtype(chunked.dtype)))

            def per_chunk(chunk: NDArray[Any], first_row: int | None) -> NDArray[Any]:
                return answer(self._checked(chunk, first_row))  # type: ignore[no-any-return]

            predicted = map_samples(per_chunk, chunked, probe)
        if out is None:
            return predicted
        store_predictions(out, predicted, overwrite=True)  # whether it may is settled
        return None

    def _checked(self, X: Any, first_row: int | None = 0) -> NDArray[Any]:
        """Return samples as a (n, n_features) array of a dtype that the kernels read.

        `first_row` is the number of samples before these, for messages; None if unknown.
        """
        missing = self._form.missing
        samples = as_samples(self._form.unmasked(X), first_row, missing=missing)
        self._form.check(samples.shape[1:])
        flat = np.ascontiguousarray(samples, decoded_dtype(samples.dtype))
        flat = flat.reshape(len(flat), -1)
        fault = first_not_finite(flat, "X", "feature", first_row, column_names(X), missing)
        fault = fault or self._form.fault(flat, first_row)
        if fault is not None:
            raise ValueError(fault)
        return flat


def _samples(inference: str) -> bool:
    """Return whether to average activations over draws."""
    return checked_choice("inference", inference, ("mean", "sample")) == "sample"
