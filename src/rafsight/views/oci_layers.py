"""The layers of a plain image that has the tree of a Nydus image.

This module alone decides what they are: the files of each blob give a layer, with the folders that lead to them, in the
order of the image's layers. The top layer has besides what is in no blob: links, devices, empty files, and all folders.
No path but a folder's is in two layers, and folders are everywhere what they are in the image, so that whoever unpacks
the layers gets exactly its tree. Where overlayfs would read a folder as one that hides what lies below it, by extended
attributes of its own, everything is one layer.

Names that begin with `.wh.` are left out with all below them: in a layer they would delete something.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rafsight.access.finding import Identity
from rafsight.access.session import Image
from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.formats.compressed_stream import STREAM_SIZE
from rafsight.formats.oci.classify import NydusManifest
from rafsight.image.tree import ImageTree
from rafsight.views.export.delivery import Piece, deliver
from rafsight.views.export.order import Order
from rafsight.views.export.tally import Tally
from rafsight.views.export.tar_writer import Sink, TarWriter
from rafsight.views.layer_shares import LayerPlan, layer_digests, place_files
from rafsight.views.reserved_names import reserved_rows

_OVERLAY: Final = (b"trusted.overlay.", b"user.overlay.")


class LayerTooLarge(ImageFault):
    """The files of a layer are more than any layer holds."""

    code = "layer-too-large"
    template = "a layer would have {size} bytes, and {limit} are the most"
    remedy = "The image has huge files, perhaps of nothing but holes: `rafsight ls -lR REF` shows which."
    exit_status = ExitStatus.UNSUPPORTED


@dataclass(frozen=True, slots=True, kw_only=True)
class OciLayers:
    """What layers a plain image gets."""

    plans: tuple[LayerPlan, ...]
    """The lowest first; at least one."""
    content_size: int
    """[bytes] of all files."""
    reserved: tuple[int, ...]
    """Rows that are left out, since their names would delete something."""


def plan_oci_layers(tree: ImageTree, identity: Identity) -> OciLayers:
    """Share the entries of a tree out among layers.

    Raises: LayerTooLarge; MalformedImage: the extended attributes of a folder.
    Cost: no I/O. Linear in entries and extents; extended attributes of folders are read one by one.
    """
    rows = np.fromiter(tree.walk(), dtype=np.int32, count=len(tree))
    reserved = reserved_rows(tree)
    rows = rows[~reserved[rows]]
    layers = layer_digests(identity)
    if isinstance(identity.classified, NydusManifest):
        layers.pop()  # the bootstrap
    top = max(len(layers) - 1, 0)
    places = place_files(tree, layers)
    places[(places < 0) | (places > top)] = top
    if _hides_below(tree):
        places[:] = top
    plans = [
        LayerPlan(blob=layers[place], rows=rows[_with_folders(tree, rows[places[rows] == place])[rows]])
        for place in np.unique(places[rows]).tolist()
        if place < top
    ]
    is_top = (places == top) | ((tree.entries.mode & 0o170000) == 0o040000)
    plans.append(LayerPlan(blob=layers[top] if layers else "", rows=rows[is_top[rows]]))
    sizes = [Order(tree, plan.rows).content_size for plan in plans]
    if max(sizes) > STREAM_SIZE:
        raise LayerTooLarge(size=max(sizes), limit=STREAM_SIZE)
    return OciLayers(plans=tuple(plans), content_size=sum(sizes), reserved=tuple(np.flatnonzero(reserved).tolist()))


def write_oci_layer(
    image: Image, plan: LayerPlan, sink: Sink, tally: Tally, *, is_top: bool, report: Callable[[int], None]
) -> None:
    """Write the tar of a layer.

    Args:
        image: the open image.
        plan: what is in it.
        sink: takes the bytes.
        tally: told what was written and what a tar cannot hold; folders count in the top layer.
        is_top: True for the top layer.
        report: told how many bytes of content were written.
    Raises: RegistryFault, ImageFault: a file that cannot be read, with a note of its path; what the sink raises.
    Cost: the chunks of the files, fetched in plans of some MiB. Memory: bounded.
    """

    def counted(pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            tally.size += piece.size
            report(piece.size)

    tar = TarWriter(image.tree, sink, tally)
    passage = tar if is_top else TarWriter(image.tree, sink, Tally())
    for node, pieces in deliver(image, Order(image.tree, plan.rows), tally, keep_going=False):
        (passage if node.kind == "directory" else tar).put(node, counted(pieces))
    tar.finish()


def _with_folders(tree: ImageTree, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark some entries and the folders above them: (n,)."""
    result = np.zeros(len(tree), dtype=np.bool_)
    result[0] = True
    while len(rows):
        result[rows] = True
        above = np.unique(tree.entries.parent[rows])
        rows = above[~result[above]]
    return result


def _hides_below(tree: ImageTree) -> bool:
    """Tell whether a folder has an extended attribute by which overlayfs would hide what lower layers have there."""
    is_folder = (tree.entries.mode & 0o170000) == 0o040000
    rows = np.flatnonzero(is_folder & (tree.entries.xattr_size > 0)).tolist()
    return any(xattr.name.startswith(_OVERLAY) for row in rows for xattr in tree.xattrs(row))
