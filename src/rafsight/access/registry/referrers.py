"""What refers to an image, kept under a tag: for registries without the referrers API.

This module alone knows the "Referrers Tag Schema" of the distribution specification. No socket here.
"""

import json
from dataclasses import dataclass
from typing import Any

from rafsight.base.digest import digest_of, is_digest
from rafsight.base.errors import ImageFault
from rafsight.formats.oci import media_types


class ReferrersUnusable(ImageFault):
    """The tag that lists referrers holds something else."""

    code = "referrers-unusable"
    template = "{place} took {digest}, but cannot list it: its tag {tag} is no index of referrers"
    remedy = "Delete or move that tag, then push again."


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
        algorithm, _, encoded = self.subject.partition(":")
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


def list_referrer(current: bytes | None, referrer: Referrer) -> bytes | None:
    """Add a referrer to a list.

    Args:
        current: the list as it is; None: there is none.
        referrer: the new one.
    Returns: The list as it is to be; None if the referrer is there already.
    Raises: ValueError: it is no index.
    """
    index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": []}
    if current is not None:
        index = _object(current)
    known = index.get("manifests")
    if not isinstance(known, list) or "layers" in index or "config" in index:
        raise ValueError
    if any(isinstance(one, dict) and one.get("digest") == referrer.descriptor["digest"] for one in known):
        return None
    return json.dumps({**index, "manifests": [*known, referrer.descriptor]}, separators=(",", ":")).encode()


def _object(content: bytes) -> dict[str, Any]:
    """Decode a bounded document whose members may be anything; empty if it is no object."""
    import msgspec

    try:
        document = msgspec.json.decode(content)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}
