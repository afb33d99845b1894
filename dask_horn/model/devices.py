"""Which devices a model may predict on."""

from __future__ import annotations

from dask_horn.checks import checked_choice
from dask_horn.kernels.device import DEVICES, device
from dask_horn.network import Network
from dask_horn.program import prediction_program


def check_usable(name: str, network: Network) -> None:
    """Check that this process can predict with a network on a device.

    Raises
    ------
    ValueError
        If it cannot use the device, or the device lacks a layer's kernels.
    """
    own = device(checked_choice("device", name, DEVICES))
    missing = own.state().missing
    if missing:
        raise ValueError(f"device={name!r}: this process cannot use it ({missing}); use 'cpu'")
    # What it lacks is told by whoever writes a program for it.
    prediction_program(network, device=own, batch_size=1, sample_dtype="float32")
