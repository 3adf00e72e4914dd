"""Why a page refuses a form.

This module alone decides that; all else that goes wrong has its classes elsewhere.
"""

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.service.web.faults import RequestFault


class ForeignForm(RequestFault):
    """A form was not sent from a page of this service, or from one that is too old."""

    code = "foreign-form"
    template = "this form was not sent from a page of this service: {why}"
    remedy = "Open the page again, and send the form from there. Cookies have to be allowed."
    status = 403
    exit_status = ExitStatus.DENIED


class WrongToken(RequestFault):
    """What was typed at the login is no token that may be used."""

    code = "wrong-token"
    template = "this is no token that may be used here"
    remedy = "Whoever runs the service makes one: `rafsight token create --scope read`."
    status = 403
    exit_status = ExitStatus.DENIED


class TooManyImages(RequestFault):
    """A hunt from a page would ask more images than a page is good for."""

    code = "too-many-images"
    template = "the hunt would ask {count} images, and a page asks {most} at most"
    remedy = "Name fewer, or use POST /v1/hunts or `rafsight hunt`, which have no such bound."
    status = 422
