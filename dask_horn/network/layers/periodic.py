"""The periodic encoding of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.checks import checked_bool, checked_number
from dask_horn.network.elements.parameters import TensorSpec
from dask_horn.network.elements.signals import Signal
from dask_horn.network.layers.encoding import Counts, Encoding, checked_counts, counts_of


@dataclass(frozen=True, repr=False)
class Periodic(Encoding):
    """Appends ``cos(2π f x)`` and ``sin(2π f x)`` of each input column x at several frequencies f.

    Frequencies are drawn from a normal distribution of mean 0 [1]_. All cosines are appended first,
    column by column, and then all sines in the same order.

    It stands before all layers that are no encodings, of a network over rows of features. The
    tensor ``frequencies`` has those of one column after the other. All sub-models have them.

    Attributes
    ----------
    n : int or sequence of int, default 8
        Number of frequencies, from 1 to 4,096, or one for each input column: 0 leaves a column as
        it is.
    sigma : float, default 0.1
        Standard deviation that frequencies are drawn with, above 0: in periods per standard
        deviation of a column. The larger, the finer what a network can tell apart, and the sooner
        it learns noise.
    learned : bool, default False
        Whether frequencies are trained, and merged like other parameters. They do not decay.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``periodic_1``.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of range.

    References
    ----------
    .. [1] Gorishniy, Rubachev, Babenko: On Embeddings for Numerical Features in Tabular Deep
       Learning, NeurIPS 2022, section 3.3 and equation 3.

    Examples
    --------
    >>> layer = Periodic(4, name="waves")
    >>> signal = Signal((10,), "input")
    >>> layer.outputs(signal).shape, layer.tensors(signal)[0].shape
    ((90,), (40,))
    """

    kind: ClassVar[str] = "periodic"

    n: Counts = 8
    sigma: float = 0.1
    learned: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "n", checked_counts("n", self.n))
        object.__setattr__(self, "sigma", checked_number("sigma", self.sigma, above=0))
        object.__setattr__(self, "learned", checked_bool("learned", self.learned))

    def numbers_of(self, n_inputs: int) -> tuple[int, ...]:
        """Return the number of frequencies of each of so many input columns."""
        return counts_of("n", self.n, n_inputs)

    def n_appended(self, n_inputs: int) -> int:
        """Return twice the number of all frequencies; see `Encoding.n_appended`."""
        return 2 * sum(self.numbers_of(n_inputs))

    def tensors(self, inputs: Signal) -> tuple[TensorSpec, ...]:
        """Return ``frequencies``, if there are any; see `Layer.tensors`."""
        n = sum(self.numbers_of(inputs.plain))
        frequencies = TensorSpec(
            f"{self.given_name}/frequencies",
            (n,),
            (None,),
            fan_in=1,
            fan_out=1,
            activation="linear",
            decays=False,
            uses=int(self.learned),
            deviation=self.sigma,
            trained=self.learned,
        )
        return (frequencies,) if n else ()
