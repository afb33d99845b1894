"""The data room: from what users pass to windows of decoded rows, and what is known of them.

Its folders are floors too, bottom up: `values` (what samples and targets mean), `store` (Zarr),
`rows` (row blocks and windows), `intake` (what users pass) and `survey` (the pass before
training). Knows Zarr and Dask's delayed tasks; knows neither networks nor training, nor any
cluster.
"""

from __future__ import annotations

from dask_horn.data.intake.held_out import held_out_targets
from dask_horn.data.intake.sources import in_memory
from dask_horn.data.intake.spool import spool, spool_split, stays_in_place
from dask_horn.data.rows.blocks import Block, deal, hold_out, hold_out_ends, row_blocks
from dask_horn.data.rows.windows import (
    decoded,
    decoded_row_bytes,
    forget,
    warn_of_large_chunks,
    window_spans,
    windows,
)
from dask_horn.data.store.clients import BY_CLIENT, inside_task, own_scheduler, usable_client
from dask_horn.data.store.samples import SampleStore, is_location, open_samples, write_samples
from dask_horn.data.store.tasks import computed_by
from dask_horn.data.survey.survey import Survey, check_held_out, survey
from dask_horn.data.values.arrays import as_samples, decoded_dtype
from dask_horn.data.values.form import FEATURES, SampleForm, same_layout
from dask_horn.data.values.standardize import Standardizer
from dask_horn.data.values.targets import TargetKind, Targets, outputs_in_words

__all__ = [
    "BY_CLIENT",
    "FEATURES",
    "Block",
    "SampleForm",
    "SampleStore",
    "Standardizer",
    "Survey",
    "TargetKind",
    "Targets",
    "as_samples",
    "check_held_out",
    "computed_by",
    "deal",
    "decoded",
    "decoded_dtype",
    "decoded_row_bytes",
    "forget",
    "held_out_targets",
    "hold_out",
    "hold_out_ends",
    "in_memory",
    "inside_task",
    "is_location",
    "open_samples",
    "outputs_in_words",
    "own_scheduler",
    "row_blocks",
    "same_layout",
    "spool",
    "spool_split",
    "stays_in_place",
    "survey",
    "usable_client",
    "warn_of_large_chunks",
    "window_spans",
    "windows",
    "write_samples",
]
