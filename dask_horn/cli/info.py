"""`dask-horn info`: describe a saved model, or the devices that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dask_horn.cli.command import Command, option
from dask_horn.cli.storage import storage_option
from dask_horn.cli.workers import joined, scheduler_option

if TYPE_CHECKING:
    from dask_horn.cluster import Executor
    from dask_horn.kernels.device import DeviceState

_CLASSES_SHOWN = 20


@click.command(cls=Command, short_help="Describe a saved model, or the devices that there are.")
@click.argument("model", metavar="[MODEL.zarr]", required=False)
@option(
    "--devices",
    is_flag=True,
    section="Devices",
    help="List what training can run on in this process, or with --scheduler on each worker.",
)
@storage_option
@scheduler_option
def info(
    model: str | None,
    devices: bool,
    storage_options: dict[str, Any] | None,
    scheduler: str | None,
) -> None:
    """Describe the saved model MODEL.zarr: its network, inputs, outputs and version.

    With --devices, list the devices that there are, and what keeps others from being used.
    """
    if model is None and not devices:
        raise click.UsageError("give MODEL.zarr, or --devices, or both")
    if scheduler is not None and not devices:
        raise click.UsageError("--scheduler is for --devices, which is missing")
    if model is not None:
        _describe(model, storage_options)
    if devices:
        if model is not None:
            click.echo()
        _list_devices(scheduler)


def _list_devices(scheduler: str | None) -> None:
    """List what there is in this process, or on each worker of a running cluster."""
    from dask_horn.cluster import ClusterExecutor, LocalExecutor

    if scheduler is None:
        _list_of(LocalExecutor("sync"))
    else:
        with joined(scheduler) as client:
            _list_of(ClusterExecutor(client))


def _list_of(executor: Executor) -> None:
    from dask_horn.kernels.device import DEVICES

    states = {name: executor.device_states(name) for name in DEVICES}
    for worker in dict.fromkeys(worker for of_one in states.values() for worker in of_one):
        click.echo(worker)
        for name, of_one in states.items():
            if worker in of_one:
                _line(f"  {name}", _in_words(of_one[worker]))


def _in_words(state: DeviceState) -> str:
    """Tell which one it is and how much memory it has, or what is missing."""
    if state.missing:
        return f"cannot be used: {state.missing}"
    if state.memory is None:
        return state.model
    return f"{state.model}, {state.memory / 2**30:,.1f} GiB"


def _describe(model: str, storage_options: dict[str, Any] | None) -> None:
    from dask_horn.model import Ensemble, load, read_versions

    found = load(model, storage_options)
    network, targets = found.network, found.targets
    n_parameters = network.parameters.n_parameters
    click.echo(network.summary())
    click.echo()
    if isinstance(found, Ensemble):
        _line("ensemble", f"{len(found.members)} members, {n_parameters:,} parameters each")
    _line("memory", f"{4 * n_parameters * _n_members(found) / 1e6:,.1f} MB (float32)")
    _line("input", f"samples of shape {network.input_shape}")
    labels = "" if targets.classes is None else f": {_listed(targets.classes)}"
    _line("output", f"{found.output_in_words}{labels}")
    _line("loss", network.loss)
    if targets.kind != "values":
        state = "not calibrated" if found.temperature == 1 else "calibrated"
        _line("temperature", f"{found.temperature:.3g} ({state})")
    _line("trained on", found.device)
    versions = read_versions(model, storage_options)
    _line("written by", f"dask_horn {versions['version']} (format {versions['format']})")


def _line(name: str, value: str) -> None:
    click.echo(f"{name:<12}{value}")


def _n_members(found: Any) -> int:
    return len(getattr(found, "members", (found,)))


def _listed(classes: Any) -> str:
    """List the labels, or the first of many."""
    labels = [str(label) for label in classes[:_CLASSES_SHOWN]]
    return ", ".join(labels) + (", …" if len(classes) > _CLASSES_SHOWN else "")
