"""An index whose Nydus images are shown as plain ones.

This module alone decides how it is changed. Each Nydus child becomes the plain image that was made of it, for its
platform without the OS feature that marks Nydus; where the index has a plain twin for the same platform, the one that
was made stands before it: of several that fit, clients take the first. All other children stay as they are, in their
order.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rafsight.formats.oci import media_types
from rafsight.formats.oci.documents import write_json
from rafsight.formats.oci.manifest import Descriptor, Index, decode
from rafsight.formats.oci.platform import match_rank
from rafsight.views.presenting.image import NYDUS_FAMILY
from rafsight.views.presenting.shown import Shown

_NOT_KEPT: Final = ("artifactType", "data", "urls")
"""Members of a Nydus descriptor that do not hold for the plain image."""


def present_index(content: bytes, index: Index, shown: Mapping[str, Shown], dropped: Sequence[str] = ()) -> Shown:
    """Write an index again.

    Args:
        content: its bytes.
        index: what they say.
        shown: what became of its Nydus children, by their digests.
        dropped: digests of children that are left out.
    Raises: MalformedDocument.
    """
    members: dict[str, Any] = decode(content, dict[str, Any], index.digest)
    entries: list[dict[str, Any]] = members["manifests"]
    pairs = list(zip(index.manifests, entries, strict=True))
    manifests = [
        _changed(entry, shown[child.digest]) if child.digest in shown else entry
        for child, entry in _ordered(pairs, shown)
        if child.digest not in dropped
    ]
    members["manifests"] = manifests
    members["mediaType"] = media_types.OCI_INDEX
    if annotations := _without_nydus(members.pop("annotations", None)):
        members["annotations"] = annotations
    return Shown(
        origin=index.digest,
        media_type=media_types.OCI_INDEX,
        manifest=write_json(members),
        original_size=sum(one.original_size for one in shown.values()),
        fetched=sum(one.fetched for one in shown.values()),
    )


def _ordered(
    pairs: Sequence[tuple[Descriptor, dict[str, Any]]], shown: Mapping[str, Shown]
) -> Iterator[tuple[Descriptor, dict[str, Any]]]:
    """Yield children in order, each Nydus child before the first plain one of its platform."""
    waiting = [pair for pair in pairs if pair[0].digest in shown]
    for pair in pairs:
        child = pair[0]
        if child.digest not in shown:
            for first in [one for one in waiting if _is_twin(one[0], child)]:
                waiting.remove(first)
                yield first
            yield pair
        elif pair in waiting:
            waiting.remove(pair)
            yield pair


def _is_twin(one: Descriptor, other: Descriptor) -> bool:
    """Tell whether two children are for the same platform."""
    return one.platform is not None and other.platform is not None and match_rank(one.platform, other.platform) == 0


def _changed(entry: Mapping[str, Any], shown: Shown) -> dict[str, Any]:
    """Return a descriptor of the plain image that stands for a Nydus one."""
    members = {name: value for name, value in entry.items() if name not in (*_NOT_KEPT, "annotations")}
    members |= {"mediaType": shown.media_type, "digest": shown.digest, "size": len(shown.manifest)}
    platform = members.get("platform")
    if isinstance(platform, dict):
        features = [one for one in platform.get("os.features") or () if one != media_types.NYDUS_OS_FEATURE]
        rest = {name: value for name, value in platform.items() if name != "os.features"}
        members["platform"] = rest | {"os.features": features} if features else rest
    annotations = _without_nydus(entry.get("annotations"))
    return members | {"annotations": annotations} if annotations else members


def _without_nydus(annotations: object) -> dict[str, Any]:
    if not isinstance(annotations, dict):
        return {}
    return {name: value for name, value in annotations.items() if not name.startswith(NYDUS_FAMILY)}
