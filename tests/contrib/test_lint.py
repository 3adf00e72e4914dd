"""What other people's programs and schemas say to the files of `contrib/`."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests.contrib.runners import CONTRIB, call, load

YAMLS = sorted(path.relative_to(CONTRIB).as_posix() for path in CONTRIB.rglob("*") if path.suffix in {".yml", ".yaml"})
SCHEMAS = {
    "github-action/action.yml": "github-actions",
    "github-action/example-workflow.yml": "github-workflows",
    "gitlab/rafsight.gitlab-ci.yml": "gitlab-ci",
}


def scripts():
    """Return all scripts by their place, with the shell that runs them."""
    found = {"container/rafsight": ("sh", (CONTRIB / "container/rafsight").read_text())}
    for step in load("github-action/action.yml")["runs"]["steps"]:
        if "run" in step:
            found[f"github-action/{step['id']}"] = ("bash", step["run"])
    found["gitlab"] = ("sh", "\n".join(load("gitlab/rafsight.gitlab-ci.yml")["rafsight"]["script"]))
    for step in load("tekton/rafsight-task.yaml")["spec"]["steps"]:
        found[f"tekton/{step['name']}"] = ("sh", step["script"])
    for number, text in enumerate(
        re.findall(r"sh '''\n(.*?)'''", (CONTRIB / "jenkins/Jenkinsfile").read_text(), re.DOTALL)
    ):
        found[f"jenkins/{number}"] = ("sh", text.replace("\\\\", "\\"))
    return found


def program(name):
    path = shutil.which(name)
    return path or pytest.skip(f"needs {name}")


@pytest.mark.parametrize("path", YAMLS)
def test_yaml(path):
    assert load(path)


@pytest.mark.parametrize(("shell", "text"), scripts().values(), ids=scripts())
def test_shells_can_read_the_scripts(shell, text, tmp_path):
    script = tmp_path / "script"
    script.write_text(text)
    done = call([shell, "-n", script])
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(("shell", "text"), scripts().values(), ids=scripts())
def test_shellcheck(shell, text, tmp_path):
    script = tmp_path / "script"
    script.write_text(text)
    # 2154: variables come from the runner
    done = call(
        [program("shellcheck"), "--shell", shell, "--exclude", "SC2154", "--enable", "quote-safe-variables", script]
    )
    assert done.returncode == 0, done.stdout


def test_more_linters_where_they_are():
    """Nobody has to have them: what they look for beyond the schemas is little."""
    for command, file in (
        (["actionlint", "-shellcheck="], "github-action/example-workflow.yml"),
        (["hadolint"], "container/Containerfile"),
    ):
        if shutil.which(command[0]):
            done = call([*command, CONTRIB / file])
            assert done.returncode == 0, done.stdout


def official_schema(name):
    """Read one of the schemas that the package `check-jsonschema` ships."""
    spec = find_spec("check_jsonschema")
    if spec is None or not spec.origin:
        pytest.skip("needs check-jsonschema, which ships the schemas")
    return json.loads((Path(spec.origin).parent / "builtin_schemas" / "vendor" / f"{name}.json").read_bytes())


@pytest.mark.parametrize(("path", "schema"), SCHEMAS.items(), ids=SCHEMAS)
def test_follows_the_official_schema(path, schema):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema to hold documents against schemas")
    validator = jsonschema.Draft7Validator(official_schema(schema))
    document = {"on" if name is True else name: value for name, value in load(path).items()}  # YAML 1.1 takes it so
    assert [error.message for error in validator.iter_errors(document)] == []
    assert list(validator.iter_errors(document | {"runs": 7, "jobs": 7, "rafsight": 7}))
