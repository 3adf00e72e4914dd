"""Who looks at a page, and whether a form was sent from one of ours: cookies, and what forms carry.

    rafsight        the token of whoever logged in; the browser alone keeps it, and sends it nowhere else
    rafsight-form   random; each form carries a value made of it, which no foreign page can know

Both are for this host, SameSite=Strict, and out of reach of scripts; neither is stored here, so every replica
understands them. This module alone decides what they are, and when a form is believed.
"""

import hashlib
import hmac
import secrets
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from rafsight.interfaces.service.pages.faults import ForeignForm

FIELD: Final = "form-token"
"""The hidden field of every form that does something."""
_SESSION: Final = "rafsight"
_FORM: Final = "rafsight-form"
_BYTES: Final = 24
_LENGTH: Final = 200
"""[characters] of a cookie that is looked at."""
_MESSAGE: Final = b"rafsight form"
_BROWSER: Final = "Sec-Fetch-Site"
"""Set by browsers, never by pages."""


class Sessions:
    """Reads and sets the cookies of one service."""

    def __init__(self, base_url: str) -> None:
        """Take what depends on the address.

        Args:
            base_url: as others reach the service: with `https` cookies go over encrypted lines only. May be empty.
        """
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}".lower() if base_url else ""
        self._is_secure = parts.scheme == "https"
        self._path = f"{parts.path.rstrip('/')}/"
        prefix = "__Host-" if self._is_secure and self._path == "/" else ""  # no other host can set such a cookie
        self._names = {name: f"{prefix}{name}" for name in (_SESSION, _FORM)}

    def token(self, request: Request) -> str:
        """Return the token of whoever logged in; empty if nobody did."""
        return self._read(request, _SESSION)

    def begin(self, response: Response, token: str) -> None:
        """Log somebody in, until the browser ends or they log out."""
        self._set(response, _SESSION, token)

    def end(self, response: Response) -> None:
        """Log somebody out."""
        for name in self._names.values():
            response.delete_cookie(name, path=self._path, secure=self._is_secure, httponly=True, samesite="strict")

    def form_key(self, request: Request) -> tuple[str, bool]:
        """Return what forms of this browser are made of, and whether the browser has to be told of it first."""
        found = self._read(request, _FORM)
        return (found, False) if found else (secrets.token_urlsafe(_BYTES), True)

    def keep_form_key(self, response: Response, key: str) -> None:
        """Tell the browser."""
        self._set(response, _FORM, key)

    def check_form(self, request: Request, given: str) -> None:
        """See that a form was sent from a page of ours.

        Args:
            request: that brought it.
            given: its field FIELD.
        Raises: ForeignForm.
        """
        site = request.headers.get(_BROWSER)
        if site not in (None, "same-origin", "none"):  # none: a person does it again, by the browser's own button
            raise ForeignForm(why="another site sent it")
        origin = request.headers.get("origin")
        if site != "same-origin" and origin is not None and not self._is_own(origin, request.headers.get("host", "")):
            raise ForeignForm(why=f"it comes from {origin}")
        key = self._read(request, _FORM)
        if not key or not hmac.compare_digest(form_token(key).encode(), given.encode("utf-8", "replace")):
            raise ForeignForm(why="it has no mark of ours, or an old one")

    def _is_own(self, origin: str, host: str) -> bool:
        return origin.lower() == self._origin or urlsplit(origin.lower()).netloc == host.lower() != ""

    def _read(self, request: Request, name: str) -> str:
        return request.cookies.get(self._names[name], "")[:_LENGTH]

    def _set(self, response: Response, name: str, value: str) -> None:
        response.set_cookie(
            self._names[name], value, path=self._path, secure=self._is_secure, httponly=True, samesite="strict"
        )


def form_token(key: str) -> str:
    """Return what forms carry."""
    return hmac.new(key.encode("utf-8", "replace"), _MESSAGE, hashlib.sha256).hexdigest()
