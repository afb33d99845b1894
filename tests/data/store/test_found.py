"""Whatever lies where samples were expected is told, or read as what it is."""

from __future__ import annotations

import shutil
import warnings

import fsspec
import numpy as np
import pytest
import zarr

from dask_horn.data import open_samples, write_samples
from dask_horn.data.store.reading import open_rows

X = np.arange(60.0).reshape(20, 3)
Y = np.arange(20) % 2


@pytest.fixture
def stored(tmp_path):
    write_samples(tmp_path / "a.zarr", X, Y)
    return tmp_path / "a.zarr"


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_that_consolidated_metadata_do_not_list_are_read(tmp_path, zarr_format):
    group = zarr.open_group(tmp_path / "a.zarr", mode="w", zarr_format=zarr_format)
    array = group.create_array("X", data=X[:10], chunks=(5, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(tmp_path / "a.zarr")
    array.append(X[10:])
    late = zarr.open_group(tmp_path / "a.zarr", mode="a", use_consolidated=False)
    late.create_array("y", data=Y)
    stale = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert "y" not in stale
    for location in (tmp_path / "a.zarr", stale):
        assert open_samples(location).n_samples == 20


@pytest.mark.parametrize("whole", [True, False], ids=["its content", "the folder"])
def test_a_zip_file_is_read(stored, tmp_path, whole):
    root = {"root_dir": stored} if whole else {"root_dir": tmp_path, "base_dir": "a.zarr"}
    archive = shutil.make_archive(tmp_path / "zipped", "zip", **root)
    with fsspec.open("memory://zipped/a.zip", "wb") as file, open(archive, "rb") as own:
        file.write(own.read())
    places = [archive, f"zip::{archive}", f"zip::file://{archive}", "memory://zipped/a.zip"]
    for location in places + ([] if whole else [f"zip://a.zarr::{archive}"]):
        samples = open_samples(location)
        np.testing.assert_array_equal(open_rows(samples.x)[...], X)
    with pytest.raises(ValueError, match="is a zip file, which is only read"):
        write_samples(archive, X, Y, overwrite=True)


def _written(path, content):
    path.write_bytes(content)


MADE = {
    "netCDF or HDF5 file; open it with": lambda path: _written(path, b"\x89HDF\r\n\x1a\n"),
    "Parquet file; read it with": lambda path: _written(path, b"PAR1"),
    "NumPy file; open it with": lambda path: _written(path, b"\x93NUMPY"),
    "a file of another kind": lambda path: _written(path, b"?"),
    "an empty folder": lambda path: path.mkdir(),
    r"an array of shape \(20, 3\); pass zarr.open_array": lambda path: zarr.create_array(
        path, data=X
    ),
    "for there is no folder": lambda path: None,
}


@pytest.mark.parametrize("told", MADE)
def test_other_things_are_told(told, tmp_path):
    place = tmp_path / "thing" if "no folder" not in told else tmp_path / "no" / "thing"
    MADE[told](place)
    with pytest.raises(FileNotFoundError, match=f"no Zarr group at .*{told}"):
        open_samples(place)


def test_groups_in_a_folder_are_named(stored, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder that holds some \(a.zarr\)"):
        open_samples(tmp_path)


def test_a_sparse_matrix_and_columns_of_anndata_are_told(tmp_path):
    root = zarr.open_group(tmp_path / "cells.zarr", mode="w")
    sparse = root.create_group("X", attributes={"encoding-type": "csr_matrix"})
    for name in ("data", "indices", "indptr"):
        sparse.create_array(name, data=np.arange(3))
    with pytest.raises(ValueError, match=r"X is a group .*sparse matrix as AnnData writes it"):
        open_samples(tmp_path / "cells.zarr", require_y=False)
    del root["X"]
    root.create_array("X", data=X)
    root.create_group("obs").create_array("batch", data=Y)
    with pytest.raises(ValueError, match=r"labels as columns of obs \(batch\): pass its array X"):
        open_samples(tmp_path / "cells.zarr")
    column = root.create_group("y")
    column.create_array("codes", data=Y)
    column.create_array("categories", data=np.arange(2))
    with pytest.raises(ValueError, match=r"y is a group .*pass its codes"):
        open_samples(tmp_path / "cells.zarr")


def test_objects_that_zarr_cannot_read_are_told(tmp_path):
    (tmp_path / "X").mkdir()
    (tmp_path / ".zgroup").write_text('{"zarr_format": 2}')
    (tmp_path / "X" / ".zarray").write_text(
        '{"chunks": [3], "compressor": null, "dtype": "|O", "fill_value": null, "order": "C",'
        ' "filters": [{"id": "pickle", "protocol": 5}], "shape": [3], "zarr_format": 2}'
    )
    with pytest.raises(ValueError, match=r"array X in .* cannot be opened .*write it anew"):
        open_samples(tmp_path)


def test_only_samples_are_replaced(stored, tmp_path):
    group = zarr.open_group(stored)
    group.create_array("months of work", data=X)
    with pytest.raises(FileExistsError, match=r"than samples \(months of work\) at .*; choose"):
        write_samples(stored, X, Y, overwrite=True)
    for taken in (f"{stored}/X", tmp_path):
        with pytest.raises(FileExistsError, match="choose another location"):
            write_samples(taken, X, Y, overwrite=True)
    del group["months of work"]
    assert write_samples(stored, X[:5], Y[:5], overwrite=True).n_samples == 5
