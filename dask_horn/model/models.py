"""Trained models, which predict, are saved and loaded.

A `Model` is a network with its parameters, the standardizer of its samples, and the meaning of its
targets. An `Ensemble` holds several models and predicts their mean.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from scipy.special import expit, softmax

from dask_horn.data import Targets
from dask_horn.data.store.locations import location_text
from dask_horn.kernels.device import Machine, Steps, Window
from dask_horn.kernels.device import device as device_of
from dask_horn.model.calibration import check_temperature
from dask_horn.model.devices import check_usable
from dask_horn.model.parts import ModelParts
from dask_horn.model.prediction import Predictor
from dask_horn.model.sampling import Draws, SampledLayers, first_sampled
from dask_horn.model.scoring import pooled
from dask_horn.model.store import new_group, read, write_ensemble, write_model
from dask_horn.network import Network
from dask_horn.program import PREDICTION_BATCH, prediction_program


@dataclass(frozen=True, eq=False, repr=False)
class Model(ModelParts, Predictor):
    """A trained network.

    Attributes
    ----------
    network : Network
    parameters : ndarray of float32, (network.parameters.size,)
        All parameters in one vector; `tensor` returns one of them by name.
    standardizer : Standardizer
        Standardizes the samples.
    targets : Targets
        How outputs become labels or values.
    temperature : float, default 1
        Logits are divided by it before they become probabilities; see `calibrate`.
    statistics : ndarray of float32, (network.statistics.size,)
        Means and variances for the `BatchNorm` layers, measured on training samples; `tensor`
        returns one by name, such as ``"batch_norm_1/mean"``. Empty for other networks.
    device : str, default "cpu"
        Device that the model was trained on.
    predicts_on : str, default "cpu"
        Device that predicts; `on` chooses another one. It is not saved.

    Raises
    ------
    ValueError
        If the statistics do not have the shape that the network needs.

    Examples
    --------
    >>> import numpy as np
    >>> from dask_horn.data import Standardizer, Targets
    >>> from dask_horn.network import Dense, Network
    >>> network = Network([Dense(2)], input_shape=3)
    >>> model = Model(network, network.initial_values(0), Standardizer.identity(3),
    ...               Targets.of_classes(np.array(["cat", "dog"])))
    >>> model
    Model(3-2, 8 parameters, 2 classes)
    >>> model.predict(np.zeros((4, 3))).shape
    (4,)
    """

    _idle: dict[str, list[Machine]] = field(default_factory=dict, init=False, repr=False)
    _lock: Any = field(default_factory=threading.Lock, init=False, repr=False)

    def __repr__(self) -> str:
        network = self.network
        size = f"{network.parameters.n_parameters:,} parameters"
        return f"Model({network.widths}, {size}, {self.output_in_words}{self._in_words})"

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import model_html

        return model_html(self)

    def _with_temperature(self, temperature: float) -> Self:
        return replace(self, temperature=temperature)

    def _sampled(self, draws: Draws) -> Model:
        first_sampled(self.network)  # raises before any work
        return _SampledModel(**self.__getstate__(), draws=draws)

    def on(self, device: str) -> Self:
        """Return the same model, which predicts on a device.

        Predictions differ between devices by rounding. Of a model that averages over draws of its
        masks, the layers before the first such mask are done there.

        Parameters
        ----------
        device : {"cpu", "cuda"}

        Raises
        ------
        ValueError
            If this process cannot use the device, or it lacks a layer's kernels.
        """
        check_usable(device, self.network)
        return replace(self, predicts_on=device)

    def tensor(self, name: str) -> NDArray[np.float32]:
        """Return a parameter tensor such as ``"dense_1/W"``, or a statistic: a read-only view."""
        table, vector = self.network.parameters, self.parameters
        if name in self.network.statistics:
            table, vector = self.network.statistics, self.statistics
        view = table.view(vector, name)
        view.flags.writeable = False
        return view

    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return probabilities or values, (1, n_samples, n_outputs)."""
        return self._mean(samples)[np.newaxis]

    def _pooled(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        z = self._network_outputs(samples)
        kind = self.targets.kind
        if kind == "classes":
            return softmax(z, axis=-1)  # type: ignore[no-any-return]
        if kind == "labels":
            return expit(z)  # type: ignore[no-any-return]
        return self.targets.decode(z).reshape(z.shape)

    def _log_pooled(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        return self._network_outputs(samples).astype(np.float64)

    def _network_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        """Return logits or standardized values, (n_samples, n_outputs).

        (n_samples, steps, n_outputs) if the targets have steps.
        """
        z = self._passed(samples)
        steps = () if self.targets.steps is None else (self.targets.steps,)
        return z.reshape(len(z), *steps, self.network.n_outputs)

    def _passed(self, samples: NDArray[Any], n_layers: int | None = None) -> NDArray[np.float32]:
        """Return the output of the first `n_layers`, or of all; a model always uses one number."""
        samples = self.standardizer.shifted(samples)
        dtype = str(samples.dtype)
        machine = self._machine(dtype, n_layers)
        steps = Steps.through(len(samples), PREDICTION_BATCH)
        z = machine.outputs(machine.stage([Window([samples])]), [steps])[0]
        with self._lock:
            self._idle.setdefault(dtype, []).append(machine)
        if not np.isfinite(z).all():
            row = int(np.argmin(np.isfinite(z).all(axis=1))) // (len(z) // len(samples))
            raise ValueError(
                f"X holds values so far from those of the training that sample {row} of what was "
                "passed has no finite prediction; scale it as they were, or leave it out."
            )
        return z

    def _machine(self, dtype: str, n_layers: int | None) -> Machine:
        """Take a machine that no other thread uses: each holds a copy of the parameters."""
        with self._lock:
            if self._idle.get(dtype):
                return self._idle[dtype].pop()
        own = device_of(self.predicts_on)
        program = prediction_program(
            self.network,
            self.statistics,
            device=own,
            batch_size=PREDICTION_BATCH,
            sample_dtype=dtype,
            n_layers=n_layers,
        )
        machine = own.machine([program], self.standardizer.scaling)
        machine.load([self.parameters])
        return machine

    def save(
        self,
        location: str | os.PathLike[str],
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Save the model as a Zarr group: one array per tensor, and everything else in attributes.

        Parameters
        ----------
        location : str or os.PathLike
            Path or URL.
        overwrite : bool, default False
            Whether to replace a model at that location.
        storage_options : mapping, optional
            Options for fsspec, such as credentials, where it is a URL.

        Raises
        ------
        FileExistsError
            If something else exists there, or a model and `overwrite` is False.
        StoreError
            If the location cannot be written.
        """
        with new_group(location_text(location, storage_options), overwrite) as group:
            self.write_to(group)

    def write_to(self, group: zarr.Group) -> None:
        """Write the model into an empty Zarr group."""
        write_model(group, self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name[0] != "_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _idle={}, _lock=threading.Lock())


@dataclass(frozen=True, eq=False, repr=False)
class _SampledModel(Model):
    """A model whose layers with DropConnect average their activations over draws."""

    draws: Draws = field(kw_only=True)

    def _network_outputs(self, samples: NDArray[Any]) -> NDArray[np.float32]:
        first = first_sampled(self.network)
        layers = SampledLayers(
            self.network.placed[first:],
            self.network.parameters.as_dict(self.parameters),
            self.draws,
        )
        return layers.outputs(self._passed(samples, first))


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble(Predictor):
    """Several models of one network. Predicts their mean, with their spread as uncertainty.

    Attributes
    ----------
    members : tuple of Model
    temperature : float, default 1
        The logarithm of the members' mean probability is divided by it; see `calibrate`.
    network : Network
        The members' network.
    targets : Targets
        How their outputs become labels or values.
    """

    members: tuple[Model, ...]
    temperature: float = 1.0
    network: Network = field(init=False, repr=False)
    targets: Targets = field(init=False, repr=False)

    @property
    def device(self) -> str:
        """Device that the members were trained on."""
        return self.members[0].device

    def __repr__(self) -> str:
        n, network = len(self.members), self.network
        members = f"1 member of {network.widths}" if n == 1 else f"{n} members of {network.widths}"
        size = f"{network.parameters.n_parameters:,} parameters each"
        return f"Ensemble({members}, {size}, {self.output_in_words}{self._in_words})"

    def _repr_html_(self) -> str:
        from dask_horn.diagnostics.forms import model_html

        return model_html(self)

    def __post_init__(self) -> None:
        if not self.members:
            raise ValueError("members is empty; an ensemble needs at least one model")
        object.__setattr__(self, "network", self.members[0].network)
        object.__setattr__(self, "targets", self.members[0].targets)
        check_temperature(self.temperature, self.targets.kind)

    def on(self, device: str) -> Self:
        """Return the same ensemble, whose members predict on a device; see `Model.on`."""
        return replace(self, members=tuple(member.on(device) for member in self.members))

    def _with_temperature(self, temperature: float) -> Self:
        return replace(self, temperature=temperature)

    def _sampled(self, draws: Draws) -> Ensemble:
        return Ensemble(tuple(member._sampled(draws) for member in self.members), self.temperature)

    def member_outputs(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        """Return each member's probabilities or values, (n_members, n_samples, n_outputs).

        They are the member's own predictions; the ensemble's temperature applies to the mean only.
        """
        return np.concatenate([member.member_outputs(samples) for member in self.members])

    def _pooled(self, samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
        mean: NDArray[np.floating[Any]] = self.member_outputs(samples).mean(axis=0)
        return mean

    def _log_pooled(self, samples: NDArray[Any]) -> NDArray[np.float64]:
        logs = [member._log_pooled(samples) / member.temperature for member in self.members]
        if self.targets.kind == "values":  # members may have been trained on other samples
            logs = [
                self.targets.rescaled(z, member.targets)
                for z, member in zip(logs, self.members, strict=True)
            ]
        return pooled(logs, self.targets.kind)

    def save(
        self,
        location: str | os.PathLike[str],
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Save all members in one Zarr group; parameters as for `Model.save`."""
        with new_group(location_text(location, storage_options), overwrite) as group:
            self.write_to(group)

    def write_to(self, group: zarr.Group) -> None:
        """Write all members into an empty Zarr group."""
        write_ensemble(group, self.members, self.temperature)


def load(
    location: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> Model | Ensemble:
    """Load a saved model or ensemble. No pickle is read, so a stranger's model runs no code.

    Parameters
    ----------
    location : str or os.PathLike
        Path or URL.
    storage_options : mapping, optional
        Options for fsspec, such as credentials, where it is a URL.

    Raises
    ------
    FileNotFoundError
        If nothing exists there.
    ModelFormatError
        If it is not a model, or is damaged, or was written by a later version.
    StoreError
        If the location cannot be reached, or refuses to be read.
    """
    stored = read(location_text(location, storage_options))
    members = tuple(Model(**vars(parts)) for parts in stored.members)
    return Ensemble(members, stored.temperature) if stored.is_ensemble else members[0]
