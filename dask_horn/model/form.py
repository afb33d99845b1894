"""The form of samples that a network takes, in terms of `data/`, which knows no network."""

from __future__ import annotations

from dask_horn.data import SampleForm
from dask_horn.network import Embedding, Network


def sample_form(network: Network) -> SampleForm:
    """Return the form of samples and targets that a network takes.

    Examples
    --------
    >>> from dask_horn.network import LSTM, Dense
    >>> layers = [LSTM(8, return_sequences=True, mask_value=0), Dense(3)]
    >>> form = sample_form(Network(layers, input_shape=(20, 12)))
    >>> form.standardizing, form.mask_value, form.target_steps
    ('units', 0.0, 20)
    """
    first = network.layers[0]
    outputs = network.shapes[-1]
    return SampleForm(
        shape=network.input_shape,
        standardizing=network.standardizing,
        mask_value=network.mask_value,
        n_tokens=first.n_tokens if isinstance(first, Embedding) else None,
        target_steps=outputs[0] if len(outputs) > 1 else None,
        missing=network.takes_missing,
    )
