"""Advisories, databases and components for the tests of matching."""

import json
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from rafsight.analysis.inventory import Component, Distribution, Ecosystem, Inventory
from rafsight.matching.matcher import MatchResult, match
from rafsight.matching.store import open_database
from rafsight.verbs.advisories import Advisories

NOW = datetime(2026, 11, 23, tzinfo=UTC)

Record = dict[str, Any]


def record(
    name: str,
    ecosystem: str = "PyPI",
    package: str = "demo",
    events: Iterable[Mapping[str, str]] = ({"introduced": "0"}, {"fixed": "2.0"}),
    **rest: object,
) -> Record:
    """Make an OSV record about one package."""
    kind = "SEMVER" if ecosystem == "npm" else "ECOSYSTEM"
    affected = {"package": {"ecosystem": ecosystem, "name": package}, "ranges": [{"type": kind, "events": [*events]}]}
    affected |= cast("dict[str, Any]", rest.pop("entry", {}))
    return {"schema_version": "1.7.3", "id": name, "modified": "2026-01-02T00:00:00Z", "affected": [affected], **rest}


def write_records(directory: Path, records: Iterable[Record]) -> Path:
    """Write records as one file each."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, item in enumerate(records):
        (directory / f"{number:04}.json").write_text(json.dumps(item))
    return directory


def write_dump(path: Path, records: Iterable[Record]) -> Path:
    """Write records as a zip in OSV's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in records:
            archive.writestr(f"{item['id']}.json", json.dumps(item))
    return path


def make_database(place: Path, records: Iterable[Record]) -> Path:
    """Import single records into a new database."""
    database = place / "advisories.db"
    Advisories(database, now=NOW).take([write_records(place / "records", records)])
    return database


def component(ecosystem: str, name: str, version: str, **rest: Any) -> Component:
    """Make a component; of kinds, too, that no extractor finds yet."""
    known = ecosystem in set(Ecosystem)
    kind = Ecosystem(ecosystem) if known else cast("Ecosystem", ecosystem)
    return Component(ecosystem=kind, name=name, version=version, **rest)


def distribution(name: str, version: str, **rest: Any) -> Distribution:
    """Make a distribution."""
    return Distribution(id=name, version=version, name=rest.pop("title", name), **rest)


def match_in(database: Path, *components: Component, system: Distribution | None = None) -> MatchResult:
    """Match components against a database."""
    with open_database(database) as advisories:
        return match(Inventory(distribution=system, components=components, gaps=()), advisories)
