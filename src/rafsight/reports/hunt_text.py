"""A hunt for people: a heading for each image, and a line for each match, written while the hunt goes on.

This module alone decides what that looks like. Names are bytes from strangers and are escaped.
"""

import stat
import time
from collections.abc import Iterator
from typing import Final

from rafsight.base.text import escape, printable
from rafsight.base.units import format_size
from rafsight.reports.hunting import Evidence, FileMatch, HuntAnswer, HuntFailure, HuntTally, PackageMatch
from rafsight.reports.paint import Style
from rafsight.reports.terms import Terms

_NAMES_SHOWN: Final = 6
_UNSEEN_SHOWN: Final = 5
_LOCATIONS_SHOWN: Final = 3


def answer_text(answer: HuntAnswer, terms: Terms) -> Iterator[str]:
    """Write an image with its matches, and what of it was not looked at."""
    image, *others = answer.names
    more = f" and {len(others) - _NAMES_SHOWN} more" if len(others) > _NAMES_SHOWN else ""
    also = f"  (also {', '.join(map(escape, others[:_NAMES_SHOWN]))}{more})" if others else ""
    platform = f"  {escape(answer.platform)}" if answer.platform else ""
    yield _paint(escape(image), Style.BOLD, terms) + also + platform + "\n"
    for file in answer.files:
        yield f"  {_file(file)}\n"
    for package in answer.packages:
        yield f"  {_package(package)}\n"
    if not answer.is_match:
        yield "  nothing\n"
    for one in answer.unseen[:_UNSEEN_SHOWN]:
        yield "  " + _paint("not looked at:", Style.WARNING, terms) + f" {escape(one.subject)}: {escape(one.why)}\n"
    if len(answer.unseen) > _UNSEEN_SHOWN:
        yield f"  and {len(answer.unseen) - _UNSEEN_SHOWN} more were not looked at\n"


def failures_text(failures: tuple[HuntFailure, ...], terms: Terms) -> Iterator[str]:
    """Write what could not be asked."""
    if failures:
        yield _paint(f"\n{_count(len(failures), 'failure')}:", Style.WARNING, terms) + "\n"
    for failure in failures:
        yield f"  {', '.join(map(escape, failure.names))}\n    {escape(failure.message)}\n"


def summary_text(tally: HuntTally) -> str:
    """Say in a sentence or two what was done."""
    asked = f"{_count(tally.images, 'image')} of {_count(tally.names, 'name')} asked, {tally.matches:,} with a match"
    parts = [
        f"{tally.remembered:,} remembered" if tally.remembered else "",
        f"{_count(tally.passed_over, 'name')} of no image" if tally.passed_over else "",
        f"{tally.unseen:,} not looked at as a whole" if tally.unseen else "",
        f"{_count(tally.contents, 'content')} looked into" if tally.contents else "",
    ]
    details = "".join(f", {part}" for part in parts if part)
    cost = f"{_count(tally.requests, 'request')}, {format_size(tally.bytes_fetched)}, {tally.seconds:.1f} s"
    return f"{asked}{details}; {cost}"


def _file(file: FileMatch) -> str:
    size = format_size(file.size) if file.kind == "file" else file.kind
    target = f" -> {escape(file.target)}" if file.target is not None else ""
    evidence = "".join(f"  {_evidence(one)}" for one in file.evidence)
    owner = f"{file.uid}:{file.gid}"
    return f"/{escape(file.path)}{target}  {stat.filemode(file.mode)} {owner} {size} {_day(file.mtime)}{evidence}"


def _evidence(evidence: Evidence) -> str:
    place = "" if evidence.offset is None else f" at {evidence.offset}"
    if evidence.kind == "content":
        return f"'{evidence.text}'{place}"
    return f"{evidence.kind} {escape(evidence.text)}{place}"


def _package(package: PackageMatch) -> str:
    source = f" (source {escape(package.source)})" if package.source else ""
    advisories = f"  {', '.join(map(escape, package.advisories))}" if package.advisories else ""
    places = ", ".join("/" + escape(place) for place in package.locations[:_LOCATIONS_SHOWN])
    more = len(package.locations) - _LOCATIONS_SHOWN
    return f"{printable(package.purl)}{source}{advisories}  {places}{f' and {more} more' if more > 0 else ''}"


def _day(seconds: int) -> str:
    try:
        moment = time.gmtime(seconds)
    except (OverflowError, ValueError, OSError):
        return f"@{seconds}"
    return time.strftime("%Y-%m-%d", moment) if 0 <= moment.tm_year <= 9999 else f"@{seconds}"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def _paint(text: str, style: Style, terms: Terms) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if terms.colour and style else text
