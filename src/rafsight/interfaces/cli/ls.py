"""`rafsight ls`: list files of an image, as GNU ls would."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from os import fsencode
from typing import TYPE_CHECKING

import click

import rafsight
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.listing import arrange, colour_of, in_blocks, json_array, long_lines, paint, show_name
from rafsight.interfaces.cli.options import registry_options, with_ui
from rafsight.interfaces.cli.output import write_names, write_text
from rafsight.interfaces.cli.terminal import Terminal, standard_output
from rafsight.interfaces.cli.ui import Ui
from rafsight.reports.paint import cells

if TYPE_CHECKING:
    from rafsight import FileEntry, Image, Options


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How files are listed."""

    is_long: bool
    human: bool
    one_per_line: bool
    recursive: bool
    terminal: Terminal


@click.command(
    "ls",
    cls=SectionedCommand,
    short_help="List files of an image.",
    context_settings={"help_option_names": ["--help"]},
)
@click.argument("reference", metavar="REF")
@click.argument("path", metavar="[PATH]", default="/")
@click.option("-l", "is_long", is_flag=True, help="Mode, links, owner, group, size, time (UTC), name and link target.")
@click.option("-a", "-A", "--all", "show_all", is_flag=True, help="List names that begin with a dot, too.")
@click.option("-R", "--recursive", is_flag=True, help="List the folders below, too.")
@click.option("-h", "--human-readable", "human", is_flag=True, help="With -l: sizes in K, M, G, powers of 1024.")
@click.option("-1", "one_per_line", is_flag=True, help="One name a line.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array of objects.")
@registry_options
@with_ui
def ls(
    reference: str,
    path: str,
    *,
    is_long: bool,
    show_all: bool,
    recursive: bool,
    human: bool,
    one_per_line: bool,
    as_json: bool,
    options: "Options",
    ui: Ui,
) -> None:
    """List the folder or file PATH of the image REF; only metadata is fetched.

    With -l, a symbolic link PATH is listed itself; PATH/ is what it leads to.

    On a terminal, names are quoted as a shell would need them; in a pipe they are written as they are. In JSON, names
    that are not UTF-8 stand in `path_b64`, too.
    """
    with rafsight.open_image(reference, options=options, listener=ui.listener) as image:
        ui.begin_output()
        start = fsencode(path).strip(b"/")
        asked = fsencode(path)
        listed = rafsight.list_files(image, asked, recursive=recursive, follow=follows(image, asked, is_long=is_long))
        entries = listed if show_all else visible(listed, start)
        if as_json:
            for part in in_blocks(json_array(entries)):
                write_text(part)
            return
        terminal = standard_output()
        manner = Manner(
            is_long=is_long,
            human=human,
            one_per_line=one_per_line or not terminal.is_terminal,
            recursive=recursive,
            terminal=terminal,
        )
        for lines in in_blocks(list_lines(entries, start, manner)):
            write_names(lines)


def follows(image: "Image", path: bytes, *, is_long: bool) -> bool:
    """Tell whether `ls PATH` is about what a symbolic link leads to: not with -l, nor if that leads nowhere.

    Args:
        image: the open image.
        path: as it was asked for; a slash at its end means what the link leads to, always.
        is_long: -l.
    """
    return path.endswith(b"/") or (not is_long and image.tree.find(path) is not None)


def visible(entries: "Iterable[FileEntry]", start: bytes) -> "Iterator[FileEntry]":
    """Leave out what lies below `start` under a name that begins with a dot.

    Args:
        entries: what was listed.
        start: the path that was asked for; dots in it hide nothing.
    """
    for entry in entries:
        below = entry.path[len(start) :] if entry.path.startswith(start + b"/") or not start else b""
        if not below.startswith(b".") and b"/." not in below:
            yield entry


def list_lines(entries: "Iterable[FileEntry]", start: bytes, manner: Manner) -> Iterator[str]:
    """Yield the lines of a listing; with `recursive` a heading for each folder.

    Args:
        entries: what was listed, folder by folder, as `list_files` does.
        start: the path that was asked for.
        manner: how.
    Cost: memory of one folder.
    """
    is_first = True
    for folder, files in _by_folder(entries, start, recursive=manner.recursive):
        if manner.recursive and not (len(files) == 1 and files[0].path == start):
            heading = show_name(b"/" + folder, quoted=manner.terminal.is_terminal, unicode=manner.terminal.unicode)
            yield f"{'' if is_first else chr(10)}{heading}:\n"
        yield from _folder_lines(files, start, manner)
        is_first = False


def _by_folder(
    entries: "Iterable[FileEntry]", start: bytes, *, recursive: bool
) -> "Iterator[tuple[bytes, list[FileEntry]]]":
    """Gather what lies in each folder; with `recursive` also in those that have nothing to show."""
    pending = [start]  # folders whose turn is still to come, the next one last
    for folder, group in groupby(entries, lambda entry: start if entry.path == start else _folder_of(entry.path)):
        while pending and pending[-1] != folder:
            yield pending.pop(), []
        files = list(group)
        yield folder, files
        del pending[-1:]
        if recursive:
            pending += [entry.path for entry in reversed(files) if entry.kind == "directory"]
    for folder in reversed(pending):
        yield folder, []


def _folder_of(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def _folder_lines(files: "Sequence[FileEntry]", start: bytes, manner: Manner) -> Iterator[str]:
    terminal = manner.terminal
    show = partial(show_name, quoted=terminal.is_terminal, unicode=terminal.unicode)
    plain = [show(b"/" + start if entry.path == start else entry.path.rpartition(b"/")[2]) for entry in files]
    names = plain
    if terminal.colour:
        names = [paint(name, colour_of(entry), colour=True) for entry, name in zip(files, plain, strict=True)]
    if manner.is_long:
        targets = [show(entry.target) if entry.target else "" for entry in files]
        for line in long_lines(files, names, targets, human=manner.human):
            yield line + "\n"
    elif manner.one_per_line:
        for name in names:
            yield name + "\n"
    else:
        yield from _columns(plain, names, terminal.width)


def _columns(plain: Sequence[str], names: Sequence[str], width: int) -> Iterator[str]:
    lines = arrange(plain, width)
    if not lines:
        return
    ranks = range(len(lines[0]))
    widths = [max(cells(plain[line[rank]]) for line in lines if rank < len(line)) for rank in ranks]
    for line in lines:
        filled = (names[index] + " " * (widths[rank] - cells(plain[index])) for rank, index in enumerate(line[:-1]))
        yield "  ".join([*filled, names[line[-1]]]) + "\n"
