"""Gated recurrent units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from dask_horn.network.layers.recurrent import Recurrent


@dataclass(frozen=True, repr=False)
class GRU(Recurrent):
    """Gated recurrent units [1]_, the reset gate applied after the product.

    With σ the sigmoid, ⊙ the product unit by unit, x a step's features and h the state, which
    starts at zero::

        r = σ(x @ W_r + h @ U_r + b_r)
        z = σ(x @ W_z + h @ U_z + b_z)
        n = tanh(x @ W_n + b_n + r ⊙ (h @ U_n + b_h))
        h ← (1 - z) ⊙ n + z ⊙ h

    It is the form of version 1 of the paper, and of cuDNN and PyTorch: one product with ``U``
    serves all gates. (Version 3 of the paper has ``(r ⊙ h) @ U_n``.) Samples are of shape
    (steps, features). ``W`` is of shape (features, 3, units), ``U`` of (units, 3, units), ``b`` of
    (4, units): b_r, b_z, b_n and b_h.

    Attributes
    ----------
    units : int
        Number of units, at least 1.
    return_sequences : bool, default False
        Whether to return h after each step, (steps, units), or only after the last, (units,).
    mask_value : float, optional
        A step is padding if all its features, as stored, equal this value. Padding does not change
        the state and counts in no loss. Only for the first recurrent layer; later ones skip the
        same steps.
    use_bias : bool, default True
        Whether to add biases.
    dropconnect : float, default 0.0
        Probability, at least 0 and below 1, that an entry of ``U`` is dropped in training, the
        same entries in all steps of a sequence [2]_ (section 2); `keep_probability` is
        what it is rounded to. Entries that are kept are divided by the probability of keeping
        them, so ``U`` is the mean over masks; prediction uses it as it is.
    dropconnect_mask : {"example", "batch"}, default "example"
        Whether each sequence has its own mask, or all sequences of a batch share one. A shared
        mask costs little more than none.
    name : str, optional
        Letters, digits and underscores. By default the network chooses ``gru_1`` and so on.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type or is out of its bounds.

    References
    ----------
    .. [1] Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk, Bengio: Learning Phrase
       Representations using RNN Encoder-Decoder for Statistical Machine Translation,
       arXiv:1406.1078, 2014, section 2.3.
    .. [2] Merity, Keskar, Socher: Regularizing and Optimizing LSTM Language Models, ICLR 2018.

    Examples
    --------
    >>> from dask_horn.network import Signal
    >>> layer = GRU(64, name="memory")
    >>> [tensor.shape for tensor in layer.tensors(Signal((20, 12), "input"))]
    [(12, 3, 64), (64, 3, 64), (4, 64)]
    """

    kind: ClassVar[str] = "gru"
    n_gates: ClassVar[int] = 3
    initial_biases: ClassVar[tuple[float, ...]] = (0.0,) * 4
