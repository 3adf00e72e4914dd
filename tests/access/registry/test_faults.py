"""Each exception of the library becomes the error that a person can act on."""

import http.client
import socket
import ssl
from typing import Any

import pytest
import urllib3.exceptions as theirs

from rafsight.access.registry.errors import (
    RegistryMisbehaves,
    RegistryPlainHttp,
    RegistryUnknown,
    RegistryUnreachable,
    RegistryUntrusted,
)
from rafsight.access.registry.faults import fault_from

URL = "https://us:er@registry.test:5000/v2/app?token=secret"


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] text")
    error.reason = reason
    return error


def verification() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "text")
    error.verify_message = "certificate has expired"
    return error


def caused(outer: BaseException, inner: BaseException) -> BaseException:
    outer.__cause__ = inner
    return outer


CONNECTION: Any = None
"""The library only keeps it."""


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (theirs.SSLError(verification()), RegistryUntrusted, "certificate has expired"),
        (theirs.SSLError(tls("WRONG_VERSION_NUMBER")), RegistryPlainHttp, "plain HTTP"),
        (theirs.SSLError(tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")), RegistryUntrusted, "alert certificate required"),
        (theirs.SSLError(tls("DECRYPTION_FAILED_OR_BAD_RECORD_MAC")), RegistryUnreachable, "TLS failed"),
        (theirs.ProxyError("Unable to connect to proxy", OSError(111, "Connection refused")), RegistryUnreachable, "proxy .*connection refused"),
        (caused(theirs.NewConnectionError(CONNECTION, "x"), OSError(111, "Connection refused")), RegistryUnreachable, "connection refused"),
        (theirs.NameResolutionError("h", CONNECTION, socket.gaierror(socket.EAI_NONAME, "x")), RegistryUnknown, "no address"),
        (caused(theirs.NameResolutionError("h", CONNECTION, socket.gaierror(socket.EAI_AGAIN, "x")), socket.gaierror(socket.EAI_AGAIN, "x")), RegistryUnreachable, "name server"),
        (theirs.ConnectTimeoutError("x"), RegistryUnreachable, "connection timed out"),
        (theirs.ReadTimeoutError(CONNECTION, "/", "x"), RegistryUnreachable, "no bytes came"),
        (theirs.ProtocolError("Connection aborted.", http.client.RemoteDisconnected("x")), RegistryUnreachable, "connection"),
        (theirs.ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer")), RegistryUnreachable, "reset by peer"),
        (theirs.ProtocolError("broken", theirs.IncompleteRead(1, 2)), RegistryUnreachable, "middle of an answer"),
        (theirs.ProtocolError("Connection aborted.", http.client.LineTooLong("header line")), RegistryMisbehaves, "not HTTP"),
        (theirs.ProtocolError("Connection aborted.", http.client.HTTPException("got more than 100 headers")), RegistryMisbehaves, "not HTTP"),
        (theirs.ProtocolError("Connection aborted.", http.client.BadStatusLine("SSH")), RegistryMisbehaves, "not HTTP"),
        (UnicodeError("label too long"), RegistryUnknown, "no address"),
        (OSError(113, "No route to host"), RegistryUnreachable, "no route to host"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_every_one(error, kind, words):
    fault = fault_from(error, URL)
    assert type(fault) is kind
    assert fault.args[0].startswith("registry.test:5000 ")
    with pytest.raises(kind, match=words):
        raise fault
    assert "secret" not in str(fault)
    assert "us:er" not in str(fault)


def test_endless_chains_end():
    error = OSError("a")
    error.__cause__ = ValueError("b")
    error.__cause__.__cause__ = error
    assert type(fault_from(error, URL)) is RegistryUnreachable
