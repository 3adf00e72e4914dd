"""Requests about golden images: paths, arity, completion; what each question answers is tested beside it."""

import hashlib
import json
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.verbs.inspect.layouts import write_plain

from rafsight import open_image
from rafsight.base.errors import ExitStatus, RafsightError
from rafsight.image.tree import NoSuchPath, WrongKind
from rafsight.reports.inspection.metadata import EntryFacts, Listing
from rafsight.reports.inspection.shell import CurrentDirectory, Help, Leave, WholeFile
from rafsight.testing.bootstraps import synthetic_bootstrap
from rafsight.testing.registry import PLANTED
from rafsight.verbs.inspect.arguments import MalformedNumber, UnknownOption, WrongArguments, bind, next_arguments
from rafsight.verbs.inspect.commands import COMMANDS, UnknownCommand, find_command
from rafsight.verbs.inspect.inspector import CANDIDATES, EmptyRequest, Inspector, _bounded
from rafsight.verbs.inspect.reading import MAX_SIZE, TooLargeToShow
from rafsight.verbs.inspect.requests import MalformedRequest, quote, split

GOLDEN = Path(__file__).resolve().parents[2] / "golden/rafs"
IMAGES = ["v5-zstd", "v6-zstd", "merge-oci-v5", "merge-oci-v6", "v6-inline", "tar-tarfs"]


def reference(name):
    return f"boot:{GOLDEN / name / 'image.boot'}"


@contextmanager
def inspecting(source):
    with open_image(source, lazy=True) as image:
        yield Inspector(image, partial(open_image, lazy=True))


@pytest.fixture(scope="module", params=["v5-zstd", "v6-zstd"])
def inspector(request):
    with inspecting(reference(request.param)) as one:
        yield one


@pytest.fixture(autouse=True)
def at_the_root(request):
    if "inspector" in request.fixturenames:
        request.getfixturevalue("inspector").enter(0)


def texts(inspector, request):
    return [candidate.text for candidate in inspector.complete(request).candidates]


@pytest.mark.parametrize("name", IMAGES)
def test_every_path_can_be_asked_for_and_completed(name):
    with inspecting(reference(name)) as inspector:
        tree = inspector.image.tree
        paths = tree.paths()
        assert len(paths) > 20
        for row, path in enumerate(paths[1:], 1):
            answer = inspector.ask(b"stat " + quote(b"/" + path))
            assert isinstance(answer, EntryFacts)
            assert answer.attributes.path == path
            above, slash, base = path.rpartition(b"/")
            for begun in (base[:1], base[: len(base) // 2], base):
                typed = quote(b"/" + above + slash + begun)
                found = texts(inspector, b"stat " + typed)
                assert quote(b"/" + path) + (b"/" if tree.is_directory(row) else b"") in found
                assert all(split(text)[0].startswith(b"/" + above + slash + begun) for text in found)


def test_every_completion_is_read_back(inspector):
    tree = inspector.image.tree
    for kind, command in ((None, b"stat "), ("file", b"cat "), ("directory", b"cd ")):
        for above in [b"", b"/", b"a/", quote(b"!dir/"), b"big-dir/"]:
            for text in texts(inspector, command + above):
                word, path = split(command + text)
                assert word == command.strip()
                row = inspector.resolve(path, follow=kind is not None)
                assert kind is None or tree.kind(row) in (kind, "directory")


def test_paths_are_relative_to_the_current_directory(inspector):
    assert inspector.ask(b"pwd") == CurrentDirectory(path=b"")
    assert inspector.ask(b"cd a") == CurrentDirectory(path=b"a")
    assert inspector.directory == b"a"
    inside = inspector.ask(b"ls")
    assert isinstance(inside, Listing)
    assert [entry.name for entry in inside.entries] == inspector.image.tree.names(
        inspector.image.tree.children(inspector.image.tree.lookup(b"a"))
    )
    assert inspector.ask(b"stat .").attributes.path == b"a"
    assert inspector.ask(b"stat ../one").attributes.path == b"one"
    assert inspector.ask(b"stat /one").attributes.path == b"one"
    assert inspector.ask(b"stat /").attributes.path == b""
    assert b"b/" in texts(inspector, b"cd ")
    assert b"../one" in texts(inspector, b"cat ../on")
    assert inspector.ask(b"cd ..") == CurrentDirectory(path=b"")
    assert inspector.ask(b"cd ../..") == CurrentDirectory(path=b"")


def test_a_failed_cd_goes_nowhere(inspector):
    inspector.ask(b"cd a")
    with pytest.raises(NoSuchPath):
        inspector.ask(b"cd nope")
    with pytest.raises(WrongKind) as caught:
        inspector.ask(b"cd /one")
    assert "/one is a file, not a directory" in str(caught.value)
    assert inspector.directory == b"a"


def test_links_are_shown_themselves_and_followed_where_a_directory_is_meant():
    with inspecting(f"oci:{PLANTED}:v6") as inspector:
        tree = inspector.image.tree
        link = next(row for row in tree.walk() if tree.is_symlink(row) and _leads_to_a_directory(tree, row))
        path = quote(b"/" + tree.path(link))
        target = tree.path(tree.lookup(tree.path(link)))
        assert inspector.ask(b"stat " + path).attributes.kind == "symlink"
        assert inspector.ask(b"stat " + path + b"/").attributes.path == target
        assert inspector.ask(b"cd " + path) == CurrentDirectory(path=target)
        assert len(inspector.ask(b"ls " + path + b"/").entries) == len(tree.children(tree.lookup(target)))
        assert path in texts(inspector, b"cd " + path)


def _leads_to_a_directory(tree, row):
    target = tree.find(tree.path(row))
    return target is not None and tree.is_directory(target)


def test_a_dangling_link_completes_no_directory_and_no_file(inspector):
    assert texts(inspector, b"stat sl-dang") == [b"sl-dangling"]
    assert texts(inspector, b"cd sl-dang") == []
    assert texts(inspector, b"cat sl-dang") == []
    assert inspector.ask(b"stat sl-dangling").attributes.kind == "symlink"


@pytest.mark.parametrize("name", IMAGES)
def test_what_needs_no_tree_reads_none(name):
    with inspecting(reference(name)) as inspector:
        for request in (b"stats", b"superblock", b"blobs", b"pwd", b"help", b"exit"):
            inspector.ask(request)
        assert texts(inspector, b"st") == [b"stats", b"stat"]
        assert texts(inspector, b"chunk 0 ")
        assert inspector.image._grown is None
        inspector.ask(b"ls")
        assert inspector.image._grown is not None


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "v6-enc", "v6-batch"])
def test_cat_answers_with_the_whole_file(name):
    known = {one["path"].encode("utf-8", "surrogateescape"): one for one in _golden_tree(name)}
    with inspecting(reference(name)) as inspector:
        for path, one in list(known.items()):
            if "sha256" not in one:
                continue
            if one["size"] > MAX_SIZE:
                with pytest.raises(TooLargeToShow):
                    inspector.ask(b"cat " + quote(path))
                continue
            answer = inspector.ask(b"cat " + quote(path))
            assert isinstance(answer, WholeFile)
            assert hashlib.sha256(answer.content).hexdigest() == one["sha256"]
        with pytest.raises(WrongKind):
            inspector.ask(b"cat /")


def _golden_tree(name):
    tree = json.loads((GOLDEN / name / "tree.json").read_bytes())
    return [one for one in tree if "path_b64" not in one]


def test_a_large_file_is_refused_before_a_byte_is_fetched(tmp_path):
    (tmp_path / "image.boot").write_bytes(synthetic_bootstrap(3000))
    with inspecting(f"boot:{tmp_path / 'image.boot'}") as inspector:
        tree = inspector.image.tree
        row = max((row for row in tree.walk() if tree.is_file(row)), key=lambda row: int(tree.entries.size[row]))
        tree.entries.size[row] = MAX_SIZE + 1
        with pytest.raises(TooLargeToShow) as caught:
            inspector.ask(b"cat " + quote(b"/" + tree.path(row)))
        assert "`rafsight cat" in caught.value.advice


@pytest.mark.parametrize(
    ("request_", "error", "said"),
    [
        (b"", EmptyRequest, "empty"),
        (b"frobnicate", UnknownCommand, "there is no command frobnicate"),
        (b"stas", UnknownCommand, "there is no command stas"),
        (b"st\xff", UnknownCommand, r"there is no command st\xff"),
        (b"stats x", WrongArguments, "`stats` takes no words"),
        (b"cd", WrongArguments, "`cd PATH` needs PATH"),
        (b"stat a b", WrongArguments, "`stat PATH` takes no more words"),
        (b"chunk", WrongArguments, "`chunk OFFSET [BLOB]` needs OFFSET"),
        (b"chunk 1 2 3", WrongArguments, "takes no more words"),
        (b"diff", WrongArguments, "`diff OTHER` needs OTHER"),
        (b"blobs --us", UnknownOption, "`blobs` has no option --us"),
        (b"blobs us", WrongArguments, "`blobs [--use]` takes no more words"),
        (b"ls -l", UnknownOption, "`ls` has no option -l"),
        (b"top -3", UnknownOption, "`top` has no option -3"),
        (b"top 3 -x", UnknownOption, "`top` has no option -x"),
        (b"find -name x", UnknownOption, "`find` has no option -name"),
        (b"diff --full x", UnknownOption, "`diff` has no option --full"),
        (b"pwd -P", UnknownOption, "`pwd` has no option -P"),
        (b"top 3 / x", WrongArguments, "`top [COUNT] [PATH]` takes no more words"),
        (b"top / 3", WrongArguments, "takes no more words"),
        (b"help a b", WrongArguments, "takes no more words"),
        (b"help nope", UnknownCommand, "there is no command nope"),
        (b"chunk x", MalformedNumber, "x is no offset"),
        (b"chunk -1", MalformedNumber, "-1 is no offset"),
        (b"chunk 0x", MalformedNumber, "0x is no offset"),
        (b"chunk 18446744073709551616", MalformedNumber, "is no offset"),
        (b"chunk " + b"9" * 5000, MalformedNumber, "is no offset"),
        (b"icheck 1_0", MalformedNumber, "1_0 is no inode number"),
        ("icheck ٣".encode(), MalformedNumber, "is no inode number"),
        (b"stat 'x", MalformedRequest, "cannot be read"),
    ],
)
def test_mistakes_are_said(inspector, request_, error, said):
    with pytest.raises(error) as caught:
        inspector.ask(request_)
    assert said in str(caught.value)
    assert caught.value.advice
    assert caught.value.exit_status == ExitStatus.USAGE


def test_names_that_begin_with_a_dash_are_names_where_they_exist(tmp_path):
    source = write_plain(tmp_path, {"-l": b"1", "-d/-x": b"2", "a": b""})
    with inspecting(source) as inspector:
        for request_ in (b"stat -l", b"stat ./-l", b"cat -l", b"stat -d/-x", b"ls -d", b"top -d", b"find -l"):
            inspector.ask(request_)
        assert [entry.name for entry in inspector.ask(b"find [-]x").entries] == [b"-d/-x"]
        inspector.ask(b"cd -d")
        assert inspector.ask(b"stat -x").attributes.path == b"-d/-x"
        with pytest.raises(UnknownOption) as caught:
            inspector.ask(b"stat -l")  # it is in the root
    assert "./-l" in caught.value.advice


@pytest.mark.parametrize(
    ("request_", "error", "advice"),
    [
        (b"stat nope", NoSuchPath, "`ls` shows what there is; paths are relative to the current directory."),
        (b"cd b/nope", NoSuchPath, "`ls` shows what there is; paths are relative to the current directory."),
        (b"cd /one", WrongKind, "`stat` shows what it is, `ls` what is beside it."),
        (b"cat /a", WrongKind, "`stat` shows what it is, `ls` what is beside it."),
    ],
)
def test_advice_is_about_requests(inspector, request_, error, advice):
    inspector.ask(b"cd a")
    with pytest.raises(error) as caught:
        inspector.ask(request_)
    assert caught.value.advice == advice


def test_the_closest_command_is_named(inspector):
    for wrong, right in ((b"stas", "stats"), (b"LS", "ls"), (b"dedup", "dedupe"), (b"quti", "quit")):
        with pytest.raises(UnknownCommand) as caught:
            inspector.ask(wrong)
        assert f"Did you mean `{right}`?" in caught.value.advice


def test_numbers_are_decimal_or_hexadecimal(inspector):
    for number in (b"0", b"0x0", b"00", b"0X00"):
        assert inspector.ask(b"chunk " + number) == inspector.ask(b"chunk 0")
    some = inspector.ask(b"stat one").attributes.ino
    assert inspector.ask(b"icheck %d" % some) == inspector.ask(b"icheck 0x%x" % some)
    assert inspector.ask(b"chunk 18446744073709551615").files == ()


def test_an_optional_count_is_left_out_by_a_word_that_is_none():
    top = find_command(b"top")
    assert bind(top, []) == (None, None)
    assert bind(top, [b"5"]) == (b"5", None)
    assert bind(top, [b"usr"]) == (None, b"usr")
    assert bind(top, [b"5", b"5"]) == (b"5", b"5")
    assert bind(top, [b"./5"]) == (None, b"./5")
    assert bind(find_command(b"blobs"), [b"--use"]) == (b"--use",)
    assert [argument.name for argument in next_arguments(top, [])] == ["COUNT", "PATH"]
    assert [argument.name for argument in next_arguments(top, [b"5"])] == ["PATH"]
    assert [argument.name for argument in next_arguments(top, [b"usr"])] == []
    assert [argument.name for argument in next_arguments(find_command(b"chunk"), [])] == ["OFFSET"]
    assert [argument.name for argument in next_arguments(find_command(b"stats"), [b"x"])] == []


def test_help_knows_every_command(inspector):
    answer = inspector.ask(b"help")
    assert isinstance(answer, Help)
    assert [one.name for one in answer.commands] == [command.name for command in COMMANDS]
    for command in COMMANDS:
        (one,) = inspector.ask(b"help " + command.name.encode()).commands
        assert one.usage.split()[0] == command.name
        assert one.summary.endswith(".")
    names = [name for command in COMMANDS for name in (command.name, *command.aliases)]
    assert len(set(names)) == len(names)
    for leave in (b"exit", b"q", b"quit"):
        assert isinstance(inspector.ask(leave), Leave)


def test_other_images_are_opened_for_one_request():
    log = []

    @contextmanager
    def open_other(source):
        log.append(("open", source))
        with open_image(source, lazy=True) as image:
            yield image
        log.append(("close", source))

    other = reference("v5-zstd")
    with open_image(reference("v6-zstd"), lazy=True) as image:
        inspector = Inspector(image, open_other)
        inspector.ask(b"dedupe")
        assert log == []
        inspector.ask(b"dedupe " + quote(other.encode()))
        inspector.ask_words([b"diff", other.encode()])
        with pytest.raises(RafsightError):
            inspector.ask(b"diff boot:nowhere")
    assert log == [("open", other), ("close", other)] * 2 + [("open", "boot:nowhere")]


def test_completes_what_is_not_a_path(inspector):
    assert texts(inspector, b"") == [command.name.encode() for command in COMMANDS]
    assert texts(inspector, b"  dedu") == [b"dedupe"]
    assert inspector.complete(b"  dedu").word == b"dedu"
    assert texts(inspector, b"blobs -") == [b"--use"]
    assert texts(inspector, b"blobs --use ") == []
    assert texts(inspector, b"help st") == [b"stats", b"stat"]
    blob = inspector.image.head.blobs[0].blob_id.encode()
    assert texts(inspector, b"chunk 0 ") == [blob]
    assert texts(inspector, b"chunk 0 " + blob[:3]) == [blob]
    assert texts(inspector, b"stats ") == []
    assert texts(inspector, b"nope ") == []
    assert texts(inspector, b"stat nope/") == []
    assert texts(inspector, b"stat one/") == []


@pytest.mark.parametrize(
    "begun",
    [b"with", b"'with s", b'"with s', rb"with\ s", b"with\\", rb"with\x20s", rb"\u0077ith\ "],
)
def test_a_blank_is_completed_however_the_word_begins(inspector, begun):
    completion = inspector.complete(b"stat " + begun)
    assert completion.word == begun
    assert [candidate.text for candidate in completion.candidates] == [rb"with\ space"]


@pytest.mark.parametrize("begun", [b"raw-", rb"raw-\ ".rstrip(), rb"raw-\x", rb"raw-\xf", rb'"raw-\xf', b"raw-\xff"])
def test_bytes_that_are_no_text_are_completed(inspector, begun):
    assert texts(inspector, b"stat " + begun) == [rb"raw-\xff\xfe"]


def test_other_names_are_not_completed(inspector):
    assert texts(inspector, rb"stat raw-\xe") == []
    assert texts(inspector, rb"stat raw-\xzz") == []


@given(st.binary(max_size=30) | st.text(alphabet="ab/. '\"\\x0f-stcdlu", max_size=24).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_whatever_is_typed_is_answered_or_refused(request_):
    with inspecting(reference("v6-inline")) as inspector:
        completion = inspector.complete(request_)
        assert request_.endswith(completion.word)
        for candidate in completion.candidates:
            split(candidate.text)
        with suppress(RafsightError):  # and nothing else
            inspector.ask(request_)


def test_many_candidates_are_bounded_and_the_last_one_stays():
    kept = _bounded(range(5 * CANDIDATES))
    assert len(kept) == CANDIDATES
    assert kept[:2] == [0, 1]
    assert kept[-1] == 5 * CANDIDATES - 1  # so that what all have in common is right
    assert _bounded(range(CANDIDATES)) == list(range(CANDIDATES))
