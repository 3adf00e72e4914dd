"""A token server as `registry` with `auth: token` wants it: JSON web tokens, signed by ES256."""

import base64
import json
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from tests.access.registry.certificates import Pair

from rafsight.testing.registry_pages import Answer, Call

SERVICE, ISSUER = "registry.test", "tokens.test"


@dataclass(slots=True, kw_only=True)
class TokenServer:
    signer: Pair
    users: dict[str, str]
    identity_tokens: tuple[str, ...] = ()
    takes_post: bool = True
    lifetime: int = 300
    anonymous: bool = False
    issued: list[str] = field(default_factory=list)
    """How each token was asked for: `POST`, `GET`, `refresh`."""

    def gate(self, call: Call) -> Answer | None:
        """Answer below /token; used as the gate of a registry without repositories."""
        parts = urlsplit(call.path)
        if parts.path != "/token":
            return None
        if call.method == "POST":
            if not self.takes_post:
                return Answer(status=405)
            form = parse_qs(call.body.decode())
        else:
            form = parse_qs(parts.query)
        if form.get("service") != [SERVICE]:
            return Answer(status=400)
        if form.get("grant_type") == ["refresh_token"]:
            if form["refresh_token"][0] not in self.identity_tokens:
                return Answer(status=401)
            self.issued.append("refresh")
        elif self.knows(call.header("authorization")):
            self.issued.append(call.method)
        else:
            return Answer(status=401)
        return self.answer([one for value in form["scope"] for one in value.split(" ")])

    def knows(self, header: str | None) -> bool:
        if header is None:
            return self.anonymous
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return self.users.get(user) == password

    def answer(self, scopes: list[str]) -> Answer:
        content = {"token": self.token(scopes), "expires_in": self.lifetime}
        return Answer(headers=(("Content-Type", "application/json"),), content=json.dumps(content).encode())

    def token(self, scopes: list[str]) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        der = self.signer.public.public_bytes(serialization.Encoding.DER)
        header = {"typ": "JWT", "alg": "ES256", "x5c": [base64.b64encode(der).decode()]}
        claims = {
            "iss": ISSUER,
            "sub": "",
            "aud": SERVICE,
            "exp": now + self.lifetime,
            "nbf": now - 60,
            "iat": now,
            "jti": str(len(self.issued)),
            "access": access,
        }
        text = f"{_encode(json.dumps(header).encode())}.{_encode(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.signer.private.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
