"""A file's content as an answer.

This module alone decides how large a file may be to be shown at once.
"""

from typing import Final

from rafsight.access.session import Image
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB, format_size
from rafsight.image.tree import require_kind
from rafsight.reports.inspection.shell import WholeFile

MAX_SIZE: Final = 4 * MiB
"""[bytes] of a file that is shown."""


class TooLargeToShow(CallerError):
    """A file is too large to be an answer."""

    code = "too-large-to-show"
    template = "{path} has {size}, and `cat` shows at most {limit} here"
    remedy = "`rafsight cat REF PATH` writes files of any size, piece by piece."
    exit_status = ExitStatus.USAGE


def read_whole(image: Image, row: int) -> WholeFile:
    """Read a regular file whole.

    Args:
        image: the open image.
        row: of the file.
    Raises: WrongKind, TooLargeToShow; RegistryFault and ImageFault while reading.
    Cost: the chunks of the file; memory of twice its size.
    """
    tree = image.tree
    size = int(tree.entries.size[require_kind(tree, row, "file")])
    path = tree.path(row)
    if size > MAX_SIZE:
        raise TooLargeToShow(path=b"/" + path, size=format_size(size), limit=format_size(MAX_SIZE))
    return WholeFile(path=path, content=b"".join(image.read_file(row)))
