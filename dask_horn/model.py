"""Trained models: predict, tell how sure, save and load.

A `Model` is a network with its parameters and with what turns raw samples into its inputs and
its outputs into answers. An `Ensemble` holds several and predicts their mean.
"""

from __future__ import annotations

import threading
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from dask_horn.data import Standardizer, Targets, as_samples, decoded_dtype
from dask_horn.network import Network
from dask_horn.program import Execution, prediction_program

__all__ = ["Ensemble", "Model", "Predictor", "load"]

_BATCH = 256


class Predictor(ABC):
    """What models and ensembles have in common: predicting."""

    @abstractmethod
    def _any_member(self) -> Model:
        """A model whose network and targets are those of all members."""

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
            return self._mean_and_std(X)
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
            return self._mean_and_std(X)
        return self._answer(X, self._mean, out)

    def _mean(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """The members' mean, (n_samples, n_outputs)."""
        return self.member_outputs(samples).mean(axis=0)

    def _decoded(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Labels or values, as the targets were."""
        mean, targets = self._mean(samples), self._any_member().targets
        if targets.kind == "classes":
            return targets.decode(mean)
        answer = (mean > 0.5).astype(np.int64) if targets.kind == "labels" else mean
        return answer[:, 0] if targets.flat else answer

    def _mean_and_std(self, X: Any) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        outputs = self.member_outputs(self._checked(X))
        targets = self._any_member().targets
        if targets.kind == "values" and targets.flat:
            outputs = outputs[:, :, 0]
        return outputs.mean(axis=0), outputs.std(axis=0)

    def _answer(self, X: Any, answer: Any, out: str | None) -> Any:
        """Apply `answer` to samples in memory, or lazily to what is chunked."""
        from dask_horn.data import chunked_samples, map_samples, store_predictions

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
        """Samples as a (n, n_features) array of a dtype that the kernels read.

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


@dataclass(frozen=True, eq=False)
class Model(Predictor):
    """A trained network.

    Attributes
    ----------
    network : Network
    parameters : ndarray of float32, (network.parameters.size,)
        All parameters in one vector; `tensor` gives one by its name.
    standardizer : Standardizer
        Applied to samples first.
    targets : Targets
        How outputs become labels or values.

    Examples
    --------
    >>> import numpy as np
    >>> from dask_horn.network import Dense, Network
    >>> network = Network([Dense(2)], input_shape=3)
    >>> model = Model(network, network.initial_values(0), Standardizer.identity(3),
    ...               Targets.of_classes(np.array(["cat", "dog"])))
    >>> model.predict(np.zeros((4, 3))).shape
    (4,)
    """

    network: Network
    parameters: NDArray[np.float32]
    standardizer: Standardizer
    targets: Targets
    _idle: list[Execution] = field(default_factory=list, init=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False)

    def _any_member(self) -> Model:
        return self

    def tensor(self, name: str) -> NDArray[np.float32]:
        """One parameter tensor, such as ``"dense_1/W"``: a read-only view."""
        view = self.network.parameters.view(self.parameters, name)
        view.flags.writeable = False
        return view

    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Probabilities or values, shape (1, n_samples, n_outputs)."""
        return self._outputs(samples)[np.newaxis]

    def _outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        execution = self._execution(str(samples.dtype))
        z = execution.predict(samples)
        with self._lock:
            self._idle.append(execution)
        kind = self.targets.kind
        if kind == "classes":
            return softmax(z, axis=1)  # type: ignore[no-any-return]
        if kind == "labels":
            return expit(z)  # type: ignore[no-any-return]
        return self.targets.decode(z).reshape(z.shape)

    def _execution(self, dtype: str) -> Execution:
        """An execution that no other thread uses: it holds a copy of the parameters."""
        with self._lock:
            for i, execution in enumerate(self._idle):
                if f"gather_{dtype}" in execution.program.kernels:
                    return self._idle.pop(i)
        program = prediction_program(self.network, batch_size=_BATCH, sample_dtype=dtype)
        standardizer = self.standardizer
        return Execution(program, self.parameters, standardizer.mean, standardizer.scale)

    def save(self, location: str, overwrite: bool = False) -> None:
        """Write the model to a Zarr group: one array per tensor, all else in its attributes.

        Parameters
        ----------
        location : str
            Path or URL.
        overwrite : bool, default False
            Whether a model that is there may be replaced.

        Raises
        ------
        FileExistsError
            If something is there already, unless it is a model and may be replaced.
        """
        from dask_horn.model_store import create_group, write_model

        write_model(create_group(location, overwrite), self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name[0] != "_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _idle=[], _lock=threading.Lock())

    @property
    def checksum(self) -> int:
        """CRC-32 of the parameters: equal bits, equal number."""
        return zlib.crc32(self.parameters.tobytes())


@dataclass(frozen=True, eq=False)
class Ensemble(Predictor):
    """Several models of one network; predicts their mean, and their spread as uncertainty.

    Attributes
    ----------
    members : tuple of Model
    """

    members: tuple[Model, ...]

    def _any_member(self) -> Model:
        return self.members[0]

    @property
    def network(self) -> Network:
        """The members' network."""
        return self.members[0].network

    @property
    def targets(self) -> Targets:
        """The members' targets."""
        return self.members[0].targets

    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Each member's probabilities or values, shape (n_members, n_samples, n_outputs)."""
        return np.concatenate([member.member_outputs(samples) for member in self.members])

    def save(self, location: str, overwrite: bool = False) -> None:
        """Write all members to one Zarr group; parameters are those of `Model.save`."""
        from dask_horn.model_store import create_group, write_ensemble

        write_ensemble(create_group(location, overwrite), self)


def load(location: str) -> Model | Ensemble:
    """Open a saved model or ensemble. No pickle is read: a stranger's model runs no code.

    Parameters
    ----------
    location : str
        Path or URL.

    Raises
    ------
    FileNotFoundError
        If nothing is there.
    ModelFormatError
        If it holds no model, or one that is damaged, or of a later version.
    """
    from dask_horn.model_store import read

    return read(location)
