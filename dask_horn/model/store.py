"""Models on disk: a Zarr group with one array per tensor, and everything else in attributes.

The attributes are written last and hold the parameters' checksum, so that an incomplete model is
never taken for a complete one.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.errors import ContainsArrayError

from dask_horn.data import Standardizer, Targets
from dask_horn.data.store.faults import plain_text
from dask_horn.data.store.found import check_no_zip, foreign_content
from dask_horn.data.store.locations import (
    is_path,
    location_text,
    open_group,
    without_secrets,
)
from dask_horn.data.store.storing import check_writable, store_errors
from dask_horn.errors import ModelFormatError, StoreError
from dask_horn.model.calibration import check_temperature
from dask_horn.model.parts import ModelParts
from dask_horn.network import Network, ParameterTable

FORMAT = 1
_ATTRIBUTE = "dask_horn"


class StoredModels(NamedTuple):
    """The content of a group: one model, or the members of an ensemble and its temperature."""

    members: tuple[ModelParts, ...]
    is_ensemble: bool
    temperature: float = 1.0


@contextmanager
def new_group(location: str, overwrite: bool) -> Iterator[zarr.Group]:
    """Create an empty group, into which a model is then written; errors as `check_free`."""
    location = location_text(location)
    _check_replaceable(location, overwrite)
    with store_errors("", location):
        yield open_group(location, "w")


def check_free(location: str, overwrite: bool) -> None:
    """Check that a model may be saved at a location. Only another model is ever replaced.

    Raises
    ------
    FileExistsError
        If something exists there that may not be replaced.
    StoreError
        If the location cannot be read or written.
    """
    location = location_text(location)
    _check_replaceable(location, overwrite)
    with store_errors("", location):
        check_writable(location)


def _check_replaceable(location: str, overwrite: bool) -> None:
    check_no_zip(location)
    try:
        with store_errors("", location, "read"):
            present = open_group(location)
    except FileNotFoundError:
        if foreign_content(location):
            raise FileExistsError(
                f"{location} exists and is not a model; choose another path"
            ) from None
    except StoreError:
        raise
    except ContainsArrayError:
        raise FileExistsError(
            f"{location} exists and is not a model; choose another path"
        ) from None
    except (ValueError, KeyError, OSError) as error:
        raise FileExistsError(
            f"{location} exists and cannot be read ({without_secrets(str(error))}); "
            "delete it or choose another path"
        ) from error
    else:
        if _ATTRIBUTE not in present.attrs:
            raise FileExistsError(f"{location} exists and is not a model; choose another path")
        if not overwrite:
            raise FileExistsError(
                f"{location} is already a model; pass overwrite=True to replace it"
            )


def write_model(group: zarr.Group, model: ModelParts) -> None:
    """Write a model into an empty group."""
    _write_tensors(group, model.network.parameters, model.parameters)
    _write_tensors(group, model.network.statistics, model.statistics)
    group.attrs[_ATTRIBUTE] = {
        "kind": "model",
        **_versions(),
        "network": json.loads(model.network.to_json()),
        "standardizer": _standardizer_to_json(model.standardizer),
        "targets": _targets_to_json(model.targets),
        "temperature": float(model.temperature),
        "device": model.device,
        "checksum": _checksum(model),
    }


def _checksum(model: ModelParts) -> int:
    """CRC-32 of the parameters, and statistics if any: equal bits, equal number."""
    return zlib.crc32(model.statistics.tobytes(), zlib.crc32(model.parameters.tobytes()))


def _write_tensors(group: zarr.Group, table: ParameterTable, vector: NDArray[np.float32]) -> None:
    for name, values in table.as_dict(vector).items():
        group.create_array(name, data=np.ascontiguousarray(values))


def _read_tensors(group: Any, table: ParameterTable) -> NDArray[np.float32]:
    vector = np.zeros(table.size, np.float32)
    for name, values in table.as_dict(vector).items():
        values[...] = group[name][...]
    return vector


def write_ensemble(
    group: zarr.Group, members: Sequence[ModelParts], temperature: float = 1.0
) -> None:
    """Write an ensemble into an empty group, a group for each member."""
    for index, member in enumerate(members):
        write_model(group.create_group(f"members/{index}"), member)
    group.attrs[_ATTRIBUTE] = {
        "kind": "ensemble",
        **_versions(),
        "n_members": len(members),
        "temperature": float(temperature),
    }


def read(location: str) -> StoredModels:
    """Read what `write_model` or `write_ensemble` has written; errors as `dask_horn.load`."""
    location = location_text(location)
    try:
        with store_errors("The model at", location, "read"):
            group = open_group(location)
    except StoreError:
        raise
    except FileNotFoundError as error:
        if is_path(location) and os.path.exists(location):
            raise ModelFormatError(f"{location} is not a model: it is not a Zarr group") from error
        raise FileNotFoundError(f"there is no model at {location}") from error
    except ContainsArrayError as error:
        raise ModelFormatError(f"{location} is not a model: it is a Zarr array") from error
    except (ValueError, KeyError, OSError) as error:
        raise ModelFormatError(
            f"{location} is a damaged model: {without_secrets(str(error))}"
        ) from error
    try:
        with store_errors("The model at", location, "read"):
            return _read_group(group, location)
    except (ModelFormatError, StoreError):
        raise
    except Exception as error:  # whatever a damaged file makes zarr or numpy raise
        raise ModelFormatError(
            f"{location} is a damaged model ({plain_text(error)}); save it again"
        ) from error


def read_versions(
    location: str, storage_options: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Return a saved model's format, and the version of dask_horn that wrote it."""
    attributes: Any = open_group(location_text(location, storage_options)).attrs[_ATTRIBUTE]
    return {name: str(attributes[name]) for name in _versions()}


def read_standardizer(location: str) -> Standardizer:
    """Return a saved model's standardizer, without its parameters; of an ensemble the first's."""
    with store_errors("The model at", location, "read"):
        group: Any = open_group(location)
        if group.attrs[_ATTRIBUTE]["kind"] == "ensemble":
            group = group["members/0"]
        return _standardizer_from_json(group.attrs[_ATTRIBUTE]["standardizer"])


def _read_group(group: zarr.Group, location: str) -> StoredModels:
    attributes: Any = group.attrs.asdict().get(_ATTRIBUTE)
    if not isinstance(attributes, dict):
        raise ModelFormatError(
            f"{location} is not a model, or an incomplete one: its attributes have no "
            f"{_ATTRIBUTE!r}"
        )
    if attributes["format"] > FORMAT:
        raise ModelFormatError(
            f"{location} has model format {attributes['format']}, written by dask_horn "
            f"{attributes['version']}; this version reads formats up to {FORMAT}: upgrade dask_horn"
        )
    if attributes["kind"] == "ensemble":
        groups = [group[f"members/{i}"] for i in range(attributes["n_members"])]
        members = tuple(_read_model(member, location) for member in groups)
        return StoredModels(members, True, _temperature(attributes, members[0].targets))
    return StoredModels((_read_model(group, location),), False)


def _read_model(group: Any, location: str) -> ModelParts:
    attributes = group.attrs[_ATTRIBUTE]
    network = Network.from_json(json.dumps(attributes["network"]))
    targets = _targets_from_json(attributes["targets"])
    model = ModelParts(
        network=network,
        parameters=_read_tensors(group, network.parameters),
        standardizer=_standardizer_from_json(attributes["standardizer"]),
        targets=targets,
        temperature=_temperature(attributes, targets),
        statistics=_read_tensors(group, network.statistics),
        device=str(attributes.get("device", "cpu")),  # older models have none
    )
    if _checksum(model) != attributes["checksum"]:
        raise ModelFormatError(
            f"{location} is a damaged model: its parameters do not match their checksum"
        )
    return model


def _temperature(attributes: dict[str, Any], targets: Targets) -> float:
    """Read the temperature, which older models do not have."""
    temperature = attributes.get("temperature", 1.0)
    check_temperature(temperature, targets.kind)
    return float(temperature)


def _versions() -> dict[str, Any]:
    return {"format": FORMAT, "version": version("dask-horn")}


def _standardizer_to_json(standardizer: Standardizer) -> dict[str, list[float]]:
    fields = {"mean": standardizer.mean.tolist(), "scale": standardizer.scale.tolist()}
    return fields if standardizer.rest is None else {**fields, "rest": standardizer.rest.tolist()}


def _standardizer_from_json(fields: dict[str, Any]) -> Standardizer:
    """Read it; older models have no rest."""
    rest = np.array(fields["rest"], np.float64) if "rest" in fields else None
    mean, scale = np.array(fields["mean"], np.float64), np.array(fields["scale"], np.float64)
    return Standardizer(mean, scale, rest)


def _targets_to_json(targets: Targets) -> dict[str, Any]:
    return {
        "kind": targets.kind,
        "n_outputs": targets.n_outputs,
        "flat": targets.flat,
        "steps": targets.steps,
        "classes": None if targets.classes is None else _labels_to_json(targets.classes),
        "mean": None if targets.mean is None else targets.mean.tolist(),
        "scale": None if targets.scale is None else targets.scale.tolist(),
    }


def _targets_from_json(fields: dict[str, Any]) -> Targets:
    classes, mean, scale = fields["classes"], fields["mean"], fields["scale"]
    return Targets(
        kind=fields["kind"],
        classes=None if classes is None else _labels_from_json(classes),
        mean=None if mean is None else np.array(mean, np.float64),
        scale=None if scale is None else np.array(scale, np.float64),
        n_outputs=fields["n_outputs"],
        flat=fields["flat"],
        steps=fields.get("steps"),  # older models have none
    )


def _labels_to_json(labels: NDArray[Any]) -> dict[str, Any]:
    """Return labels and their dtype; objects must be of types that JSON has."""
    try:
        json.dumps(labels.tolist())
    except TypeError as error:
        raise ValueError(
            f"classes of type {type(labels.tolist()[0]).__name__} cannot be saved ({error}); "
            "train with labels that are numbers or strings"
        ) from error
    return {"dtype": labels.dtype.str, "values": labels.tolist()}


def _labels_from_json(fields: dict[str, Any]) -> NDArray[Any]:
    return np.array(fields["values"], dtype=np.dtype(fields["dtype"]))
