"""What became of a conversion, as values, and for people and programs.

This module alone decides the words and keys of it; keys stay.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rafsight._version import __version__
from rafsight.base.text import escape, printable
from rafsight.base.units import format_size
from rafsight.reports.verdict import counted

SCHEMA_VERSION = 1
_UNREAD_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedLayer:
    """A layer of the source, and the blob that it became."""

    source_digest: str
    """Empty for a folder."""
    source_size: int
    """[bytes] as stored."""
    digest: str
    """Of the blob; empty: it has none."""
    size: int
    """[bytes] of the blob."""
    how: str
    """`sent`, `present` or `mounted`; empty: there was nothing to push."""
    is_resumed: bool
    """A conversion that did not come to its end had packed it already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedImage:
    """One image, of one platform."""

    platform: str
    digest: str
    """Of its manifest."""
    config_digest: str
    bootstrap_digest: str
    """Of the bootstrap's layer."""
    bootstrap_size: int
    """[bytes] of that layer."""
    layers: tuple[ConvertedLayer, ...]
    dictionary_layers: tuple[str, ...]
    """Digests of the blobs of the chunk dictionary that it refers to."""
    entry_count: int
    chunk_count: int
    content_size: int
    """[bytes] of files in all layers."""
    source_size: int
    """[bytes] of config and layers of the source."""
    target_size: int
    """[bytes] of config and layers."""
    unread: tuple[str, ...]
    """Members of layers that could not become entries, and why; of very many the first."""
    unread_count: int
    left_out: tuple[tuple[str, int], ...]
    """What RAFS cannot hold, and how often it was met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """What became of a conversion."""

    source: str
    target: str
    digest: str
    """Of the manifest or index that the target's tag names."""
    media_type: str
    images: tuple[ConvertedImage, ...]
    bytes_fetched: int
    bytes_sent: int
    elapsed: float
    """[s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainLayer:
    """A layer of a plain image that was made of a Nydus image."""

    digest: str
    size: int
    """[bytes] as stored."""
    media_type: str
    diff_id: str
    tar_size: int
    """[bytes]"""
    blob: str
    """Digest of the blob whose files it has; the top layer has what is in no blob, too. Empty: there is no such one."""
    how: str
    """`sent`, `present` or `mounted`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertedBack:
    """What became of a conversion to a plain image."""

    source: str
    """As the user typed it."""
    target: str
    """The place, as people call it."""
    tag: str
    """What the image is called there; empty if it is only known by its digest."""
    platform: str
    digest: str
    """Of the manifest."""
    media_type: str
    config_digest: str
    layers: tuple[PlainLayer, ...]
    """The lowest first."""
    entry_count: int
    """Files, folders, links and so on, each once."""
    content_size: int
    """[bytes] of all files, each once however many names it has."""
    left_out: tuple[tuple[str, int], ...]
    """What a layer cannot hold, and how often it was met."""
    bytes_fetched: int
    bytes_sent: int


def render_json(done: Converted) -> str:
    """Write a conversion as one JSON document; everything is ASCII. Sizes are in bytes, times in seconds.

    `SourceImageSize`, `TargetImageSize` and `ConversionElapsed` [ns] are as nydusify writes them.
    """
    members: dict[str, Any] = asdict(done)
    for image in members["images"]:
        image["left_out"] = [{"what": what, "count": count} for what, count in image["left_out"]]
        image["unread"] = [escape(text) for text in image["unread"]]
    document = {
        "schema_version": SCHEMA_VERSION,
        "rafsight_version": __version__,
        **members,
        "elapsed": round(done.elapsed, 6),
        "SourceImageSize": sum(image.source_size for image in done.images),
        "TargetImageSize": sum(image.target_size for image in done.images),
        "ConversionElapsed": int(done.elapsed * 1e9),
    }
    return json.dumps(document, indent=2) + "\n"


def render_text(done: Converted) -> str:
    """Write a conversion as lines of labels and values."""
    facts = [("Image", printable(done.target)), ("Digest", done.digest)]
    for image in done.images:
        facts += _facts(image, many=len(done.images) > 1)
    cost = f"{format_size(done.bytes_fetched)} fetched, {format_size(done.bytes_sent)} sent, {done.elapsed:.1f} s"
    return _lines([*facts, ("Cost", cost)])


def render_back_json(done: ConvertedBack) -> str:
    """Write a conversion to a plain image as one JSON document; everything is ASCII. Sizes are in bytes."""
    members: dict[str, Any] = asdict(done)
    members["left_out"] = [{"what": what, "count": count} for what, count in done.left_out]
    document = {"schema_version": SCHEMA_VERSION, "rafsight_version": __version__, **members}
    return json.dumps(document, indent=2) + "\n"


def render_back_text(done: ConvertedBack) -> str:
    """Write a conversion to a plain image as lines of labels and values."""
    size = sum(layer.size for layer in done.layers)
    facts = [
        ("Image", printable(f"{done.target}:{done.tag}" if done.tag else done.target)),
        ("Digest", done.digest),
        ("Platform", done.platform),
        ("Layers", f"{len(done.layers)}, {format_size(size)}: {_fates([layer.how for layer in done.layers])}"),
        ("Tree", f"{done.entry_count:,} entries, {format_size(done.content_size)}"),
        ("Cost", f"{format_size(done.bytes_fetched)} fetched, {format_size(done.bytes_sent)} sent"),
    ]
    return _lines(facts)


def warnings(done: Converted) -> Iterator[str]:
    """Say what of the source is not in the image."""
    for image in done.images:
        for what, count in image.left_out:
            yield f"left out: {printable(what)} ({count:,})"
        for text in image.unread[:_UNREAD_SHOWN]:
            yield f"no entry of the image became of {printable(text)}"
        more = image.unread_count - len(image.unread[:_UNREAD_SHOWN])
        if more > 0:
            yield f"and of {more:,} more members of layers"


def _facts(image: ConvertedImage, *, many: bool) -> list[tuple[str, str]]:
    resumed = sum(layer.is_resumed for layer in image.layers)
    source = f" from {format_size(image.source_size)}" if image.source_size else ""
    entries = counted(image.entry_count, "entry", "entries")
    chunks = counted(image.chunk_count, "chunk", "chunks")
    facts = [
        ("Platform", image.platform + (f", {image.digest}" if many else "")),
        ("Layers", f"{len(image.layers)}: {_fates([layer.how for layer in image.layers])}"),
        ("Tree", f"{entries}, {chunks}, {format_size(image.content_size)}"),
        ("Size", f"{format_size(image.target_size)}{source}, the bootstrap {format_size(image.bootstrap_size)}"),
    ]
    if resumed:
        facts.append(("Resumed", f"{resumed} of the layers had been packed before"))
    if image.dictionary_layers:
        blobs = counted(len(image.dictionary_layers), "blob", "blobs")
        facts.append(("Dictionary", f"{blobs} of the chunk dictionary came along"))
    return facts


def _fates(hows: list[str]) -> str:
    words = {"sent": "sent", "mounted": "taken from the neighbour", "present": "there already"}
    return ", ".join(f"{hows.count(how)} {word}" for how, word in words.items() if how in hows) or "none has a blob"


def _lines(facts: list[tuple[str, str]]) -> str:
    return "".join(f"{label:<11}{value}\n" for label, value in facts)
