"""Trained models: prediction, uncertainty, calibration, saving and loading."""

from __future__ import annotations

from dask_horn.model.form import sample_form
from dask_horn.model.models import Ensemble, Model, load
from dask_horn.model.store import check_free, read_standardizer, read_versions

__all__ = [
    "Ensemble",
    "Model",
    "check_free",
    "load",
    "read_standardizer",
    "read_versions",
    "sample_form",
]
