"""What a network says of sequences."""

from __future__ import annotations

import pytest

from dask_horn.network import GRU, LSTM, Dense, Dropout, Embedding, Network, SimpleRNN


def _stack(*layers, shape=(7, 5), loss="cross_entropy"):
    return Network([*layers, Dense(3)], shape, loss)


def test_hidden_units_are_one_axis_with_all_their_gates():
    network = _stack(Embedding(9, 4), LSTM(6, return_sequences=True), GRU(5), shape=7)
    assert network.shapes == ((7, 4), (7, 6), (5,), (3,))
    assert network.unit_axes == {
        **{"input": 7, "embedding_1": 4, "lstm_1": 6, "gru_1": 5, "output": 3}
    }
    assert network.divided_axes == ("embedding_1", "lstm_1", "gru_1")
    assert network.shared_tensors == ("output/b",)
    part = network.parameters.restrict({"embedding_1": 2, "lstm_1": 3, "gru_1": 1})
    assert part["embedding_1/E"].shape == (9, 2)
    assert part["lstm_1/W"].shape == (2, 4, 3)
    assert part["lstm_1/U"].shape == (3, 4, 3)
    assert part["lstm_1/b"].shape == (4, 3)
    assert part["gru_1/W"].shape == (3, 3, 1)


def test_rows_of_the_output():
    assert _stack(LSTM(6)).output_rows == 1
    assert _stack(LSTM(6, return_sequences=True)).output_rows == 7
    assert _stack().output_rows == 1


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error", "huber"])
def test_losses_that_are_taken_on_each_step(loss):
    assert _stack(GRU(2, return_sequences=True), loss=loss).output_rows == 7


def test_labels_on_each_step_are_refused():
    with pytest.raises(
        ValueError, match=r"an output for each step needs one of .*, got 'binary_cro"
    ):
        _stack(GRU(2, return_sequences=True), loss="binary_cross_entropy")
    assert _stack(GRU(2), loss="binary_cross_entropy").output_rows == 1


def test_padding_is_the_first_recurrent_layers():
    upper = SimpleRNN(4)
    assert _stack(upper).mask_value is None
    assert (
        _stack(Dropout(0.1), LSTM(6, return_sequences=True, mask_value=-1), upper).mask_value == -1
    )
    assert _stack().mask_value is None
    with pytest.raises(ValueError, match=r"in the first recurrent layer only, got GRU"):
        _stack(LSTM(6, return_sequences=True), GRU(4, mask_value=0))


def test_by_whose_statistics_samples_are_standardized():
    assert _stack().standardizing == "features"
    assert _stack(Dense(4), shape=7).standardizing == "features"
    assert _stack(Dropout(0.5), LSTM(6)).standardizing == "units"
    assert _stack(Embedding(9, 4), LSTM(6), shape=7).standardizing == "none"


def test_tokens_reach_an_embedding_as_they_are():
    with pytest.raises(ValueError, match="an Embedding must be the first layer"):
        _stack(Dropout(0.1), Embedding(9, 4), LSTM(6), shape=7)


def test_a_network_comes_back_from_json():
    network = _stack(Embedding(9, 4), LSTM(6, mask_value=-1.0), shape=7)
    assert Network.from_json(network.to_json()) == network
