"""Write files of an image out: into a tar, into a folder, or as a slim archive for a scanner.

This module alone decides which of the two a target is, and in which order an export goes: everything that can be
refused is refused before anything is written.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from rafsight.access.layers import Keep
from rafsight.access.options import Options
from rafsight.access.session import Image, open_image
from rafsight.base.errors import RafsightError
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.views.export.archive_file import is_archive_name, open_archive
from rafsight.views.export.delivery import Piece, deliver
from rafsight.views.export.directory_writer import DirectoryWriter
from rafsight.views.export.faults import FolderNotEmpty, NoSuchForm, writing
from rafsight.views.export.order import Node, Order, order_entries
from rafsight.views.export.tally import Exported, Omission, Tally
from rafsight.views.export.tar_writer import Sink, TarWriter
from rafsight.views.slim.archive import SlimArchive, archive_tag, write_slim
from rafsight.views.slim.rules import rules_for
from rafsight.views.slim.selection import keep_for


class _Writer(Protocol):
    def put(self, node: Node, pieces: Iterator[Piece]) -> None: ...


def export_reference(
    reference: str,
    paths: Sequence[bytes] = (),
    *,
    to: Path | Sink,
    force: bool = False,
    keep_going: bool = False,
    options: Options | None = None,
    listener: Listener = silent,
) -> Exported:
    """Export files of an image by its reference; see `export_files`.

    Raises: what `open_image` and `export_files` raise.
    Cost: what both cost. Of plain OCI layers the first pass keeps what is wanted, as far as it has room.
    """
    keep = _keep_below(paths)
    check_target(to, force=force)
    with open_image(reference, options=options, listener=listener, keep=keep) as image:
        return export_files(image, paths, to=to, force=force, keep_going=keep_going, listener=listener)


def export_files(
    image: Image,
    paths: Sequence[bytes] = (),
    *,
    to: Path | Sink,
    force: bool = False,
    keep_going: bool = False,
    listener: Listener = silent,
) -> Exported:
    """Write files of an open image out, with everything that the image says of them.

    Args:
        image: the open image.
        paths: files, and folders with all below them, absolute or relative to the root; links above the last
            component are followed, one in the last place is written itself, unless a slash follows it. None: all.
        to: a path that ends in `.tar`, `.tar.gz`, `.tgz`, `.tar.zst` or `.tzst` is an archive, as are pipes and
            devices; any other is a folder, made if it is missing. A function is handed the bytes of a tar.
        force: write into a folder that is not empty; what has the same names is replaced, links are not followed.
        keep_going: leave out files that cannot be read instead of ending.
        listener: told how many bytes are written.

    Returns: what was written, and what was left out.
    Raises: NoSuchPath, TooManyLinks, FolderNotEmpty, NoSuchForm: before anything is written; NotWritten, PlaceTaken;
        RegistryFault, ImageFault while reading.
    Cost: the chunks of the files, fetched in plans of some MiB. Memory: bounded, whatever the size of the image.
    """
    check_target(to, force=force)
    order = order_entries(image.tree, paths)
    tally = Tally()
    is_wanted = _keep_below(paths)
    for part in image.unread:
        if not part.is_missing and is_wanted(part.what.encode(), 0):
            tally.omit(Omission.UNKNOWN_KIND, part.what.encode())
    with _open_writer(image, to, tally) as writer:
        _write_all(image, order, writer, tally, keep_going=keep_going, listener=listener)
    return tally.result()


def export_slim(
    reference: str,
    scanner: str,
    *,
    to: Path | Sink,
    options: Options | None = None,
    listener: Listener = silent,
) -> SlimArchive:
    """Write an image by its reference as a slim docker archive, for a scanner to read; see `write_slim`.

    Args:
        reference: as `open_image` takes it.
        scanner: name of one of `SLIM_RULES`.
        to: a file, compressed if its name says so (`.tar.gz`, `.tar.zst`), or a function that takes the bytes.
        options: how to reach the image.
        listener: told how many bytes are written.
    Raises: NoSuchRules, before anything is done; NotWritten; what `open_image` and `write_slim` raise.
    Cost: what both cost. Of plain OCI layers the first pass keeps what is wanted, as far as it has room.
    """
    rules = rules_for(scanner)
    with open_image(reference, options=options, listener=listener, keep=keep_for(rules)) as image:
        tag = archive_tag(image.identity)
        if not isinstance(to, Path):
            return write_slim(image, rules, to, tag=tag, listener=listener)
        with open_archive(to) as sink:
            return write_slim(image, rules, sink, tag=tag, listener=listener)


def check_target(to: Path | Sink, *, force: bool) -> None:
    """Refuse a target that cannot take an export, before anything is fetched for it.

    Raises: NoSuchForm, FolderNotEmpty, NotWritten.
    """
    if not isinstance(to, Path):
        return
    with writing(str(to)):
        if not _is_archive(to) and to.is_dir() and not force and any(to.iterdir()):
            raise FolderNotEmpty(folder=str(to))


def _write_all(
    image: Image, order: Order, writer: _Writer, tally: Tally, *, keep_going: bool, listener: Listener
) -> None:
    content = f"content of {image.identity.reference}"
    entries = f"files of {image.identity.reference}"

    def counted(pieces: Iterator[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            tally.size += piece.size
            listener(Advanced(operation=content, amount=piece.size))

    listener(Started(operation=entries, title="writing files", total=len(order), unit="files"))
    listener(Started(operation=content, title="writing content", total=order.content_size, unit="bytes"))
    try:
        for node, pieces in deliver(image, order, tally, keep_going=keep_going):
            writer.put(node, counted(pieces) if node.has_content else pieces)
            listener(Advanced(operation=entries, amount=1))
    finally:
        listener(Finished(operation=content))
        listener(Finished(operation=entries))


@contextmanager
def _open_writer(image: Image, to: Path | Sink, tally: Tally) -> Iterator[_Writer]:
    """Open what a target is; when the block ends well, it is whole."""
    if not isinstance(to, Path):
        tar = TarWriter(image.tree, to, tally)
        yield tar
        tar.finish()
    elif _is_archive(to):
        with open_archive(to) as sink:
            tar = TarWriter(image.tree, sink, tally)
            yield tar
            tar.finish()
    else:
        with _open_folder(to) as root:
            folder = DirectoryWriter(image.tree, root, tally)
            try:
                try:
                    yield folder
                except BaseException:
                    with suppress(RafsightError):
                        folder.finish()  # what is there is whole, folders included
                    raise
                folder.finish()
            finally:
                folder.close()


def _is_archive(to: Path) -> bool:
    """Tell what a path is; raise NoSuchForm if neither makes sense."""
    if to.is_dir():
        return False
    if is_archive_name(to.name):
        return True
    if to.is_file():
        raise NoSuchForm(target=str(to))
    return to.exists()


@contextmanager
def _open_folder(path: Path) -> Iterator[int]:
    with writing(str(path)):
        with suppress(FileExistsError):
            path.mkdir()
        root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


def _keep_below(paths: Sequence[bytes]) -> Keep:
    """Tell which files of a stream are wanted, as far as their names say; links above them are not known yet."""
    wanted = [path.strip(b"/") for path in paths]

    def keep(path: bytes, size: int) -> bool:
        del size
        return not wanted or any(not one or path == one or path.startswith(one + b"/") for one in wanted)

    return keep
