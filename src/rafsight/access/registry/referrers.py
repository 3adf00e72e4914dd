"""What refers to an image, kept under a tag: for registries without the referrers API.

This module alone knows the "Referrers Tag Schema" of the distribution specification. No socket here.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from rafsight.access.registry.errors import PushRefused
from rafsight.base.digest import digest_of, is_digest
from rafsight.base.errors import ImageFault, RegistryFault
from rafsight.formats.oci import media_types


class ReferrersUnusable(ImageFault):
    """The tag that lists referrers holds something else."""

    code = "referrers-unusable"
    template = "{place} took {digest}, but cannot list it: its tag {tag} is no index of referrers"
    remedy = "Delete or move that tag, then push again."


class ReferrersNotListed(PushRefused):
    """The tag that lists referrers may not be changed."""

    code = "referrers-not-listed"
    template = "{place} took {digest}, but does not let its list of referrers, the tag {tag}, be changed ({reason})"
    remedy = "Let tags that begin with sha256- be moved there (immutable tags forbid it), then push again."


class ReferrersContested(RegistryFault):
    """Others change the list of referrers all the time."""

    code = "referrers-contested"
    template = "{place} took {digest}, but others keep changing its list of referrers, the tag {tag}"
    remedy = "Push again when fewer do; a registry with the referrers API of OCI 1.1 knows no such trouble."
    permanent = False


class ArtifactRefused(PushRefused):
    """The registry takes images, and no artifacts that refer to them."""

    code = "artifact-refused"
    template = "{place} does not take an artifact of type {artifact_type} that refers to an image ({reason})"
    remedy = (
        "Its own words say why: it may know only some types, or be older than OCI 1.1. Name another type by "
        "--artifact-type, or keep the report elsewhere."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Referrer:
    """A document that refers to another one."""

    subject: str
    """Digest of the other."""
    descriptor: dict[str, Any]
    """What the list says about it."""

    @property
    def tag(self) -> str:
        """The tag of the list."""
        return referrers_tag(self.subject)


def referrers_tag(digest: str) -> str:
    """Return the tag that stands for the list of what refers to a digest."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm[:32]}-{encoded[:64]}"


def referrer_of(content: bytes, media_type: str) -> Referrer | None:
    """Return what a list of referrers says about a document; None if it refers to nothing."""
    document = _object(content)
    subject = document.get("subject")
    if not isinstance(subject, dict) or not is_digest(str(subject.get("digest"))):
        return None
    descriptor: dict[str, Any] = {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
    config = document.get("config")
    kind = document.get("artifactType") or (config.get("mediaType") if isinstance(config, dict) else None)
    if isinstance(kind, str) and kind:
        descriptor["artifactType"] = kind
    annotations = document.get("annotations")
    if isinstance(annotations, dict) and annotations:
        descriptor["annotations"] = annotations
    return Referrer(subject=subject["digest"], descriptor=descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """A document that refers to another one, and was put beside it."""

    digest: str
    tag: str
    """Lists it where the place does not keep account itself; empty otherwise."""


def list_referrer(current: bytes | None, referrer: Referrer, *, without: Collection[str] = ()) -> bytes | None:
    """Add a referrer to a list.

    Args:
        current: the list as it is; None: there is none.
        referrer: the new one.
        without: digests of entries to leave out.
    Returns: The list as it is to be; None if the referrer is there already.
    Raises: ValueError: it is no index.
    """
    index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}
    if current is not None:
        index = _object(current)
    known = index.get("manifests")
    if not isinstance(known, list) or "layers" in index or "config" in index:
        raise ValueError
    if index.get("mediaType", media_types.OCI_INDEX) != media_types.OCI_INDEX:
        raise ValueError
    if any(isinstance(one, dict) and one.get("digest") == referrer.descriptor["digest"] for one in known):
        return None
    kept = [one for one in known if not (isinstance(one, dict) and one.get("digest") in without)]
    return json.dumps({**index, "manifests": [*kept, referrer.descriptor]}, separators=(",", ":")).encode()


def _object(content: bytes) -> dict[str, Any]:
    """Decode a bounded document whose members may be anything; empty if it is no object."""
    import msgspec

    try:
        document = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}
