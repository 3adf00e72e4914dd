"""What looks like a secret and is none: placeholders, words, documented examples, keyboard runs.

A filter is a function that tells whether a value is such a thing. This module alone knows them; rules name them.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

_PLACEHOLDER: Final = re.compile(
    rb"\$\{[^}]*\}|\$\([^)]*\)|\{\{.*?\}\}|\{%.*?%\}|<[^<>]*>|%\([A-Za-z_]+\)s|\#\{[^}]*\}|\{[A-Za-z0-9_.]*\}"
    rb"|\A\$[A-Za-z_]|\A%[A-Za-z0-9_]+%\Z|\A@[A-Za-z0-9_.]+@\Z|\A%[sdv]\Z|\A\[[^\]]*\]\Z|\A(?:[*.#_\-xX0])+\Z|\.\.\.|\*\*\*\*"
)
_RUN: Final = re.compile(rb"(.)\1{7}", re.DOTALL)
_DOCUMENTATION: Final = (
    b"example",
    b"sflkxwrjsmekkf2qt4fwpmejf36pok6yjv_adqssw5c",  # the token of the introduction to JSON web tokens
    b"wjalrxutnfemi",
    b"2yotnfzfejr1zcsicmwpaa",  # tokens and logins of RFC 5849, 6749 and 6750
    b"tgzv3jokf0xg5qx2tlkwia",
    b"splxlobezqqybys6wxsbia",
    b"mf_9.b5f-4.1jqm",
    b"hh5s93j4hdidpola",
    b"nnch734d00sl2jdk",
    b"kd94hf93k423kf44",
    b"czzcagrsa3f0",
    b"qwxhzgrpbjpvcgvuihnlc2ftzq",
    b"dgvzdcdqmjpqyxnz",
)
_LONG_WORDS: Final = (
    b"xxxxx",
    b"example",
    b"sample",
    b"changeme",
    b"change_me",
    b"change-me",
    b"placeholder",
    b"redacted",
    b"replaceme",
    b"replace_me",
    b"your_",
    b"your-",
    b"insert_",
    b"abcdefgh",
    b"123456789",
    b"0123456",
    b"deadbeef",
    b"qwertyui",
    b"asdfghjk",
    b"foobar",
    b"fakefake",
    b"notreal",
    b"not-real",
    b"not_real",
    b"dummy",
)
_SHORT_WORDS: Final = (
    b"test",
    b"fake",
    b"demo",
    b"your",
    b"foo",
    b"bar",
    b"none",
    b"null",
    b"undefined",
    b"secret",
    b"password",
    b"passwd",
    b"passphrase",
    b"pass",
    b"pwd",
    b"token",
    b"apikey",
    b"api_key",
    b"api-key",
    b"admin",
    b"default",
    b"qwerty",
    b"12345",
    b"abc123",
    b"abcdef",
    b"default",
    b"username",
    b"user",
    b"string",
    b"value",
    b"hidden",
    b"mask",
    b"todo",
    b"fixme",
    b"lorem",
    b"generate",
    b"random",
    b"unused",
    b"invalid",
    b"blank",
    b"empty",
    b"local",
)

Filter = Callable[[bytes], bool]


def entropy(value: bytes) -> float:
    """Return Shannon's entropy [bits a byte]."""
    total = len(value)
    return -sum(count / total * math.log2(count / total) for count in Counter(value).values()) if total else 0.0


def is_placeholder(value: bytes) -> bool:
    """Tell whether something else is to be put in the value's place."""
    return _PLACEHOLDER.search(value[:512]) is not None


def is_repetitive(value: bytes) -> bool:
    """Tell whether a character stands there many times in a row."""
    return _RUN.search(value) is not None


def is_documentation(value: bytes) -> bool:
    """Tell whether a vendor's documentation prints this value."""
    lowered = value.lower()
    return any(word in lowered for word in _DOCUMENTATION)


def has_long_word(value: bytes) -> bool:
    """Tell whether it has a word or a run that chance does not make: for tokens."""
    lowered = value.lower()
    return any(word in lowered for word in _LONG_WORDS)


def has_word(value: bytes) -> bool:
    """Tell whether it has a word that passwords of examples have: for values that may be anything."""
    lowered = value.lower()
    return any(word in lowered for word in _LONG_WORDS) or any(word in lowered for word in _SHORT_WORDS)


FILTERS: Final[dict[str, Filter]] = {
    "documentation": is_documentation,
    "long-words": has_long_word,
    "placeholder": is_placeholder,
    "repetition": is_repetitive,
    "words": has_word,
}
TOKEN_FILTERS: Final = ("documentation", "placeholder", "repetition", "long-words")
"""Of rules that name none, for kinds that know the value."""
GENERIC_FILTERS: Final = ("documentation", "placeholder", "repetition", "words")
"""Of rules that name none, for kinds that do not."""


def has_stop_word(value: bytes, words: Iterable[bytes]) -> bool:
    """Tell whether a value has one of some lower-case words."""
    lowered = value.lower()
    return any(word in lowered for word in words)
