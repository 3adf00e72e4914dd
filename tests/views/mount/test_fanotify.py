import os
import select
import struct
import subprocess
import sys
from contextlib import contextmanager
from errno import EIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.views.mount.fanotify_volumes import needs_pre_content

from rafsight.views.mount.fanotify import (
    FAN_ACCESS,
    FAN_OPEN,
    FAN_Q_OVERFLOW,
    FanotifyRefused,
    answer,
    mark_file,
    mark_filesystem,
    open_notification_group,
    open_pre_content_group,
    read_permission,
    unmark_file,
)
from rafsight.views.mount.fanotify_columns import parse_file_events


def event(mask, handle, kind):
    """Lay an event out as linux/fanotify.h and linux/exportfs.h say."""
    record = struct.pack("=BBH8sIi", 1, 0, 20 + len(handle), b"fsidfsid", len(handle), kind) + handle
    return struct.pack("=IBBHQii", 24 + len(record), 3, 0, 24, mask, -1, 1) + record


def wide(mask, ino):
    return event(mask, struct.pack("=III", ino >> 32, ino & 0xFFFFFFFF, 0), 0x81)


def narrow(mask, ino):
    return event(mask, struct.pack("=II", ino, 0), 0x01)


OVERFLOW = struct.pack("=IBBHQii", 24, 3, 0, 24, FAN_Q_OVERFLOW, -1, 0)


def test_events_of_both_handles_are_read():
    found = parse_file_events(wide(FAN_OPEN, 7 << 32 | 5) + narrow(FAN_ACCESS, 9) + wide(FAN_OPEN | FAN_ACCESS, 3))
    assert found.ino.tolist() == [7 << 32 | 5, 9, 3]
    assert found.mask.tolist() == [FAN_OPEN, FAN_ACCESS, FAN_OPEN | FAN_ACCESS]
    assert found.gaps == 0


def test_overflows_and_unknown_handles_are_counted():
    odd = event(FAN_OPEN, bytes(12), 0x77)
    found = parse_file_events(wide(FAN_OPEN, 1) + OVERFLOW + odd + wide(FAN_OPEN, 2))
    assert found.ino.tolist() == [1, 2]
    assert found.gaps == 2


def test_nothing_is_nothing():
    found = parse_file_events(b"")
    assert (len(found.ino), len(found.mask), found.gaps) == (0, 0, 0)


@given(
    some.lists(
        some.one_of(
            some.tuples(some.just("wide"), some.integers(0, 2**64 - 1)),
            some.tuples(some.just("narrow"), some.integers(0, 2**32 - 1)),
            some.just(("lost", 0)),
        )
    )
)
@settings(deadline=None, max_examples=60)
def test_any_mixture_keeps_its_order(events):
    makers = {"wide": lambda ino: wide(FAN_OPEN, ino), "narrow": lambda ino: narrow(FAN_OPEN, ino)}
    content = b"".join(OVERFLOW if kind == "lost" else makers[kind](ino) for kind, ino in events)
    found = parse_file_events(content)
    assert found.ino.tolist() == [ino for kind, ino in events if kind != "lost"]
    assert found.gaps == sum(kind == "lost" for kind, _ in events)
    assert found.ino.dtype == np.uint64


def test_a_missing_place_is_refused_with_its_reason(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    group = open_notification_group()
    try:
        with pytest.raises(FanotifyRefused, match="No such file") as refused:
            mark_filesystem(group, tmp_path / "nowhere", FAN_OPEN)
        assert refused.value.errno == 2
    finally:
        os.close(group)


@contextmanager
def asked_about(path):
    group = open_pre_content_group()
    try:
        mark_file(group, path)
        yield group
    finally:
        os.close(group)


def wait_for_event(group):
    assert select.select([group], [], [], 10)[0]
    return read_permission(group)


@contextmanager
def reader_of(path, offset, size):
    code = f"import os; f = os.open({str(path)!r}, 0); print(os.pread(f, {size}, {offset}))"
    with subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
        try:
            yield reader
        finally:
            reader.kill()


def test_a_read_waits_for_the_answer_and_sees_what_was_written_meanwhile(tmp_path):
    needs_pre_content(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(bytes(10000))
    own = os.open(path, os.O_RDWR)
    try:
        with asked_about(path) as group, reader_of(path, 5000, 4) as reader:
            found = wait_for_event(group)
            assert (found.offset, found.size, found.thread) == (4096, 4096, reader.pid)  # the kernel says whole pages
            os.pwrite(own, b"here", 5000)  # opened before the mark: nobody is asked
            assert read_permission(group) is None
            assert answer(group, found.fd)
            os.close(found.fd)
            assert reader.communicate(timeout=60)[0] == b"b'here'\n"
            assert not answer(group, found.fd)
    finally:
        os.close(own)


def test_a_read_can_be_refused_by_number_and_a_mark_taken_away(tmp_path):
    needs_pre_content(tmp_path)
    path = tmp_path / "file"
    path.write_bytes(b"content")
    with asked_about(path) as group:
        with reader_of(path, 0, 7) as reader:
            found = wait_for_event(group)
            assert answer(group, found.fd, EIO)
            os.close(found.fd)
            assert b"Input/output error" in reader.communicate(timeout=60)[1]
        unmark_file(group, path)
        assert path.read_bytes() == b"content"
        with pytest.raises(FanotifyRefused):
            unmark_file(group, path)
