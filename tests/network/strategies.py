"""Networks for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from dask_horn.network import ACTIVATIONS, LOSSES, Dense, Dropout, Network


@st.composite
def networks(draw):
    hidden = draw(
        st.lists(
            st.one_of(
                st.builds(
                    Dense,
                    st.integers(1, 40),
                    activation=st.sampled_from(ACTIVATIONS),
                    use_bias=st.booleans(),
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
