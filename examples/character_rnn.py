"""Predict the next character and write text: a divided LSTM over sequences.

    python character_rnn.py                                a minute, on Python's own help texts
    python character_rnn.py --text input.txt --full        an hour

The text is cut into sequences; at each character the network predicts the next one. Tiny
Shakespeare is at https://github.com/karpathy/char-rnn/tree/master/data/tinyshakespeare
"""

import argparse
import pathlib
from pydoc_data.topics import topics

import numpy as np

import dask_horn as horn

STEPS = 64


def own_text() -> str:
    """Return text that Python brings along: what `help` knows about the language."""
    return "\n\n".join(topics.values())[:150_000]


def write(model: horn.Model, alphabet: str, begin: str, n: int, seed: int) -> str:
    """Continue a text by n characters, each drawn from the model's probabilities."""
    random = np.random.default_rng(seed)
    written = [alphabet.index(character) for character in begin]
    for _ in range(n):
        recent = written[-STEPS:]
        # What follows the last character does not change the prediction at it.
        window = np.array(recent + [0] * (STEPS - len(recent)), np.uint16)
        chances = model.predict_proba(window[None])[0, len(recent) - 1].astype(float)
        written.append(int(random.choice(len(alphabet), p=chances / chances.sum())))
    return "".join(alphabet[number] for number in written)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=pathlib.Path, help="a file of text")
    parser.add_argument("--rounds", type=int, default=24)
    parser.add_argument("--full", action="store_true", help="two LSTMs of 256 units, 30 rounds")
    arguments = parser.parse_args()

    text = arguments.text.read_text(encoding="utf-8") if arguments.text else own_text()
    alphabet = "".join(sorted(set(text)))
    numbers = np.searchsorted(list(alphabet), list(text)).astype(np.uint16)
    n = (len(numbers) - 1) // STEPS
    X, y = numbers[: n * STEPS].reshape(n, STEPS), numbers[1 : n * STEPS + 1].reshape(n, STEPS)

    n_layers, units, n_rounds = (2, 256, 30) if arguments.full else (1, 128, arguments.rounds)
    lstms = [horn.LSTM(units, return_sequences=True) for _ in range(n_layers)]
    network = horn.Network(
        [horn.Embedding(len(alphabet), 32), *lstms, horn.Dense(len(alphabet))], input_shape=STEPS
    )
    print(network.summary())

    held_out = n // 10
    result = horn.train(
        network,
        X[:-held_out],
        y[:-held_out],
        validation_data=(X[-held_out:], y[-held_out:]),
        n_groups=1,
        n_submodels=2,
        n_rounds=n_rounds,
        batch_size=64 if arguments.full else 16,
        learning_rate=1e-2,
        clip_norm=1.0,
    )
    bits = result.history[-1].validation_loss / np.log(2)
    print(f"held-out text: {bits:.2f} bits per character")
    print("written:", write(result.model, alphabet, begin=text[:5], n=200, seed=0), sep="\n")


if __name__ == "__main__":
    main()
