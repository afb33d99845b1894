"""A scikit-learn classifier: fit, score, and search for a setting.

    python digits_classifier.py

It needs no cluster: without one, training runs on threads of this process.
"""

from __future__ import annotations

import argparse

from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, train_test_split

import dask_horn as horn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="rounds of training (default 20)")
    parser.add_argument("--search", action="store_true", help="also compare a few divisions")
    arguments = parser.parse_args()

    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, stratify=y, random_state=0
    )

    # Two worker groups, each with half of the rows. Each divides its copy of the network into two
    # sub-models, which train without any messages; after every round all are merged.
    classifier = horn.HornClassifier(
        hidden_layer_sizes=(256, 256),
        n_groups=2,
        n_submodels=2,
        n_rounds=arguments.rounds,
        random_state=0,  # the same seed gives the same bits, with one worker or a hundred
    )
    classifier.fit(X_train, y_train)
    print(f"test accuracy: {classifier.score(X_test, y_test):.2%}")

    # Probabilities of the merged network: a row per sample and a column per class.
    probabilities = classifier.predict_proba(X_test[:3])
    for label, row in zip(y_test[:3], probabilities, strict=True):
        print(f"a {label}, predicted as {row.argmax()} with probability {row.max():.3f}")

    # The history has a record per round; notebooks show it as a table.
    last = classifier.history_[-1]
    print(f"round {last.round}: loss {last.loss:.2g}, {last.samples:,} samples")

    # All parameters are plain values, so clone, pickle and grid search work.
    if arguments.search:
        search = GridSearchCV(classifier, {"n_submodels": [1, 2, 4]}, cv=3)
        search.fit(X_train, y_train)
        print(f"best of the search: {search.best_params_}, {search.best_score_:.2%}")


if __name__ == "__main__":
    main()
