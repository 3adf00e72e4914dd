"""A slim archive: a docker archive of an image that holds content only where a scanner looks.

The whole tree is in it: every folder, link, device and file with its attributes; files whose content nobody looks at
have no bytes. This module alone decides the form: layers first, one after the other as they are made, then the config
and `manifest.json`, which name them. The size of a layer is known before its content is, so that nothing has to wait;
its digest is known when it was written. The same image gives the same bytes.

A file whose content cannot be had is not in the archive at all, so that it never looks like an empty one. Its place
in the layer, which was counted already, becomes zeros behind the layer's end, where nobody reads on.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.finding import Identity
from rafsight.access.session import Image
from rafsight.base.errors import Defect
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.units import KiB
from rafsight.formats.tar import MemberKind
from rafsight.formats.tar_write import TRAILER, Header, padding, write_header
from rafsight.image.tree import ImageTree
from rafsight.views.export.tally import Omission, Omitted, Tally, Unreadable
from rafsight.views.layer_shares import LayerPlan
from rafsight.views.slim.content import SlimContent
from rafsight.views.slim.layers import write_config
from rafsight.views.slim.rules import SlimRules

SlimSink = Callable[[bytes], object] | BinaryIO
"""Takes the next bytes of an archive."""
_ZEROS: Final = bytes(256 * KiB)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimLayer:
    """One layer of an archive."""

    diff_id: str
    size: int
    """[bytes] as a tar."""
    blob: str
    """Digest of the blob whose files it has; empty for the layer of folders, links and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimArchive:
    """What became of an archive."""

    rules: str
    """Name of the scanner that it is made for."""
    config_digest: str
    layers: tuple[SlimLayer, ...]
    size: int
    """[bytes] of the archive."""
    kept_count: int
    """Files with their content, each once however many names it has."""
    kept_size: int
    """[bytes] of their content."""
    left_out_count: int
    """Files whose content is left out."""
    left_out_size: int
    """[bytes] of that content."""
    unreadable: tuple[Unreadable, ...]
    """Files that are not in the archive, since their content could not be had."""
    omitted: tuple[Omitted, ...]
    """What a tar cannot hold."""

    @property
    def is_complete(self) -> bool:
        """True if everything that the scanner looks at is there."""
        return not self.unreadable


def write_slim(
    image: Image, rules: SlimRules, sink: SlimSink, *, tag: str = "", listener: Listener = silent
) -> SlimArchive:
    """Write a slim archive of an open image.

    Args:
        image: the open image.
        rules: what the scanner looks at.
        sink: takes the bytes, in order.
        tag: `NAME:TAG` that the archive calls the image; empty: it has no name.
        listener: told how many bytes are written.

    Returns: what is in it.
    Raises: MalformedImage, MalformedDocument; what the sink raises. Content that cannot be had is listed instead.
    Cost: the heads of programs, and the chunks of the files that are kept. Memory: bounded but for the tree.
    """
    return _SlimWriter(image, rules, sink, listener).write(tag)


def archive_tag(identity: Identity) -> str:
    """Return the name that an archive gives an image: that of a registry, if it has a tag there."""
    return f"{identity.repository}:{identity.tag}" if identity.repository and identity.tag else ""


class _SlimWriter:
    """Writes one archive."""

    def __init__(self, image: Image, rules: SlimRules, sink: SlimSink, listener: Listener) -> None:
        self._image = image
        self._rules = rules
        self._sink = sink if callable(sink) else sink.write
        self._listener = listener
        self._written = 0
        self._tally = Tally()

    def write(self, tag: str) -> SlimArchive:
        """Choose, then write layers, config and manifest."""
        content = SlimContent(self._image, self._rules, self._tally, keep_going=True)
        for part in self._image.unread:
            if part.is_missing:
                self._tally.lose(part.what.encode(), part.why)
            else:
                self._tally.omit(Omission.UNKNOWN_KIND, part.what.encode())
        layers, names = self._write_layers(content)
        config = write_config(
            self._image.identity, [layer.blob for layer in layers], [layer.diff_id for layer in layers]
        )
        digest = hashlib.sha256(config).hexdigest()
        self._write_file(f"{digest}.json", config)
        manifest = [{"Config": f"{digest}.json", "RepoTags": [tag] if tag else None, "Layers": names}]
        self._write_file("manifest.json", json.dumps(manifest, separators=(",", ":")).encode())
        self._put(TRAILER)
        return self._result(f"sha256:{digest}", layers, content)

    def _write_layers(self, content: SlimContent) -> tuple[list[SlimLayer], list[str]]:
        operation = self._operation
        self._listener(Started(operation=operation, title="writing content", total=content.kept_size, unit="bytes"))
        try:
            names = [f"{index:04d}/layer.tar" for index in range(len(content.plans))]
            pairs = zip(content.plans, names, strict=True)
            return [self._write_layer(content, plan, name) for plan, name in pairs], names
        finally:
            self._listener(Finished(operation=operation))

    def _write_layer(self, content: SlimContent, plan: LayerPlan, name: str) -> SlimLayer:
        size = content.measure(plan)
        self._put(write_header(Header(name=name.encode(), kind=MemberKind.FILE, size=size)))
        layer = _Layer(self._put)
        content.write(plan, layer.take, self._report)
        layer.fill(size)
        self._put(padding(size))
        return SlimLayer(diff_id=layer.digest, size=size, blob=plan.blob)

    def _write_file(self, name: str, content: bytes) -> None:
        self._put(write_header(Header(name=name.encode(), kind=MemberKind.FILE, size=len(content))))
        self._put(content)
        self._put(padding(len(content)))

    def _put(self, content: bytes) -> None:
        self._sink(content)
        self._written += len(content)

    @property
    def _operation(self) -> str:
        return f"slim archive of {self._image.identity.reference}"

    def _report(self, size: int) -> None:
        self._listener(Advanced(operation=self._operation, amount=size))

    def _result(self, config_digest: str, layers: list[SlimLayer], content: SlimContent) -> SlimArchive:
        outcome = self._tally.result()
        entries = self._image.tree.entries
        left_out = _left_out(self._image.tree, content.kept | content.lost)
        return SlimArchive(
            rules=self._rules.name,
            config_digest=config_digest,
            layers=tuple(layers),
            size=self._written,
            kept_count=len(content.kept),
            kept_size=content.kept_size,
            left_out_count=len(left_out),
            left_out_size=sum(entries.size[left_out].tolist()),
            unreadable=outcome.unreadable,
            omitted=outcome.omitted,
        )


class _Layer:
    """Passes a layer on, and hashes it."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._hash = hashlib.sha256()
        self._size = 0

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def take(self, content: bytes) -> None:
        self._hash.update(content)
        self._size += len(content)
        self._put(content)

    def fill(self, size: int) -> None:
        """Make a layer as large as was said, if files of it could not be read."""
        if self._size > size:
            raise Defect(what=f"a layer of {size} bytes became {self._size}")
        while self._size < size:
            self.take(_ZEROS[: size - self._size])


def _left_out(tree: ImageTree, kept: frozenset[int]) -> NDArray[np.int64]:
    """Return the files with content that is not kept, each once."""
    entries = tree.entries
    rows = np.arange(len(tree))
    is_file = ((entries.mode & 0o170000) == 0o100000) & (entries.link_row == rows) & (entries.size > 0)
    is_file[sorted(kept)] = False
    return np.flatnonzero(is_file)
