"""What stands in for a runner: its shells, its files, its expressions, and for Python's package index.

Scripts are taken out of the files in `contrib/` as they are, and really run.
"""

import io
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import yaml

from rafsight.testing.registry import PLANTED

ROOT = Path(__file__).resolve().parents[2]
CONTRIB = ROOT / "contrib"
ADVISORIES = PLANTED.parent / "advisories"
ECOSYSTEMS = ("Debian", "PyPI", "npm")
YOUNG = {"modified": datetime.now(UTC).strftime("%Y-%m-%dT00:00:00Z")}


def load(path):
    return yaml.safe_load((CONTRIB / path).read_text())


def dump_of(ecosystem, **more):
    """Pack the shipped advisories of an ecosystem as OSV does.

    Args:
        more: fields that all records get.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(ADVISORIES.glob("*.json")):
            record = json.loads(path.read_bytes())
            names = {one["package"]["ecosystem"].partition(":")[0] for one in record["affected"]}
            if ecosystem in names:
                archive.writestr(path.name, json.dumps(record | more))
    return packed.getvalue()


def serve_advisories(server, **more):
    """Put all advisories where `db update --url` looks for them."""
    for ecosystem in ECOSYSTEMS:
        server.serve(f"/{ecosystem}/all.zip", dump_of(ecosystem, **more))


def environment(folder, **more):
    """Return an environment as bare as a runner's, with a home of its own and `rafsight` on the PATH."""
    programs = folder / "programs"
    if not programs.is_dir():
        programs.mkdir()
        write_program(programs / "rafsight", f'#!/bin/sh\nexec "{sys.executable}" -m rafsight "$@"\n')
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "LANG": "C.UTF-8"} | more


def write_program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


PYTHON_WITHOUT_INDEX = """#!/bin/bash
# Python, but that `pip install` brings the packages of these tests instead of asking an index.
printf '%s\\n' "$*" >> "{log}"
if [ "$1 $2" = "-m venv" ]; then
    place=${{!#}}
    "{real}" -m venv --without-pip "$place"
    [ -e "$place/bin/real-python" ] || mv "$place/bin/python" "$place/bin/real-python"
    sed "s|{real}|$place/bin/real-python|" "$0" > "$place/bin/python"
    chmod +x "$place/bin/python"
    echo "{packages}" > "$("$place/bin/real-python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/packages.pth"
elif [ "$1 $2" = "-m pip" ]; then
    requirements=${{!#}}
    test -s "$requirements"
else
    exec "{real}" "$@"
fi
"""


def python_without_index(folder, name="python3"):
    """Write a Python that installs nothing; return it and the file that tells how it was called."""
    log = folder / "calls"
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    real = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    text = PYTHON_WITHOUT_INDEX.format(log=log, real=real, packages=packages)
    return write_program(folder / name, text), log


@dataclass
class Outcome:
    """How a job went."""

    status: int = 0
    """Of the step that failed first."""
    ran: list[str] = field(default_factory=list)
    """Ids of the steps that ran."""
    used: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Actions of others, with what they got; nothing is done for them."""
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""


@dataclass
class GitHubRunner:
    """Runs a composite action's steps as GitHub's runner does, as far as this one needs it."""

    folder: Path
    """The runner's: its home, its temporary files, the workspace."""

    def run(self, inputs, **more):
        """Run the action.

        Args:
            inputs: as `with:` has them.
            more: environment variables of the job.
        """
        action = load("github-action/action.yml")
        unknown = set(inputs) - set(action["inputs"])
        assert not unknown
        known = {name: entry.get("default", "") for name, entry in action["inputs"].items()} | inputs
        temporary, workspace = self.folder / "temp", self.folder / "workspace"
        for path in (temporary, workspace):
            path.mkdir(exist_ok=True)
        context = {f"inputs.{name}": value for name, value in known.items()}
        context |= {
            "runner.temp": str(temporary),
            "github.action_path": str(CONTRIB / "github-action"),
            "github.run_id": "7",
            "github.run_attempt": "1",
        }
        outcome, path = Outcome(), ""
        for step in action["runs"]["steps"]:
            if "if" in step and not holds(step["if"], context):
                continue
            outcome.ran.append(step["id"])
            if "uses" in step:
                outcome.used.append((step["uses"], {k: expand(v, context) for k, v in step["with"].items()}))
                continue
            files = {
                name: self.folder / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")
            }
            for file in files.values():
                file.write_text("")
            script = self.folder / "step.sh"
            script.write_text(step["run"])
            variables = environment(self.folder, RUNNER_TEMP=str(temporary), **more)
            variables["PATH"] = path + variables["PATH"]
            variables |= {name: str(file) for name, file in files.items()}
            variables |= {name: expand(value, context) for name, value in step.get("env", {}).items()}
            assert step["shell"] == "bash"
            command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", script]
            done = call(command, cwd=workspace, env=variables)
            outcome.log += done.stdout
            outcome.summary += files["GITHUB_STEP_SUMMARY"].read_text()
            path = "".join(f"{line}:" for line in files["GITHUB_PATH"].read_text().split()) + path
            for line in files["GITHUB_OUTPUT"].read_text().splitlines():
                name, _, value = line.partition("=")
                context[f"steps.{step['id']}.outputs.{name}"] = value
            if done.returncode:
                outcome.status = done.returncode
                break
        outcome.outputs = {name: expand(entry["value"], context) for name, entry in action["outputs"].items()}
        return outcome


def expand(text, context):
    """Replace expressions; one of a kind that is not known here fails, an output that is not there is empty."""

    def value(found):
        name = found[1]
        assert name in context or name.startswith("steps."), f"unknown expression {name}"
        return context.get(name, "")

    return re.sub(r"\$\{\{ ([a-z_.-]+) \}\}", value, text)


def holds(condition, context):
    """Tell whether a condition holds: comparisons joined by `&&`."""
    inner = re.fullmatch(r"\$\{\{ (.*) \}\}", condition)[1]
    answers = []
    for part in inner.split(" && "):
        name, wanted = re.fullmatch(r"([a-z.-]+) == '([a-z]+)'", part).groups()
        answers.append(context[name] == wanted)
    return all(answers)


def call(command, **how):
    """Run a program, its errors among its output."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
        **how,
    )
