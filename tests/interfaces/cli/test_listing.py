import base64
import json
import shutil
import stat
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight import FileEntry
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.interfaces.cli.find import mistake_in
from rafsight.interfaces.cli.listing import (
    arrange,
    colour_of,
    describe,
    format_time,
    in_blocks,
    json_array,
    long_lines,
    mode_string,
    quote_name,
    short_size,
)
from rafsight.interfaces.cli.ls import Manner, list_lines, visible
from rafsight.interfaces.cli.terminal import A_FILE, Terminal

PIPE = Manner(is_long=False, human=False, one_per_line=True, recursive=False, terminal=A_FILE)
TTY = Terminal(is_terminal=True, width=40, colour=False, unicode=True)


def entry(path, kind="file", **more):
    defaults = {
        "row": 1,
        "mode": 0o755 if kind == "directory" else 0o644,
        "uid": 0,
        "gid": 0,
        "size": 0,
        "mtime": 1_700_000_000,
        "mtime_nsec": 0,
        "nlink": 1,
        "device": (0, 0),
        "target": None,
    }
    return FileEntry(path=path, kind=kind, **(defaults | more))


TREE = (
    entry(b"bin", "symlink", target=b"usr/bin", mode=0o777),
    entry(b"dev", "directory"),
    entry(b"dev/null", "char", device=(1, 3), mode=0o666),
    entry(b"etc", "directory"),
    entry(b"etc/.pwd.lock"),
    entry(b"etc/passwd", size=1234),
    entry(b"etc/ssl", "directory"),
    entry(b"srv", "directory"),
    entry(b"srv/new\nline"),
    entry(b"srv/\xff", size=12_345_678, mode=0o4755, nlink=2, uid=1000, gid=100),
)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        (b"plain-1.0_x", "plain-1.0_x"),
        (b"with space", "'with space'"),
        (b"it's", "'it'\\''s'"),
        (b"", "''"),
        (b"new\nline", "$'new\\nline'"),
        (b"\x1b[31mred", "$'\\033[31mred'"),
        (b"\xff\xfe", "$'\\377\\376'"),
        (b"a'\t\\", "$'a\\'\\t\\\\'"),
        ("\u6f22".encode(), "\u6f22"),
        ("\u202egnp".encode(), "$'\\342\\200\\256gnp'"),
        (b"$(reboot)", "'$(reboot)'"),
        (b"#x", "'#x'"),
    ],
)
def test_names_are_quoted_as_a_shell_needs_them(name, quoted):
    assert quote_name(name) == quoted


def test_ascii_terminals_get_octal_bytes():
    assert quote_name("\u6f22".encode(), unicode=False) == "$'\\346\\274\\242'"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash to judge")
@settings(deadline=None, max_examples=60)
@given(name=st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name), unicode=st.booleans())
def test_bash_reads_back_the_same_bytes(name, unicode):
    quoted = quote_name(name, unicode=unicode)
    assert quoted.isprintable()
    answer = subprocess.run(
        ["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"}
    )
    assert answer.stdout == name


def test_long_lines_are_aligned():
    rows = [TREE[0], TREE[2], TREE[5], TREE[9]]
    names = ["bin", "null", "passwd", "x"]
    assert list(long_lines(rows, names, ["usr/bin", "", "", ""], human=False)) == [
        "lrwxrwxrwx 1    0   0        0 2023-11-14 22:13:20 bin -> usr/bin",
        "crw-rw-rw- 1    0   0     1, 3 2023-11-14 22:13:20 null",
        "-rw-r--r-- 1    0   0     1234 2023-11-14 22:13:20 passwd",
        "-rwsr-xr-x 2 1000 100 12345678 2023-11-14 22:13:20 x",
    ]
    assert " 12M " in list(long_lines(rows, names, [""] * 4, human=True))[3]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0B"),
        (267, "267B"),
        (1023, "1023B"),
        (1024, "1.0K"),
        (1025, "1.1K"),
        (1229, "1.3K"),
        (10_137, "9.9K"),
        (10_138, "10K"),
        (1_047_552, "1023K"),
        (1_047_553, "1.0M"),
        (12_345_678, "12M"),
        (2**64 - 1, "16E"),
    ],
)
def test_short_sizes_are_those_of_ls(size, shown):
    assert short_size(size) == shown


@pytest.mark.skipif(shutil.which("numfmt") is None, reason="needs numfmt to judge")
@settings(deadline=None, max_examples=60)
@given(size=st.integers(1024, 2**62))
def test_numfmt_agrees(size):
    answer = subprocess.run(["numfmt", "--to=iec", str(size)], capture_output=True, text=True, check=True)
    assert short_size(size) == answer.stdout.strip()


@pytest.mark.parametrize("pattern", ["", "/", "[", "a[bc", "[]", "[!]", "[[]["])
def test_globs_that_are_mistakes_are_refused(pattern, capsys):
    assert mistake_in(pattern)
    assert run(["find", "oci:/nowhere", pattern]) == ExitStatus.USAGE
    assert "PATTERN" in capsys.readouterr().err


@pytest.mark.parametrize("pattern", ["*", "[[]", "[]]", "[!]]", "[!a]b[c]", "]", "/etc/*.conf", "lib*.so.?"])
def test_globs_that_are_none_are_taken(pattern):
    assert mistake_in(pattern) == ""


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "1970-01-01 00:00:00"),
        (-1, "1969-12-31 23:59:59"),
        (2**62, f"@{2**62}"),
        (-(2**62), f"@{-(2**62)}"),
        (10**12, f"@{10**12}"),
    ],
)
def test_times_that_no_calendar_has_stay_numbers(seconds, shown):
    assert format_time(seconds) == shown


@pytest.mark.parametrize(
    ("kind", "mode", "shown"),
    [
        ("file", 0o644, "-rw-r--r--"),
        ("directory", 0o1777, "drwxrwxrwt"),
        ("symlink", 0o777, "lrwxrwxrwx"),
        ("char", 0o666, "crw-rw-rw-"),
        ("block", 0o660, "brw-rw----"),
        ("fifo", 0o600, "prw-------"),
        ("socket", 0o755, "srwxr-xr-x"),
        ("file", 0o6755, "-rwsr-sr-x"),
        ("file", stat.S_IFREG | 0o600, "-rw-------"),
    ],
)
def test_mode_strings(kind, mode, shown):
    assert mode_string(entry(b"x", kind, mode=mode)) == shown


def test_colours():
    assert colour_of(entry(b"d", "directory")) == "1;34"
    assert colour_of(entry(b"f")) == ""
    assert colour_of(entry(b"f", mode=0o755)) == "1;32"
    assert colour_of(entry(b"f", mode=0o4755)) == "37;41"


def test_columns_read_down():
    assert arrange(["a", "b", "c", "d", "e"], 7) == [[0, 2, 4], [1, 3]]
    assert arrange([], 80) == []
    assert arrange(["x" * 100, "y"], 80) == [[0], [1]]
    assert arrange(["a", "b"], 80) == [[0, 1]]


@settings(deadline=None, max_examples=60)
@given(names=st.lists(st.text("ab", min_size=1, max_size=12), max_size=40), width=st.integers(1, 80))
def test_columns_hold_every_name_once_and_the_width(names, width):
    lines = arrange(names, width)
    assert sorted(index for line in lines for index in line) == list(range(len(names)))
    manner = Manner(
        is_long=False,
        human=False,
        one_per_line=False,
        recursive=False,
        terminal=Terminal(is_terminal=True, width=width, colour=False, unicode=True),
    )
    shown = list(list_lines([entry(name.encode()) for name in names], b"", manner))
    assert len(shown) == len(lines)
    longest = max(map(len, names), default=0)
    assert all(len(line.rstrip("\n")) <= max(width, longest) for line in shown)


def test_a_pipe_gets_one_raw_name_a_line():
    shown = "".join(list_lines([TREE[8], TREE[9]], b"srv", PIPE))
    assert shown.encode("utf-8", "surrogateescape") == b"new\nline\n\xff\n"


def test_a_terminal_gets_quoted_names():
    manner = Manner(is_long=False, human=False, one_per_line=True, recursive=False, terminal=TTY)
    assert list(list_lines([TREE[8], TREE[9]], b"srv", manner)) == ["$'new\\nline'\n", "$'\\377'\n"]


def test_names_that_begin_with_a_dot_are_left_out():
    assert [e.path for e in visible(TREE, b"") if e.path.startswith(b"etc")] == [b"etc", b"etc/passwd", b"etc/ssl"]
    hidden = [entry(b".git/a"), entry(b".git/.b"), entry(b".git/.c/d")]
    assert [e.path for e in visible(hidden, b".git")] == [b".git/a"]
    assert [e.path for e in visible([entry(b".env")], b".env")] == [b".env"]


def test_a_recursive_listing_has_a_heading_for_each_folder_even_an_empty_one():
    manner = Manner(is_long=False, human=False, one_per_line=True, recursive=True, terminal=A_FILE)
    by_folder = sorted(TREE[:7], key=lambda one: one.path.count(b"/"))  # as `list_files` gives them
    assert "".join(list_lines(visible(by_folder, b""), b"", manner)) == (
        "/:\nbin\ndev\netc\n\n/dev:\nnull\n\n/etc:\npasswd\nssl\n\n/etc/ssl:\n"
    )


def test_a_single_file_is_named_by_its_path():
    assert list(list_lines([TREE[5]], b"etc/passwd", PIPE)) == ["/etc/passwd\n"]


def test_json_says_everything():
    assert describe(TREE[2]) == {
        "path": "/dev/null",
        "type": "char",
        "mode": "0666",
        "nlink": 1,
        "uid": 0,
        "gid": 0,
        "size": 0,
        "mtime": 1_700_000_000,
        "mtime_nsec": 0,
        "major": 1,
        "minor": 3,
    }
    assert describe(TREE[0])["target"] == "usr/bin"


def test_json_keeps_bytes_that_are_no_text():
    described = describe(entry(b"srv/\xff", "symlink", target=b"\xfe"))
    assert base64.b64decode(described["path_b64"]) == b"/srv/\xff"
    assert described["path"] == "/srv/\ufffd"
    assert base64.b64decode(described["target_b64"]) == b"\xfe"


@pytest.mark.parametrize("count", [0, 1, 10])
def test_json_is_one_array(count):
    assert json.loads("".join(json_array(TREE[:count]))) == [describe(file) for file in TREE[:count]]


def test_a_recursive_listing_needs_one_folder_at_a_time():
    manner = Manner(is_long=True, human=False, one_per_line=True, recursive=True, terminal=A_FILE)
    taken = []

    def listed():
        for one in sorted(TREE, key=lambda one: one.path.count(b"/")):
            taken.append(one.path)
            yield one

    lines = list_lines(listed(), b"", manner)
    assert next(lines) == "/:\n"
    assert taken == [b"bin", b"dev", b"etc", b"srv", b"dev/null"]


def test_blocks_are_all_lines():
    assert "".join(in_blocks(f"{number}\n" for number in range(1300))) == "".join(f"{n}\n" for n in range(1300))
    assert list(in_blocks([])) == []
