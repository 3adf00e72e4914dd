"""Wishes written down in a YAML file.

    - replace: /etc/ssl/openssl.cnf
      with: openssl.cnf
    - add: /opt/hotfix/run.sh
      with: run.sh
      mode: 755
    - remove: /usr/share/doc
    - wheel: urllib3-2.5.0-py3-none-any.whl

This module alone decides what may stand there. Every scalar is a text, so that nothing turns into a number or a date;
files of this machine are named relative to the folder of the plan.
"""

import os
import re
from pathlib import Path
from typing import Any, Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB
from rafsight.verbs.repair.packages.outcome import DEB, NPM, WHEEL
from rafsight.verbs.repair.packages.replacing import PackageFile
from rafsight.verbs.repair.wishes import Addition, Removal, Replacement, Wish, Wishes

_MOST: Final = 4 * MiB
_MODE: Final = re.compile(r"(?:0o?)?([0-7]{1,4})\Z")
_MEMBERS: Final = {
    "replace": ({"replace", "with"}, set()),
    "add": ({"add", "with"}, {"mode"}),
    "remove": ({"remove"}, set()),
    WHEEL: ({WHEEL}, set()),
    NPM: ({NPM}, set()),
    DEB: ({DEB}, set()),
}
"""By the member that says what is wanted: which members there have to be, and which there may be."""


class UnusablePlan(CallerError):
    """A plan cannot be read."""

    code = "unusable-plan"
    template = "the plan {file} cannot be used: {why}"
    remedy = "A plan is a YAML list of entries such as `- replace: /etc/x` with a line `with: FILE` below."
    exit_status = ExitStatus.USAGE


def read_plan(file: Path) -> Wishes:
    """Read wishes.

    Args:
        file: the plan.
    Raises: UnusablePlan.
    """
    entries = _load(file)
    if not isinstance(entries, list):
        raise UnusablePlan(file=str(file), why="it is no list")
    files: list[Wish] = []
    packages: list[PackageFile] = []
    for number, entry in enumerate(entries, 1):
        wish = _wish(entry, file, f"entry {number}")
        if isinstance(wish, PackageFile):
            packages.append(wish)
        else:
            files.append(wish)
    return Wishes(files=tuple(files), packages=tuple(packages))


def parse_mode(text: str) -> int | None:
    """Read permission bits, in octal as chmod takes them; None if the text is none."""
    match = _MODE.match(text)
    return int(match[1], 8) if match else None


def _load(file: Path) -> Any:
    import yaml

    try:
        with file.open("rb") as opened:
            content = opened.read(_MOST + 1)
    except OSError as error:
        raise UnusablePlan(file=str(file), why=error.strerror or str(error)) from error
    if len(content) > _MOST:
        raise UnusablePlan(file=str(file), why=f"it is larger than {_MOST} bytes")
    try:
        return yaml.load(content.decode("utf-8", "surrogateescape"), Loader=yaml.BaseLoader)  # noqa: S506 - texts only
    except yaml.YAMLError as error:
        raise UnusablePlan(file=str(file), why=" ".join(str(error).split())) from error
    except RecursionError:
        raise UnusablePlan(file=str(file), why="it is nested too deeply") from None


def _wish(entry: Any, file: Path, which: str) -> Wish | PackageFile:
    if not isinstance(entry, dict) or not all(isinstance(text, str) for pair in entry.items() for text in pair):
        raise UnusablePlan(file=str(file), why=f"{which} is no list of names and texts")
    kinds = [kind for kind in _MEMBERS if kind in entry]
    if len(kinds) != 1:
        raise UnusablePlan(file=str(file), why=f"{which} has to say one of: {', '.join(_MEMBERS)}")
    needed, allowed = _MEMBERS[kinds[0]]
    wrong = sorted(needed - set(entry)) or sorted(set(entry) - needed - allowed)
    if wrong:
        does = "lacks" if wrong[0] in needed else "must not have"
        raise UnusablePlan(file=str(file), why=f"{which} {does} `{wrong[0]}`")
    return _made(kinds[0], entry, file, which)


def _made(kind: str, entry: dict[str, str], file: Path, which: str) -> Wish | PackageFile:
    if kind not in ("replace", "add", "remove"):
        return PackageFile(kind=kind, path=file.parent / entry[kind])
    path = os.fsencode(entry[kind])
    if kind == "remove":
        return Removal(path=path)
    local = file.parent / entry["with"]
    if kind == "replace":
        return Replacement(path=path, local=local)
    mode = parse_mode(entry["mode"]) if "mode" in entry else None
    if "mode" in entry and mode is None:
        raise UnusablePlan(file=str(file), why=f"{which} has a mode that is none: {entry['mode']}")
    return Addition(path=path, local=local, mode=mode)
