import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from rafsight.base.events import Noticed
from rafsight.interfaces.cli.settings import Settings
from rafsight.interfaces.cli.ui import Ui, default_cache_dir


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x", "RAFSIGHT_CACHE_DIR": "/r"}, "/r"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/rafsight"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "relative"}, "/h/.cache/rafsight"),
        ({"HOME": "/h", "RAFSIGHT_CACHE_DIR": ""}, "/h/.cache/rafsight"),
    ],
)
def test_cache_folder(environment, folder):
    assert default_cache_dir(environment) == Path(folder)


def test_the_option_wins_and_the_database_lies_below():
    with Ui(Settings(cache_dir=Path("/c"))) as ui:
        assert ui.cache_dir == Path("/c")
        assert ui.default_database == Path("/c/db/advisories.sqlite")


def test_what_is_noticed_is_said_once_and_printable(capsys):
    with Ui(Settings()) as ui:
        ui.listener(Noticed(message="odd \x1b[31m"))
        ui.listener(Noticed(message="odd \x1b[31m"))
    assert capsys.readouterr().err == "rafsight: warning: odd \\x1b[31m\n"


def test_quiet_is_quiet(capsys):
    with Ui(Settings(quiet=True)) as ui:
        ui.listener(Noticed(message="odd"))
    assert capsys.readouterr().err == ""


WORK = """
import sys, time
from rafsight.base.events import Advanced, Finished, Noticed, Started
from rafsight.interfaces.cli import progress
from rafsight.interfaces.cli.settings import Settings
from rafsight.interfaces.cli.ui import Ui
if "quick" in sys.argv:
    progress.PATIENCE = 3600.0
settings = Settings(quiet="quiet" in sys.argv, no_progress="no-progress" in sys.argv)
with Ui(settings) as ui:
    ui.listener(Started(operation="a", title="Fetch \\x1b[31mchunks", total=4_000_000, unit="bytes"))
    while ui._draws and "quick" not in sys.argv and not ui._drawing._tasks:
        time.sleep(0.01)
    for _ in range(4):
        ui.listener(Advanced(operation="a", amount=1_000_000))
    ui.listener(Noticed(message="something odd"))
    ui.listener(Started(operation="b", title="Wait", total=None, unit="records"))
    ui.listener(Advanced(operation="b", amount=7))
    ui.listener(Finished(operation="a"))
    ui.listener(Finished(operation="b"))
print("rich" in sys.modules)
"""

RESULT = """
import sys, time
from rafsight.base.events import Advanced, Started
from rafsight.interfaces.cli.settings import Settings
from rafsight.interfaces.cli.ui import Ui
with Ui(Settings()) as ui:
    ui.listener(Started(operation="a", title="Fetch", total=4, unit="files"))
    sys.stdin.readline()
    encoding = sys.stdout.encoding
    ui.begin_output()
    print("the result in", encoding, flush=True)
    ui.listener(Advanced(operation="a", amount=1))
    time.sleep(0.3)
"""


def test_bars_are_gone_before_a_result_goes_to_the_same_terminal():
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", RESULT],
        stdin=subprocess.PIPE,
        stdout=theirs,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm", "PYTHONUTF8": "1"},
    )
    os.close(theirs)
    drawn = b""
    while b"Fetch" not in drawn:
        drawn += os.read(ours, 65536)
    process.communicate(b"\n")
    before, result, after = (drawn.decode() + read_all(ours)).partition("the result")
    assert process.returncode == 0
    assert before.endswith(("\x1b[2K", "\x1b[?25h"))
    assert result
    assert after.strip() == "in utf-8"


def read_all(terminal):
    drawn = b""
    try:
        while piece := os.read(terminal, 65536):
            drawn += piece
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(terminal)
    return drawn.decode()


def at_a_terminal(*arguments, **environment):
    """Run WORK with standard error on a terminal; return what standard output and the terminal got."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, *arguments],
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"} | environment,
    )
    os.close(theirs)
    drawn = read_all(ours)
    out, _ = process.communicate()
    assert process.returncode == 0
    return out, drawn


def test_long_work_is_drawn_and_taken_away():
    out, drawn = at_a_terminal()
    assert out == "True\n"
    assert "Fetch \\x1b[31mchunks" in drawn
    assert "4.0 MB" in drawn
    assert "something odd" in drawn
    assert drawn.rstrip().endswith(("\x1b[2K", "\x1b[?25h"))


@pytest.mark.parametrize("argument", ["quick", "no-progress", "quiet"])
def test_quick_or_unwanted_progress_is_not_even_imported(argument):
    out, drawn = at_a_terminal(argument)
    assert out == "False\n"
    assert "Fetch" not in drawn
    assert ("something odd" in drawn) == (argument != "quiet")


def test_a_dumb_terminal_gets_no_drawing():
    out, drawn = at_a_terminal(TERM="dumb")
    assert out == "False\n"
    assert "\x1b" not in drawn


def test_no_color_takes_the_colour_of_warnings():
    assert "\x1b[33mwarning:" in at_a_terminal("quick")[1]
    assert "\x1b" not in at_a_terminal("quick", NO_COLOR="1")[1]
