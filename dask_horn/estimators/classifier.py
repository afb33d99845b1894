"""The classifier: one class per sample, or several labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted

from dask_horn.data import SampleForm, Targets, in_memory, is_location
from dask_horn.data.intake.given import stored_pair
from dask_horn.data.store.tasks import is_lazy
from dask_horn.data.values.arrays import as_targets
from dask_horn.errors import naming
from dask_horn.estimators.base import HornEstimator, Task, merges
from dask_horn.estimators.callbacks import managed, refusing_callbacks
from dask_horn.estimators.inputs import distinct_labels, given_samples, n_columns
from dask_horn.estimators.parameters import documented
from dask_horn.estimators.pipelines import chosen_validation
from dask_horn.model import Ensemble, Model
from dask_horn.training import Settled


@documented
@refusing_callbacks
@dataclass(eq=False, repr=False, kw_only=True)
class HornClassifier(ClassifierMixin, HornEstimator):  # type: ignore[misc]
    """A neural-network classifier, trained in disconnected sub-models on Dask.

    It trains on the cluster of the current `distributed.Client`, or on threads of this process if
    there is no client.

    {parameters}

    Attributes
    ----------
    classes_ : ndarray, (n_classes,)
        The class labels; column numbers if `y` has several labels per sample.
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
        Mean training loss of the last round.
    preset_ : str
        With `tune`, the name of the preset that was chosen.
    tuning_ : tuple of Trial
        With `tune`, what was tried: its `preset`, the `changes` to parameters, `loss` and `score`
        on held-out rows, and the `seconds` that it took.
    n_outputs_ : int
        Number of outputs of the network: one per class or label.

    Notes
    -----
    There is no ``sample_weight`` yet; `class_weight` weighs whole classes.

    A ``y`` of zeros and ones with two or more columns holds several labels per sample. But if the
    last of `layers` gives an output for each step, as ``LSTM(64, return_sequences=True)`` does,
    ``y`` holds a class for each step.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> clf = HornClassifier(hidden_layer_sizes=(32,), random_state=0).fit(X, y)
    >>> clf.predict(X[:3])
    array([0, 0, 0])
    >>> clf.score(X, y) > 0.9
    True
    """

    class_weight: str | Mapping[Any, float] | None = None

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
        """Train on samples and their classes.

        Parameters
        ----------
        X : array-like, data frame, Dask array or frame, or zarr.Array, shape (n_samples, ...)
            Samples. A Zarr array is read where it is; the workers write a Dask array to Zarr first.
            Or a Zarr group, open or by its path, a `SampleStore`, or an xarray Dataset, which
            holds them as ``X`` and the targets as ``y``.
        y : likewise, shape (n_samples,), or (n_samples, n_labels) of zeros and ones
            Classes of any type, or several labels per sample. If the last of `layers` gives an
            output for each step, a class for each step, (n_samples, steps); those of padding are
            ignored.
        validation_data : pair of (X, y), or path or URL of a Zarr group, optional
            Samples and targets to score the model on after each round. The steps of a Pipeline
            would not transform them: there pass `X_val` and `y_val`.
        initial : Model, optional
            Model to continue from, such as ``horn.load(path)``. Its parameters, standardizer and
            classes are kept.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, for `validation_data`, `checkpoint` and
            `scratch` where they are URLs. They are no parameter, since those are shown and pickled.
        X_val, y_val : as X and y, optional
            The same as ``validation_data=(X_val, y_val)``. A Pipeline transforms them as `X` where
            it has ``transform_input=["X_val"]`` and this step
            ``set_fit_request(X_val=True, y_val=True)``, with scikit-learn's metadata routing.

        Returns
        -------
        HornClassifier
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
    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Self:
        """Train for one more round, at a constant learning rate.

        The first call fixes the number of features, how samples are standardized, and the
        classes. `n_rounds`, `schedule`, `early_stopping`, `checkpoint` and the outer step have no
        effect, and the number of sub-models stays the same.

        Parameters
        ----------
        X, y
            As for `fit`; not every class has to occur.
        classes : array-like, shape (n_classes,), optional
            All classes. Needed in the first call, unless `y` has several labels per sample.

        Returns
        -------
        HornClassifier
            Itself.

        Raises
        ------
        ValueError
            If the first call has no `classes`, or a later call has different ones.
        """
        if classes is not None:
            with naming("classes"):
                classes = np.unique(as_targets(classes, "classes"))
        before: Any = getattr(self, "model_", None)
        if before is not None:
            known = before.classes
            if classes is not None and not np.array_equal(classes, self.classes_):
                raise ValueError(
                    f"classes={classes.tolist()} differ from those of the first call, "
                    f"{self.classes_.tolist()}; leave them out"
                )
            return self._partial_fit(X, y, known)
        if classes is None:
            rows, labels = stored_pair(X, y)
            if getattr(labels, "ndim", 1) != 2 or self._form(rows).target_steps:
                raise ValueError(
                    "classes must be passed on the first call to partial_fit, such as np.unique(y)"
                )
        return self._partial_fit(X, y, classes)

    def calibrate(
        self, X: Any, y: Any = None, *, storage_options: Mapping[str, Any] | None = None
    ) -> Self:
        """Fit the temperature of the probabilities on samples that were held out of training.

        The probabilities of `model_` are sharpened or softened by one number, so that they match
        how often the model is right. `predict` still gives the same classes. `fit` and
        `partial_fit` start at temperature 1 again.

        Parameters
        ----------
        X, y
            As for `fit`, but samples that were not trained on; a few hundred are enough. Or `X`
            is the path of a Zarr group that has arrays ``X`` and ``y``.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, where `X` is a URL.

        Returns
        -------
        HornClassifier
            Itself.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted yet.
        TypeError, ValueError
            If X or y is wrong, for instance if y has a class that `fit` did not see.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> X, y = load_digits(return_X_y=True)
        >>> from sklearn.metrics import log_loss
        >>> clf = HornClassifier(random_state=0).fit(X[:900], y[:900])
        >>> before = log_loss(y[1400:], clf.predict_proba(X[1400:]))
        >>> clf = clf.calibrate(X[900:1400], y[900:1400])
        >>> log_loss(y[1400:], clf.predict_proba(X[1400:])) < before
        True
        """
        check_is_fitted(self)
        if not is_location(X):
            X, y, columns = given_samples(X, y)
            checks = {"reset": False, "min_samples": 1, "columns": columns}
            X, y = self._checked_pair(X, y, self._form(X), **checks)
        self.model_: Model | Ensemble = self.model_.calibrate(X, y, storage_options=storage_options)
        return self

    def predict(
        self,
        X: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Predict the class of each sample, or its labels.

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

        Returns
        -------
        ndarray or dask.array.Array, (n_samples,), (n_samples, n_labels) or (n_samples, steps)
            Lazy and chunked if `X` is lazy or stored. Classes of padding mean nothing.
        """
        places = {"out": out, "overwrite": overwrite, "storage_options": storage_options}
        return self._answer("predict", X, **places)

    def predict_proba(
        self,
        X: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> Any:
        """Predict the probability of each class, or of each label.

        Parameters
        ----------
        X, out, overwrite, storage_options
            As for `predict`.

        Returns
        -------
        ndarray or dask.array.Array of float32, (n_samples, n_outputs_)
            In the order of `classes_`; (n_samples, steps, n_outputs_) if y has steps.
        """
        places = {"out": out, "overwrite": overwrite, "storage_options": storage_options}
        return self._answer("predict_proba", X, **places)

    def predict_log_proba(self, X: Any) -> Any:
        """Predict the logarithm of `predict_proba`."""
        with np.errstate(divide="ignore"):  # a probability may be 0
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy; with several labels, the fraction of samples with all of them right.

        If y has steps, the accuracy over all steps that are not padding.

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
        return float(accuracy_score(true, predicted, sample_weight=weights))

    def _task(self, X: Any, y: Any, classes: Any, form: SampleForm) -> Task:
        """Distinguish labels from classes, and find the classes."""
        steps = form.target_steps
        if in_memory(y):
            check_classification_targets(y if steps is None else y.ravel())
            several = type_of_target(y).startswith("multilabel")
        else:
            several = n_columns(y) > 1
        if several and steps is None:
            return Task(y, "binary_cross_entropy", n_columns(y))
        if in_memory(y) and steps is None:
            y = column_or_1d(y, warn=True)
        if classes is None and in_memory(y):
            classes = np.unique(y)
        elif classes is None and is_lazy(y):  # may only be computed once: the run finds them
            return Task(y, "cross_entropy", 2, check_found=_check_found)
        elif classes is None:
            classes = distinct_labels(X, y, form)
            _check_labels(classes)
        if len(classes) < 2:
            raise ValueError(
                f"y holds only one class ({classes.tolist()[0]!r}); training needs samples of at "
                "least two classes"
            )
        settled = Settled(targets=Targets.of_classes(classes, steps))
        return Task(y, "cross_entropy", len(classes), settled)

    def _attributes_of(self, model: Model | Ensemble) -> dict[str, Any]:
        classes: NDArray[Any] | None = model.classes
        if classes is None:
            classes = np.arange(model.network.n_outputs)
        return {**super()._attributes_of(model), "classes_": classes}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _check_found(targets: Targets) -> None:
    """Refuse values of a regression among the labels that a run has found."""
    assert targets.classes is not None, "a survey of classes finds them"
    _check_labels(targets.classes)


def _check_labels(classes: NDArray[Any]) -> None:
    # Twice each: labels that occur only once look like values of a regression.
    check_classification_targets(np.repeat(classes, 2))
