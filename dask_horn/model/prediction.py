"""Predicting: what models and ensembles have in common.

Samples in memory are answered at once; what is chunked, a Dask array or a Zarr store, lazily and
chunk by chunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dask_horn.data import SampleForm, as_samples, decoded_dtype, held_out_targets
from dask_horn.data.store.tasks import compute
from dask_horn.data.values.arrays import check_lengths
from dask_horn.model.calibration import fit_temperature, temper
from dask_horn.model.form import sample_form
from dask_horn.model.sampling import Draws

if TYPE_CHECKING:
    from dask_horn.model.models import Model

__all__ = ["Predictor"]


class Predictor(ABC):
    """What models and ensembles have in common: predicting, and calibrating what is predicted."""

    temperature: float

    @abstractmethod
    def _any_member(self) -> Model:
        """Return a model whose network and targets are those of all members."""

    @abstractmethod
    def _with_temperature(self, temperature: float) -> Self:
        """Return the same model or ensemble at another temperature."""

    @abstractmethod
    def _sampled(self, draws: Draws) -> Predictor:
        """Return the same model or ensemble with outputs that are averaged over draws."""

    @abstractmethod
    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Each member's probabilities or values for samples in memory.

        Returns an array of shape (n_members, n_samples, n_outputs), in the targets' own units;
        (n_members, n_samples, steps, n_outputs) where each step has outputs of its own.
        These are what a member says by itself: at its own temperature, which is 1 unless that
        member was calibrated, and not at the ensemble's.
        """

    @abstractmethod
    def _pooled(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Mean of the members' outputs before the temperature, (n_samples, n_outputs)."""

    @abstractmethod
    def _log_pooled(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        """Logits, log-probabilities or log-odds before the temperature, (n_samples, n_outputs)."""

    @abstractmethod
    def save(self, location: str, overwrite: bool = False) -> None:
        """Write to a Zarr group."""

    @property
    def _form(self) -> SampleForm:
        """What samples are taken for."""
        return sample_form(self._any_member().network)

    @property
    def classes(self) -> NDArray[Any] | None:
        """The classes' labels, in the order of the outputs; None for values and label sets."""
        return self._any_member().targets.classes

    def predict(
        self,
        X: Any,
        *,
        out: str | None = None,
        return_std: bool = False,
        inference: str = "mean",
        n_draws: int = 1000,
        seed: int = 0,
    ) -> Any:
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
        inference : {"mean", "sample"}, default "mean"
            How dense layers with DropConnect are used: with all their weights, the mean over masks;
            or as in Algorithm 2 of [1]_, which takes much longer: the sums of such a layer are
            drawn from the normal distributions that have their means and variances over masks, and
            the activations are averaged over the draws before the next layer takes them. A next
            layer with DropConnect counts what the inputs vary by, over the draws, to the variance
            of its own sums. Recurrent layers always are the mean.
        n_draws : int, default 1000
            Draws of each sum, for "sample"; as many as in the paper's tables.
        seed : int, default 0
            What the draws are a function of: all samples have the same, whatever the chunks.

        Returns
        -------
        ndarray or dask.array.Array
            (n_samples,), or (n_samples, n_outputs). Lazy and chunked for what is lazy or stored.
            Where each step has outputs of its own: (n_samples, steps), or (n_samples, steps,
            n_outputs); those of padding mean nothing, and `counted_steps` tells which these are.

        Raises
        ------
        ValueError
            If the samples have another shape than the network's, hold NaN, infinity or what is no
            token, or are nothing but padding; if `return_std` is asked of a classifier; or draws
            of a network that has no dense layer with DropConnect, or others than Dense and Dropout
            behind the first of them.

        References
        ----------
        .. [1] Wan, Zeiler, Zhang, LeCun, Fergus: Regularization of Neural Networks using
           DropConnect, ICML 2013.
        """
        draws = Draws(n_draws, seed)
        if _samples(inference):
            sampled = self._sampled(draws)
            return sampled.predict(X, out=out, return_std=return_std)
        if return_std:
            if self._any_member().targets.kind != "values":
                raise ValueError(
                    "return_std=True is for values; for classes use predict_proba(X, "
                    "return_std=True)"
                )
            return self._mean_and_std(X, out)
        return self._answer(X, self._decoded, out)

    def predict_proba(
        self,
        X: Any,
        *,
        out: str | None = None,
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
            Or (n_samples, steps, n_outputs), as for `predict`. And, with `return_std`, the
            standard deviation of the same shape of what the members say by themselves: by how
            much they disagree, whatever the ensemble's temperature.
        """
        if self._any_member().targets.kind == "values":
            raise ValueError(
                f"predict_proba needs a classifier, but this model's loss is "
                f"{self._any_member().network.loss!r}; use predict"
            )
        draws = Draws(n_draws, seed)
        if _samples(inference):
            sampled = self._sampled(draws)
            return sampled.predict_proba(X, out=out, return_std=return_std)
        if return_std:
            return self._mean_and_std(X, out)
        return self._answer(X, self._mean, out)

    def counted_steps(self, X: Any) -> Any:
        """Tell which steps of samples count: those that are no padding.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples, as `predict` takes them.

        Returns
        -------
        ndarray or dask.array.Array of bool, (n_samples, steps)
            Lazy and chunked for what is lazy or stored.

        Raises
        ------
        ValueError
            If the model does not predict for each step, or `X` is wrong, as for `predict`.
        """
        if self._any_member().targets.steps is None:
            raise ValueError(
                f"counted_steps needs a model that predicts for each step, but this one is of "
                f"{self._any_member().network!r}; train one with return_sequences=True"
            )
        return self._answer(X, self._form.counted, None)

    def calibrate(self, X: Any, y: Any = None) -> Self:
        """Fit the temperature of the probabilities on samples that were held out of training.

        Networks are often surer than they are right, and the mean of an ensemble less sure. One
        number mends most of it: probabilities become ``softmax(log p / temperature)``, p those of
        the model, or the mean of the members' (pool, then calibrate), and the temperature is the
        one at which the held-out targets are likeliest. For label sets the sigmoid takes the
        softmax's place, and one temperature serves all labels.

        What `predict` answers stays the same: no temperature changes which class leads. Training
        on from a calibrated model gives one at temperature 1, to be calibrated anew.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples, as `predict_proba` takes them, which the model was not trained on; some
            hundreds are enough.
        y : array-like, data frame, Dask array or Zarr array, optional
            Their classes or labels. Left out where X is a group that holds them as its array
            ``y``.

        Returns
        -------
        Model or Ensemble
            A new one, at the new temperature; this one is not changed. Calibrating it again
            starts from temperature 1, not from the last one.

        Raises
        ------
        TypeError
            If `y` is missing.
        ValueError
            If the model predicts values, y holds an unknown label, X and y differ in length, or
            predictions have nothing to do with y.

        Warns
        -----
        UserWarning
            If all samples are predicted rightly: that tells no temperature, so it stays 1.

        References
        ----------
        C. Guo, G. Pleiss, Y. Sun and K. Weinberger, "On Calibration of Modern Neural Networks",
        ICML 2017, section 4.2. R. Rahaman and A. Thiery, "Uncertainty Quantification and Deep
        Ensembles", NeurIPS 2021: why the mean is calibrated and not each member.

        Examples
        --------
        >>> import dask_horn as horn
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> network = horn.Network([horn.Dense(64, "relu"), horn.Dense(10)], input_shape=64)
        >>> model = horn.train(network, X[:900], y[:900]).model.calibrate(X[900:1400], y[900:1400])
        >>> model.temperature < 1  # weight decay had made it too modest
        True
        """
        targets = self._any_member().targets
        if targets.kind == "values":
            raise ValueError(
                f"calibrate needs a classifier, but this model's loss is "
                f"{self._any_member().network.loss!r}; an ensemble tells how sure it is of values "
                "by predict(X, return_std=True)"
            )
        counted = None if targets.steps is None else compute(self.counted_steps(X))[0]
        encoded = targets.encode(held_out_targets(X, y, targets.kind, counted))
        logs = compute(self._answer(X, self._log_pooled, None))[0]
        check_lengths(len(logs), len(encoded))
        if counted is not None:
            logs, encoded = logs[counted], encoded.reshape(*counted.shape, -1)[counted]
        return self._with_temperature(fit_temperature(logs, encoded, targets.kind))

    def _mean(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return the members' mean at the temperature, (n_samples, ..., n_outputs)."""
        if self.temperature == 1:
            return self._pooled(samples)
        kind = self._any_member().targets.kind
        return temper(self._log_pooled(samples), self.temperature, kind)

    def _decoded(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Labels or values, as the targets were; no temperature, whose rounding could show."""
        mean, targets = self._pooled(samples), self._any_member().targets
        if targets.kind == "classes":
            return targets.decode(mean)
        answer = (mean > 0.5).astype(np.int64) if targets.kind == "labels" else mean
        return answer[..., 0] if targets.flat else answer

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
        """Mean and standard deviation of the members' outputs, (n_samples, 2, ..., n_outputs)."""
        outputs, targets = self.member_outputs(samples), self._any_member().targets
        mean = outputs.mean(axis=0) if self.temperature == 1 else self._mean(samples)
        both = np.stack([mean, outputs.std(axis=0)], axis=1)
        return both[..., 0] if targets.kind == "values" and targets.flat else both

    def _answer(self, X: Any, answer: Any, out: str | None) -> Any:
        """Apply `answer` to samples in memory, or lazily to what is chunked."""
        # Importing dask.array takes longer than the rest of the package; training needs none.
        from dask_horn.data.intake.predictions import (
            chunked_samples,
            map_samples,
            store_predictions,
        )

        chunked = chunked_samples(X, known_lengths=out is not None)
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
        store_predictions(out, predicted)
        return None

    def _checked(self, X: Any, first_row: int | None = 0) -> NDArray[Any]:
        """Return samples as a (n, n_features) array of a dtype that the kernels read.

        `first_row` counts the samples before these, for messages; None where it is not known.
        """
        samples = as_samples(X)
        self._form.check(samples.shape[1:])
        flat = np.ascontiguousarray(samples, decoded_dtype(samples.dtype))
        flat = flat.reshape(len(flat), -1)
        if flat.dtype.kind == "f" and not np.isfinite(flat).all():
            row = int(np.flatnonzero(~np.isfinite(flat).all(axis=1))[0])
            place = f"sample {row} of a chunk" if first_row is None else f"sample {first_row + row}"
            raise ValueError(f"X holds NaN or infinity at {place}; leave it out or impute it")
        fault = self._form.fault(flat, first_row)
        if fault is not None:
            raise ValueError(fault)
        return flat


def _samples(inference: str) -> bool:
    """Whether activations are to be averaged over draws."""
    if inference not in ("mean", "sample"):
        raise ValueError(f"inference must be 'mean' or 'sample', got {inference!r}")
    return inference == "sample"
