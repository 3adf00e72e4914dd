"""`rafsight inspect` as users run it: one request, requests in a pipe, and the prompt on a terminal."""

import base64
import hashlib
import io
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.interfaces.terminal_session import Session

from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.verbs.inspect.commands import COMMANDS

PROGRAM = Path(sys.executable).parent / "rafsight"
GOLDEN = Path(__file__).resolve().parents[1] / "golden/rafs"
IMAGES = ["v5-zstd", "v6-zstd", "merge-oci-v5", "merge-oci-v6", "v6-enc", "tar-tarfs"]
PROMPT = "Inspecting RAFS :>"


def reference(name):
    return f"boot:{GOLDEN / name / 'image.boot'}"


def golden_tree(name):
    return [one for one in json.loads((GOLDEN / name / "tree.json").read_bytes()) if "path_b64" not in one]


def some_file(name):
    """The path of a file with content, without blanks."""
    return next(
        one["path"]
        for one in golden_tree(name)
        if 0 < one.get("size", 0) < 100_000 and "sha256" in one and one["path"].replace("/", "").isalnum()
    )


@pytest.fixture
def environment(tmp_path):
    clean = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return clean | {"HOME": str(tmp_path), "RAFSIGHT_CACHE_DIR": str(tmp_path / "cache"), "TERM": "xterm"}


@pytest.fixture
def inspect(environment, monkeypatch):
    """Run the command to its end with streams of its own; in this process, since a hundred others take a minute."""
    for name in [*os.environ]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run_here(*arguments, given=b""):
        with pytest.MonkeyPatch.context() as patch:
            streams = [io.BytesIO(given), io.BytesIO(), io.BytesIO()]
            for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
                errors = "backslashreplace" if name == "stderr" else "strict"
                patch.setattr(sys, name, io.TextIOWrapper(stream, "utf-8", errors, write_through=True))
            status = run(["inspect", *map(os.fsdecode, arguments)])
            _, output, said = (stream.getvalue() for stream in streams)
        return subprocess.CompletedProcess(arguments, status, output, said)

    return run_here


@pytest.fixture
def prompt(environment):
    """Start the prompt on a terminal, and wait for it."""
    sessions = []

    def start(*arguments, ready=PROMPT, **more):
        session = Session([PROGRAM, "inspect", *arguments], environment=environment | more)
        sessions.append(session)
        session.expect(ready)
        return session

    yield start
    for session in sessions:
        session.__exit__()


def answer_of(done):
    """The answer of one request in JSON: one line."""
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert done.stdout.endswith(b"\n")
    assert done.stdout.count(b"\n") == 1
    return json.loads(done.stdout)


def assert_refused(done, status, *words):
    text = done.stderr.decode()
    assert done.returncode == status, text
    assert done.stdout == b""
    lines = text.splitlines()
    assert lines[0].startswith("rafsight: error: ")
    assert lines[1].startswith("  hint: ")
    assert len(lines) == 2
    for word in words:
        assert word in text


# One request


def requests_for(name):
    """One request for each command of the table."""
    file = some_file(name)
    words = {"cd": "/", "stat": file, "chunk": "0", "find": "*", "cat": file, "diff": reference("v5-none")}
    return [f"{command.name} {words.get(command.name, '')}" for command in COMMANDS if command.name != "icheck"]


def test_every_command_answers_one_request(inspect):
    source = reference("v6-zstd")
    ino = answer_of(inspect(source, "-R", "stat one"))["inode"]
    for request in [*requests_for("v6-zstd"), f"icheck {ino}"]:
        assert (answer_of(inspect(source, "-R", request)) is None) == request.startswith("exit")


@pytest.mark.parametrize("name", IMAGES)
def test_every_command_answers_in_both_forms(inspect, name):
    requests = [request for request in requests_for(name) if not request.startswith("exit")]
    given = "\n".join(requests).encode()
    as_json = inspect(reference(name), "--format", "json", given=given)
    assert (as_json.returncode, as_json.stderr) == (0, b"")
    answers = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert len(answers) == len(requests)
    assert not [answer for answer in answers if isinstance(answer, dict) and "error" in answer]
    as_text = inspect(reference(name), given=given)
    assert (as_text.returncode, as_text.stderr) == (0, b"")
    text = as_text.stdout.decode("utf-8", "replace")
    assert "\n/\n" in text  # of `cd /`
    assert "dedupe [OTHER]" in text  # of `help`


@pytest.mark.parametrize("name", IMAGES)
def test_machine_readable_answers_are_those_of_the_peer(inspect, name):
    recorded = GOLDEN / name / "inspect"
    assert answer_of(inspect(reference(name), "-R", "stats")) == json.loads((recorded / "stats.json").read_bytes())
    ours = answer_of(inspect(reference(name), "-R", "blobs"))
    theirs = json.loads((recorded / "blobs.json").read_bytes())
    assert ours == theirs


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "v6-enc"])
def test_cat_says_the_content(inspect, name):
    plain = {
        one["path"]: one["sha256"]
        for one in golden_tree(name)
        if 0 < one.get("size", 0) < 30_000 and "sha256" in one and one["path"][1:].isalnum()
    }
    assert len(plain) > 5
    given = "".join(f"cat '{path}'\n" for path in plain).encode()
    done = inspect(reference(name), "--format", "json", given=given)
    for (path, digest), line in zip(plain.items(), done.stdout.splitlines(), strict=True):
        answer = json.loads(line)
        content = answer["content"].encode() if "content" in answer else base64.b64decode(answer["content_b64"])
        assert hashlib.sha256(content).hexdigest() == digest
        assert (answer["path"], answer["size"]) == (path, len(content))
    done = inspect(reference(name), "--request", f"cat '{path}'", "--format", "table")
    assert (done.returncode, done.stdout) == (0, content)


def test_where_a_request_would_lead(inspect):
    assert answer_of(inspect(reference("v6-zstd"), "-R", "cd a/../a/b")) == {"path": "/a/b"}
    assert answer_of(inspect(reference("v6-zstd"), "-R", "pwd")) == {"path": "/"}
    assert inspect(reference("v6-zstd"), "-R", "cd a", "-f", "table").stdout == b"/a\n"


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd"])
def test_hostile_names_are_shown_and_can_be_named(inspect, name):
    raw = answer_of(inspect(reference(name), "-R", r"stat raw-\xff\xfe"))
    assert base64.b64decode(raw["path_b64"]) == b"/raw-\xff\xfe"
    assert answer_of(inspect(reference(name), "-R", r'stat "new\nline"'))["path"] == "/new\nline"
    assert answer_of(inspect(reference(name), "-R", r"stat new\x0aline"))["path"] == "/new\nline"
    assert answer_of(inspect(reference(name), "-R", r"""stat quote\"\\"""))["path"] == '/quote"\\'
    assert answer_of(inspect(reference(name), "-R", "stat 'with space'"))["path"] == "/with space"
    assert inspect(reference(name), "-R", b"stat raw-\xff\xfe").returncode == 0
    listing = inspect(reference(name), "-R", "ls", "--format", "table").stdout.decode()
    assert len(listing.splitlines()) == len(answer_of(inspect(reference(name), "-R", "ls")))
    shown = [line.lstrip("-dl ").lstrip("0123456789").strip() for line in listing.splitlines()]
    copied = inspect(reference(name), given="".join(f"stat {one}\n" for one in shown).encode())
    assert (copied.returncode, copied.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ("", ExitStatus.USAGE, "the request is empty"),
        ("stas", ExitStatus.USAGE, "Did you mean `stats`?"),
        ("stat", ExitStatus.USAGE, "needs PATH"),
        ("ls a b", ExitStatus.USAGE, "takes no more words"),
        ("stat 'a", ExitStatus.USAGE, "opened and not closed"),
        ("chunk x", ExitStatus.USAGE, "x is no offset"),
        ("stat nope", ExitStatus.NOT_FOUND, "the image has no /nope"),
        ("cd one", ExitStatus.NOT_FOUND, "/one is a file, not a directory"),
        ("cat a", ExitStatus.NOT_FOUND, "/a is a directory, not a file"),
        ("icheck 999999999", ExitStatus.NOT_FOUND, "no inode 999999999"),
        ("chunk 0 nope", ExitStatus.NOT_FOUND, "nope is not a blob"),
        ("diff boot:nowhere", ExitStatus.NOT_FOUND, "nowhere"),
        (r"diff a\x00b", None, ""),
        ("dedupe 'a b'", None, ""),
    ],
)
def test_a_failed_request_says_why_and_writes_nothing(inspect, request_, status, said):
    done = inspect(reference("v6-zstd"), "-R", request_)
    assert done.returncode != ExitStatus.DEFECT
    assert_refused(done, done.returncode if status is None else status, said)


def test_a_failed_request_for_text_writes_nothing(inspect):
    done = inspect(reference("v6-zstd"), "-R", "stat nope", "--format", "table")
    assert_refused(done, ExitStatus.NOT_FOUND, "/nope")


def test_hints_are_about_requests(inspect):
    """However they are asked, not of `rafsight ls`."""
    for done in (inspect(reference("v6-zstd"), "-R", "stat nope"), inspect(reference("v6-zstd"), given=b"stat nope")):
        assert_refused(done, ExitStatus.NOT_FOUND, "`ls` shows what there is; paths are relative to the current dir")
    assert_refused(inspect(reference("v6-zstd"), "-R", "ls -l"), ExitStatus.USAGE, "no option -l", "./-l")


def test_help_says_what_failures_write(inspect):
    text = " ".join(inspect("--help").stdout.decode().split())
    assert "With -R, standard output stays empty then, in JSON, too." in text
    assert r"\xNN is a byte" in inspect(reference("v6-zstd"), "-R", "help find", "-f", "table").stdout.decode()


def test_dedupe_is_a_request(inspect):
    name, other = reference("v6-zstd"), reference("v5-zstd")
    alone = answer_of(inspect(name, "--dedupe"))
    both = answer_of(inspect(name, "--dedupe", other))
    given = f"dedupe\ndedupe {other}\n".encode()
    done = inspect(name, "--format", "json", given=given)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [alone, both]
    assert alone != both


def test_a_wrong_command_line_is_said(inspect):
    assert_refused(inspect(reference("v6-zstd"), "-R", "ls", "--dedupe"), ExitStatus.USAGE, "exclude each other")
    login = ("--username", "u", "--password-stdin")
    assert_refused(inspect(reference("v6-zstd"), *login, given=b"p\n"), ExitStatus.USAGE, "--password-stdin needs")
    assert inspect(reference("v6-zstd"), *login, "-R", "stats", given=b"p\n").returncode == 0
    assert_refused(inspect("-R", "ls"), ExitStatus.USAGE, "Missing argument 'SOURCE'")
    assert_refused(inspect("boot:nowhere", "-R", "ls"), ExitStatus.NOT_FOUND, "nowhere")


def test_a_cheap_request_imports_nothing_for_the_dear_ones():
    code = (
        "import sys\n"
        "from rafsight.interfaces.cli import run\n"
        f"assert run(['inspect', {reference('v6-zstd')!r}, '-R', 'stats']) == 0\n"
        "names = ('rich', 'prompt_toolkit', 'sqlite3', 'urllib3', 'asyncio', 'msgspec')\n"
        "print([name for name in names if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(("output", "why"), [(">&-", "it is closed"), (">/dev/full", "No space left on device")])
@pytest.mark.parametrize("more", ["-R stats", '-R "cat one" --format table', "< <(echo stats; echo ls)"])
def test_an_output_that_takes_nothing_is_said(environment, output, why, more):
    line = f'"$0" inspect "$1" {more} {output}'
    command = ["bash", "-c", line, str(PROGRAM), reference("v6-zstd")]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode == ExitStatus.OUTPUT
    assert done.stderr.decode().splitlines()[0] == f"rafsight: error: cannot write standard output: {why}"


# An image in a registry


@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_a_registry_is_asked_for_metadata_alone(inspect, tag):
    with serve_layout(PLANTED) as registry:
        answer = answer_of(inspect(registry.reference(tag), "-R", "stats"))
        cost = sum(served.sent for served in registry.log)
        registry.forget()
        layers = answer_of(inspect(registry.reference(tag), "-R", "layers"))
        assert sum(served.sent for served in registry.log) < 10_000  # the bootstrap is in the cache
        registry.forget()
        answer_of(inspect(registry.reference(tag), "-R", "top 5 /usr"))
        assert not [served for served in registry.log if served.range]
        content = answer_of(inspect(registry.reference(tag), "-R", "cat /etc/os-release"))["content"]
    assert answer == answer_of(inspect(f"oci:{PLANTED}:{tag}", "-R", "stats"))
    assert answer["inodes_count"] > 100
    assert cost < 0.2 * sum(file.stat().st_size for file in (PLANTED / "blobs/sha256").iterdir())
    assert layers
    assert "PRETTY_NAME" in content


def test_images_of_a_registry_are_compared(inspect):
    with serve_layout(PLANTED) as registry:
        one, other = registry.reference("v6"), registry.reference("v5")
        same = answer_of(inspect(one, "-R", f"diff {other}"))
        shared = answer_of(inspect(one, "--dedupe", other))
        cost = sum(served.sent for served in registry.log)
    assert cost < 0.3 * sum(file.stat().st_size for file in (PLANTED / "blobs/sha256").iterdir())
    assert same
    assert shared


def test_a_registry_that_fails_is_said(inspect):
    with serve_layout(PLANTED, mischief=[Mischief(status=404)]) as registry:
        done = inspect(registry.reference("v6"), "-R", "stats")
    assert done.stdout == b""
    assert done.returncode not in (0, ExitStatus.DEFECT)
    assert done.stderr.startswith(b"rafsight: error: ")


# Requests in a pipe


def test_requests_are_read_to_the_end_of_input(inspect):
    done = inspect(reference("v6-zstd"), given=b"cd a\r\n\n  \npwd\nls\nstat b")
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[:2] == ["/a", "/a"]
    assert lines[2].split() == ["d", lines[2].split()[1], "b"]
    assert any("/a/b" in line for line in lines[3:])
    assert PROMPT not in done.stdout.decode()


@pytest.mark.parametrize("given", [b"q\nnope\n", b"exit\nnope\n", b"quit"])
def test_an_end_is_an_end(inspect, given):
    done = inspect(reference("v6-zstd"), given=given)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_comments_and_empty_lines_are_skipped(inspect):
    done = inspect(reference("v6-zstd"), "-f", "json", given=b"# about it\n\n  # pwd\npwd\n#\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b'{"path": "/"}\n', b"")


@pytest.mark.parametrize("given", [b"", b"\n\n", b"# nothing\n", None])
def test_no_request_is_said(inspect, given, environment):
    if given is None:
        command = ["bash", "-c", '"$0" inspect "$1" <&-', str(PROGRAM), reference("v6-zstd")]
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
    else:
        done = inspect(reference("v6-zstd"), given=given)
    assert_refused(done, ExitStatus.USAGE, "there is no request on standard input", "-R REQUEST")


def test_the_first_failure_is_the_status_and_the_rest_is_answered(inspect):
    done = inspect(reference("v6-zstd"), given=b"pwd\nstat nope\nfrobnicate\ncd a\n")
    assert done.returncode == ExitStatus.NOT_FOUND
    assert done.stdout == b"/\n/a\n"
    assert done.stderr.decode().count("rafsight: error: ") == 2
    assert inspect(reference("v6-zstd"), given=b"frobnicate\nstat nope\npwd\n").returncode == ExitStatus.USAGE


def test_in_json_each_request_has_one_line(inspect):
    given = b'stats\nstat nope\n\nls\ncat one\nstat "x\npwd\nq\n'
    done = inspect(reference("v6-zstd"), "--format", "json", given=given)
    assert done.returncode == ExitStatus.NOT_FOUND
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 6
    assert answers[0]["inodes_count"] == 215
    assert answers[1]["error"]["code"] == "no-such-path"
    assert answers[1]["error"]["message"] == "the image has no /nope"
    assert answers[1]["error"]["remedy"]
    assert answers[3] == {"path": "/one", "size": len(answers[3]["content"]), "content": answers[3]["content"]}
    assert answers[4]["error"]["code"] == "malformed-request"
    assert answers[5] == {"path": "/"}


def test_cat_in_a_pipe_writes_bytes_as_they_are(inspect):
    content = inspect(reference("v6-zstd"), given=b"cat rand20k\n").stdout
    known = next(one for one in golden_tree("v6-zstd") if one["path"] == "/rand20k")
    assert hashlib.sha256(content).hexdigest() == known["sha256"]
    assert inspect(reference("v6-zstd"), given=b"cat rand20k\ncat rand20k\npwd\n").stdout == content * 2 + b"/\n"


def test_answers_come_while_requests_are_written(environment):
    command = [PROGRAM, "inspect", reference("v6-zstd"), "--format", "json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        for request, answer in ((b"pwd\n", {"path": "/"}), (b"cd a\n", {"path": "/a"}), (b"pwd\n", {"path": "/a"})):
            process.stdin.write(request)
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == answer
        process.stdin.close()
        assert process.wait(60) == 0


def test_a_reader_that_ends_early_ends_the_program(environment):
    line = '(echo "find *"; echo "find *") | "$0" inspect "$1" | head -1; echo ${PIPESTATUS[1]}'
    command = ["bash", "-c", line, str(PROGRAM), reference("v6-zstd")]
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.stderr == b""
    assert done.stdout.splitlines()[-1] in (b"0", b"141")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_ends_within_a_line_is_gone(environment, unbuffered):
    """One line of JSON that no pipe holds; unbuffered, the system takes a part of it at a time."""
    line = '"$0" inspect "$1" -R "find *" | head -c 10; echo " ${PIPESTATUS[0]}"'
    command = ["bash", "-c", line, str(PROGRAM), f"oci:{PLANTED}:v6"]
    more = {"PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, capture_output=True, check=False, env=environment | more)
    assert (done.stdout, done.stderr) == (b'[{"inode": 141\n', b"")


# The prompt


def test_the_terminal_is_not_asked_where_its_cursor_is(prompt):
    """Terminals that do not answer would get a warning of prompt_toolkit's."""
    session = prompt(reference("v6-zstd"))
    session.type(b"# nothing\rpwd\r")
    session.expect("/")
    session.expect(PROMPT)
    session.type(b"q\r")
    assert session.end()[1] == 0
    assert b"\x1b[6n" not in session.raw
    assert "no command" not in session.text()


def test_the_prompt_answers_and_goes_on_after_mistakes(prompt):
    session = prompt(reference("v6-zstd"))
    session.type(b"stats\r")
    session.expect("215")
    session.expect(PROMPT)
    session.type(b"stas\r")
    session.expect("rafsight: error: there is no command stas")
    session.expect("Did you mean `stats`?")
    session.expect(PROMPT)
    session.type(b"cd a\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"stat 'x\r")
    session.expect("opened and not closed")
    session.expect(PROMPT)
    session.type(b"\r  \rpwd\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"q\r")
    assert session.end()[1] == 0


@pytest.mark.parametrize("leave", [b"exit\r", b"quit\r", b"q\r", b"\x04"])
def test_leaving_is_no_failure(prompt, leave):
    session = prompt(reference("v5-zstd"))
    session.type(b"nope\r")
    session.expect("there is no command nope")
    session.expect(PROMPT)
    session.type(leave)
    assert session.end()[1] == 0


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd"])
def test_tab_completes_names_so_that_they_are_read_back(prompt, name):
    session = prompt(reference(name))
    for typed, path in (
        (b"stat raw\t", '"/raw-\\xff\\xfe"'),
        (b"stat new\t", '"/new\\x0aline"'),
        (b"stat quo\t", '"/quote\\"\\\\"'),
        (b"stat wi\t", '"/with space"'),
        (b"stat 'with s\t", '"/with space"'),
        (b"stat !d\t$\t", "/!dir/$x"),
        ("stat ü\t".encode(), "/ünïcode"),
        (b"sta\x15stat on\t", "/one"),
    ):
        session.type(typed + b"\r")
        assert session.expect("Inode number").rpartition("Path ")[2].split("\n")[0].strip() == path
        session.expect(PROMPT)
    session.type(b"\x04")
    assert session.end()[1] == 0


def test_tab_completes_commands_and_shows_what_there_is(prompt):
    session = prompt(reference("v6-zstd"))
    session.type(b"s\t")
    session.expect("superblock")
    session.type(b"up\t\r")
    session.expect("feature_compat")
    session.expect(PROMPT)
    session.type(b"q\r")
    assert session.end()[1] == 0


def test_ctrl_c_clears_the_line(prompt):
    session = prompt(reference("v6-zstd"))
    session.type(b"frobnicate")
    session.expect("frobnicate")
    session.type(b"\x03")
    session.expect(PROMPT)
    session.type(b"cd a\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"\x04")
    assert session.end()[1] == 0
    assert "there is no command" not in session.text()


def test_ctrl_c_ends_an_answer_and_not_the_prompt(prompt):
    with serve_layout(PLANTED, mischief=[Mischief(after=2, hang=60)]) as registry:
        session = prompt(registry.reference("v6"))
        session.type(b"cat /etc/os-release\r")
        session.expect("cat /etc/os-release")
        assert registry.wait_for_hang()
        session.type(b"\x03")
        session.expect(PROMPT)
        session.type(b"cd etc\r")
        session.expect("/etc")
        session.expect(PROMPT)
        session.type(b"\x04")
        assert session.end()[1] == 0


def test_requests_are_kept_for_the_next_time(prompt, tmp_path):
    session = prompt(reference("v6-zstd"))
    session.type(b"cd a\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"\x04")
    session.end()
    file = tmp_path / "cache/inspect-history"
    assert file.read_bytes() == b"cd a\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    file.chmod(0o644)
    session = prompt(reference("v6-zstd"))
    session.type(b"\x1b[A/b\r")
    session.expect("/a/b")
    session.expect(PROMPT)
    session.type(b"\x04")
    assert session.end()[1] == 0
    assert file.read_bytes() == b"cd a\ncd a/b\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_bytes_that_are_no_text_are_kept_too(prompt, tmp_path):
    session = prompt(reference("v6-zstd"))
    session.type(b"stat raw-\xff\xfe\r")
    session.expect("Inode number")
    session.expect(PROMPT)
    session.type(b"\x04")
    assert session.end()[1] == 0
    assert (tmp_path / "cache/inspect-history").read_bytes() == b"stat raw-\xff\xfe\n"


def test_a_history_that_is_no_file_of_ours_is_left_alone(prompt, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("precious\n")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/inspect-history").symlink_to(precious)
    session = prompt(reference("v6-zstd"), ready="requests are not kept for the next time")
    session.expect(PROMPT)
    session.type(b"cd a\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"\x04")
    assert session.end()[1] == 0
    assert precious.read_text() == "precious\n"


def test_a_long_history_is_cut(prompt, tmp_path):
    file = tmp_path / "cache/inspect-history"
    file.parent.mkdir()
    file.write_text("".join(f"stat {number:090}\n" for number in range(10_000)) + "cd a\n")
    session = prompt(reference("v6-zstd"))
    assert file.stat().st_size < 200_000
    session.type(b"\x1b[A\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"\x04")
    session.end()
    assert file.read_text().splitlines()[0].startswith("stat 0")
    assert file.read_text().endswith("cd a\n")


def test_a_file_cannot_act_on_the_terminal(prompt):
    session = prompt(reference("v6-zstd"))
    session.type(b"cat rand20k\r")
    session.expect("\\x07")
    session.expect(PROMPT)
    assert b"\x07" not in session.raw
    assert b"\x1b]" not in session.raw
    session.type(b"\x04")
    assert session.end()[1] == 0


def test_pasted_lines_are_requests_each(prompt):
    session = prompt(reference("v6-zstd"))
    session.type(b"\x1b[200~cd a\ncd b\npwd\x1b[201~\r")
    session.expect("/a/b")
    session.expect(PROMPT)
    session.type(b"q\r")
    assert session.end()[1] == 0


def test_the_prompt_answers_in_json(prompt):
    session = prompt(reference("v6-zstd"), "--format", "json")
    session.type(b"stats\r")
    session.expect('{"inodes_count": 215}')
    session.expect(PROMPT)
    session.type(b"\x04")
    assert session.end()[1] == 0


def test_a_terminal_that_can_do_nothing_is_enough(prompt):
    session = prompt(reference("v6-zstd"), TERM="dumb")
    session.type(b"cd a\r")
    session.expect("/a")
    session.expect(PROMPT)
    session.type(b"q\r")
    assert session.end()[1] == 0


def test_who_types_into_a_pipe_sees_the_prompt(environment):
    command = ["bash", "-c", '"$0" inspect "$1" | cat', str(PROGRAM), reference("v6-zstd")]
    with Session(["/bin/bash", *command[1:]], environment=environment) as session:
        session.expect(PROMPT)
        session.type(b"cd a\n")
        session.expect("/a\n")
        session.type(b"\x04")
        assert session.end()[1] == 0
