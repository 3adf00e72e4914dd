"""`ls`, `cat` and `scan` of the shipped image, in processes with the outputs that shells give them."""

import os
import pty
import subprocess
import sys

import pytest

from rafsight.base.errors import ExitStatus
from rafsight.base.events import Advanced, Finished, Started
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED

IMAGE = f"oci:{PLANTED}:v6"


def shell(command, *arguments, **more):
    """Run `rafsight` in a shell line, so that it gets the descriptors that the line says."""
    line = ["bash", "-c", command, "bash", *arguments]
    return subprocess.run(
        line, capture_output=True, check=False, env=os.environ | {"PYTHON": sys.executable, "IMAGE": IMAGE}, **more
    )


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    path = tmp_path_factory.mktemp("db") / "advisories.sqlite"
    assert run(["-q", "db", "import", str(PLANTED.parent / "advisories"), "--db", str(path)]) == 0
    return str(path)


@pytest.mark.parametrize(
    "command",
    [
        'ls "$IMAGE"',
        'find "$IMAGE" "*"',
        'ls -l --json "$IMAGE"',
        'cat "$IMAGE" /bin/busybox',
        'scan "$IMAGE" --db "$1"',
    ],
)
@pytest.mark.parametrize(("output", "why"), [(">&-", "it is closed"), (">/dev/full", "No space left on device")])
def test_an_output_that_takes_nothing_is_said(command, output, why, database):
    done = shell(f'"$PYTHON" -m rafsight {command} {output}', database)
    assert done.returncode == ExitStatus.OUTPUT
    assert done.stderr.decode().splitlines()[0] == f"rafsight: error: cannot write standard output: {why}"


def test_a_closed_standard_error_changes_nothing(database):
    assert shell('"$PYTHON" -m rafsight cat "$IMAGE" /nope 2>&-').returncode == ExitStatus.NOT_FOUND
    assert shell('"$PYTHON" -m rafsight --debug ls "$IMAGE" /nope 2>&-').stdout == b""
    assert b"usr" in shell('"$PYTHON" -m rafsight ls "$IMAGE" 2>&-').stdout


@pytest.mark.parametrize("place", ["-", "/dev/stdout", "/dev/fd/1", "/dev/stderr", ">(cat >&2)"])
def test_scan_writes_where_it_is_told_to(place, database, tmp_path):
    done = shell(
        f'"$PYTHON" -m rafsight -q scan "$IMAGE" --db "$1" --allow-incomplete -o {place}; wait $!',
        database,
        cwd=tmp_path,
    )
    written = done.stderr if place in ("/dev/stderr", ">(cat >&2)") else done.stdout
    assert written.startswith(b"Image    oci:")
    assert list(tmp_path.iterdir()) == []


def test_a_report_in_a_file_needs_no_standard_output(database, tmp_path):
    report = tmp_path / "report"
    done = shell('"$PYTHON" -m rafsight -q scan "$IMAGE" --db "$1" -o "$2" >&-', database, str(report))
    assert done.returncode in (0, ExitStatus.INCOMPLETE), done.stderr
    assert report.read_text().startswith("Image ")


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["-l", "/opt/current"], "/opt/current -> data\n"),
        (["-lR", "/opt/current"], "/opt/current -> data\n"),
        (["-l", "/opt/loop"], "/opt/loop -> loop\n"),
        (["-l", "/opt/outside"], "/opt/outside -> ../../../etc/passwd\n"),
        (["/opt/loop"], "/opt/loop\n"),
    ],
    ids=" ".join,
)
def test_links_are_listed_themselves(arguments, shown, capsys):
    assert run(["ls", IMAGE, *arguments]) == 0
    out, err = capsys.readouterr()
    assert out.endswith(shown)
    assert out.count("\n") == 1
    assert err == ""


@pytest.mark.parametrize("arguments", [["/opt/current"], ["/opt/current/"], ["-1", "/opt/current/."]], ids=" ".join)
def test_links_are_followed_without_l(arguments, capsys):
    assert run(["ls", IMAGE, *arguments]) == 0
    assert capsys.readouterr().out == "deep\none\ntwo\n"


def test_a_slash_at_the_end_is_what_the_link_leads_to(capsys):
    assert run(["ls", "-l", IMAGE, "/opt/current/"]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["deep", "one", "two"]
    for path in ("/opt/loop/", "/etc/passwd/"):
        assert run(["ls", "-l", IMAGE, path]) == ExitStatus.NOT_FOUND
    capsys.readouterr()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("oci:/nowhere/at/all", "oci:/nowhere/at/all has no index.json"),
        (f"oci:{PLANTED}:nope", "has no tag 'nope' (its tags: v6, v5)"),
        ("boot:/nowhere.boot", "/ has no file nowhere.boot"),
        (f"boot:{PLANTED.parent}", f"file {PLANTED.parent.name} in {PLANTED.parent.parent} is not a regular file"),
    ],
)
def test_local_files_that_are_missing_need_no_login(reference, said, capsys):
    assert run(["ls", reference]) == ExitStatus.NOT_FOUND
    err = capsys.readouterr().err
    assert said in err
    assert "docker login" not in err


def test_cat_tells_how_far_it_is(capsysbinary):
    import rafsight
    from rafsight.interfaces.cli.cat import write_file

    heard = []
    with rafsight.open_image(IMAGE) as image:
        entry = next(rafsight.list_files(image, b"bin/busybox"))
        write_file(image, b"/bin/busybox", heard.append)
    begun, *steps, ended = heard
    assert (begun.total, begun.unit, isinstance(begun, Started)) == (entry.size, "bytes", True)
    assert all(isinstance(step, Advanced) for step in steps)
    assert sum(step.amount for step in steps) == entry.size == len(capsysbinary.readouterr().out)
    assert isinstance(ended, Finished)


def test_a_file_that_cat_reads_slowly_is_drawn_at_the_terminal_only(tmp_path):
    code = (
        "import sys, time\n"
        "import rafsight\n"
        "from rafsight.interfaces.cli.cat import write_file\n"
        "from rafsight.interfaces.cli.settings import Settings\n"
        "from rafsight.interfaces.cli.ui import Ui\n"
        "with rafsight.open_image(sys.argv[1]) as image, Ui(Settings()) as ui:\n"
        "    ui.begin_output()\n"
        "    def slowly(event):\n"
        "        while type(event).__name__ == 'Finished' and not ui._drawing._tasks:\n"
        "            time.sleep(0.01)\n"
        "        ui.listener(event)\n"
        "    write_file(image, b'/bin/busybox', slowly)\n"
    )
    ours, theirs = pty.openpty()
    with (tmp_path / "busybox").open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", code, IMAGE], stdout=file, stderr=theirs, env=os.environ | {"TERM": "xterm"}
        )
        os.close(theirs)
        drawn = b""
        try:
            while piece := os.read(ours, 65536):
                drawn += piece
        except OSError:  # the other end is closed
            pass
        os.close(ours)
    assert process.wait() == 0
    assert b"writing /bin/busybox" in drawn
    assert (tmp_path / "busybox").stat().st_size > 0
