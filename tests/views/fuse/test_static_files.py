"""Which answer belongs to which question, without a kernel."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.formats.made_tables import Node, make_image, symlink
from tests.views.fuse import questions

from rafsight.access.backend import NotFound
from rafsight.base.errors import Defect
from rafsight.formats.tables import MalformedImage, Xattr
from rafsight.image.tree import ImageTree
from rafsight.views.fuse import wire
from rafsight.views.fuse.records import Records
from rafsight.views.fuse.static_files import StaticFiles
from rafsight.views.fuse.wire import Opcode
from rafsight.views.vfs import VolumeSize, stat_columns

ROOT = wire.ROOT
NODES = {b"d/in": Node(), b"f": Node(content=b"0123456789"), b"l": symlink(b"target"), b"x": symlink(b"t" * 4095)}


class Pieces:
    """A source whose content and xattrs are given, or fail."""

    def __init__(self, nodes=NODES, *, content=b"0123456789", xattrs=(), error=None):
        self.tree = ImageTree(make_image(nodes).tables)
        self.records = Records(self.tree.entries, self.tree.buffer, lambda rows: stat_columns(self.tree, rows))
        self.content, self.named, self.error = content, xattrs, error

    def child(self, row, name):
        return self.tree.child(row, name)

    def is_directory(self, row):
        return self.tree.is_directory(row)

    def target(self, row):
        return self.tree.target(row) if self.tree.is_symlink(row) else None

    def xattrs(self, row):
        if self.error:
            raise self.error
        return self.named

    def read(self, row, offset, size):
        if self.error:
            raise self.error
        return self.content[offset : offset + size] if self.tree.is_file(row) else None

    def volume_size(self):
        return VolumeSize(blocks=2**40, files=7)


def static(source=None, *, has_xattrs=True, **options):
    return StaticFiles(source or Pieces(), has_xattrs=has_xattrs, **options)


def node_of(files, name):
    return questions.look_up(files, name)[0]


def test_what_nobody_asks_of_a_reader_is_not_known():
    files = static()
    for opcode in (
        Opcode.OPEN,
        Opcode.OPENDIR,
        Opcode.READDIR,
        Opcode.ACCESS,
        Opcode.LSEEK,
        Opcode.FLUSH,
        Opcode.DESTROY,
        9,
        16,
        52,
    ):
        assert questions.ask(files, opcode, ROOT, bytes(64)) == errno.ENOSYS


def test_interruptions_are_not_taken():
    """ENOSYS tells the kernel to send no more of them; they name no inode."""
    assert questions.ask(static(), Opcode.INTERRUPT, 0, bytes(8)) == errno.ENOSYS


def test_forgetting_is_not_answered():
    files = static()
    assert questions.ask(files, Opcode.FORGET, ROOT, bytes(8)) is None
    assert questions.ask(files, Opcode.BATCH_FORGET, 0, bytes(24)) is None
    assert questions.ask(files, Opcode.FORGET, 99, b"") is None


@pytest.mark.parametrize("node", [0, 10, 2**63, 2**64 - 1])
def test_nodes_that_are_none(node):
    files = static()
    for opcode in (Opcode.LOOKUP, Opcode.GETATTR, Opcode.READ, Opcode.READDIRPLUS, Opcode.GETXATTR, Opcode.STATFS):
        assert questions.ask(files, opcode, node, bytes(64)) == errno.ESTALE


@given(body=some.binary(max_size=60), opcode=some.sampled_from([*Opcode, 0, 99]), node=some.integers(0, 8))
def test_any_bytes_are_answered(body, opcode, node):
    answer = questions.ask(static(), opcode, node, body)
    assert answer is None or isinstance(answer, bytes) or answer in errno.errorcode or answer == 0


def test_kinds_that_do_not_fit_the_question():
    files = static()
    file, link, folder = (node_of(files, name) for name in (b"f", b"l", b"d"))
    assert questions.ask(files, Opcode.LOOKUP, file, b"x\0") == errno.ENOTDIR
    assert questions.read(files, folder, 0, 10) == errno.EINVAL
    assert questions.read(files, link, 0, 10) == errno.EINVAL
    assert questions.read_directory(files, file, 0, 4096) == errno.ENOTDIR
    assert questions.ask(files, Opcode.READLINK, file) == errno.EINVAL
    assert questions.ask(files, Opcode.READLINK, folder) == errno.EINVAL


def test_names_that_are_too_long_for_any_file():
    files = static()
    assert questions.ask(files, Opcode.LOOKUP, ROOT, b"n" * 256 + b"\0") == errno.ENAMETOOLONG
    assert questions.look_up(files, b"n" * 255) is None


def test_links():
    files = static()
    assert questions.ask(files, Opcode.READLINK, node_of(files, b"l")) == b"target"
    assert questions.ask(files, Opcode.READLINK, node_of(files, b"x")) == b"t" * 4095
    long = static(Pieces({b"l": symlink(b"t" * 4096)}))
    assert questions.ask(long, Opcode.READLINK, node_of(long, b"l")) == errno.ENAMETOOLONG


def test_pieces_are_counted():
    files = static()
    file = node_of(files, b"f")
    assert questions.read(files, file, 2, 3) == b"234"
    assert questions.read(files, file, 8, 100) == b"89"
    assert questions.read(files, file, 100, 5) == b""
    assert questions.read(files, questions.find(files, b"d/in")[0], 0, 1) == b"0"
    tally = files.tally
    assert (tally.files, tally.reads, tally.bytes, tally.failed) == (2, 4, 6, 0)


def test_the_first_read_of_a_file_is_told_once():
    told = []
    files = static(on_first_read=told.append)
    one, other = node_of(files, b"f"), questions.find(files, b"d/in")[0]
    for node in (other, one, other, one):
        questions.read(files, node, 3, 1)
    assert told == [other - ROOT, one - ROOT]


@pytest.mark.parametrize(
    "error",
    [
        NotFound(place="here", what="blob"),
        MalformedImage(where="here", what="is damaged", offset=0),
    ],
)
def test_what_cannot_be_had_is_an_error_of_input_and_output(error):
    told = []
    files = static(Pieces(error=error), on_first_read=told.append)
    file = node_of(files, b"f")
    assert questions.read(files, file, 0, 5) == errno.EIO
    assert questions.list_xattrs(files, file, 0) == errno.EIO
    assert questions.get_xattr(files, file, b"user.a", 0) == errno.EIO
    assert files.tally.failed == 3
    assert (told, files.tally.files) == ([], 0)
    assert questions.get_attr(files, file).size == 10


def test_defects_are_for_those_who_serve():
    files = static(Pieces(error=Defect(what="test")))
    with pytest.raises(Defect):
        questions.read(files, node_of(files, b"f"), 0, 5)


XATTRS = (Xattr(name=b"user.a", value=b"value"), Xattr(name=b"user.empty", value=b""))


def test_extended_attributes():
    files = static(Pieces(xattrs=XATTRS))
    file = node_of(files, b"f")
    names = b"user.a\0user.empty\0"
    assert questions.list_xattrs(files, file, 0) == wire.GETXATTR_OUT.pack(len(names), 0)
    assert questions.list_xattrs(files, file, len(names)) == names
    assert questions.list_xattrs(files, file, len(names) - 1) == errno.ERANGE
    assert questions.get_xattr(files, file, b"user.a", 0) == wire.GETXATTR_OUT.pack(5, 0)
    assert questions.get_xattr(files, file, b"user.a", 5) == b"value"
    assert questions.get_xattr(files, file, b"user.a", 4) == errno.ERANGE
    assert questions.get_xattr(files, file, b"user.empty", 0) == wire.GETXATTR_OUT.pack(0, 0)
    assert questions.get_xattr(files, file, b"user.empty", 10) == b""
    assert questions.get_xattr(files, file, b"user.", 10) == errno.ENODATA
    assert questions.get_xattr(files, file, b"user.a\0b", 10) == b"value", "a name ends at its NUL"


def test_more_names_of_xattrs_than_the_kernel_takes():
    many = tuple(Xattr(name=b"user.%06d" % number, value=b"") for number in range(6000))
    files = static(Pieces(xattrs=many))
    assert questions.list_xattrs(files, ROOT, 65_536) == errno.E2BIG


def test_without_xattrs_the_kernel_need_not_ask_again():
    files = static(has_xattrs=False)
    assert questions.list_xattrs(files, ROOT, 0) == errno.ENOSYS
    assert questions.get_xattr(files, ROOT, b"user.a", 0) == errno.ENOSYS


def test_the_size_of_the_volume():
    blocks, free, available, files, ffree, bsize, name_size, frsize, *_ = wire.STATFS_OUT.unpack(
        questions.ask(static(), Opcode.STATFS)
    )
    assert (blocks, free, available, files, ffree) == (2**40, 0, 0, 7, 0)
    assert (bsize, name_size, frsize) == (4096, 255, 4096)
