"""What it means if a registry does not take something.

This module alone turns the answers to pushes into errors; what pulls may meet as well is left to answers.py.
"""

from typing import Final

from rafsight.access.backend import NotFound
from rafsight.access.registry.answers import fault_of, read_error
from rafsight.access.registry.errors import (
    PushRefused,
    PushTooLarge,
    RegistryDenied,
    RegistryFull,
    RegistryReadOnly,
    UploadLost,
)
from rafsight.access.registry.messages import Response, host_of
from rafsight.base.errors import RegistryFault

_FULL: Final = ("quota", "exceed the configured upper limit", "no space left", "insufficient storage")
"""What Harbor, Quay and others write, mostly with status 403, if there is no room."""
_READ_ONLY: Final = ("read only mode", "read-only mode", "readonly mode")
_REFUSED: Final = frozenset((400, 409, 411, 412, 415, 416, 422, 451))


def refusal_of(
    answer: Response, body: bytes, *, place: str = "", what: str = "", sent: str = "", login: str = ""
) -> RegistryFault:
    """Make the error for an answer that is not the wanted one; arguments as of `answers.fault_of`."""
    code, message = read_error(body)
    reason = message or code or f"status {answer.status}"
    place = place or host_of(answer.url)
    lowered = message.lower()
    if answer.status < 500 and any(words in lowered for words in _READ_ONLY):
        return RegistryReadOnly(place=place, reason=reason)
    if answer.status == 507 or (400 <= answer.status < 500 and any(words in lowered for words in _FULL)):
        return RegistryFull(place=place, what=what, reason=reason)
    if answer.status == 404 and code == "BLOB_UPLOAD_UNKNOWN":
        return UploadLost(place=place, what=what, reason=reason)
    if answer.status == 405:
        return RegistryReadOnly(place=place, reason=reason)
    if answer.status == 413:
        return PushTooLarge(place=place, what=what, reason=reason)
    if answer.status in _REFUSED:
        return PushRefused(place=place, what=what, reason=reason)
    fault = fault_of(answer, body, place=place, what=what, sent=sent, login=login)
    if isinstance(fault, RegistryDenied):
        host = login or host_of(answer.url)
        fault.advise(f"Run `docker login {host}` with an account that may push there, and check the name.")
    elif isinstance(fault, NotFound) and code == "NAME_UNKNOWN":
        fault.advise("Create the repository first, this registry makes none by itself; or check the name.")
    return fault
