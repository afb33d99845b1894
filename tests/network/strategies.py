"""Networks for property tests."""

from __future__ import annotations

from hypothesis import reject
from hypothesis import strategies as st

from dask_horn.network import (
    ACTIVATIONS,
    LOSSES,
    AveragePool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    MissingIndicator,
    Network,
    Periodic,
    PiecewiseLinear,
)


@st.composite
def dense_networks(draw):
    """Up to four dense layers and dropouts, and the output."""
    hidden = draw(
        st.lists(
            st.one_of(
                st.builds(
                    Dense,
                    st.integers(1, 40),
                    activation=st.sampled_from(ACTIVATIONS),
                    use_bias=st.booleans(),
                    dropconnect=st.just(0.0) | st.floats(0, 0.75),
                    dropconnect_mask=st.sampled_from(["example", "batch"]),
                ),
                st.builds(Dropout, st.floats(0, 0.9)),
            ),
            max_size=4,
        )
    )
    if hidden and draw(st.booleans()):
        hidden[0] = hidden[0].renamed("first")
    output = Dense(draw(st.integers(2, 12)), use_bias=draw(st.booleans()))
    input_shape = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    return Network([*hidden, output], input_shape, draw(st.sampled_from(list(LOSSES))))


@st.composite
def convolutional_networks(draw):
    """One to three layers over small images, perhaps a dense one, and the output."""
    places = {"padding": st.sampled_from(["valid", "same"])}
    convolutions = st.builds(
        Conv2D,
        st.integers(2, 9),
        st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3))),
        stride=st.integers(1, 2),
        activation=st.sampled_from(ACTIVATIONS),
        use_bias=st.booleans(),
        **places,
    )
    pools = st.one_of(
        st.builds(MaxPool2D, st.integers(1, 3), stride=st.sampled_from([None, 1, 2]), **places),
        st.builds(AveragePool2D, st.integers(1, 3), stride=st.sampled_from([None, 2]), **places),
        st.builds(Dropout, st.floats(0, 0.9)),
    )
    input_shape = (draw(st.integers(3, 9)), draw(st.integers(3, 9)), draw(st.integers(1, 3)))
    layers = draw(st.lists(st.one_of(convolutions, pools), min_size=1, max_size=3))
    layers.append(draw(st.sampled_from([Flatten(), GlobalAveragePool2D()])))
    if draw(st.booleans()):
        layers.append(Dense(draw(st.integers(2, 9)), activation="tanh"))
    output = Dense(draw(st.integers(2, 5)))
    try:
        return Network([*layers, output], input_shape, draw(st.sampled_from(list(LOSSES))))
    except ValueError:  # a window that is larger than its image
        reject()


@st.composite
def encoded_networks(draw):
    """Encodings, one or two layers and perhaps a dropout, and the output."""
    n_inputs = draw(st.integers(1, 5))
    numbers = st.integers(1, 5) | st.tuples(*[st.integers(0, 5)] * n_inputs)
    encodings = [
        draw(st.builds(PiecewiseLinear, numbers)),
        draw(st.builds(Periodic, numbers, st.sampled_from([0.1, 0.8]), st.booleans())),
    ]
    chosen = draw(st.lists(st.sampled_from(encodings), unique=True, max_size=2))
    if draw(st.booleans()) or not chosen:
        columns = draw(st.none() | st.sets(st.integers(0, n_inputs - 1)).map(tuple))
        chosen.insert(0, MissingIndicator(columns))
    dropout = [Dropout(0.3)] if draw(st.booleans()) else []
    hidden = draw(st.lists(st.builds(Dense, st.integers(2, 9), st.just("tanh")), max_size=2))
    loss = draw(st.sampled_from(list(LOSSES)))
    return Network([*chosen, *dropout, *hidden, Dense(draw(st.integers(2, 5)))], n_inputs, loss)


def networks():
    """Networks of all kinds."""
    return st.one_of(dense_networks(), convolutional_networks(), encoded_networks())
