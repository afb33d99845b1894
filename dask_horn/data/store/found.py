"""What lies at a location, told where it is not what was expected there."""

from __future__ import annotations

import contextlib
import os
import zipfile
from typing import Any

import zarr
from zarr.abc.store import Store
from zarr.errors import ContainsArrayError, NodeNotFoundError

from dask_horn.data.store.locations import ZIP, Url, is_path, open_array, open_group
from dask_horn.data.store.storing import filesystem_at, store_errors

_NAMED = 5  # names in a message

# How files begin, or are called, that people have samples in; what they are; what reads them.
_KINDS = (
    ((b"\x89HDF",), (".h5", ".hdf5", ".nc", ".nc4", ".h5ad"), "a netCDF or HDF5 file",
     "open it with xarray.open_dataset or h5py.File"),
    ((b"CDF\x01", b"CDF\x02", b"CDF\x05"), (), "a netCDF file", "open it with xarray.open_dataset"),
    ((b"PAR1",), (".parquet", ".pq"), "a Parquet file", "read it with dask.dataframe.read_parquet"),
    ((b"ARROW1",), (".feather", ".arrow"), "an Arrow file", "read it with pandas.read_feather"),
    ((b"\x93NUMPY",), (".npy",), "a NumPy file", "open it with numpy.load(..., mmap_mode='r')"),
    ((), (".npz",), "a NumPy archive", "open it with numpy.load"),
    ((), (".csv", ".tsv"), "a table in text", "read it with dask.dataframe.read_csv"),
)  # fmt: skip


def group_at(store: str | Store) -> tuple[str | Store, zarr.Group]:
    """Open the group at a location, also where it is in a zip file.

    Returns
    -------
    location, group
        The location is another one where a URL's file had to be opened as a zip file. A zip file
        whose only entry is a folder is that folder.

    Raises
    ------
    FileNotFoundError
        If there is no group; what is there instead is told.
    """
    try:
        with store_errors("The samples at", store, "read"):
            return store, _group_or_only_folder(store)
    except (NodeNotFoundError, FileNotFoundError, ContainsArrayError, zipfile.BadZipFile) as error:
        if isinstance(store, Url) and store.text.lower().endswith(ZIP) and "::" not in store.text:
            return group_at(Url(f"zip::{store.text}", store.options))
        found = told_at(store)
        # An error of our own words alone: the libraries' may name passwords.
        raise FileNotFoundError(
            f"There is no Zarr group at {store}{found}; pass the path or URL of a group that "
            "holds arrays X and y."
            if not found.partition("; ")[2]
            else f"There is no Zarr group at {store}{found}."
        ) from (None if isinstance(store, Url) else error)


def _group_or_only_folder(store: str | Store) -> zarr.Group:
    try:
        return open_group(store)
    except NodeNotFoundError:
        if not isinstance(store, str) or ZIP not in store.lower():
            raise
        folder = _only_folder(store)
        if not folder:
            raise
        return open_group(store, path=folder)


def _only_folder(store: str) -> str:
    """Return the one folder that a zip file holds; nothing for another file."""
    if is_path(store) and not zipfile.is_zipfile(store):
        return ""
    chain = store.text if isinstance(store, Url) else f"zip::{store}"
    if not chain.startswith("zip::"):
        return ""
    options = store.options if isinstance(store, Url) else None
    filesystem, path = filesystem_at(Url(chain, options))
    entries = filesystem.ls(path, detail=True)
    only = len(entries) == 1 and entries[0]["type"] == "directory"
    return str(entries[0]["name"]).strip("/") if only else ""


def told_at(store: str | Store) -> str:
    """Say what is at a location that is no group, and after a semicolon what would do."""
    with contextlib.suppress(Exception):  # it is not there, or cannot be read: nothing to tell
        shape = open_array(store).shape
        return (
            f", but an array of shape {shape}; pass zarr.open_array of it as X, and the targets "
            "as y"
        )
    if not isinstance(store, str):
        return ""
    kind = _file_kind(store)
    if kind:
        return f", but {kind[0]}; {kind[1]} and pass its arrays or columns as X and y"
    if is_path(store):
        return _told_of_path(store)
    return ""


def _told_of_path(path: str) -> str:
    if not os.path.exists(path):
        above = os.path.dirname(path)
        if not os.path.isdir(above):
            return f", for there is no folder {above}" if os.path.dirname(above) != above else ""
        return ""
    if os.path.isfile(path):
        zipped = zipfile.is_zipfile(path)
        return ", but a zip file without one" if zipped else ", but a file of another kind"
    names = sorted(os.listdir(path))
    groups = [name for name in names if _is_group(f"{path}/{name}")]
    if groups:
        return f", but a folder that holds some ({listed(groups)})"
    return f", but a folder with {listed(names)}" if names else ", but an empty folder"


def _is_group(path: str) -> bool:
    marks = (".zgroup", "zarr.json")
    return os.path.isdir(path) and any(os.path.exists(f"{path}/{mark}") for mark in marks)


def _file_kind(store: str) -> tuple[str, str] | None:
    """Return what a file is and what reads it; None if it is none of those, or a folder."""
    begin, name = b"", store.partition("?")[0].lower()
    if is_path(store):
        if not os.path.isfile(store):
            return None
        with contextlib.suppress(OSError), open(store, "rb") as file:
            begin = file.read(8)
    for magic, ends, what, remedy in _KINDS:
        if begin.startswith(magic or (b"\0\0 none",)) or name.endswith(ends or ("\0",)):
            return what, remedy
    return None


def foreign_content(store: str | Store) -> str:
    """Return what a local path holds that is no Zarr group; nothing for a free path."""
    if not is_path(store) or not os.path.exists(str(store)):
        return ""
    if os.path.isdir(str(store)):
        return "a folder with other files" if os.listdir(str(store)) else ""
    return "a file"


def check_no_zip(store: str | Store) -> None:
    """Refuse to write a zip file.

    Raises
    ------
    ValueError
        If the location is one: several workers cannot write it.
    """
    if isinstance(store, str) and (store.lower().endswith(ZIP) or store.startswith("zip:")):
        raise ValueError(
            f"{store} is a zip file, which is only read; write to a folder, and zip that with "
            "shutil.make_archive"
        )


def held_instead(group: zarr.Group, missing: str, store: object) -> str:
    """Say what a group holds that lacks an array, and what to pass."""
    found = group.get(missing)
    if isinstance(found, zarr.Group):
        return _told_of_group(missing, found, store)
    names = sorted(group.keys())
    told = f"(it holds {listed(names) or 'nothing'})"
    obs = group.get("obs") if missing == "y" else None
    if isinstance(obs, zarr.Group):
        columns = [name for name in sorted(obs.keys()) if name != "_index"]
        return (
            f"The group {store} holds no array y {told}; AnnData keeps labels as columns of obs "
            f"({listed(columns)}): pass its array X as X, and such a column as y"
        )
    return (
        f"The group {store} holds no array {missing} {told}; store samples as X and targets as y, "
        "as dask_horn.write_samples does."
    )


def _told_of_group(name: str, found: zarr.Group, store: object) -> str:
    inside = set(found.keys())
    encoding = str(found.attrs.get("encoding-type", ""))
    begin = f"In {store} {name} is a group (it holds {listed(sorted(inside)) or 'nothing'})"
    if {"data", "indices", "indptr"} <= inside or encoding.startswith(("csr", "csc")):
        return (
            f"{begin}, a sparse matrix as AnnData writes it, not an array; pass it dense, as an "
            "array or a Dask array, such as "
            f"anndata.io.read_elem(group[{name!r}]).toarray(), or write that with write_samples"
        )
    if {"codes", "categories"} <= inside:
        return (
            f"{begin}, a categorical column as AnnData writes it, not an array; pass its codes, "
            f"group[{name!r}]['codes'], as y"
        )
    return f"{begin}, not an array; pass the arrays that it holds, or their group's path"


def listed(names: Any) -> str:
    """Return names in one line: a few, and how many more there are."""
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
