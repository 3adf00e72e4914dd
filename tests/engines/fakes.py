"""Programs that stand in for engines: scripts that keep what they were given, and say what was recorded of real ones."""

import os
import time
from pathlib import Path

from rafsight.engines.engine import Output

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "engines"
NAMES = ("trivy", "grype", "syft", "osv-scanner")
NEWEST = b"9999.0.0"

_SCRIPT = """#!/bin/sh
data='{data}'
if [ "$1" = --version ]; then
    /bin/cat /proc/$$/environ > "$data/version-environment"
    {introduce}
    /bin/cat "$data/version"
    exit 0
fi
/bin/cat /proc/$$/environ > "$data/environment"
printf '%s\\0' "$@" > "$data/arguments"
/bin/pwd > "$data/folder"
for argument in "$@"; do
    case "$argument" in
        */image.tar) /bin/cp "${{argument#docker-archive:}}" "$data/archive" ;;
        cyclonedx-json=*) [ ! -f "$data/companion" ] || /bin/cp "$data/companion" "${{argument#*=}}" ;;
        */settings.*) /bin/cp "$argument" "$data/settings" ;;
    esac
done
{work}
/bin/cat "$data/log" >&2
/bin/cat "$data/report"
exit {status}
"""


class Fake:
    """An engine that was installed, and what its last run was given."""

    def __init__(self, program, data):
        self.program = program
        self.data = data

    @property
    def has_run(self):
        return (self.data / "arguments").exists()

    @property
    def was_asked_for_its_version(self):
        return (self.data / "version-environment").exists()

    @property
    def arguments(self):
        return (self.data / "arguments").read_text().split("\0")[:-1]

    @property
    def environment(self):
        return self._environment("environment")

    @property
    def version_environment(self):
        return self._environment("version-environment")

    @property
    def folder(self):
        return Path((self.data / "folder").read_text().removesuffix("\n"))

    @property
    def archive(self):
        return (self.data / "archive").read_bytes()

    @property
    def settings(self):
        return (self.data / "settings").read_bytes()

    def _environment(self, name):
        return dict(part.split("=", 1) for part in (self.data / name).read_text().split("\0")[:-1])


def recorded(engine, name):
    return (GOLDEN / engine / name).read_bytes()


def install(folder, name, *, version=None, introduce="", work="", status=None, **files):
    """Write an engine that does as the recorded one, unless it is told otherwise.

    `introduce` and `work` are lines of shell before it says its version, and before it reports; `report`, `log` and
    `companion` are bytes, None for a `companion` that is not written.
    """
    data = folder / f"{name}.data"
    data.mkdir(parents=True)
    contents = {"version": recorded(name, "version.txt") if version is None else version}
    contents["report"] = recorded(name, "report.json")
    with_log = {"trivy": "report.stderr.txt", "osv-scanner": "report.stderr.txt"}
    contents["log"] = recorded(name, with_log[name]) if name in with_log else b""
    contents["companion"] = recorded(name, "packages.cdx.json") if name == "grype" else None
    for kind, content in (contents | files).items():
        if content is not None:
            (data / kind).write_bytes(content)
    ended = status if status is not None else {"osv-scanner": 1}.get(name, 0)
    program = folder / name
    program.write_text(_SCRIPT.format(data=data, introduce=introduce, work=work, status=ended))
    program.chmod(0o755)
    return Fake(program, data)


def output_of(engine, report="report.json", log="", *, raw=None, words=None, **changed):
    """Return what a recorded run left; `report` and `log` are names of records, `raw` and `words` what a test says."""
    fields = {
        "status": 1 if engine == "osv-scanner" else 0,
        "report": recorded(engine, report) if raw is None else raw,
        "companion": recorded(engine, "packages.cdx.json") if engine == "grype" else None,
        "log": words if words is not None else recorded(engine, log).decode() if log else "",
        "introduction": recorded(engine, "version.txt").decode(),
    }
    return Output(**(fields | changed))


def is_alive(pid):
    """Tell whether a process runs; one that only waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_for(condition, seconds=60.0):
    """Wait until something holds; a test fails if it never does."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not come about in time"
        time.sleep(0.01)


def path_of(*folders):
    return os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])


MALFORMED = {
    "empty": b"",
    "a list": b"[]",
    "null": b"null",
    "an object": b"{}",
    "cut": b'{"SchemaVersion": 2, "artifacts": [], "matches": [], "results": [',
    "not UTF-8": b'{"artifacts": ["\xff"], "matches": ["\xff"], "results": ["\xff"], "SchemaVersion": 2, "Results": ["\xff"]}',
    "deep": b'{"SchemaVersion": 2, "artifacts": ' + b"[" * 100_000,
    "a number where a list is": b'{"SchemaVersion": 2, "Results": 7, "artifacts": 7, "matches": 7, "results": 7, "descriptor": {}}',
    "a null in a list": (
        b'{"SchemaVersion": 2, "Results": [null], "artifacts": [null], "matches": [null], "results": [null],'
        b' "descriptor": {}}'
    ),
}
"""Documents that are no report of any engine."""
