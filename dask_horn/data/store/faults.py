"""What an error of a store comes to: who refused what, and whether another try may succeed.

The libraries that reach stores (botocore, aiohttp, those for Google's and Microsoft's) may not be
installed here, and each has errors of its own. So they are told by what they carry: an HTTP status,
an errno, or the names of their classes.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from dask_horn.data.store.locations import without_secrets


class FaultKind(Enum):
    """Kinds of errors that one thing would do for."""

    NO_CREDENTIALS = "no credentials"
    EXPIRED = "the credentials have expired"
    FORBIDDEN = "no permission"
    MISSING = "there is no such folder or bucket"
    READ_ONLY = "it can only be read"
    FULL = "no space left"
    NOT_INSTALLED = "a package is not installed"
    PASSING = "no connection"
    OTHER = "another error"  # a chunk that cannot be decoded, for one


@dataclass(frozen=True)
class Fault:
    """What an error of a store comes to.

    Attributes
    ----------
    kind : FaultKind
    what : str
        What came, in a few words: ``"403 Forbidden"``, ``"No space left on device"``.
    """

    kind: FaultKind
    what: str


_STATUS = {
    401: FaultKind.FORBIDDEN,
    403: FaultKind.FORBIDDEN,
    404: FaultKind.MISSING,
    405: FaultKind.READ_ONLY,
    408: FaultKind.PASSING,
    429: FaultKind.PASSING,
    501: FaultKind.READ_ONLY,
    507: FaultKind.FULL,
}

# Of S3, which answers 400 to these.
_CODES = {
    "ExpiredToken": FaultKind.EXPIRED,
    "ExpiredTokenException": FaultKind.EXPIRED,
    "RequestTimeout": FaultKind.PASSING,
}

_ERRNO = {
    errno.EACCES: FaultKind.FORBIDDEN,
    errno.EPERM: FaultKind.FORBIDDEN,
    errno.EROFS: FaultKind.READ_ONLY,
    errno.ENOSPC: FaultKind.FULL,
    errno.EDQUOT: FaultKind.FULL,
    errno.ENOENT: FaultKind.MISSING,
    errno.ENOTDIR: FaultKind.MISSING,
    errno.EISDIR: FaultKind.MISSING,
}

_NAMES = {
    # botocore, google.auth, azure.core
    "NoCredentialsError": FaultKind.NO_CREDENTIALS,
    "PartialCredentialsError": FaultKind.NO_CREDENTIALS,
    "CredentialRetrievalError": FaultKind.NO_CREDENTIALS,
    "TokenRetrievalError": FaultKind.NO_CREDENTIALS,
    "DefaultCredentialsError": FaultKind.NO_CREDENTIALS,
    "ClientAuthenticationError": FaultKind.NO_CREDENTIALS,
    "ResourceNotFoundError": FaultKind.MISSING,
    # aiohttp, botocore, urllib3, google.auth, azure.core
    "ClientConnectionError": FaultKind.PASSING,
    "ConnectionError": FaultKind.PASSING,
    "ClientPayloadError": FaultKind.PASSING,
    "HTTPClientError": FaultKind.PASSING,
    "IncompleteReadError": FaultKind.PASSING,
    "ResponseStreamingError": FaultKind.PASSING,
    "ProtocolError": FaultKind.PASSING,
    "TransportError": FaultKind.PASSING,
    "ServiceRequestError": FaultKind.PASSING,
    "ServiceResponseError": FaultKind.PASSING,
}

_TYPES = {
    PermissionError: FaultKind.FORBIDDEN,
    FileNotFoundError: FaultKind.MISSING,
    NotADirectoryError: FaultKind.MISSING,
    IsADirectoryError: FaultKind.MISSING,
    NotImplementedError: FaultKind.READ_ONLY,
    ImportError: FaultKind.NOT_INSTALLED,
    OSError: FaultKind.PASSING,  # of those that are left: a network's, or a disk's
}


def fault_of(error: BaseException) -> Fault:
    """Return what an error comes to.

    Examples
    --------
    >>> fault_of(OSError(errno.ENOSPC, "cannot write"))
    Fault(kind=<FaultKind.FULL: 'no space left'>, what='No space left on device')
    """
    # What raised first knows best: s3fs makes a 403 of S3's an error without a number.
    for link in reversed(list(_chain(error))):
        kind = _kind(link)
        if kind is not FaultKind.OTHER:
            return Fault(kind, _what(link, kind))
    return Fault(FaultKind.OTHER, plain_text(error))


def plain_text(error: BaseException) -> str:
    """Return an error in one line without a full stop."""
    told = without_secrets(f"{type(error).__name__}: {error}")
    return " ".join(told.split()).rstrip(".: ")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__


def _kind(error: BaseException) -> FaultKind:
    status, code = _status(error), _code(error)
    if code in _CODES:
        return _CODES[code]
    if status is not None:
        return _STATUS.get(status, FaultKind.PASSING if status >= 500 else FaultKind.OTHER)
    names = [_NAMES[base.__name__] for base in type(error).__mro__ if base.__name__ in _NAMES]
    if names:
        return names[0]
    number = getattr(error, "errno", None)
    if number in _ERRNO:
        return _ERRNO[number]
    return next((kind for base, kind in _TYPES.items() if isinstance(error, base)), FaultKind.OTHER)


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error carries, wherever its library puts it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # aiohttp; azure.core; gcsfs; requests
        carriers = ((error, "status"), (error, "status_code"), (error, "code"))
        places = (*carriers, (response, "status_code"))
        found = next((n for o, name in places if (n := getattr(o, name, None)) is not None), None)
    return found if isinstance(found, int) and 400 <= found < 600 else None


def _code(error: BaseException) -> str | None:
    """Return S3's word for what came, as botocore has it."""
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _what(error: BaseException, kind: FaultKind) -> str:
    status, number = _status(error), getattr(error, "errno", None)
    if status is not None and kind not in (FaultKind.MISSING, FaultKind.EXPIRED):
        known = status in HTTPStatus._value2member_map_
        return f"{status} {HTTPStatus(status).phrase}" if known else str(status)
    if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
        return "no answer in time"
    if kind is FaultKind.NOT_INSTALLED:
        name = getattr(error, "name", None)
        return f"{name} is not installed" if name else plain_text(error)
    if isinstance(error, socket.gaierror):  # its numbers are not those of other errors
        return "unknown host"
    if isinstance(number, int):
        return os.strerror(number)
    if kind is FaultKind.PASSING and type(error) is OSError:
        return plain_text(error)
    return str(kind.value)
