"""What is measured in each form: full, quick, and tiny, which a machine without a GPU can do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL", "QUICK", "SCALES", "TINY", "Scale"]

Widths = tuple[int, ...]


@dataclass(frozen=True)
class Scale:
    """Shapes and how often they are timed.

    Attributes
    ----------
    name : str
    counts : tuple of int
        Sub-models at once.
    small : tuple of int
        Widths of a sub-model.
    spread : int
        Irregular sub-models have so many hidden units more, or less, at most.
    batch : int
    steps : int
        Optimizer steps of a call that is timed, at most; see `steps_of`.
    turns : int
        How often contestants take turns.
    singles : tuple of (widths, batch)
        Networks that train alone.
    units, product : int
        Width of the layer with DropConnect; side of the products that find the ceilings.
    rows, epochs, members : int
        MNIST: samples to train on, passes over them, and members of the ensemble.
    seconds : float
        All of it, at most.
    """

    name: str
    counts: tuple[int, ...]
    small: Widths
    spread: int
    batch: int
    steps: int
    turns: int
    singles: tuple[tuple[Widths, int], ...]
    units: int
    product: int
    rows: int
    epochs: int
    members: int
    seconds: float

    def steps_of(self, relative_cost: float) -> int:
        """Return the steps of a call, fewer where one costs more; 1 is a step of 64 sub-models.

        A multiple of eight, which is what we record together: single steps begin more slowly.
        """
        return min(self.steps, 8 * max(1, int(32 / max(relative_cost, 1.0))))


_SINGLES = (
    ((784, 800, 800, 10), 128),
    ((4096, 4096, 4096, 35), 1024),
    ((784, 8192, 8192, 10), 4096),
)

FULL = Scale(
    name="full",
    counts=(1, 8, 64, 256, 1000),
    small=(784, 100, 100, 10),
    spread=40,
    batch=128,
    steps=256,
    turns=7,
    singles=_SINGLES,
    units=800,
    product=8192,
    rows=60_000,
    epochs=8,
    members=64,
    seconds=350,
)
QUICK = Scale(
    name="quick",
    counts=(1, 64),
    small=(784, 100, 100, 10),
    spread=40,
    batch=128,
    steps=128,
    turns=3,
    singles=_SINGLES[:2],
    units=800,
    product=8192,
    rows=60_000,
    epochs=2,
    members=64,
    seconds=115,
)
TINY = Scale(
    name="tiny",
    counts=(2,),
    small=(6, 5, 3),
    spread=1,
    batch=4,
    steps=1,
    turns=1,
    singles=(((6, 10, 3), 4),),
    units=9,
    product=64,
    rows=10,
    epochs=1,
    members=2,
    seconds=600,
)
SCALES = {scale.name: scale for scale in (FULL, QUICK, TINY)}
