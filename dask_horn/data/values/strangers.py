"""What people pass in place of an array: told by its kind, with what to pass instead.

A kind is known by its methods and by its class' name, so that nothing is imported for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from numbers import Number
from typing import Any

# Each of these tells NumPy what it holds; memoryview stands for all buffers.
_ARRAY_METHODS = ("__array__", "__array_interface__", "__array_struct__", "__dlpack__")


def array_like(values: object) -> bool:
    """Whether NumPy reads something as an array that knows its own shape.

    Examples
    --------
    >>> array_like(memoryview(b"abc")), array_like({1, 2})
    (True, False)
    """
    if isinstance(values, type):  # a class has the methods of its objects
        return False
    if any(hasattr(values, method) for method in _ARRAY_METHODS):
        return True
    if isinstance(values, str | bytes | bytearray):
        return False
    try:
        memoryview(values)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def stranger(values: Any, name: str) -> str | None:
    """Describe what is neither an array nor a list, and say what to pass instead.

    Parameters
    ----------
    values : object
        What the user passed; looked at, never read or iterated over.
    name : str
        The argument.

    Returns
    -------
    str or None
        A sentence; None for arrays, and for lists, which may still hold anything.

    Examples
    --------
    >>> stranger({1, 2}, "y")
    'y is a set, which has no order; pass an array or a list.'
    >>> stranger([1, 2], "y") is None
    True
    """
    if hasattr(values, "__dask_graph__"):
        return _collection_fault(values, name)
    for is_kind, sentence in _KINDS:
        if is_kind(values):
            return _filled(sentence, values, name)
    if isinstance(values, list | tuple):
        return _listed(values, name)
    if array_like(values) or _is_sequence(values):
        return None
    return _filled("{X} is {a_kind}, which holds no array; pass an array or a list.", values, name)


def kind_of(values: object) -> str:
    """Name the class of something, with its library's name unless it is Python's own.

    Examples
    --------
    >>> from pathlib import Path
    >>> kind_of(Path("a.zarr").suffixes), kind_of(ArithmeticError())
    ('list', 'ArithmeticError')
    """
    cls = type(values)
    library = cls.__module__.partition(".")[0].lstrip("_")
    plain = library in ("builtins", "__main__", "collections", "asyncio", "concurrent")
    return cls.__name__ if plain else f"{library}.{cls.__name__}"


def _filled(sentence: str, values: Any, name: str) -> str:
    kind, cls = kind_of(values), type(values).__name__
    if isinstance(values, type):
        kind = values.__name__
    article = "an" if kind[0].lower() in "aeiou" else "a"
    return sentence.format(X=name, kind=kind, cls=cls, a_kind=f"{article} {kind}")


def _listed(values: Sequence[Any], name: str) -> str | None:
    """Describe the first of a list's items where it is none that a list of samples has."""
    first: Any = values[0] if len(values) else None
    library = type(first).__module__.partition(".")[0]
    lazy = hasattr(first, "__dask_graph__") and first.__dask_graph__() is not None
    if lazy and type(first).__name__.startswith("Delayed"):
        return (
            f"{name} is a list of Dask Delayed objects, of unknown shape; make a Dask array of "
            f"each by dask.array.from_delayed({name}[0], shape, dtype), and pass "
            "dask.array.concatenate of them."
        )
    if _is_future(first):
        return (
            f"{name} is a list of Futures, of unknown shape; pass numpy.concatenate(client.gather"
            f"({name})), or make a Dask array of each by dask.array.from_delayed."
        )
    if lazy and hasattr(first, "chunks"):
        return f"{name} is a list of Dask arrays; pass dask.array.concatenate({name})."
    if lazy and hasattr(first, "to_dask_array"):
        return f"{name} is a list of Dask frames; pass dask.dataframe.concat({name})."
    if library == "zarr":
        return f"{name} is a list of Zarr arrays; pass one array, or one group that holds it."
    if isinstance(first, Mapping):
        return f"{name} is a list of dicts; pass a data frame, such as pandas.DataFrame({name})."
    if isinstance(first, bytes | bytearray):
        return f"{name} is a list of bytes; decode them to numbers or text first."
    if first is None or isinstance(first, str | Number | list | tuple) or array_like(first):
        return None
    what = stranger(first, f"{name}[0]")
    return None if what is None else f"{name} is a list, and {what}"


def _is_sequence(values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str | bytes | bytearray)


def _is_future(values: object) -> bool:
    return hasattr(values, "result") and hasattr(values, "done") and hasattr(values, "cancel")


def _collection_fault(values: object, name: str) -> str | None:
    """Describe a Dask collection that is neither an array nor a frame."""
    cls = type(values).__name__
    if cls.startswith("Delayed"):
        return (
            f"{name} is a Dask Delayed, of unknown shape; pass a Dask array or data frame, such as "
            f"dask.array.from_delayed({name}, shape, dtype)."
        )
    if hasattr(values, "chunks") or hasattr(values, "to_dask_array"):
        return None
    return f"{name} is a Dask {cls}; pass a Dask array or data frame."


def _has_batches(values: object) -> bool:
    """Whether samples come out one by one or in batches, as of torch's and TensorFlow's loaders."""
    if array_like(values) or _is_sequence(values) or isinstance(values, type | str):
        return False
    named = type(values).__name__.endswith(("Dataset", "DataLoader", "Loader", "DataPipe"))
    indexed = hasattr(values, "__getitem__") and hasattr(values, "__len__")
    return named or indexed or hasattr(values, "__iter__")


# The first that holds is told.
_KINDS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda values: values is None, "{X} is None; pass an array or a list."),
    (
        lambda values: isinstance(values, type),
        "{X} is a class ({kind}) and no object of it; pass an array or a list.",
    ),
    (
        lambda values: hasattr(values, "nnz") and hasattr(values, "toarray"),
        "{X} is a sparse {cls}; pass {X}.toarray() instead.",
    ),
    (
        lambda values: hasattr(values, "nnz") and hasattr(values, "todense"),
        "{X} is a sparse {cls}; pass {X}.todense() instead.",
    ),
    (
        _is_future,
        "{X} is a Future, of unknown shape; pass its result(), or a Dask array or data frame, such "
        "as dask.array.from_delayed(dask.delayed({X}), shape, dtype).",
    ),
    (
        lambda values: hasattr(values, "__await__") or hasattr(values, "__anext__"),
        "{X} is {a_kind}, which holds nothing until it is awaited; pass the array that it gives.",
    ),
    (
        lambda values: hasattr(values, "__next__"),
        "{X} is {a_kind}, which can be read only once; pass an array, such as "
        "numpy.stack(list({X})).",
    ),
    (
        lambda values: isinstance(values, Set),
        "{X} is {a_kind}, which has no order; pass an array or a list.",
    ),
    (
        lambda values: isinstance(values, Mapping),
        "{X} is {a_kind}; pass one of the arrays in it, or a data frame, such as "
        "pandas.DataFrame({X}).",
    ),
    (
        lambda values: hasattr(values, "__fspath__"),
        "{X} is a path; open what is there, and pass an array of it, such as "
        "zarr.open_group({X})['{X}'].",
    ),
    (
        lambda values: hasattr(values, "create_array") and hasattr(values, "members"),
        "{X} is a Zarr group; pass one of its arrays, such as {X}['{X}'].",
    ),
    (
        lambda values: isinstance(values, str | bytes | bytearray),
        "{X} is text and no array; pass an array or a list.",
    ),
    (
        _has_batches,
        "{X} is {a_kind}, which hands out samples one after the other; collect them into an array, "
        "or write them to Zarr with dask_horn.write_samples, and pass that.",
    ),
)
