"""A hunt for programs: JSON, one object a line, and CSV, one row a match. Both are written while the hunt goes on.

    {"type": "image", "digest": ..., "names": [...], "files": [...], "packages": [...], "unseen": [...]}
    {"type": "failure", "names": [...], "code": ..., "message": ...}
    {"type": "summary", "images": ..., "matches": ..., ...}

This module alone decides these forms. A cell of CSV that a spreadsheet would take for a formula begins with `'`.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from rafsight.base.text import escape
from rafsight.reports.hunting import FileMatch, HuntAnswer, HuntFailure, HuntTally, PackageMatch
from rafsight.reports.names import named

COLUMNS: Final = (
    "image",
    "other_names",
    "digest",
    "platform",
    "kind",
    "path",
    "size",
    "mode",
    "uid",
    "gid",
    "mtime",
    "package",
    "version",
    "purl",
    "advisories",
    "evidence",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def answer_line(answer: HuntAnswer) -> str:
    """Write an answer as a line of JSON."""
    members: dict[str, Any] = {"type": "image", "digest": answer.digest, "names": list(answer.names)}
    if answer.platform:
        members["platform"] = answer.platform
    members["files"] = [_file(one) for one in answer.files]
    members["packages"] = [_package(one) for one in answer.packages]
    members["unseen"] = [{"subject": one.subject, "why": one.why} for one in answer.unseen]
    return _line(members)


def failure_line(failure: HuntFailure) -> str:
    """Write a failure as a line of JSON."""
    return _line({"type": "failure", **asdict(failure)})


def summary_line(tally: HuntTally) -> str:
    """Write what was done as a line of JSON."""
    return _line({"type": "summary", **asdict(tally), "seconds": round(tally.seconds, 3)})


def csv_header() -> str:
    """Write the first row of CSV."""
    return _row(COLUMNS)


def csv_rows(answer: HuntAnswer) -> Iterator[str]:
    """Write the matches of an answer as rows of CSV."""
    image, *others = answer.names
    common = (image, " ".join(others), answer.digest, answer.platform)
    for file in answer.files:
        evidence = "; ".join(f"{one.kind}: {one.text}" for one in file.evidence)
        numbers = (file.size, f"{file.mode & 0o7777:04o}", file.uid, file.gid, file.mtime)
        yield _row((*common, file.kind, "/" + escape(file.path), *numbers, "", "", "", "", evidence))
    for package in answer.packages:
        places = "; ".join("/" + escape(place) for place in package.locations)
        names = (package.name, package.version, package.purl, " ".join(package.advisories))
        yield _row((*common, "package", places, "", "", "", "", "", *names, ""))


def _file(file: FileMatch) -> dict[str, Any]:
    members: dict[str, Any] = {
        **named("path", b"/" + file.path),
        "type": file.kind,
        "size": file.size,
        "mode": f"{file.mode & 0o7777:04o}",
        "uid": file.uid,
        "gid": file.gid,
        "mtime": file.mtime,
    }
    if file.target is not None:
        members |= named("target", file.target)
    if file.evidence:
        members["evidence"] = [
            {key: value for key, value in asdict(one).items() if value is not None} for one in file.evidence
        ]
    return members


def _package(package: PackageMatch) -> dict[str, Any]:
    members: dict[str, Any] = {"purl": package.purl, "name": package.name, "version": package.version}
    if package.source:
        members["source"] = package.source
    members["locations"] = [named("path", b"/" + place) for place in package.locations]
    if package.advisories:
        members["advisories"] = list(package.advisories)
    return members


def _line(members: dict[str, Any]) -> str:
    return json.dumps(members) + "\n"


def _row(cells: tuple[object, ...]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([_cell(cell) for cell in cells])
    return text.getvalue()


def _cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    printable = escape(cell)
    return "'" + printable if printable.startswith(_FORMULA) else printable
