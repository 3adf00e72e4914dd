"""What an answer that is not the wanted one means.

This module alone turns a status code and an error document (distribution-spec, "Error Codes") into one of our errors.
"""

from typing import Final

from rafsight.access.backend import NotFound
from rafsight.access.registry.errors import RateLimited, RegistryBusy, RegistryDenied, RegistryMisbehaves
from rafsight.access.registry.messages import Response, host_of
from rafsight.access.retry import parse_retry_after
from rafsight.base.errors import RegistryFault

LONGEST_ERROR: Final = 64 * 1024
"""[bytes] of an error document that are read."""
_TRANSIENT: Final = frozenset((408, 500, 502, 503, 504))


def fault_of(
    answer: Response, body: bytes, *, place: str = "", what: str = "", sent: str = "", login: str = ""
) -> RegistryFault:
    """Make the error for an answer that is not the wanted one.

    Args:
        answer: the head.
        body: what was read of the body.
        place: the repository, as people call it.
        what: what was asked for.
        sent: which credentials were sent, without their values.
        login: the host to log in to.
    """
    host = host_of(answer.url)
    code, message = read_error(body)
    said = f" ({message or code})" if message or code else ""
    reason = message or code or f"status {answer.status}"
    if answer.status in (401, 403):
        return RegistryDenied(
            place=place or host, what=what, reason=reason, sent=sent or "no credentials were sent", host=login or host
        )
    if answer.status in (404, 410):
        return NotFound(place=place or host, what="such repository" if code == "NAME_UNKNOWN" else what)
    wish = parse_retry_after(answer.header("retry-after"), answer.header("date"))
    if answer.status == 429 or code == "TOOMANYREQUESTS":
        when = "later" if wish is None else f"in {wish:.0f} s"
        return RateLimited(retry_after=wish, host=host, reason=reason, when=when)
    if answer.status in _TRANSIENT:
        return RegistryBusy(retry_after=wish, host=host, status=answer.status, because=said)
    return RegistryMisbehaves(host=host, why=f"status {answer.status} for {what or 'a request'}" + said)


def read_error(body: bytes) -> tuple[str, str]:
    """Return code and message of the first error in an error document, or empty strings; text without JSON is one."""
    import msgspec

    from rafsight.access.registry import wire

    try:
        errors = msgspec.json.decode(body, type=wire.Errors).errors
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        text = body[:200].decode("utf-8", "replace").strip()
        return "", "" if text.startswith(("<", "{", "[")) else text
    first = errors[0] if errors else wire.Error()
    return first.code or "", first.message or ""
