#!/usr/bin/env python3
"""Receive rafsight's notifications: check the signature, drop what came before, print what is new.

Usage: WEBHOOK_SECRET=... webhook_receiver.py [PORT]

It needs nothing beside Python. Put it behind a proxy that speaks TLS; `verify` is all that your own receiver needs.
"""

import hashlib
import hmac
import json
import os
import sys
import time
from collections import OrderedDict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGEST = 16 * 1024 * 1024
"""[bytes] of a notification that are read; one with an enclosed report may have several MiB."""
REMEMBERED = 10_000
"""Deliveries that are known when they come again."""


# verify: the part that docs/service-webhooks.md shows
def verify(secret: bytes, headers: dict[str, str], body: bytes, *, now: float, tolerance: float = 300.0) -> bool:
    """Tell whether a notification came from somebody who knows the secret, and not long ago.

    Args:
        secret: shared with rafsight.
        headers: of the request, names in lower case.
        body: of the request, the bytes as they came: not JSON that was read and written again.
        now: [s since 1970].
        tolerance: [s] that an attempt may be old, so that nobody can send a recorded one later.
    """
    timestamp = headers.get("x-rafsight-timestamp", "")
    given = headers.get("x-rafsight-signature-256", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    expected = "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    is_genuine = hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))
    return is_genuine and abs(now - int(timestamp)) <= tolerance


# verify: end


class Receiver(BaseHTTPRequestHandler):
    """Answers one request."""

    secret = b""
    seen: "OrderedDict[str, None]" = OrderedDict()  # noqa: RUF012 - of all requests

    def do_POST(self) -> None:
        """Take a notification."""
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= LARGEST:
            self._answer(413)
            return
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not verify(self.secret, headers, body, now=time.time()):
            self._answer(403)
            return
        told = json.loads(body)
        if told["delivery"] not in self.seen:  # the same delivery may come more than once
            self.seen[told["delivery"]] = None
            while len(self.seen) > REMEMBERED:
                self.seen.popitem(last=False)
            print(describe(told), flush=True)  # noqa: T201 - that is what this program is for
        self._answer(204)

    def log_message(self, *arguments: object) -> None:
        """Say nothing: what counts is printed."""

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()


def describe(told: dict) -> str:
    """Say a notification in a line."""
    name = ascii(told["image"]["reference"])
    if told["event"] == "failed":
        return f"{name}: not scanned: {told['failure']['message']!a}"
    new, summary = told.get("new"), told["summary"]
    news = f", {new['added_count']} new, {new['removed_count']} gone" if new else ""
    doubt = "" if summary["is_complete"] else ", not everything was looked at"
    return f"{name}: {summary['critical']} critical, {summary['high']} high{news}{doubt}"


def main() -> None:
    """Listen on this machine until somebody stops it."""
    Receiver.secret = os.environ["WEBHOOK_SECRET"].encode()
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8090
    with ThreadingHTTPServer(("127.0.0.1", port), Receiver) as server:
        print(f"listening on 127.0.0.1:{server.server_address[1]}", flush=True)  # noqa: T201 - likewise
        server.serve_forever()


if __name__ == "__main__":
    main()
