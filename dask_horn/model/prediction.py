"""Prediction: what models and ensembles have in common.

Predictions for samples in memory are computed at once; those for Dask arrays and Zarr stores are
lazy, chunk by chunk.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dask_horn.checks import checked_choice, checked_integer
from dask_horn.data import SampleForm, Targets, as_samples, decoded_dtype, held_out_targets
from dask_horn.data.store.tasks import compute
from dask_horn.data.values.arrays import check_lengths
from dask_horn.model.calibration import fit_temperature, temper
from dask_horn.model.evaluation import Scored
from dask_horn.model.form import sample_form
from dask_horn.model.reliability import decisions, of_probabilities, of_quantiles
from dask_horn.model.sampling import Draws
from dask_horn.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Predictor(Scored):
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

    network: Network
    targets: Targets
    temperature: float

    @abstractmethod
    def _with_temperature(self, temperature: float) -> Self:
        """Return the same model or ensemble at another temperature."""

    @abstractmethod
    def _sampled(self, draws: Draws) -> Predictor:
        """Return the same model or ensemble, with activations averaged over draws."""

    @abstractmethod
    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return each member's probabilities or values for samples in memory.

        The array has the shape (n_members, n_samples, n_outputs), or (n_members, n_samples, steps,
        n_outputs) if each step has outputs of its own. Values are in the units of the targets.
        Probabilities are at the member's own temperature, not at the ensemble's.
        """

    @abstractmethod
    def _pooled(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return the members' mean before the temperature, (n_samples, n_outputs)."""

    @abstractmethod
    def save(self, location: str, overwrite: bool = False) -> None:
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
        targets, n = self.targets, self.targets.n_outputs
        one, several = {"classes": ("class", "classes"), "labels": ("label", "labels")}.get(
            targets.kind, ("value", "values")
        )
        steps = "" if targets.steps is None else f" for each of {targets.steps} steps"
        return f"{n:,} {one if n == 1 else several}{steps}"

    @property
    def _in_words(self) -> str:
        """What a line of text says of a model that is calibrated; empty for others."""
        return "" if self.temperature == 1 else f", temperature {self.temperature:.3g}"

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
            Samples on axis 0, in the shape that the network was trained on. In a group they are
            the array ``X``.
        out : str, optional
            Path or URL of a Zarr group. The predictions are written there chunk by chunk, as its
            array ``y``, and nothing is returned.
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
            `counted_steps`. Lazy and chunked if `X` is lazy or stored.

        Raises
        ------
        ValueError
            If the samples do not have the network's shape, or hold NaN, infinity, an unknown
            token or only padding; if `return_std` is asked of a classifier; or if "sample" is not
            for the network: it needs a `Dense` with DropConnect, then only `Dense` and `Dropout`.

        References
        ----------
        .. [1] Wan, Zeiler, Zhang, LeCun, Fergus: Regularization of Neural Networks using
           DropConnect, ICML 2013.
        """
        draws = Draws(n_draws, seed)
        if _samples(inference):
            return self._sampled(draws).predict(X, out=out, return_std=return_std)
        if not return_std:
            return self._answer(X, self._decoded, out)
        if self.targets.kind != "values":
            raise ValueError("return_std=True is for values; use predict_proba for classes")
        return self._mean_and_std(X, out)

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
        if _samples(inference):
            return self._sampled(draws).predict_proba(X, out=out, return_std=return_std)
        if return_std:
            return self._mean_and_std(X, out)
        return self._answer(X, self._mean, out)

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

    def calibrate(self, X: Any, y: Any = None) -> Self:
        """Fit the temperature of the probabilities on samples that were held out of training.

        Networks are often overconfident, and ensembles often underconfident. One number corrects
        most of it: probabilities become ``softmax(log p / temperature)``, where p is the model's
        probability or the members' mean, and the temperature is the one that makes the held-out
        targets most likely. Labels have the sigmoid in place of the softmax.

        `predict` gives the same classes at any temperature. A model that is trained further
        starts again at temperature 1.

        Parameters
        ----------
        X : array-like, data frame, Dask array, Zarr array, or path or URL of a Zarr group
            Samples that the model was not trained on; a few hundred are enough.
        y : array-like, data frame, Dask array or Zarr array, optional
            Their classes or labels; leave it out if X is a group with an array ``y``.

        Returns
        -------
        Model or Ensemble
            A new one at the new temperature; this one does not change.

        Raises
        ------
        TypeError
            If `y` is missing.
        ValueError
            If the model predicts values, y holds an unknown label, X and y differ in length, or
            the predictions do not fit y better than chance.

        Warns
        -----
        UserWarning
            If all predictions are correct. No temperature is best then, and it stays 1.

        References
        ----------
        Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section
        4.2. Rahaman, Thiery: Uncertainty Quantification and Deep Ensembles, NeurIPS 2021, on
        calibrating the mean rather than each member.

        Examples
        --------
        >>> import dask_horn as horn
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> network = horn.Network([horn.Dense(64, "relu"), horn.Dense(10)], input_shape=64)
        >>> model = horn.train(network, X[:900], y[:900]).model.calibrate(X[900:1400], y[900:1400])
        >>> model.temperature < 1  # it was underconfident
        True
        """
        if self.targets.kind == "values":
            raise ValueError(
                f"calibrate needs a classifier, but this model's loss is {self.network.loss!r}; "
                "for values use an ensemble's predict(X, return_std=True)"
            )
        return self._with_temperature(fit_temperature(*self._held_out(X, y), self.targets.kind))

    def plot_calibration(
        self, X: Any, y: Any = None, *, ax: Axes | Sequence[Axes] | None = None, n_bins: int = 10
    ) -> Axes:
        """Draw how far the predicted probabilities can be relied on: a reliability diagram.

        Points on the diagonal are right: of what is predicted with a probability of 0.8, 80 % has
        happened. Points below it are overconfident. With two classes it is the probability of the
        second; with more the confidence, which is that of the most probable class, beside the
        accuracy; of several labels it is each one's. Bars are 95 % intervals of Wilson's. Below
        stands how many predictions there are of each probability. Where the model is calibrated,
        what it was before is drawn too.

        For values it is the quantiles of normal distributions with the ensemble's mean and
        standard deviation: the share of targets below each, and below that the histogram of the
        probability integral transform. It has the form of a U where the members are closer to each
        other than to the targets, as they are where targets have noise.

        Parameters
        ----------
        X, y
            Samples that the model was neither trained nor calibrated on, as for `calibrate`.
        ax : Axes or pair of Axes, optional
            Of a pair the second has the histogram; below single axes it gets a strip of its own.
            By default a new figure.
        n_bins : int, default 10
            Bins of equal width.

        Returns
        -------
        matplotlib.axes.Axes
            Of the diagram. Its heading has the expected calibration error: the mean distance from
            the diagonal, weighted by predictions.

        Raises
        ------
        TypeError
            If `y` is missing.
        ValueError
            If y does not suit the model, X and y differ in length, or a single model predicts
            values: it has no spread.

        References
        ----------
        Guo, Pleiss, Sun, Weinberger: On Calibration of Modern Neural Networks, ICML 2017, section
        2. Kuleshov, Fenner, Ermon: Accurate Uncertainties for Deep Learning Using Calibrated
        Regression, ICML 2018, section 3, for values.

        Examples
        --------
        >>> import dask_horn as horn
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> network = horn.Network([horn.Dense(64, "relu"), horn.Dense(10)], input_shape=64)
        >>> model = horn.train(network, X[:900], y[:900]).model.calibrate(X[900:1400], y[900:1400])
        >>> from matplotlib.figure import Figure
        >>> axes = model.plot_calibration(X[1400:], y[1400:], ax=Figure().subplots())
        >>> axes.get_ylabel()
        'accuracy'
        """
        from dask_horn.diagnostics.plots.calibration import plot_quantiles, plot_reliability

        n_bins = checked_integer("n_bins", n_bins, 2)
        if self.targets.kind == "values":
            return plot_quantiles(of_quantiles(self._quantiles(X, y), n_bins), ax)
        logs, encoded = self._held_out(X, y)
        kind = self.targets.kind
        now, before = (
            of_probabilities(*decisions(temper(logs, at, kind), encoded, kind), n_bins)
            for at in (self.temperature, 1.0)
        )
        classes = self.classes
        of = str(classes[1]) if classes is not None and len(classes) == 2 else ""
        confidence = classes is not None and not of
        was = None if self.temperature == 1 else before
        return plot_reliability(now, was, self.temperature, of, confidence, ax)

    def _quantiles(self, X: Any, y: Any) -> NDArray[np.float64]:
        """Return which quantile of its predicted distribution each target is."""
        mean, std = (np.asarray(one, np.float64) for one in compute(*self._mean_and_std(X, None)))
        if not std.any():
            raise ValueError(
                "plot_calibration of values needs an ensemble, whose members differ; train with "
                "merge='ensemble'"
            )
        counted = None if self.targets.steps is None else compute(self.counted_steps(X))[0]
        truth = held_out_targets(X, y, "values", counted)
        check_lengths(len(mean), len(truth))
        self.targets.check_shape(truth.shape)
        distance = truth.reshape(mean.shape) - mean
        # Where all members agree, a target is above or below, or just there.
        quantiles = ndtr(distance / np.where(std > 0, std, np.finfo(np.float64).tiny))
        own: NDArray[np.float64] = quantiles if counted is None else quantiles[counted]
        return own.ravel()

    def _held_out(self, X: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the predictions' logarithms and the encoded targets, of the steps that count."""
        targets = self.targets
        counted = None if targets.steps is None else compute(self.counted_steps(X))[0]
        encoded = targets.encode(held_out_targets(X, y, targets.kind, counted))
        logs = compute(self._answer(X, self._log_pooled, None))[0]
        check_lengths(len(logs), len(encoded))
        if counted is None:
            return logs, encoded
        return logs[counted], encoded.reshape(*counted.shape, -1)[counted]

    def _mean(self, samples: NDArray[Any]) -> NDArray[np.float32]:
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

    def _mean_and_std(self, X: Any, out: str | None) -> tuple[Any, Any]:
        """Return both, each in the shape of the mean."""
        if out is not None:
            raise ValueError(
                f"out={out!r} cannot be used with return_std=True; leave out one of them, or write "
                "the two arrays to Zarr yourself"
            )
        both = self._answer(X, self._spread, None)
        return both[:, 0], both[:, 1]

    def _spread(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return the members' mean and standard deviation, (n_samples, 2, ..., n_outputs)."""
        outputs, targets = self.member_outputs(samples), self.targets
        mean = outputs.mean(axis=0) if self.temperature == 1 else self._mean(samples)
        both = np.stack([mean, outputs.std(axis=0)], axis=1)
        return both[..., 0] if targets.kind == "values" and targets.flat else both

    def _answer(self, X: Any, answer: Any, out: str | None) -> Any:
        """Apply `answer` to samples in memory, or lazily to chunks."""
        # Importing dask.array takes longer than the rest of the package; training does not need it.
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

        `first_row` is the number of samples before these, for messages; None if unknown.
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
    """Return whether to average activations over draws."""
    return checked_choice("inference", inference, ("mean", "sample")) == "sample"
