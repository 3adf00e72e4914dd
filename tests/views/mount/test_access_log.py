import resource
import signal
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image
from rafsight.views.mount.access_log import (
    AccessLogNotWritten,
    UnreadablePathList,
    find_listed,
    format_path,
    open_access_log,
    read_listed,
)

NAMES = (b"bin/sh", b"etc/a b", b"etc/line\nbreak", b"etc/trailing ", b"etc/\xff", b"srv/#x", b"srv/\xc3\xa9")


@pytest.fixture(scope="module")
def tree():
    return ImageTree(build_image({**dict.fromkeys(NAMES, b"x"), b"link": Link(b"bin/sh")}).tables)


def test_files_are_listed_once_in_order_as_they_come(tree, tmp_path):
    file = tmp_path / "log"
    rows = [tree.lookup(name) for name in NAMES]
    with open_access_log(tree, file) as log:
        log.add([rows[5], rows[0]])
        assert file.read_bytes() == b"/srv/#x\n/bin/sh\n"  # there at once
        log.add([rows[0], rows[5], rows[6]])
        log.add([])
    assert file.read_bytes() == "/srv/#x\n/bin/sh\n/srv/é\n".encode()
    assert log.failed == 0


def test_odd_names_are_remarks_for_others_and_come_back_to_us(tree, tmp_path):
    file = tmp_path / "log"
    with open_access_log(tree, file) as log:
        log.add([tree.lookup(name) for name in NAMES])
    lines = file.read_bytes().splitlines()
    assert lines == [
        b"/bin/sh",
        b"/etc/a b",
        b"#escaped /etc/line%0Abreak",
        b"#escaped /etc/trailing%20",
        b"#escaped /etc/%FF",
        b"/srv/#x",
        "/srv/é".encode(),
    ]
    assert read_listed(file) == list(NAMES)
    rows, missing = find_listed(tree, read_listed(file))
    assert [tree.path(row) for row in rows] == list(NAMES)
    assert missing == []


def test_a_log_begins_anew(tree, tmp_path):
    file = tmp_path / "log"
    file.write_bytes(b"/old\n")
    with open_access_log(tree, file):
        pass
    assert file.read_bytes() == b""


def test_a_place_that_cannot_be_written_is_an_error_at_the_start(tree, tmp_path):
    with pytest.raises(AccessLogNotWritten, match="No such file"), open_access_log(tree, tmp_path / "no" / "log"):
        pass


def test_a_full_disk_is_said_once_and_counted(tree, tmp_path):
    said = []
    with open_access_log(tree, tmp_path / "log", listener=said.append) as log:
        log.add([tree.lookup(b"bin/sh")])
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, limits[1]))
        try:
            log.add([tree.lookup(b"srv/#x"), tree.lookup(b"etc/a b")])
            log.add([tree.lookup(b"etc/\xff")])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, before)
    assert log.failed == 3
    assert len(said) == 1
    assert "File too large" in said[0].message


def test_threads_list_each_file_once(tree, tmp_path):
    rows = [tree.lookup(name) for name in NAMES]
    with open_access_log(tree, tmp_path / "log") as log:
        threads = [threading.Thread(target=log.add, args=(rows,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert read_listed(tmp_path / "log") == list(NAMES)


def test_lists_of_people_are_read(tmp_path):
    file = tmp_path / "list"
    file.write_bytes(b"# what starts first\r\n\r\n/bin/sh\r\n  /etc/a b  \n/usr/\n/bin/sh\n/\n#escaped  /a%2Fb%0a")
    assert read_listed(file) == [b"bin/sh", b"etc/a b", b"usr", b"", b"a/b\n"]


@pytest.mark.parametrize("content", [b"/bin/sh\nbin/ls\n", b"\x7fELF", b"#escaped usr\n", b"/a\0b\n"])
def test_what_is_no_list_is_refused(tmp_path, content):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(UnreadablePathList, match="line"):
        read_listed(tmp_path / "list")


def test_a_missing_list_is_refused(tmp_path):
    with pytest.raises(UnreadablePathList, match="No such file"):
        read_listed(tmp_path / "list")


def test_folders_links_and_missing_names(tree):
    rows, missing = find_listed(tree, [b"srv", b"nowhere", b"link", b"bin/sh", b""])
    found = [tree.path(row) for row in rows]
    assert found[:3] == [b"srv/#x", b"srv/\xc3\xa9", b"bin/sh"]
    assert sorted(found) == sorted(NAMES)
    assert missing == [b"nowhere"]
    nothing, _ = find_listed(tree, [])
    assert nothing.tolist() == []


@given(some.lists(some.lists(some.binary(min_size=1, max_size=8), min_size=1, max_size=4), max_size=10))
@settings(deadline=None, max_examples=100)
def test_every_path_comes_back(tmp_path_factory, parts):
    names = [[part.replace(b"/", b"_").replace(b"\0", b"_") for part in path] for path in parts]
    paths = list(dict.fromkeys(b"/".join(path) for path in names))
    file = tmp_path_factory.mktemp("list") / "list"
    file.write_bytes(b"".join(format_path(path) for path in paths))
    assert read_listed(file) == paths
