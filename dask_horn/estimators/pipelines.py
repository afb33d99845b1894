"""Validation samples in a Pipeline: whether its steps have transformed them too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from sklearn.pipeline import Pipeline

# Through whose frames a Pipeline calls its last step; any other may have transformed the samples.
_PASSING = ("sklearn", "joblib", "imblearn", "dask_horn")


def chosen_validation(validation_data: Any, X_val: Any, y_val: Any) -> Any:
    """Return the validation data that a fit is given in one of two ways.

    Raises
    ------
    TypeError
        If both are given, or only one of `X_val` and `y_val`.
    ValueError
        If the steps of a Pipeline have not transformed the samples; see `check_transformed`.
    """
    if X_val is None and y_val is None:
        if validation_data is not None:
            check_transformed("validation_data")
        return validation_data
    if validation_data is not None:
        raise TypeError("validation_data cannot be used with X_val and y_val; pass one of the two")
    if X_val is None or y_val is None:
        missing, given = ("X_val", "y_val") if X_val is None else ("y_val", "X_val")
        raise TypeError(f"{missing} is missing; pass it beside {given}")
    check_transformed("X_val")
    return X_val, y_val


def check_transformed(argument: str) -> None:
    """Refuse validation samples that the Pipeline which calls a fit has not transformed.

    A Pipeline hands `fit` samples that it has transformed, and other arguments as they are, unless
    its `transform_input` names them. Nothing in either says so, but that the Pipeline is among
    those who call: without others between, who may have taken the samples from transformed ones.

    Parameters
    ----------
    argument : {"validation_data", "X_val"}
        What holds the samples.

    Raises
    ------
    ValueError
        If there is such a Pipeline.
    """
    for pipeline in _calling_pipelines():
        if all(step in (None, "passthrough") for _, step in pipeline.steps[:-1]):
            continue
        if argument == "X_val" and "X_val" in (getattr(pipeline, "transform_input", None) or ()):
            continue
        raise ValueError(
            f"{argument} holds samples that the Pipeline's steps do not transform; pass X_val= and "
            "y_val= to the fit of a Pipeline(steps, transform_input=['X_val']), whose last step "
            "has set_fit_request(X_val=True, y_val=True), after "
            "sklearn.set_config(enable_metadata_routing=True)"
        )


def _calling_pipelines() -> Iterator[Pipeline]:
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _PASSING:
        caller: Any = frame.f_locals.get("self")
        if isinstance(caller, Pipeline) and frame.f_code.co_name.startswith("fit"):
            yield caller
        frame = frame.f_back  # type: ignore[assignment]
