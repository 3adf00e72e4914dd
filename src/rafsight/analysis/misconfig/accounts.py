"""The accounts of an image: etc/passwd, etc/group and etc/shadow.

This module alone decides what a line of them says. Hashes of passwords are told by their kind and go nowhere else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LINE_COUNT: Final = 50_000
_NUMBER: Final = 10
"""[digits] no id has more."""
_KINDS: Final = (
    # how it begins   what it is            weak?
    ("$1$",           "MD5",                True),
    ("$md5",          "MD5 (Sun)",          True),
    ("$sha1",         "SHA-1",              True),
    ("$3$",           "NT",                 True),
    ("$2",            "bcrypt",             False),
    ("$5$",           "SHA-256",            False),
    ("$6$",           "SHA-512",            False),
    ("$7$",           "scrypt",             False),
    ("$y$",           "yescrypt",           False),
    ("$gy$",          "gost-yescrypt",      False),
    ("$argon2",       "Argon2",             False),
    ("_",             "extended DES",       True),
)  # fmt: skip


class Password(StrEnum):
    """What a password field lets somebody do."""

    EMPTY = "empty"
    """Log in without one."""
    LOCKED = "locked"
    SHADOWED = "shadowed"
    """`x`: etc/shadow says it."""
    SET = "set"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordField:
    """A password field, without the password."""

    state: Password
    hash_kind: str = ""
    is_weak: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One line of etc/passwd."""

    line: int
    name: str
    uid: int
    gid: int
    password: PasswordField
    home: str
    shell: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLine:
    """One line of etc/shadow."""

    line: int
    name: str
    password: PasswordField


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """All of them; a file that is not there is None."""

    users: tuple[Account, ...] | None = None
    groups: tuple[tuple[str, int], ...] | None = None
    """(name, gid)."""
    shadow: tuple[ShadowLine, ...] = ()

    def user(self, name: str) -> Account | None:
        """Return the account of a name: the first, as the C library does."""
        return next((one for one in self.users or () if one.name == name), None)


def read_accounts(passwd: bytes | None, group: bytes | None, shadow: bytes | None) -> Accounts:
    """Read the three files; None for one that is not there. Lines that are no entries are passed over."""
    return Accounts(
        users=None if passwd is None else tuple(_users(passwd)),
        groups=None if group is None else tuple(_groups(group)),
        shadow=tuple(_shadow(shadow or b"")),
    )


def judge_password(field: str) -> PasswordField:
    """Tell what a password field says."""
    if not field:
        return PasswordField(state=Password.EMPTY)
    if field == "x":
        return PasswordField(state=Password.SHADOWED)
    if field[0] in "!*" or len(field) < 13:  # no hash is shorter than DES's 13 characters
        return PasswordField(state=Password.LOCKED)
    kind, is_weak = next(((name, weak) for start, name, weak in _KINDS if field.startswith(start)), ("DES", True))
    if kind == "DES" and (len(field) != 13 or not all(c.isalnum() or c in "./" for c in field)):
        return PasswordField(state=Password.LOCKED)
    return PasswordField(state=Password.SET, hash_kind=kind, is_weak=is_weak)


def _lines(content: bytes) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(content.split(b"\n", LINE_COUNT)[:LINE_COUNT], 1):
        text = line.decode("utf-8", "replace").rstrip("\r")
        if text and not text.startswith(("#", "+", "-")):
            yield number, text.split(":")


def _users(content: bytes) -> Iterator[Account]:
    for number, fields in _lines(content):
        if len(fields) < 7 or not _is_number(fields[2]) or not _is_number(fields[3]):
            continue
        yield Account(
            line=number,
            name=fields[0],
            uid=int(fields[2]),
            gid=int(fields[3]),
            password=judge_password(fields[1]),
            home=fields[5],
            shell=fields[6].strip(),
        )


def _groups(content: bytes) -> Iterator[tuple[str, int]]:
    for _, fields in _lines(content):
        if len(fields) >= 3 and _is_number(fields[2]):
            yield fields[0], int(fields[2])


def _shadow(content: bytes) -> Iterator[ShadowLine]:
    for number, fields in _lines(content):
        if len(fields) >= 2 and fields[0]:
            yield ShadowLine(line=number, name=fields[0], password=judge_password(fields[1]))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _NUMBER
