"""Where things lie, in a form that travels to other processes.

A location is a path or URL wherever there is one: a store object is kept only where nothing
else names the same data, such as a store in this process' memory. `plain_location` makes one of
whatever a user may write; everything that opens, reads or writes goes by what it returns.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import fsspec
import zarr
from zarr.abc.store import Store
from zarr.storage import FsspecStore, LocalStore, MemoryStore, ZipStore

# Of one letter is a drive of Windows.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)(://|::)")
_FILE = re.compile(r"(file|local):(//(localhost(?=/))?)?", re.IGNORECASE)
_ONE_SLASH = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")

# Of a URL who asks and what follows its path may be secret; Azure's container@account is not.
_USER = re.compile(r"(?<!abfs)(?<!abfss)(://)[^/@\s'\"]+@|(://)[^/@\s'\"]+:[^/@\s'\"]*@")
_QUERY = re.compile(r"(\w://[^\s?'\"]*)\?[^\s'\"]+")

ZIP = ".zip"

Mode = Literal["r", "r+", "w", "w-"]


class Url(str):
    """A URL, with the options that open it. It prints without passwords and tokens.

    Attributes
    ----------
    options : mapping
        For fsspec, such as credentials; those of other protocols are left out.

    Examples
    --------
    >>> url = Url("https://me:secret@host/a.zarr", {"timeout": 3})
    >>> print(url, joined(url, "X"))
    https://***@host/a.zarr https://***@host/a.zarr/X
    """

    options: Mapping[str, Any]

    def __new__(cls, text: str, options: Mapping[str, Any] | None = None) -> Url:
        """Take the options that are not of other protocols than the text's."""
        url = super().__new__(cls, text)
        url.options = _own_options(url.text, options or {})
        return url

    @property
    def text(self) -> str:
        """The URL with all that belongs to it."""
        return str.__str__(self)

    def __str__(self) -> str:
        return without_secrets(self.text)

    def __repr__(self) -> str:
        return repr(str(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __reduce__(self) -> tuple[Any, ...]:
        return Url, (self.text, dict(self.options))


@dataclass(frozen=True)
class ArrayLocation:
    """Where one Zarr array lies.

    Attributes
    ----------
    store : str or zarr.abc.store.Store
        Absolute path, URL, or a store object.
    path : str
        The array's path within the store, such as ``"X"``.
    """

    store: str | Store
    path: str

    @classmethod
    def of(cls, array: zarr.Array[Any]) -> ArrayLocation:
        """Return the location of an array that is open."""
        return cls(plain_location(array.store), array.path)

    @property
    def key(self) -> str:
        """Text that is the same for the same array throughout one process."""
        # Stores of one kind print alike, whichever server or account they are on.
        token = getattr(getattr(self.store, "fs", None), "_fs_token", "")
        store = raw_text(self.store) if isinstance(self.store, str) else self.store
        return f"{store}|{token}|{self.path}"

    @property
    def in_process(self) -> bool:
        """Whether the array lies in this process' memory, where no other process sees it."""
        if isinstance(self.store, str):
            return "memory://" in self.store
        if isinstance(self.store, FsspecStore):
            inner = getattr(self.store.fs, "sync_fs", self.store.fs)
            return "memory" in (inner.protocol, *inner.protocol)
        return isinstance(self.store, MemoryStore)

    def open(self, mode: Literal["r", "r+"] = "r") -> zarr.Array[Any]:
        """Open the array."""
        return open_array(self.store, self.path, mode)

    def __str__(self) -> str:
        """Return the array's name and store, as error messages give it."""
        return f"array {self.path} in {self.store}" if self.path else f"array in {self.store}"


def plain_location(
    location: object, storage_options: Mapping[str, Any] | None = None, argument: str = "location"
) -> str | Store:
    """Return a location as an absolute path, a URL or a store object.

    Parameters
    ----------
    location : str, os.PathLike or zarr.abc.store.Store
        What the user gave. A relative path is made absolute, since workers may run in
        another folder; ``~`` becomes the home folder, and ``file:`` is left off.
    storage_options : mapping, optional
        Options for fsspec; kept with a URL, and not looked at for anything else.
    argument : str, default "location"
        What names it in messages.

    Returns
    -------
    str or zarr.abc.store.Store
        The location that means the same in every process; URLs are `Url`.

    Raises
    ------
    TypeError, ValueError
        If it is none of these, or names nothing.

    Examples
    --------
    >>> plain_location("S3://bucket/mnist.zarr")
    's3://bucket/mnist.zarr'
    >>> plain_location("file:///data/a%20b.zarr")
    '/data/a b.zarr'
    """
    options = _checked_options(storage_options)
    if isinstance(location, LocalStore):
        return str(Path(location.root).absolute())
    if isinstance(location, Store):
        return location
    if isinstance(location, Url):
        return Url(location.text, {**location.options, **options})
    if hasattr(type(location), "storage_options"):  # a UPath
        options = {**(location.storage_options or {}), **options}  # type: ignore[attr-defined]
        location = str(location)
    text = os.fspath(location) if isinstance(location, os.PathLike) else location
    if not isinstance(text, str):
        raise TypeError(
            f"{argument} is a {type(location).__name__}; pass the path or URL of a Zarr group, "
            "or a Zarr store."
        )
    if not text.strip():
        raise ValueError(f"{argument} is empty; pass a path or URL.")
    return _plain_text(text, options, argument)


def location_text(
    location: object, storage_options: Mapping[str, Any] | None = None, argument: str = "location"
) -> str:
    """Return a location as `plain_location` does, where a store object will not do."""
    plain = plain_location(location, storage_options, argument)
    if isinstance(plain, str):
        return plain
    raise TypeError(f"{argument} is a {type(location).__name__}; pass a path or URL.")


def located(X: Any, storage_options: Mapping[str, Any] | None) -> Any:
    """Return samples or a place as they are, but a path or URL as `plain_location` does."""
    options = _checked_options(storage_options)
    named = isinstance(X, str | os.PathLike) or hasattr(type(X), "storage_options")
    return plain_location(X, options) if named else X


def joined(location: str, *names: str) -> str:
    """Return what lies in a location, by its names; of a URL with the same options."""
    if isinstance(location, Url):
        return Url("/".join((location.text.rstrip("/"), *names)), location.options)
    return "/".join((location.rstrip("/"), *names))


def extended(location: str, end: str) -> str:
    """Return a location whose last name goes on with `end`."""
    if isinstance(location, Url):
        return Url(location.text + end, location.options)
    return location + end


def raw_text(location: str) -> str:
    """Return a location with all that belongs to it, for comparing: never for showing."""
    return location.text if isinstance(location, Url) else location


def without_secrets(text: str) -> str:
    """Return text without what may be secret in the URLs in it.

    Examples
    --------
    >>> without_secrets("no https://me:secret@host/a.zarr?token=123 there")
    'no https://***@host/a.zarr?*** there'
    """
    return _QUERY.sub(r"\1?***", _USER.sub("://***@", text)) if "://" in text else text


def open_group(location: str | Store, mode: Mode = "r", path: str = "") -> zarr.Group:
    """Open or create a Zarr group by what is stored now, whatever was consolidated once."""
    store, options = _for_zarr(location, mode)
    # None where it creates: that is no question then.
    consolidated = False if mode in ("r", "r+") else None
    return zarr.open_group(
        store, mode=mode, path=path, storage_options=options, use_consolidated=consolidated
    )


def open_array(
    location: str | Store, path: str = "", mode: Literal["r", "r+"] = "r"
) -> zarr.Array[Any]:
    """Open a Zarr array; one that is written keeps chunks of zeros, so that none is absent."""
    store, options = _for_zarr(location, mode)
    array = zarr.open_array(store, path=path, mode=mode, storage_options=options)
    if mode == "r":
        return array
    config: Any = {"order": array.order, "write_empty_chunks": True}
    return zarr.Array(zarr.AsyncArray(array.metadata, array.store_path, config))


def is_path(location: str | Store) -> bool:
    """Whether a location, as `plain_location` returns it, is a path of this machine."""
    return isinstance(location, str) and not isinstance(location, Url)


def _for_zarr(location: str | Store, mode: str) -> tuple[Any, dict[str, Any] | None]:
    """Return what Zarr is to open, and with which options."""
    if isinstance(location, Store):
        return location, None
    if not isinstance(location, Url):
        location = location_text(location)
    if isinstance(location, Url):
        return location.text, dict(location.options) or None
    if mode == "r" and location.lower().endswith(ZIP) and os.path.isfile(location):
        return ZipStore(location, mode="r"), None
    return Path(location), None  # of text Zarr takes any :: for a chain of URLs


def _plain_text(text: str, options: Mapping[str, Any], argument: str) -> str:
    begins = _SCHEME.match(text)
    if begins is None or _FILE.match(text):
        return _plain_path(text, argument)
    scheme, mark = begins.group(1).lower(), begins.group(2)
    if mark == "::" and scheme not in fsspec.available_protocols():
        return _plain_path(text, argument)  # a file's name may have anything in it
    pieces = [_plain_piece(piece, argument) for piece in text.split("::")]
    protocol = pieces[0].partition(":")[0]
    if protocol not in fsspec.available_protocols():
        raise ValueError(
            f"{argument} begins with {protocol}:, a protocol that fsspec does not know; correct "
            "it, or write ./ before a path"
        )
    return Url("::".join(pieces), options)


def _plain_piece(piece: str, argument: str) -> str:
    """Return one of the links of a chain of URLs."""
    begins = _SCHEME.match(piece)
    if begins is not None and not _FILE.match(piece):
        scheme = begins.group(1)
        rest = piece[len(scheme) :]
        return scheme.lower() + (rest if rest.strip("/") == ":" else rest.rstrip("/"))
    if piece.lower() in fsspec.available_protocols():
        return piece.lower()
    return _plain_path(piece, argument)


def _plain_path(text: str, argument: str) -> str:
    named = _FILE.match(text)
    if named:
        literal = text[named.end() :]
        decoded = unquote(literal)
        text = literal if os.path.exists(literal) and not os.path.exists(decoded) else decoded
    slash = _ONE_SLASH.match(text)
    if slash and slash.group(1).lower() in fsspec.available_protocols():
        raise ValueError(
            f"{argument}={text!r} has one slash where a URL has two, as pathlib.Path makes of it; "
            f"pass the text {slash.group(1)}://{text[slash.end() :]}"
        )
    path = os.path.expanduser(text)
    if path.startswith("~") and not os.path.exists(path):
        raise ValueError(
            f"{argument}={text!r} is in no home folder that this machine knows; write ./{text} "
            "for a name that begins with ~"
        )
    return os.path.abspath(path)


def _checked_options(storage_options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if storage_options is None:
        return {}
    if not isinstance(storage_options, Mapping) or not all(
        isinstance(name, str) for name in storage_options
    ):
        raise TypeError(
            "storage_options must be a mapping from the names of fsspec's options, such as "
            f"{{'anon': True}}, got {type(storage_options).__name__}"
        )
    return storage_options


def _own_options(text: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the mappings that are for other protocols, by fsspec's own rule for chains."""
    if not any(isinstance(value, Mapping) for value in options.values()):
        return dict(options)
    own = {piece.partition("://")[0] for piece in text.split("::")}
    others = set(fsspec.available_protocols()) - own
    return {
        name: value
        for name, value in options.items()
        if not (name in others and isinstance(value, Mapping))
    }
