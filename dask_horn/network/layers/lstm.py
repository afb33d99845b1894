"""Long short-term memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.recurrent import Recurrent


@dataclass(frozen=True, repr=False)
class LSTM(Recurrent):
    """Long short-term memory [1]_, with forget gates [2]_ and without peepholes.

    With σ the sigmoid, ⊙ the product unit by unit, x a step's features and h, c the states, which
    start at zero::

        i, f, o = σ(x @ W_i + h @ U_i + b_i), … likewise with f and o
        g = tanh(x @ W_g + h @ U_g + b_g)
        c ← f ⊙ c + i ⊙ g
        h ← o ⊙ tanh(c)

    Samples are of shape (steps, features). ``W`` is of shape (features, 4, units), ``U`` of
    (units, 4, units), ``b`` of (4, units), the gates in the order i, f, g, o. The forget gate's
    bias starts at 1, so that the cell remembers from the start [3]_.

    Attributes
    ----------
    units : int
        Number of units, at least 1.
    return_sequences : bool, default False
        Whether to return h after each step, (steps, units), or only after the last, (units,).
    mask_value : float, optional
        A step is padding if all its features, as stored, equal this value. Padding does not change
        the states and counts in no loss. Only for the first recurrent layer; later ones skip the
        same steps.
    use_bias : bool, default True
        Whether to add a bias.
    dropconnect : float, default 0.0
        Probability, at least 0 and below 1, that an entry of ``U`` is dropped in training, the
        same entries in all steps of a sequence [4]_ (section 2); `keep_probability` is
        what it is rounded to. Entries that are kept are divided by the probability of keeping
        them, so ``U`` is the mean over masks; prediction uses it as it is.
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each sequence has its own mask, or all sequences of a batch share one. A shared
        mask costs little more than none.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``lstm_1`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of its bounds.

    References
    ----------
    .. [1] Hochreiter, Schmidhuber: Long Short-Term Memory, Neural Computation 9, 1997.
    .. [2] Gers, Schmidhuber, Cummins: Learning to Forget: Continual Prediction with LSTM, Neural
       Computation 12, 2000, section 3.
    .. [3] Jozefowicz, Zaremba, Sutskever: An Empirical Exploration of Recurrent Network
       Architectures, ICML 2015, section 2.2.
    .. [4] Merity, Keskar, Socher: Regularizing and Optimizing LSTM Language Models, ICLR 2018.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> layer = LSTM(256, return_sequences=True, name="memory")
    >>> layer
    LSTM(256, return_sequences=True, name='memory')
    >>> layer.outputs(Signal((64, 30), "input")).shape
    (64, 256)
    >>> [tensor.shape for tensor in layer.tensors(Signal((64, 30), "input"))]
    [(30, 4, 256), (256, 4, 256), (4, 256)]
    """

    kind: ClassVar[str] = "lstm"
    n_gates: ClassVar[int] = 4
    initial_biases: ClassVar[tuple[float, ...]] = (0.0, 1.0, 0.0, 0.0)
