"""The handshake, and the loop of question and answer, over a pair of sockets that keep messages apart as the device does."""

import errno
import os
import select
import socket
import struct
from types import SimpleNamespace

import pytest

from rafsight.views.fuse import wire
from rafsight.views.fuse.channel import NoFuse
from rafsight.views.fuse.device import converse, greet
from rafsight.views.fuse.wire import InitFlag, Opcode

ALL_FLAGS = 0xFFFF_FFFF
NONE = InitFlag(0)


@pytest.fixture
def ends():
    """The kernel's end, and ours."""
    kernel, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with kernel, ours:
        kernel.settimeout(10)
        yield kernel, ours


def question(opcode, body=b"", *, unique=7, node=1):
    return wire.IN_HEADER.pack(wire.IN_HEADER.size + len(body), opcode, unique, node, 0, 0, 0, 0, 0) + body


def init(major=7, minor=45, flags=ALL_FLAGS):
    return question(Opcode.INIT, wire.INIT_IN.pack(major, minor, 131_072, flags) + bytes(48))


def heard(kernel):
    """Return error, unique and body of an answer."""
    content = kernel.recv(1 << 21)
    size, error, unique = wire.OUT_HEADER.unpack_from(content)
    assert size == len(content)
    return error, unique, content[wire.OUT_HEADER.size :]


def wanting(flags=NONE):
    return SimpleNamespace(init_flags=flags)


def greeted(ends, *messages, max_read=1 << 20, flags=NONE):
    kernel, ours = ends
    for message in messages:
        kernel.send(message)
    greet(ours.fileno(), wanting(flags), directory="/somewhere", max_read=max_read)
    return [struct.unpack_from("=IIIIHHIIH", heard(kernel)[2]) for _ in messages]


@pytest.mark.parametrize(("minor", "spoken"), [(31, 31), (38, 38), (45, 38)])
def test_the_handshake(minor, spoken, ends):
    ((major, answered, readahead, flags, background, congestion, max_write, grain, pages),) = greeted(
        ends, init(minor=minor)
    )
    assert (major, answered, readahead) == (7, spoken, 131_072)
    assert 0 < congestion < background
    assert (max_write, grain, pages) == (4096, 1, 256)
    wanted = InitFlag.DO_READDIRPLUS | InitFlag.CACHE_SYMLINKS | InitFlag.EXPLICIT_INVAL_DATA | InitFlag.MAX_PAGES
    assert flags & wanted == wanted
    assert not flags & InitFlag.POSIX_ACL
    assert not flags & (1 << 30), "FUSE_INIT_EXT: we say nothing in the words behind"


def test_only_what_the_kernel_can_is_asked_for(ends):
    answer = greeted(ends, init(flags=InitFlag.ASYNC_READ | InitFlag.POSIX_ACL), flags=InitFlag.POSIX_ACL)
    assert answer[0][3] == InitFlag.ASYNC_READ | InitFlag.POSIX_ACL


def test_a_newer_kernel_comes_down_to_us(ends):
    first, second = greeted(ends, init(major=8, minor=0), init())
    assert first[:2] == (7, 38)
    assert second[:2] == (7, 38)


@pytest.mark.parametrize("version", [(7, 30), (6, 50)])
def test_an_older_kernel_is_refused(version, ends):
    kernel, ours = ends
    kernel.send(init(*version))
    with pytest.raises(NoFuse, match=rf"{version[0]}\.{version[1]}"):
        greet(ours.fileno(), wanting(), directory="/somewhere", max_read=4096)
    assert heard(kernel)[0] == -errno.EPROTO


@pytest.mark.parametrize("message", [question(Opcode.LOOKUP, b"name\0"), init()[:50]])
def test_a_conversation_that_begins_otherwise(message, ends):
    kernel, ours = ends
    kernel.send(message)
    with pytest.raises(NoFuse, match="began with"):
        greet(ours.fileno(), wanting(), directory="/somewhere", max_read=4096)


def test_a_kernel_that_hangs_up():
    read, write = os.pipe()
    try:
        os.close(read)
        with pytest.raises(NoFuse):
            greet(write, wanting(), directory="/somewhere", max_read=4096)
    finally:
        os.close(write)


def talk(ends, answers, *messages):
    """Answer messages one after the other; returns what the kernel hears, what was told and what was asked."""
    kernel, ours = ends
    told, asked = [], []
    left = iter(answers)

    def answer(request):
        asked.append((request.opcode, request.node, bytes(request.body)))
        found = next(left)
        if isinstance(found, Exception):
            raise found
        return found

    paces = []

    def pace(has_request):
        paces.append(has_request)
        return has_request or paces.count(False) <= len(messages)

    for message in messages:
        kernel.send(message)
    converse(ours.fileno(), SimpleNamespace(answer=answer), pace, told.append)
    assert paces == [False, True] * len(messages) + [False]
    answered = []
    while select.select([kernel], [], [], 0)[0]:
        answered.append(heard(kernel))
    return answered, told, asked


def test_questions_and_answers(ends):
    answered, told, asked = talk(
        ends,
        [(b"one", bytearray(b" two"), memoryview(b" three")), errno.ENOENT, 0, (), None],
        question(Opcode.READ, b"body", unique=1, node=9),
        question(Opcode.LOOKUP, b"x\0", unique=2),
        question(Opcode.RELEASE, unique=2**63),
        question(Opcode.READDIRPLUS, unique=4),
        question(Opcode.FORGET, bytes(8), unique=5),
    )
    assert answered == [(0, 1, b"one two three"), (-errno.ENOENT, 2, b""), (0, 2**63, b""), (0, 4, b"")]
    assert told == []
    assert asked[:2] == [(Opcode.READ, 9, b"body"), (Opcode.LOOKUP, 1, b"x\0")]


def test_what_nobody_expected_is_told_and_answered(ends):
    mistake = RuntimeError("unexpected")
    answered, told, _ = talk(ends, [mistake, 0], question(Opcode.READ, unique=1), question(Opcode.READ, unique=2))
    assert answered == [(-errno.EIO, 1, b""), (0, 2, b"")]
    assert told == [mistake]


def test_less_than_a_header_is_no_question(ends):
    answered, _, asked = talk(ends, [0], b"short", question(Opcode.GETATTR, unique=3))
    assert answered == [(0, 3, b"")]
    assert len(asked) == 1


def test_the_loop_ends_with_the_connection():
    read, write = os.pipe()
    os.close(read)
    try:
        converse(write, SimpleNamespace(answer=None), lambda _has_request: True, print)
    finally:
        os.close(write)
