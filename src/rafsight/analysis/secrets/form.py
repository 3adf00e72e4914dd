"""What the bytes of a file are before rules look at them: text, UTF-16 text, or binary.

This module alone decides that. Text is looked at as it is, UTF-16 as the UTF-8 that it means, binaries as raw bytes.
"""

import codecs
import re
from dataclasses import dataclass
from typing import Final

_HEAD: Final = 300
"""[bytes] that tell text from binary."""
_CONTROLS: Final = re.compile(rb"[\x00-\x06\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_UTF16_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What rules look at."""

    content: bytes
    is_binary: bool
    encoding: str = ""
    """Of the file, where it is not that of `content`."""

    def file_offset(self, offset: int) -> int:
        """Return where in the file [bytes] something stands that is at `offset` in the content."""
        if not self.encoding:
            return offset
        before = self.content[:offset].decode("utf-8", "surrogatepass")
        return 2 + len(before.encode(self.encoding, "surrogatepass"))


def open_text(content: bytes) -> Text:
    """Tell what some bytes are.

    Cost: linear where they are UTF-16; else nothing is copied.
    """
    encoding = _UTF16_MARKS.get(content[:2], "")
    if encoding:
        text = content[2:].decode(encoding, "replace")
        return Text(content=text.encode("utf-8", "surrogatepass"), is_binary=False, encoding=encoding)
    return Text(content=content, is_binary=_CONTROLS.search(content, 0, _HEAD) is not None)
