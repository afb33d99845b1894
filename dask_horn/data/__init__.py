"""Where samples come from: stores, row blocks, windows, targets and standardizing.

Knows Zarr and Dask's delayed tasks; knows neither networks nor training, nor any cluster.
"""

from __future__ import annotations

from dask_horn.data.intake.held_out import held_out_targets
from dask_horn.data.intake.sources import in_memory
from dask_horn.data.intake.spool import spool, spool_split
from dask_horn.data.rows.blocks import Block, deal, hold_out, row_blocks
from dask_horn.data.rows.windows import (
    DecodedBlock,
    decoded,
    decoded_row_bytes,
    forget,
    window_spans,
    windows,
)
from dask_horn.data.store.locations import ArrayLocation
from dask_horn.data.store.samples import SampleStore, is_location, open_samples, write_samples
from dask_horn.data.store.tasks import computed_by
from dask_horn.data.survey.survey import Survey, survey
from dask_horn.data.values.arrays import as_samples, decoded_dtype
from dask_horn.data.values.form import FEATURES, SampleForm, same_layout
from dask_horn.data.values.standardize import Standardizer
from dask_horn.data.values.targets import TargetKind, Targets

__all__ = [
    "FEATURES",
    "ArrayLocation",
    "Block",
    "DecodedBlock",
    "SampleForm",
    "SampleStore",
    "Standardizer",
    "Survey",
    "TargetKind",
    "Targets",
    "as_samples",
    "computed_by",
    "deal",
    "decoded",
    "decoded_dtype",
    "decoded_row_bytes",
    "forget",
    "held_out_targets",
    "hold_out",
    "in_memory",
    "is_location",
    "open_samples",
    "row_blocks",
    "same_layout",
    "spool",
    "spool_split",
    "survey",
    "window_spans",
    "windows",
    "write_samples",
]
