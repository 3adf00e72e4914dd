"""Why the service refuses a request, and how an error leaves it.

This module alone decides which status an error has, and that nothing but code, message and remedy is told: no
traceback, no path of the machine, no credential.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from rafsight.base.errors import CallerError, Defect, ExitStatus, HostLimit, RafsightError
from rafsight.interfaces.service.jobs.contract import QueueFull
from rafsight.interfaces.service.jobs.faults import StoreBusy, StoreFull, StoreUnreachable
from rafsight.interfaces.service.jobs.model import MalformedOrder

PROBLEM: Final = "application/json"
_LATER: Final = 5
"""[s] after which a client may try again what may pass."""


class RequestFault(CallerError):
    """A request that is not granted."""

    status: ClassVar[int] = 400
    exit_status = ExitStatus.USAGE


class MalformedRequest(RequestFault):
    """What was sent is not what this address takes."""

    code = "unusable-request"
    template = "the request is not usable: {why}"
    remedy = "GET /openapi.json says what each address takes."


class UnusableField(RequestFault):
    """A field has the right type and a value that cannot be."""

    code = "unusable-field"
    template = "the field {field} is not usable: {why}"
    remedy = "GET /openapi.json says what each field may be."
    status = 422


class NotAuthenticated(RequestFault):
    """Nobody knows who asks."""

    code = "not-authenticated"
    template = "this needs a token of this service"
    remedy = "Send `Authorization: Bearer TOKEN`; `rafsight token create` makes one."
    status = 401
    exit_status = ExitStatus.DENIED


class NotPermitted(RequestFault):
    """The token is not made for this."""

    code = "not-permitted"
    template = "the token has not the scope {scope}"
    remedy = "Use another token: `rafsight token create --scope {scope}`."
    status = 403
    exit_status = ExitStatus.DENIED


class WrongHost(RequestFault):
    """Without tokens only this machine may ask, and a browser there can be led here by a foreign name."""

    code = "wrong-host"
    template = "the service is not called {host}"
    remedy = "Use the address that the service listens on, say its name with --base-url, or make a token."
    status = 403
    exit_status = ExitStatus.DENIED


class NotFound(RequestFault):
    """What is asked for is not there, or no more."""

    code = "nothing-there"
    template = "there is no {what} here"
    remedy = "Check the address. Results are kept for a while only: ask for the scan again."
    status = 404
    exit_status = ExitStatus.NOT_FOUND


class NotYet(RequestFault):
    """A report is wanted and the scan is not done."""

    code = "not-yet"
    template = "the scan is {state}, so that there is no report"
    remedy = "Ask again after the seconds of Retry-After, or look at the scan."
    status = 409
    permanent = False


class WrongMethod(RequestFault):
    """The address does not do that."""

    code = "wrong-method"
    template = "this address does not take {method}"
    remedy = "It takes {allowed}."
    status = 405


class WrongMediaType(RequestFault):
    """The body is of another kind."""

    code = "wrong-media-type"
    template = "this address does not take a body of the type '{media_type}'"
    remedy = "Send JSON, with its Content-Type."
    status = 415


class NotAcceptable(RequestFault):
    """No form of the answer is one of those that the client takes."""

    code = "not-acceptable"
    template = "there is no answer of the type '{wanted}'"
    remedy = "Ask for one of: {offered}."
    status = 406


class NoCapability(RequestFault):
    """A scanner of images cannot do that."""

    code = "no-capability"
    template = "this scanner has no capability for '{wanted}'"
    remedy = "GET /api/v1/metadata says which there are."
    status = 501


class BodyTooLarge(RequestFault):
    """More bytes than anybody needs."""

    code = "body-too-large"
    template = "the body has more than {limit} bytes"
    remedy = "Send less, or raise limits.body in the settings."
    status = 413


class AddressTooLong(RequestFault):
    """More characters than any address here needs."""

    code = "address-too-long"
    template = "the address has more than {limit} bytes"
    remedy = "Send what is long in a body."
    status = 414


class HeadersTooLarge(RequestFault):
    """More headers than anybody needs."""

    code = "headers-too-large"
    template = "the headers have more than {limit} bytes, or there are too many"
    remedy = "Send fewer headers."
    status = 431


class TooSlow(RequestFault):
    """The client does not send what it began to send."""

    code = "request-too-slow"
    template = "the request was not there after {seconds} seconds"
    remedy = "Send it again on a better line."
    status = 408
    permanent = False


class TooManyRequests(RequestFault):
    """One client asks more often than is good for the others."""

    code = "too-many-requests"
    template = "more requests than {rate} a second"
    remedy = "Ask again after the seconds of Retry-After."
    status = 429
    permanent = False


class TooBusy(RequestFault):
    """So much of this is under way that no more is begun."""

    code = "service-busy"
    template = "{what} is under way as often as may be"
    remedy = "Ask again after the seconds of Retry-After."
    status = 429
    permanent = False


class NotNow(RequestFault):
    """The store or this machine lacks something; what it is stands in the log alone."""

    code = "not-now"
    template = "the service cannot do that now"
    remedy = "Try again in a moment; whoever runs the service finds the reason in its log."
    status = 503
    permanent = False


class ServiceDefect(Defect):
    """An exception that nobody foresaw; the log has the rest."""

    code = "service-defect"
    template = "this is a mistake in rafsight, in the request {request}"
    remedy = "Please report it with the lines of the log that name the request."


_STATUSES: Final[tuple[tuple[type[RafsightError], int], ...]] = (
    (QueueFull, 429),
    (StoreBusy, 503),
    (StoreUnreachable, 503),
    (StoreFull, 503),
    (MalformedOrder, 422),
)


def status_of(error: RafsightError) -> int:
    """Return the status that an error has on the wire."""
    if isinstance(error, RequestFault):
        return error.status
    known = next((status for kind, status in _STATUSES if isinstance(error, kind)), None)
    if known is not None:
        return known
    return 400 if isinstance(error, CallerError) else 500


def document_of(error: RafsightError) -> dict[str, Any]:
    """Say what went wrong, for programs and people."""
    told = _told(error)
    return {"error": {"code": told.code, "message": str(told), "remedy": told.advice}}


def harbor_document_of(error: RafsightError) -> dict[str, Any]:
    """Say what went wrong in the one field that Harbor shows."""
    told = _told(error)
    return {"error": {"message": f"{told}. {told.advice}"}}


def _told(error: RafsightError) -> RafsightError:
    """Keep to ourselves what this machine lacks: paths and addresses of databases are nobody's business."""
    return NotNow() if isinstance(error, HostLimit) and not isinstance(error, QueueFull) else error


def headers_of(error: RafsightError) -> Mapping[str, str]:
    """Return what belongs to the status of an error."""
    headers = {}
    if status_of(error) in (429, 503) or isinstance(error, NotYet):
        headers["Retry-After"] = str(getattr(error, "retry_after", _LATER))
    if isinstance(error, WrongMethod):
        headers["Allow"] = str(error.details["allowed"])
    if isinstance(error, NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="rafsight"'
    return headers
