import json
import re
import shutil
import xml.etree.ElementTree as ET

import pytest
from tests.contrib.runners import CONTRIB, call, environment, load, write_program

TASK = "tekton/rafsight-task.yaml"


@pytest.fixture
def task(tmp_path, advisories):
    """Run the task's one step with some parameters."""
    reports = tmp_path / "reports"
    reports.mkdir()
    kept = tmp_path / "kept"
    shutil.copytree(advisories, kept)

    def run(**params):
        spec = load(TASK)["spec"]
        (step,) = spec["steps"]
        known = {f"params.{one['name']}": one.get("default") for one in spec["params"]}
        known |= {f"params.{name.replace('_', '-')}": value for name, value in params.items()}
        known |= {"workspaces.reports.path": str(reports), "workspaces.advisories.path": str(kept)}
        known |= {"workspaces.dockerconfig.path": "", "results.exit-status.path": str(tmp_path / "result")}

        def value(text):
            return re.sub(r"\$\(([a-z.-]+)\)", lambda found: known[found[1]], text)

        variables = {one["name"]: value(one["value"]) for one in step["env"]}
        script = write_program(tmp_path / "script", step["script"])
        done = call([script], cwd=value(step["workingDir"]), env=environment(tmp_path, **variables))
        result = tmp_path / "result"
        return done, result.read_text() if result.exists() else None

    run.reports = reports
    return run


@pytest.mark.parametrize(("fail_on", "status"), [("critical", 1), ("", 0), ("'; touch ../evil; '", 2)])
def test_the_task_of_tekton(task, registry, tmp_path, fail_on, status):
    done, result = task(image=registry.reference("v6"), fail_on=fail_on, update_database="false")
    assert (done.returncode, result) == (status, str(status)), done.stdout
    names = {path.name for path in task.reports.iterdir()}
    assert names == (set() if status == 2 else {"rafsight.sarif", "rafsight.html"})
    if names:
        assert json.loads((task.reports / "rafsight.sarif").read_text())["version"] == "2.1.0"
    assert not (tmp_path / "evil").exists()


def test_the_task_gives_up_without_advisories(task, registry, tmp_path):
    """A program that fails at `db update`: the scan does not begin."""
    environment(tmp_path)
    write_program(tmp_path / "programs" / "rafsight", '#!/bin/sh\necho "called: $*"\nexit 69\n')
    done, result = task(image=registry.reference("v6"))
    assert (done.returncode, result) == (69, None)
    assert done.stdout == "called: --no-progress db update\n"


def test_no_parameter_is_part_of_a_script():
    (step,) = load(TASK)["spec"]["steps"]
    assert "$(params" not in step["script"]
    assert "$(workspaces" not in step["script"]


def test_the_stages_of_jenkins(registry, advisories, tmp_path):
    stages = re.findall(r"sh '''\n(.*?)'''", (CONTRIB / "jenkins/Jenkinsfile").read_text(), re.DOTALL)
    assert len(stages) == 2
    scripts = [stage.replace("\\\\", "\\") for stage in stages]
    variables = environment(
        tmp_path, RAFSIGHT_CACHE_DIR=str(advisories), IMAGE=registry.reference("v6"), FAIL_ON="critical or high.fixable"
    )
    done = call(["sh", "-xe", "-c", scripts[1]], cwd=tmp_path, env=variables)
    assert done.returncode == 1, done.stdout
    assert ET.parse(tmp_path / "rafsight.junit.xml").getroot().tag == "testsuites"
    assert (tmp_path / "rafsight.html").stat().st_size > 1000
    for given, left in ((0, 0), (3, 0), (69, 69)):
        write_program(tmp_path / "programs" / "rafsight", f"#!/bin/sh\nexit {given}\n")
        assert call(["sh", "-xe", "-c", scripts[0]], cwd=tmp_path, env=variables).returncode == left
