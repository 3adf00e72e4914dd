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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.session import Identity, Image
from rafsight.base.errors import Defect
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.base.units import KiB
from rafsight.formats.tar import MemberKind
from rafsight.formats.tar_write import TRAILER, Header, padding, write_header
from rafsight.image.tree import ImageTree
from rafsight.views.export.delivery import Piece, deliver
from rafsight.views.export.order import Node, Order
from rafsight.views.export.tally import Omission, Omitted, Tally, Unreadable
from rafsight.views.export.tar_writer import TarWriter
from rafsight.views.layer_shares import LayerPlan
from rafsight.views.slim.layers import plan_layers, write_config
from rafsight.views.slim.rules import SlimRules
from rafsight.views.slim.selection import select_kept

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
        self._tree = image.tree
        self._rules = rules
        self._sink = sink if callable(sink) else sink.write
        self._listener = listener
        self._written = 0
        self._tally = Tally()
        self._kept: frozenset[int] = frozenset()
        self._lost: frozenset[int] = frozenset()

    def write(self, tag: str) -> SlimArchive:
        """Choose, then write layers, config and manifest."""
        kept = select_kept(self._image, self._rules)
        self._kept, self._lost = kept.links, frozenset(kept.lost)
        for row, error in sorted(kept.lost.items()):
            self._tally.lose(self._tree.path(row), str(error))
        for part in self._image.unread:
            if part.is_missing:
                self._tally.lose(part.what.encode(), part.why)
            else:
                self._tally.omit(Omission.UNKNOWN_KIND, part.what.encode())
        layers, names = self._write_layers()
        config = write_config(
            self._image.identity, [layer.blob for layer in layers], [layer.diff_id for layer in layers]
        )
        digest = hashlib.sha256(config).hexdigest()
        self._write_file(f"{digest}.json", config)
        manifest = [{"Config": f"{digest}.json", "RepoTags": [tag] if tag else None, "Layers": names}]
        self._write_file("manifest.json", json.dumps(manifest, separators=(",", ":")).encode())
        self._put(TRAILER)
        return self._result(f"sha256:{digest}", layers)

    def _write_layers(self) -> tuple[list[SlimLayer], list[str]]:
        plans = plan_layers(self._tree, self._image.identity)
        operation = f"slim archive of {self._image.identity.reference}"
        total = int(self._tree.entries.size[sorted(self._kept)].sum())
        self._listener(Started(operation=operation, title="writing content", total=total, unit="bytes"))
        try:
            names = [f"{index:04d}/layer.tar" for index in range(len(plans))]
            return [self._write_layer(plan, name) for plan, name in zip(plans, names, strict=True)], names
        finally:
            self._listener(Finished(operation=operation))

    def _write_layer(self, plan: LayerPlan, name: str) -> SlimLayer:
        rows = plan.rows[~np.isin(self._tree.entries.link_row[plan.rows], list(self._lost))]
        size = self._measure(rows)
        self._put(write_header(Header(name=name.encode(), kind=MemberKind.FILE, size=size)))
        layer = _Layer(self._put)
        tar = TarWriter(self._tree, layer.take, self._tally)
        for node, pieces in self._deliver(rows):
            tar.put(node, self._counted(pieces))
        tar.finish()
        layer.fill(size)
        self._put(padding(size))
        return SlimLayer(diff_id=layer.digest, size=size, blob=plan.blob)

    def _measure(self, rows: NDArray[np.int32]) -> int:
        """Return the bytes of a layer: what would be written if every kept file were a hole."""
        size = 0

        def count(content: bytes) -> None:
            nonlocal size
            size += len(content)

        tar = TarWriter(self._tree, count, Tally())
        for node in Order(self._tree, rows):
            is_kept = node.has_content and node.link_row in self._kept
            tar.put(node if is_kept else _emptied(node), iter((Piece(node.size, None),) if is_kept else ()))
        tar.finish()
        return size

    def _deliver(self, rows: NDArray[np.int32]) -> Iterator[tuple[Node, Iterator[Piece]]]:
        """Go through the entries of a layer, with the content of the files that keep it."""
        is_kept = np.isin(self._tree.entries.link_row[rows], list(self._kept))
        kept = deliver(self._image, Order(self._tree, rows[is_kept]), self._tally, keep_going=True)
        waiting = next(kept, None)
        for node in Order(self._tree, rows):
            if node.link_row not in self._kept:
                yield _emptied(node), iter(())
            elif waiting is not None and waiting[0].row == node.row:
                yield waiting
                waiting = next(kept, None)

    def _counted(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            self._listener(Advanced(operation=f"slim archive of {self._image.identity.reference}", amount=piece.size))

    def _write_file(self, name: str, content: bytes) -> None:
        self._put(write_header(Header(name=name.encode(), kind=MemberKind.FILE, size=len(content))))
        self._put(content)
        self._put(padding(len(content)))

    def _put(self, content: bytes) -> None:
        self._sink(content)
        self._written += len(content)

    def _result(self, config_digest: str, layers: list[SlimLayer]) -> SlimArchive:
        outcome = self._tally.result()
        entries = self._tree.entries
        kept = np.array(sorted(self._kept), dtype=np.int64)
        left_out = _left_out(self._tree, self._kept | self._lost)
        return SlimArchive(
            rules=self._rules.name,
            config_digest=config_digest,
            layers=tuple(layers),
            size=self._written,
            kept_count=len(kept),
            kept_size=sum(entries.size[kept].tolist()),
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


def _emptied(node: Node) -> Node:
    return replace(node, size=0)


def _left_out(tree: ImageTree, kept: frozenset[int]) -> NDArray[np.int64]:
    """Return the files with content that is not kept, each once."""
    entries = tree.entries
    rows = np.arange(len(tree))
    is_file = ((entries.mode & 0o170000) == 0o100000) & (entries.link_row == rows) & (entries.size > 0)
    is_file[sorted(kept)] = False
    return np.flatnonzero(is_file)
