"""The table of what may be asked: names, arguments, and the question behind each.

This module alone decides which commands there are. Questions are imported when they are asked, so that a cheap one pays
for no other.
"""

import difflib
from os import fsdecode
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.reports.inspection.shell import CommandHelp, CurrentDirectory, Help, Leave
from rafsight.verbs.inspect.arguments import Argument, Command, Kind, Place, Words, read_number

DEFAULT_COUNT: Final = 20
"""Files and directories that `top` names if nobody says how many."""


class UnknownCommand(CallerError):
    """A request begins with a word that is no command."""

    code = "unknown-command"
    template = "there is no command {name}"
    remedy = "{closest}`help` lists the commands."
    exit_status = ExitStatus.USAGE


def find_command(name: bytes) -> Command:
    """Return a command by its name or an alias.

    Raises: UnknownCommand.
    """
    text = fsdecode(name)
    found = _BY_NAME.get(text)
    if found is None:
        close = difflib.get_close_matches(text[:100].lower(), _BY_NAME, n=1)
        raise UnknownCommand(name=name, closest=f"Did you mean `{close[0]}`? " if close else "")
    return found


def _given(word: bytes | None) -> bytes:
    """Return a word that `bind` has seen to."""
    assert word is not None
    return word


def _row(place: Place, path: bytes | None, *, follow: bool) -> int:
    """Return the row of a path, else of the current directory; a slash at the end of a path follows links, too."""
    path = path or b""
    return place.resolve(path, follow=follow or path.endswith(b"/"))


def _stats(place: Place, words: Words) -> object:
    del words
    from rafsight.verbs.inspect.head import read_stats

    return read_stats(place.image)


def _superblock(place: Place, words: Words) -> object:
    del words
    from rafsight.verbs.inspect.head import read_superblock

    return read_superblock(place.image)


def _ls(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.metadata import list_directory

    return list_directory(place.image, _row(place, words[0], follow=False))


def _cd(place: Place, words: Words) -> object:
    place.enter(_row(place, words[0], follow=True))
    return CurrentDirectory(path=place.directory)


def _pwd(place: Place, words: Words) -> object:
    del words
    return CurrentDirectory(path=place.directory)


def _stat(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.metadata import describe_entry

    return describe_entry(place.image, _row(place, words[0], follow=False))


def _blobs(place: Place, words: Words) -> object:
    if words[0] is not None:
        from rafsight.verbs.inspect.content import measure_blobs

        return measure_blobs(place.image)
    from rafsight.verbs.inspect.head import list_blobs

    return list_blobs(place.image)


def _prefetch(place: Place, words: Words) -> object:
    del words
    from rafsight.verbs.inspect.metadata import list_prefetch

    return list_prefetch(place.image)


def _chunk(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.metadata import find_chunks

    offset = read_number(_given(words[0]), "offset")
    return find_chunks(place.image, offset, None if words[1] is None else fsdecode(words[1]))


def _icheck(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.metadata import check_inode

    return check_inode(place.image, read_number(_given(words[0]), "inode number"))


def _find(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.metadata import list_found

    return list_found(place.image, _given(words[0]), _row(place, words[1], follow=True))


def _cat(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.reading import read_whole

    return read_whole(place.image, _row(place, words[0], follow=True))


def _top(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.content import list_largest

    count = DEFAULT_COUNT if words[0] is None else read_number(words[0], "count")
    return list_largest(place.image, count, _row(place, words[1], follow=True))


def _layers(place: Place, words: Words) -> object:
    del words
    from rafsight.verbs.inspect.content import list_layers

    return list_layers(place.image)


def _dedupe(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.content import find_shared

    if words[0] is None:
        return find_shared(place.image, None)
    with place.open_other(fsdecode(words[0])) as other:
        return find_shared(place.image, other)


def _diff(place: Place, words: Words) -> object:
    from rafsight.verbs.inspect.content import compare_images

    with place.open_other(fsdecode(_given(words[0]))) as other:
        return compare_images(place.image, other)


def _help(place: Place, words: Words) -> object:
    del place
    shown = COMMANDS if words[0] is None else (find_command(words[0]),)
    return Help(
        commands=tuple(
            CommandHelp(name=one.name, aliases=one.aliases, usage=one.usage, summary=one.summary, details=one.details)
            for one in shown
        ),
        is_whole=words[0] is None,
    )


def _exit(place: Place, words: Words) -> object:
    del place, words
    return Leave()


def _optional(name: str, kind: Kind) -> Argument:
    return Argument(name=name, kind=kind, is_optional=True)


_PATH: Final = Argument(name="PATH", kind=Kind.PATH)
_OTHER: Final = Argument(name="OTHER", kind=Kind.SOURCE)

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        name="stats",
        summary="Version, inodes, chunk size, flags, and where the tables are.",
        run=_stats,
    ),
    Command(name="superblock", summary="Every field of the superblock.", run=_superblock),
    Command(
        name="ls",
        summary="List a directory.",
        arguments=(_optional("PATH", Kind.PATH),),
        details="A symbolic link is listed itself; with a slash after it, the directory that it leads to.",
        run=_ls,
    ),
    Command(
        name="cd",
        summary="Go to a directory.",
        arguments=(Argument(name="PATH", kind=Kind.DIRECTORY),),
        details="Symbolic links are followed; `pwd` then has no link in it.",
        run=_cd,
    ),
    Command(name="pwd", summary="Say the current directory.", run=_pwd),
    Command(
        name="stat",
        summary="Inode, attributes and chunks of a file.",
        arguments=(_PATH,),
        details="A symbolic link is shown itself; with a slash after it, the directory that it leads to.",
        run=_stat,
    ),
    Command(
        name="blobs",
        summary="The blobs of the image; --use: how much of each its files use.",
        arguments=(_optional("--use", Kind.FLAG),),
        run=_blobs,
    ),
    Command(name="prefetch", summary="The files that are to be fetched first.", run=_prefetch),
    Command(
        name="chunk",
        summary="The files that have the chunk at an offset of a blob.",
        arguments=(Argument(name="OFFSET", kind=Kind.NUMBER), _optional("BLOB", Kind.BLOB)),
        details="OFFSET is that of the compressed chunk, decimal or with 0x. BLOB is a blob's id or its index.",
        run=_chunk,
    ),
    Command(
        name="icheck",
        summary="The paths of an inode.",
        arguments=(Argument(name="INODE", kind=Kind.NUMBER),),
        details="INODE is the number that `ls` and `stat` show, decimal or with 0x.",
        run=_icheck,
    ),
    Command(
        name="find",
        summary="Find files by name.",
        arguments=(Argument(name="PATTERN", kind=Kind.PATTERN), _optional("PATH", Kind.DIRECTORY)),
        details="PATTERN is a shell glob, compared with the last part of a path, or with all of it if it has a slash. "
        r"Outside of '...', \xNN is a byte and \uNNNN a character: find *\xff*, find 'a b*'. [*] is an asterisk.",
        run=_find,
    ),
    Command(
        name="cat",
        summary="Show a file's content.",
        arguments=(Argument(name="PATH", kind=Kind.FILE),),
        details="Only its chunks are fetched, and each is verified. Large files are for `rafsight cat`.",
        run=_cat,
    ),
    Command(
        name="top",
        summary="The largest files and directories.",
        arguments=(_optional("COUNT", Kind.COUNT), _optional("PATH", Kind.DIRECTORY)),
        details=f"{DEFAULT_COUNT} of each if COUNT is left out. A directory that is named like a number: ./5",
        run=_top,
    ),
    Command(name="layers", summary="The layers of the image, and what each brings.", run=_layers),
    Command(
        name="dedupe",
        summary="What the image has twice, or shares with another one.",
        arguments=(_optional("OTHER", Kind.SOURCE),),
        details="OTHER is an image: HOST/REPO:TAG, oci:DIR[:TAG] or boot:FILE.",
        run=_dedupe,
    ),
    Command(
        name="diff",
        summary="What another image has more, less or otherwise.",
        arguments=(_OTHER,),
        details="OTHER is an image: HOST/REPO:TAG, oci:DIR[:TAG] or boot:FILE.",
        run=_diff,
    ),
    Command(
        name="help",
        summary="List the commands, or say more about one.",
        arguments=(_optional("COMMAND", Kind.COMMAND),),
        run=_help,
    ),
    Command(name="exit", aliases=("quit", "q"), summary="Leave.", run=_exit),
)

_BY_NAME: Final = {name: command for command in COMMANDS for name in (command.name, *command.aliases)}
