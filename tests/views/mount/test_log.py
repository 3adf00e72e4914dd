"""What a server without a terminal says, and how much of it is kept."""

import subprocess
import sys

from rafsight.base.events import Advanced, Noticed, Started
from rafsight.views.mount.log import Log

MOST = 4 << 20


def run(code, *arguments):
    """Run code in a process of its own, for a log takes over its standard output and error."""
    head = "import os, sys\nfrom pathlib import Path\nfrom rafsight.base.events import Noticed\nfrom rafsight.views.mount.log import Log\n"
    done = subprocess.run(
        [sys.executable, "-c", head + code, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def test_before_there_is_a_file_everything_goes_to_whoever_asked():
    heard = []
    log = Log(heard.append)
    events = [Started(operation="x", title="opening"), Advanced(operation="x", amount=1), Noticed(message="odd")]
    for event in events:
        log.hear(event)
    log.note("for the file alone")
    assert heard == events


def test_the_file_gets_what_a_person_should_know_and_what_the_process_prints(tmp_path):
    code = """
from rafsight.base.events import Advanced
heard = []
log = Log(heard.append)
log.write_to(Path(sys.argv[1]))
log.hear(Noticed(message="first\\x1b[31m\\nsecond\\udcff"))
log.hear(Advanced(operation="x", amount=1))
log.note("the end")
print("printed", flush=True)
os.system("echo by a child >&2")
assert heard == []
"""
    done = run(code, tmp_path / "log")
    assert (done.stdout, done.stderr) == ("", "")
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines[0].endswith("Z first\\x1b[31m\\x0asecond\\xff")
    assert lines[0][:4].isdecimal()
    assert lines[1].endswith("Z the end")
    assert lines[2:] == ["printed", "by a child"]
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_the_file_is_bounded_whoever_writes(tmp_path):
    code = """
import threading
log = Log(print)
log.write_to(Path(sys.argv[1]))
def write():
    for number in range(3000):
        log.hear(Noticed(message="x" * 2000))
threads = [threading.Thread(target=write) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    run(code, tmp_path / "log")
    content = (tmp_path / "log").read_bytes()
    assert MOST - 2000 < len(content) <= MOST
    assert {len(line) for line in content.decode().splitlines()} == {len("2000-01-01T00:00:00Z ") + 1000}


def test_a_file_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "log").symlink_to("elsewhere")
    run(
        "try: Log(print).write_to(Path(sys.argv[1]))\nexcept OSError: raise SystemExit(0)\nraise SystemExit(1)",
        tmp_path / "log",
    )
    assert not (tmp_path / "elsewhere").exists()
