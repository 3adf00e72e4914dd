"""JSON of strangers as typed values, and the texts in it.

This module alone decides how much damage such a file may have: a mark at its start and bytes that are not UTF-8 are
borne, everything else is malformed. Members that nobody asked for are passed over without being built.
"""

import re
from typing import Final, TypeVar

import msgspec

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.fields import NAME_LENGTH

Shape = TypeVar("Shape")

_BOM: Final = b"\xef\xbb\xbf"
_SHOWN: Final = 120
"""[characters] of a decoder's own words."""
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_COMMENTS: Final = re.compile(_STRING + rb"|//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/|\Z)", re.DOTALL)
_COMMAS: Final = re.compile(_STRING + rb"|,(?=[ \t\r\n]*+[\]}])", re.DOTALL)


def decode_json(content: bytes, shape: type[Shape]) -> Shape:
    """Decode a document.

    Args:
        content: the file.
        shape: what it has to be; `msgspec.Raw` for what is decoded one by one.

    Raises: MalformedFile.
    """
    plain = content.removeprefix(_BOM)
    try:
        try:
            return msgspec.json.decode(plain, type=shape)
        except UnicodeDecodeError:
            return msgspec.json.decode(plain.decode("utf-8", "replace"), type=shape)
        except msgspec.DecodeError as fault:
            if isinstance(fault, msgspec.ValidationError) or plain.isascii():
                raise
            return msgspec.json.decode(plain.decode("utf-8", "replace"), type=shape)
    except (msgspec.MsgspecError, UnicodeError) as fault:
        raise MalformedFile(what=f"no such JSON: {str(fault)[:_SHOWN]}", where="its text") from fault
    except RecursionError as fault:
        raise MalformedFile(what="JSON nested too deeply", where="its text") from fault


def decode_part(content: msgspec.Raw, shape: type[Shape]) -> Shape | None:
    """Decode a part of a document; None if it has another shape, so that one odd entry hides no other."""
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def text_in(value: object) -> str:
    """Return a name or a version from a document; empty if it is no text, or longer than any real one."""
    if not isinstance(value, str) or len(value) > NAME_LENGTH:
        return ""
    return value.encode("utf-8", "replace").decode("utf-8").strip()  # JSON may hold lone surrogates


def strip_comments(content: bytes) -> bytes:
    """Turn JSON with comments and commas before closing brackets into JSON.

    Cost: Linear: every token that begins also ends, at the end of the file if need be.
    """
    return _COMMAS.sub(_kept, _COMMENTS.sub(_kept, content))


def _kept(match: re.Match[bytes]) -> bytes:
    return match[0] if match[0].startswith(b'"') else b" "
