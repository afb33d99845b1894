"""Calibration: fitting a temperature to held-out samples, and drawing how good predictions are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dask_horn.checks import checked_integer
from dask_horn.data import Targets, held_out_targets
from dask_horn.data.intake.pairs import of_one_order, rows_in_memory
from dask_horn.data.store.locations import located
from dask_horn.data.values.arrays import check_lengths
from dask_horn.model.calibration import fit_temperature, temper
from dask_horn.model.reliability import decisions, of_probabilities, of_quantiles
from dask_horn.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Calibrated(ABC):
    """What can be calibrated; its subclasses predict."""

    network: Network
    targets: Targets
    temperature: float

    @abstractmethod
    def _with_temperature(self, temperature: float) -> Self:
        """Return the same model or ensemble at another temperature."""

    @abstractmethod
    def _log_pooled(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        """Return logits, log-probabilities or log-odds before the temperature."""

    @abstractmethod
    def counted_steps(self, X: Any) -> Any:
        """Return which steps of samples count, that is, are not padding."""

    @abstractmethod
    def _answer(self, X: Any, answer: Any, out: Any) -> Any:
        """Apply `answer` to samples in memory, or lazily to chunks."""

    @abstractmethod
    def _mean_and_std(self, X: Any, out: Any) -> tuple[Any, Any]:
        """Return the members' mean and standard deviation."""

    def calibrate(
        self, X: Any, y: Any = None, *, storage_options: Mapping[str, Any] | None = None
    ) -> Self:
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
        storage_options : mapping, optional
            Options for fsspec, such as credentials, where X is a URL.

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
        held_out = self._held_out(located(X, storage_options), y)
        return self._with_temperature(fit_temperature(*held_out, self.targets.kind))

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
        from dask_horn.diagnostics.plots import plot_quantiles, plot_reliability

        n_bins = checked_integer("n_bins", n_bins, 2)
        if self.targets.kind == "values":
            return plot_quantiles(of_quantiles(self._quantiles(X, y), n_bins), ax)
        logs, encoded = self._held_out(X, y)
        kind = self.targets.kind
        now, before = (
            of_probabilities(*decisions(temper(logs, at, kind), encoded, kind), n_bins)
            for at in (self.temperature, 1.0)
        )
        classes = self.targets.classes
        of = str(classes[1]) if classes is not None and len(classes) == 2 else ""
        confidence = classes is not None and not of
        was = None if self.temperature == 1 else before
        return plot_reliability(now, was, self.temperature, of, confidence, ax)

    def _quantiles(self, X: Any, y: Any) -> NDArray[np.float64]:
        """Return which quantile of its predicted distribution each target is."""
        X, y, _ = of_one_order(X, y)
        spread = self._mean_and_std(X, None)
        mean, std, counted, y = rows_in_memory(*spread, self._counted(X), y)
        mean, std = np.asarray(mean, np.float64), np.asarray(std, np.float64)
        if not std.any():
            raise ValueError(
                "plot_calibration of values needs an ensemble, whose members differ; train with "
                "merge='ensemble'"
            )
        truth = held_out_targets(X, y, "values", counted)
        check_lengths(len(mean), len(truth))
        self.targets.check_shape(truth.shape)
        distance = truth.reshape(mean.shape).astype(np.float64) - mean
        # Where all members agree, a target is above or below, or just there.
        with np.errstate(over="ignore"):
            quantiles = ndtr(distance / np.where(std > 0, std, np.finfo(np.float64).tiny))
        own: NDArray[np.float64] = quantiles if counted is None else quantiles[counted]
        return own.ravel()

    def _held_out(self, X: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Return the predictions' logarithms and the encoded targets, of the steps that count."""
        targets = self.targets
        X, y, _ = of_one_order(X, y)
        answers = self._answer(X, self._log_pooled, None)
        logs, counted, y = rows_in_memory(answers, self._counted(X), y)
        encoded = targets.encode(held_out_targets(X, y, targets.kind, counted))
        check_lengths(len(logs), len(encoded))
        if counted is None:
            return logs, encoded
        return logs[counted], encoded.reshape(*counted.shape, -1)[counted]

    def _counted(self, X: Any) -> Any:
        return None if self.targets.steps is None else self.counted_steps(X)
