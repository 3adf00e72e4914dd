"""The parts of a `rafsight.yaml` about checks: `checks`, which are one's own, and `misconfig`, which is about all.

This module alone decides what may stand there. `docs/misconfig.md` describes the keys; a mistake is told with its line.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from rafsight.analysis.misconfig.catalogue import CATALOGUE
from rafsight.analysis.misconfig.user_check import CONTENT_SIZE, KINDS, MOST_CONTENT, Conditions, UserCheck
from rafsight.analysis.secrets.configuration import read_document
from rafsight.analysis.secrets.fields import Fields, MalformedConfiguration
from rafsight.analysis.secrets.rule_file import check_pattern, severity_named, severity_names
from rafsight.base.severity import Severity
from rafsight.base.units import parse_size

_FILE_NAME: Final = "rafsight.yaml"
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{1,63}\Z")
_OURS: Final = re.compile(r"RS-", re.IGNORECASE)
_MODE: Final = re.compile(r"(?:0o)?[0-7]{1,4}\Z")
_PATTERN_SIZE: Final = 1000
_CHECK_COUNT: Final = 1000
_MOST_ID: Final = 1 << 32
_REMEDY: Final = "docs/misconfig.md has all keys of checks."


@dataclass(frozen=True, slots=True, kw_only=True)
class MisconfigSettings:
    """What a user said about checks."""

    checks: tuple[UserCheck, ...] = ()
    disabled: frozenset[str] = frozenset()
    """Ids, ours and one's own."""
    severities: dict[str, Severity] = field(default_factory=dict)
    """By id."""


def read_settings(content: bytes, file: str = _FILE_NAME) -> MisconfigSettings:
    """Read a configuration; what it says about other things is for others to read.

    Args:
        content: of the file.
        file: its name, for messages.
    Raises: MalformedConfiguration.
    """
    try:
        return _read(read_document(content, file))
    except MalformedConfiguration as fault:
        fault.advise(_REMEDY)
        raise


def _read(document: Fields) -> MisconfigSettings:
    entries = document.mappings("checks")
    if len(entries) > _CHECK_COUNT:
        raise document.fault(what=f"more than {_CHECK_COUNT} checks")
    checks: list[UserCheck] = []
    for entry in entries:
        check = _read_check(entry)
        if any(check.id == other.id for other in checks):
            raise entry.fault(what=f"there is a check {check.id} already")
        checks.append(check)
    about = document.mapping("misconfig")
    known = {check.id for check in CATALOGUE} | {check.id for check in checks}
    disabled = about.texts("disable")
    levels = about.mapping("severity")
    severities = {key: levels.choice(key, severity_named, severity_names()) for key in list(levels.keys())}
    for one in (*disabled, *severities):
        if one not in known:
            raise about.fault(what=f"there is no check '{one}'; docs/misconfig.md lists all")
    about.finish()
    return MisconfigSettings(checks=tuple(checks), disabled=frozenset(disabled), severities=severities)


def _read_check(entry: Fields) -> UserCheck:
    name = entry.text("id")
    if not _ID.match(name) or _OURS.match(name):
        raise entry.fault(what=f"'{name}' is no id: letters, digits, dots and dashes, and not RS- at the front")
    paths = entry.texts("paths")
    if not paths:
        raise entry.fault("a check needs paths")
    text = entry.text("pattern", "")
    pattern = None
    if text:
        if len(text) > _PATTERN_SIZE:
            raise entry.fault(what=f"the pattern has more than {_PATTERN_SIZE} characters")
        pattern = check_pattern(entry, text.encode())
    title = entry.text("title")
    check = UserCheck(
        id=name,
        title=title,
        severity=entry.choice("severity", severity_named, severity_names(), Severity.MEDIUM),
        category=entry.text("category", "own check"),
        description=entry.text("description", title),
        message=entry.text("message", title),
        resolution=entry.text("resolution", f"See {entry.file}, line {entry.line}."),
        references=entry.texts("references"),
        aliases=entry.texts("aliases"),
        paths=tuple(map(_path, paths)),
        exceptions=tuple(map(_path, entry.texts("except"))),
        conditions=_conditions(entry, has_pattern=pattern is not None),
        pattern=pattern,
        is_required=entry.flag("required", default=False),
        content_size=_content_size(entry),
        source=f"{entry.file}, line {entry.line}",
    )
    entry.finish()
    return check


def _conditions(entry: Fields, *, has_pattern: bool) -> Conditions:
    words = entry.texts("kind", ("file",) if has_pattern else ())
    for word in words:
        if word not in KINDS:
            raise entry.fault(what=f"kind is '{word}', not one of {', '.join(KINDS)}")
    if has_pattern and words != ("file",):
        raise entry.fault("a pattern is looked for in files only")
    return Conditions(
        kinds=tuple(KINDS[word] for word in words),
        mode_any=_mode(entry, "mode-any"),
        mode_all=_mode(entry, "mode-all"),
        mode_none=_mode(entry, "mode-none"),
        uids=_ids(entry, "uid"),
        not_uids=_ids(entry, "uid-not"),
        gids=_ids(entry, "gid"),
        not_gids=_ids(entry, "gid-not"),
        min_size=_size(entry, "min-size") or 0,
        max_size=_size(entry, "max-size"),
    )


def _content_size(entry: Fields) -> int:
    size = _size(entry, "read-at-most")
    if size is None:
        return CONTENT_SIZE
    if size > MOST_CONTENT:
        raise entry.fault(what=f"read-at-most is more than {MOST_CONTENT} bytes")
    return size


def _mode(entry: Fields, key: str) -> int:
    text = entry.text(key, "0")
    if not _MODE.match(text):
        raise entry.fault(what=f"{key} is '{text}', no octal mode such as '022' (in quotes)")
    return int(text.removeprefix("0o"), 8)


def _ids(entry: Fields, key: str) -> tuple[int, ...]:
    value = entry.raw(key)
    items = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 <= one < _MOST_ID for one in items):
        raise entry.fault(what=f"{key} has to be a number, or a list of numbers")
    return tuple(items)


def _size(entry: Fields, key: str) -> int | None:
    value = entry.raw(key)
    if value is None:
        return None
    size = value if isinstance(value, int) and not isinstance(value, bool) else parse_size(str(value))
    if size is None or not 0 <= size < 1 << 50:
        raise entry.fault(what=f"{key} is '{value}', no size such as 10 or '64KiB'")
    return size


def _path(text: str) -> bytes:
    return text.encode().lstrip(b"/")
