"""Images that were scanned or hunted before, by the digest of their manifest: what was found, without their bytes.

Advisories change daily, images never: an inventory is worth keeping, findings are not. What an image has and what it is
are kept apart: a hunt finds the first alone, and both are known to either. This module alone decides what of an image's
packages is remembered. It imports nothing that is needed for trees and contents.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

import msgspec

from rafsight.access.finding import FoundImage
from rafsight.access.results.contract import ResultKind, ResultStore, result_key
from rafsight.analysis.inventory import Gap, GapReason, Inventory
from rafsight.base.errors import ImageFault
from rafsight.formats.oci.config import parse_config
from rafsight.reports.document import ImageFacts
from rafsight.verbs.scan.release import release_fingerprint

_FACTS: Final = b"facts"
"""Names, beside the questions, what an image is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPackages:
    """What an image has."""

    inventory: Inventory
    unread: tuple[Gap, ...]
    """What could not be looked at when the image was opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImage:
    """All that a scan needs to know about an image."""

    facts: ImageFacts
    packages: KnownPackages


class PackageQuestion(Enum):
    """Which packages were looked for."""

    INSTALLED = b"packages"
    DECLARED = b"declared packages"
    """Those of lock files, too."""
    LICENSED = b"packages and licences"
    DECLARED_LICENSED = b"declared packages and licences"
    NONE = b"no packages"
    """The scan was about other things."""


def recall_packages(digest: str, store: ResultStore, question: PackageQuestion) -> KnownPackages | None:
    """Return what an earlier scan or hunt found in an image; None if there was none.

    Args:
        digest: of its manifest; empty if it has none.
        store: where results are kept.
        question: which packages are looked for.
    Cost: no request.
    """
    if not digest:
        return None
    key = _key_of(digest, question.value)
    return _packages(store.fetch((key,)).get(key))


def keep_packages(digest: str, known: KnownPackages, store: ResultStore, question: PackageQuestion) -> None:
    """Remember what an image has, unless bytes that could not be had are missing in it.

    Args:
        digest: of its manifest; empty if it has none.
        known: what was found; nothing in it is by a mistake of ours.
        store: where results are kept.
        question: which packages were looked for.
    """
    if digest and not _lacks_some(known):
        _keep(store, {_key_of(digest, question.value): known})


def recall_image(found: FoundImage, store: ResultStore, question: PackageQuestion) -> KnownImage | None:
    """Return what an earlier scan found out about an image, under the name that it has now; None if there was none.

    Args:
        found: whose manifest is known, and verified.
        store: where results are kept.
        question: which packages are looked for.
    Cost: no request.
    """
    if not found.digest:
        return None
    keys = (_key_of(found.digest, _FACTS), _key_of(found.digest, question.value))
    kept = store.fetch(keys)
    facts, packages = _facts(found, kept.get(keys[0])), _packages(kept.get(keys[1]))
    return None if facts is None or packages is None else KnownImage(facts=facts, packages=packages)


def keep_image(found: FoundImage, known: KnownImage, store: ResultStore, question: PackageQuestion) -> None:
    """Remember an image, unless bytes that could not be had are missing in what was found.

    Args:
        found: the image.
        known: what was found; nothing in it is by a mistake of ours.
        store: where results are kept.
        question: which packages were looked for.
    """
    if found.digest and not _lacks_some(known.packages):
        facts, packages = _key_of(found.digest, _FACTS), _key_of(found.digest, question.value)
        _keep(store, {facts: known.facts, packages: known.packages})


def _facts(found: FoundImage, content: bytes | None) -> ImageFacts | None:
    """Read the facts about an image, and put in what its name decides."""
    if content is None:
        return None
    try:
        facts = msgspec.msgpack.decode(content, type=ImageFacts)
        config = None
        if facts.config:
            config = parse_config(facts.config, digest=facts.config_digest, limits=found.limits)
    except (msgspec.MsgspecError, UnicodeDecodeError, ImageFault):
        return None
    identity = found.identify(config)
    repository, tag = identity.repository, identity.tag
    return replace(
        facts,
        name=identity.reference,
        index_digest=identity.index_digest,
        platform=identity.platform,
        repo_tags=(f"{repository}:{tag}",) if repository and tag else (),
        repo_digests=(f"{repository}@{found.digest}",) if repository else (),
    )


def _packages(content: bytes | None) -> KnownPackages | None:
    try:
        return None if content is None else msgspec.msgpack.decode(content, type=KnownPackages)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _keep(store: ResultStore, values: Mapping[bytes, ImageFacts | KnownPackages]) -> None:
    try:
        content = {key: msgspec.msgpack.encode(value) for key, value in values.items()}
    except UnicodeEncodeError:  # a name that is no text, and came from nowhere that we know
        return
    store.keep(content)


def _key_of(digest: str, what: bytes) -> bytes:
    return result_key(ResultKind.IMAGE, what, release_fingerprint(), digest.encode())


def _lacks_some(known: KnownPackages) -> bool:
    return lacks_bytes(known.unread) or lacks_bytes(known.inventory.gaps)


def lacks_bytes(gaps: Iterable[Gap]) -> bool:
    """Tell whether something could not be read: another time it may be."""
    return any(gap.reason is GapReason.UNREADABLE for gap in gaps)
