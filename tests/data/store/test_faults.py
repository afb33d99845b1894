"""An error of a store's library is told by what it carries, without that library."""

from __future__ import annotations

import errno
import socket

import pytest

from dask_horn.data.store.faults import Fault, FaultKind, fault_of


def _of_a_library(*bases: str, kind: type = Exception, **carried: object) -> Exception:
    """An error whose classes have these names, as a library's that is not here."""
    for name in reversed(bases):
        kind = type(name, (kind,), {})
    error = kind("its own words")
    for name, value in carried.items():
        setattr(error, name, value)
    return error


def _of_botocore(status: int) -> Exception:
    response = {"ResponseMetadata": {"HTTPStatusCode": status}}
    return _of_a_library("ClientError", response=response)


def _of_requests(status: int) -> Exception:
    response = _of_a_library("Response", status_code=status)
    return _of_a_library("HTTPError", kind=OSError, response=response)


def _from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "what"),
    [
        (_of_a_library("ClientResponseError", status=403), "FORBIDDEN", "403 Forbidden"),
        (_of_a_library("HttpResponseError", status_code=401), "FORBIDDEN", "401 Unauthorized"),
        (_of_a_library("HttpError", code=503), "PASSING", "503 Service Unavailable"),
        (_of_requests(429), "PASSING", "429 Too Many Requests"),
        (_of_a_library("ClientResponseError", status=599), "PASSING", "599"),
        (_of_a_library("ClientResponseError", status=405), "READ_ONLY", "405 Method Not Allowed"),
        (_of_a_library("ClientResponseError", status=507), "FULL", "507 Insufficient Storage"),
        (_from(PermissionError("no"), _of_botocore(403)), "FORBIDDEN", "403 Forbidden"),
        (_from(FileNotFoundError("no"), _of_botocore(404)), "MISSING", FaultKind.MISSING.value),
        (_of_a_library("NoCredentialsError"), "NO_CREDENTIALS", "no credentials"),
        (_of_a_library("ServerDisconnectedError", "ClientConnectionError"), "PASSING", None),
        (_of_a_library("ReadTimeoutError", "HTTPClientError"), "PASSING", "no answer in time"),
        (TimeoutError(), "PASSING", "no answer in time"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "PASSING", "Connection reset by peer"),
        (socket.gaierror(-2, "x"), "PASSING", "unknown host"),
        (OSError(errno.EIO, "x"), "PASSING", "Input/output error"),
        (OSError(errno.ENOSPC, "x"), "FULL", "No space left on device"),
        (OSError(errno.EROFS, "x"), "READ_ONLY", "Read-only file system"),
        (PermissionError(), "FORBIDDEN", "no permission"),
        (ModuleNotFoundError("No module", name="gcsfs"), "NOT_INSTALLED", "gcsfs is not installed"),
        (RuntimeError("error while\ndecoding."), "OTHER", "RuntimeError: error while decoding"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_an_error_comes_to(error, kind, what):
    assert fault_of(error) == Fault(FaultKind[kind], what or FaultKind[kind].value)


def test_an_error_that_goes_round_in_a_circle():
    first, second = RuntimeError("first"), RuntimeError("second")
    assert fault_of(_from(first, _from(second, first))).what == "RuntimeError: first"
