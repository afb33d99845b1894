"""Histories made up for the tests of what shows them."""

from __future__ import annotations

from dask_horn.records import History, RoundRecord


def record(
    round: int,
    *,
    n_groups: int = 2,
    n_submodels: int = 2,
    loss: float = 0.5,
    score: float | None = 0.9,
):
    """A round."""
    return RoundRecord(
        round=round,
        n_groups=n_groups,
        n_submodels=n_submodels,
        loss=loss,
        losses=((loss,) * n_submodels,) * n_groups,
        validation_loss=None if score is None else 1 - score,
        validation_score=score,
        seconds=0.25,
        kernel_seconds=0.9,
        samples=1000,
        bytes_to_workers=1_500_000,
        bytes_from_workers=500_000,
    )


def history(n_rounds: int = 4, *, scored: bool = True, last_divided: int = 2) -> History:
    """Rounds with falling loss and rising score; the last may have fewer sub-models."""
    records = [
        record(
            i,
            n_submodels=last_divided if i == n_rounds else 2,
            loss=1 / i,
            score=1 - 0.5 / i if scored else None,
        )
        for i in range(1, n_rounds + 1)
    ]
    return History(records)
