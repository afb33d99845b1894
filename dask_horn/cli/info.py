"""`dask-horn info`: describe a saved model."""

from __future__ import annotations

from typing import Any

import click

from dask_horn.cli.command import Command

_CLASSES_SHOWN = 20


@click.command(cls=Command, short_help="Describe a saved model.")
@click.argument("model", metavar="MODEL.zarr")
def info(model: str) -> None:
    """Describe the saved model MODEL.zarr: its network, inputs, outputs and version."""
    from dask_horn.model import Ensemble, load, read_versions

    found = load(model)
    network, targets = found.network, found.targets
    n_parameters = network.parameters.n_parameters
    click.echo(network.summary())
    click.echo()
    if isinstance(found, Ensemble):
        _line("ensemble", f"{len(found.members)} members, {n_parameters:,} parameters each")
    _line("memory", f"{4 * n_parameters * _n_members(found) / 1e6:,.1f} MB (float32)")
    _line("input", f"samples of shape {network.input_shape}")
    if targets.classes is not None:
        labels = _listed(targets.classes)
        _line("output", f"one of {len(targets.classes)} classes{_where(found)}: {labels}")
    elif targets.kind == "labels":
        _line("output", f"{targets.n_outputs} labels, each 0 or 1{_where(found)}")
    else:
        values = f"{targets.n_outputs} value{'s' if targets.n_outputs > 1 else ''}"
        _line("output", values + _where(found))
    _line("loss", network.loss)
    if targets.kind != "values":
        state = "not calibrated" if found.temperature == 1 else "calibrated"
        _line("temperature", f"{found.temperature:.3g} ({state})")
    _line("trained on", found.device)
    versions = read_versions(model)
    _line("written by", f"dask_horn {versions['version']} (format {versions['format']})")


def _line(name: str, value: str) -> None:
    click.echo(f"{name:<12}{value}")


def _where(found: Any) -> str:
    steps = found.targets.steps
    return "" if steps is None else f" for each of {steps} steps"


def _n_members(found: Any) -> int:
    return len(getattr(found, "members", (found,)))


def _listed(classes: Any) -> str:
    """List the labels, or the first of many."""
    labels = [str(label) for label in classes[:_CLASSES_SHOWN]]
    return ", ".join(labels) + (", …" if len(classes) > _CLASSES_SHOWN else "")
