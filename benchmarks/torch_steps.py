"""PyTorch's optimizer steps, as its users write them, eager and compiled."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from benchmarks.operations import RATE, Call

__all__ = ["dense_model", "torch_step"]


def dense_model(widths: tuple[int, ...], dropout: float = 0.0, norm: str | None = None) -> Any:
    """Make relu layers of these widths; `norm` names a class of `torch.nn`."""
    from torch import nn

    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths[:-1]):
        layers.append(nn.Linear(n_in, n_out, bias=norm is None))
        layers += [getattr(nn, norm)(n_out)] if norm else []
        layers.append(nn.ReLU())
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


def torch_step(
    model: Any,
    x: NDArray[Any],
    y: NDArray[Any],
    batches: NDArray[Any],
    *,
    optimizer: str = "adamw",
    how: str = "fused",
    channels_last: bool = False,
    clip_norm: float | None = None,
) -> Call:
    """Make a call of a step on each batch of rows (n_steps, batch), on one thread.

    `how`: eager, with a fused optimizer, or with that and compiled.
    The loss is cross entropy, of the last axis of what the model returns; classes `y` (n,), or
    (n, steps).
    """
    import torch

    torch.manual_seed(0)
    torch.set_num_threads(1)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    samples, classes, rows = map(torch.from_numpy, (x, y, batches))
    if samples.dim() == 4:
        samples, model = samples.to(memory_format=layout), model.to(memory_format=layout)
    fused = how != "eager"
    stepper: torch.optim.Optimizer
    if optimizer == "sgd":
        stepper = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, fused=fused)
    else:
        stepper = torch.optim.AdamW(model.parameters(), RATE, fused=fused)

    def loss_of(inputs: Any, wanted: Any) -> Any:
        logits = model(inputs)
        return torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]), wanted.reshape(-1)
        )

    loss_function = torch.compile(loss_of) if how == "compiled" else loss_of

    def call() -> None:
        for own in rows:
            stepper.zero_grad(set_to_none=True)
            loss_function(samples[own], classes[own]).backward()
            if clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            stepper.step()

    return call
