"""Colours of what plots and the dashboard's page show, as plain text: readable on light and dark.

References
----------
Okabe, Ito (2008), "Color Universal Design": the first colours, told apart by colour-blind people.
"""

from __future__ import annotations

import colorsys

LOSS = "#0072B2"  #: of training
SCORE = "#E69F00"  #: of the merged parent on held-out rows
BEST = "#009E73"  #: the best round
MERGE = "#CC79A7"
LATE = "#D55E00"  #: what came too late, or was lost
QUIET = "#8C8C8C"  #: waiting, grids, and what matters less

_FIRST = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#B8A800")
_GOLDEN = 0.618034  # part of a turn, after which hues are spread the most evenly


def colour_of(number: int) -> str:
    """Return the colour of a worker, a group or a sub-model by its number, counted from 0.

    Examples
    --------
    >>> colour_of(0), colour_of(100)
    ('#0072B2', '#9b34b2')
    """
    if number < len(_FIRST):
        return _FIRST[number]
    hue = number * _GOLDEN % 1.0
    red, green, blue = colorsys.hls_to_rgb(hue, 0.45 + 0.1 * (number % 2), 0.55)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def ink_on(colour: str) -> str:
    """Return what text can be read on a colour: black or white.

    Examples
    --------
    >>> ink_on("#0072B2"), ink_on("#E69F00")
    ('white', 'black')
    """
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"
