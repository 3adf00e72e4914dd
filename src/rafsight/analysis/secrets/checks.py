"""What a value has to be beyond its shape: check sums, structures inside, a mixture of characters.

A check is a function of the value and its match. It says whether the value is real, and may say that it is less bad
than its rule thinks. This module alone knows them; rules name them.
"""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from rafsight.base.units import KiB

_BASE62: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CRC_SIZE: Final = 6
_ENCRYPTED: Final = (b"Proc-Type: 4,ENCRYPTED", b"ENCRYPTED PRIVATE KEY")
_KEY_DATA: Final = re.compile(rb"[A-Za-z0-9+/=]")
_UUID: Final = re.compile(rb"(?i:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})\Z")
_IDENTIFIER: Final = re.compile(rb"[A-Za-z_.\-:/*#~,+&]*\Z")
_PATH_OR_URL: Final = re.compile(rb"(?:[a-z]{2,12}://|~?/[A-Za-z0-9_.]|\.{1,2}/|[A-Za-z]:\\)|[^=]*/[^=]*\.[a-z]{1,5}\Z")
_HOST_OR_VERSION: Final = re.compile(
    rb"(?:[a-z0-9\-]+\.)+[a-z]{2,}(?::[0-9]+)?\Z|v?[0-9]+(?:\.[0-9]+){1,3}[a-z0-9.\-]*\Z"
)
_CODE: Final = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+\Z|[A-Za-z_]\w*\(|::|->|=>|==|\|\|")
_DIGEST: Final = re.compile(rb"(?:sha(?:1|256|384|512)|md5)[-:]|[0-9a-f]{7,8}\Z")
_CONSTANT: Final = re.compile(
    rb"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z|[a-z][a-z0-9]*(?:[_\-.][a-z0-9]*[a-z][a-z0-9]*)+\Z"
    rb"|[a-z]+[0-9]?(?:[_\-.:](?:[a-z]+|[0-9]+))+\Z"
)
_CAMEL: Final = re.compile(rb"[A-Za-z]?[a-z]{2,}(?:[A-Z][a-z]{2,}|[0-9]{1,2}){1,6}\Z")
_NAME_TAIL: Final = re.compile(
    rb"(?i:ur[il]s?|path|file(?:name)?|dir(?:ectory)?|name|field|ids?|type|kind|prefix|suffix|header|endpoint|ttl|length|"
    rb"len|size|count|max|min|age|expir(?:y|es|ation|ed)(?:_?at|_?in)?|expires|format|policy|store|storage|alg(?:orithm)?|"
    rb"hash(?:er|ers)?|regexp?|pattern|label|hint|prompt|message|error|text|class|method|version|placeholder|"
    rb"title|description|desc|provider|service|server|host|address|scope|scopes|audience|issuer|key_?id|arn|ref|reference|"
    rb"timeout|interval|enabled|disabled|required|reset|change|confirm(?:ation)?|param(?:eter)?|var(?:iable)?|env|input|"
    rb"selector|icon|template|list|map|table|column|index|tree|ize[rd]?|izers?|s|es|stream|usage|strength|"
    rb"manager|handler|factory|builder|verifier|validator|resolver|generator|util|utils|helper|model|schema|"
    rb"position|start|end|begin|offset|line|value_?from|volume|mount|dn|cn)\Z"
)


class Verdict(Enum):
    """What a check says."""

    REAL = "real"
    WEAK = "weak"
    """It is one, of little use to a thief: its rule's severity is too high."""
    NOT_ONE = "not one"
    FAKE = "fake"
    """It looks like one and is none, and whatever other rule sees one there errs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A value that has the shape of a secret, and what stands around it."""

    value: bytes
    match: re.Match[bytes]
    now: int
    """[s] since 1970, for what expires."""


Check = Callable[[Candidate], Verdict]


def _verdict(real: object) -> Verdict:
    return Verdict.REAL if real else Verdict.NOT_ONE


def _crc32(candidate: Candidate) -> Verdict:
    """The last six of the characters behind the prefix are a CRC-32 of those before, in base 62."""
    body = candidate.value.rpartition(b"_")[2]
    number, digits = zlib.crc32(body[:-_CRC_SIZE]), b""
    for _ in range(_CRC_SIZE):
        number, digit = divmod(number, 62)
        digits = _BASE62[digit : digit + 1] + digits
    return Verdict.REAL if digits == body[-_CRC_SIZE:] else Verdict.FAKE


def _mixed_case(candidate: Candidate) -> Verdict:
    value = candidate.value
    return _verdict(re.search(rb"[a-z]", value) and re.search(rb"[A-Z]", value))


def _digit(candidate: Candidate) -> Verdict:
    return _verdict(re.search(rb"[0-9]", candidate.value))


def _mixed(candidate: Candidate) -> Verdict:
    return _verdict(re.search(rb"[0-9]", candidate.value) and re.search(rb"[A-Za-z]", candidate.value))


def _jwt(candidate: Candidate) -> Verdict:
    header, payload, _ = candidate.value.split(b".", 2)
    fields, claims = _json_object(header), _json_object(payload)
    if fields is None or "alg" not in fields:
        return Verdict.NOT_ONE
    expiry = claims.get("exp") if claims else None
    is_over = isinstance(expiry, (int, float)) and expiry < candidate.now
    return Verdict.WEAK if is_over or str(fields["alg"]).lower() == "none" else Verdict.REAL


def _json_object(part: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _decoded(value: bytes) -> bytes | None:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        return None


def _basic_auth(candidate: Candidate) -> Verdict:
    """Base64 of `user:password`, both printable."""
    text = _decoded(candidate.value)
    user, colon, password = (text or b"").partition(b":")
    return _verdict(colon and user and len(password) >= 3 and text is not None and _is_printable(text))


def _base64_text(candidate: Candidate) -> Verdict:
    text = _decoded(candidate.value)
    return _verdict(text and _is_printable(text))


def _is_printable(text: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in text) or (text.isascii() is False and _is_text(text))


def _is_text(text: bytes) -> bool:
    try:
        return text.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _discord_id(candidate: Candidate) -> Verdict:
    """The first part is base64 of a number, the bot's id."""
    number = _decoded(candidate.value.split(b".", 1)[0])
    return _verdict(number and number.isdigit() and 17 <= len(number) <= 20)


def _pem_plain(candidate: Candidate) -> Verdict:
    return _verdict(_has_key_data(candidate.value) and not _is_encrypted(candidate.value))


def _pem_encrypted(candidate: Candidate) -> Verdict:
    return _verdict(_has_key_data(candidate.value) and _is_encrypted(candidate.value))


def _has_key_data(pem: bytes) -> bool:
    """Tell whether there is enough between the lines for a key, and not the same again and again."""
    body = b"".join(pem.split(b"-----")[2:3]) or pem
    data = b"".join(_KEY_DATA.findall(body))
    return len(data) >= 64 and len(set(data)) >= 16 and b"..." not in body


def _is_encrypted(pem: bytes) -> bool:
    if any(mark in pem[: 4 * KiB] for mark in _ENCRYPTED):
        return True
    if b"OPENSSH" not in pem[:40]:
        return False
    head = b"".join(_KEY_DATA.findall(b"".join(pem.split(b"-----")[2:3])))[:80]
    return b"bcrypt" in (_decoded(head[: len(head) // 4 * 4]) or b"")


def _service_account(candidate: Candidate) -> Verdict:
    match = candidate.match
    around = match.string[max(0, match.start() - 4 * KiB) : match.end() + 4 * KiB]
    return _verdict(b"service_account" in around)


def _password_like(candidate: Candidate) -> Verdict:
    """A value of its own, not a name, a path or an expression."""
    value = candidate.value
    if _UUID.match(value) or _PATH_OR_URL.match(value) or _CODE.search(value) or _CONSTANT.match(value):
        return Verdict.NOT_ONE
    return _verdict(not _IDENTIFIER.match(value) and not value.isdigit())


def _assigned(candidate: Candidate) -> Verdict:
    """What is assigned to something that is called a secret, if the name does not say that it is about one."""
    value, name = candidate.value, candidate.match["name"]
    if _NAME_TAIL.search(name) and not re.search(rb"(?i:password|passwd|secret|token|credential)s?\Z", name):
        return Verdict.NOT_ONE
    if _password_like(candidate) is Verdict.NOT_ONE or _mixed(candidate) is Verdict.NOT_ONE:
        return Verdict.NOT_ONE
    return _verdict(not (_HOST_OR_VERSION.match(value) or _DIGEST.match(value) or _CAMEL.match(value)))


CHECKS: Final[dict[str, Check]] = {
    "assigned": _assigned,
    "base64-text": _base64_text,
    "basic-auth": _basic_auth,
    "crc32": _crc32,
    "digit": _digit,
    "discord-id": _discord_id,
    "jwt": _jwt,
    "mixed": _mixed,
    "mixed-case": _mixed_case,
    "password-like": _password_like,
    "pem-encrypted": _pem_encrypted,
    "pem-plain": _pem_plain,
    "service-account": _service_account,
}
