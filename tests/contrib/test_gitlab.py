import base64
import json
import re
import shutil
import xml.etree.ElementTree as ET

import pytest
from tests.contrib.runners import call, environment, load

from rafsight.testing.registry import PLANTED, serve_layout
from rafsight.testing.registry_pages import Answer

TEMPLATE = "gitlab/rafsight.gitlab-ci.yml"
SHELLS = [["bash", "-eo", "pipefail"], ["sh", "-e"]]
"""As GitLab's runner starts them: bash where the container has it."""


@pytest.fixture
def job(tmp_path, advisories):
    """Run the job with some variables; the last run's cache is there."""
    project = tmp_path / "project"
    project.mkdir()
    shutil.copytree(advisories, project / ".rafsight-cache")

    def run(*, shell, **more):
        template = load(TEMPLATE)
        predefined = {
            "CI_PROJECT_DIR": str(project),
            "CI_REGISTRY_IMAGE": "registry.invalid/group/app",
            "CI_COMMIT_SHORT_SHA": "12345678",
        }
        variables = template["variables"] | template["rafsight"]["variables"] | more
        known = predefined | {name: str(value) for name, value in variables.items()}
        for _ in range(3):
            known = {name: expand(value, known) for name, value in known.items()}
        script = tmp_path / "script"
        script.write_text("\n".join(template["rafsight"]["script"]))
        return call([*shell, script], cwd=project, env=environment(tmp_path, **known))

    run.project = project
    return run


def expand(text, variables):
    return re.sub(r"\$([A-Z_]+)", lambda found: variables.get(found[1], ""), text)


def mirrored(mirror):
    return {
        "RAFSIGHT_DATABASE_URL": mirror,
        "RAFSIGHT_EXPLOITED_URL": "none",
        "RAFSIGHT_EPSS_URL": "none",
        "RAFSIGHT_ECOSYSTEMS": "Debian,PyPI,npm",
    }


@pytest.mark.parametrize("shell", SHELLS, ids=["bash", "sh"])
def test_the_job_leaves_all_artifacts_and_fails_by_the_policy(job, registry, mirror, shell):
    done = job(
        shell=shell, RAFSIGHT_IMAGE=registry.reference("v6"), RAFSIGHT_FAIL_ON="critical or kev", **mirrored(mirror)
    )
    assert done.returncode == 1, done.stdout
    assert "unchanged" in done.stdout
    assert "the policy 'critical or kev' holds: critical is 2" in done.stdout
    artifacts = load(TEMPLATE)["rafsight"]["artifacts"]
    named = {*artifacts["paths"], *artifacts["reports"].values()}
    assert {path.name for path in job.project.iterdir()} - {".rafsight-cache"} == named
    report = json.loads((job.project / artifacts["reports"]["container_scanning"]).read_text())
    assert report["scan"]["type"] == "container_scanning"
    assert report["vulnerabilities"]
    assert json.loads((job.project / artifacts["reports"]["cyclonedx"]).read_text())["bomFormat"] == "CycloneDX"
    assert ET.parse(job.project / artifacts["reports"]["junit"]).getroot().tag == "testsuites"


def test_it_passes_with_more_arguments(job, registry, mirror):
    done = job(
        shell=SHELLS[1], RAFSIGHT_IMAGE=registry.reference("v5"), RAFSIGHT_ARGUMENTS="--ignore-unfixed --list-all-pkgs",
        RAFSIGHT_MAX_DATABASE_AGE="", RAFSIGHT_SEVERITY="HIGH,CRITICAL", **mirrored(mirror),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "left out by filters" in done.stdout


def test_the_jobs_credentials_go_to_its_own_registry_only(job, mirror):
    wanted = "Basic " + base64.b64encode(b"gitlab-ci-token:s3cret").decode()
    seen = []

    def gate(request):
        seen.append(request.header("authorization"))
        return None if seen[-1] == wanted else Answer(status=401, headers=(("WWW-Authenticate", 'Basic realm="r"'),))

    login = {"CI_REGISTRY_USER": "gitlab-ci-token", "CI_REGISTRY_PASSWORD": "s3cret"}
    with serve_layout(PLANTED, gate=gate) as closed:
        more = login | {"RAFSIGHT_IMAGE": closed.reference("v6")} | mirrored(mirror)
        done = job(shell=SHELLS[0], CI_REGISTRY=closed.host, **more)
        assert done.returncode == 0, done.stdout
        seen.clear()
        assert job(shell=SHELLS[0], CI_REGISTRY="registry.invalid", **more).returncode == 77
        assert wanted not in seen


def test_no_advisories_no_scan(job, registry):
    shutil.rmtree(job.project / ".rafsight-cache")
    done = job(
        shell=SHELLS[1], RAFSIGHT_IMAGE=registry.reference("v6"), RAFSIGHT_DATABASE_URL="http://127.0.0.1:1",
        RAFSIGHT_EXPLOITED_URL="none", RAFSIGHT_EPSS_URL="none", RAFSIGHT_ECOSYSTEMS="PyPI",
    )  # fmt: skip
    assert done.returncode == 69, done.stdout
    assert list(job.project.iterdir()) == [job.project / ".rafsight-cache"] or list(job.project.iterdir()) == []


def test_only_what_is_worth_it_is_kept_between_runs():
    cache = load(TEMPLATE)["rafsight"]["cache"]
    assert cache["paths"] == [".rafsight-cache/db"]
    assert cache["when"] == "always"
