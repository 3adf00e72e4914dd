"""An engine sees what it needs of the user's environment, and nothing that brings the network back."""

from pathlib import Path

import pytest

from rafsight.engines.catalogue import ENGINES, engine_named
from rafsight.engines.environment import environment_for
from rafsight.engines.faults import UnknownEngine

SCRATCH = Path("/scratch")
OF_THE_USER = {
    "HOME": "/h",
    "PATH": "/p",
    "XDG_CACHE_HOME": "/c",
    "TMPDIR": "/t",
    "HTTPS_PROXY": "http://proxy",
    "https_proxy": "http://proxy",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "DOCKER_CONFIG": "/d",
    "LD_PRELOAD": "/l.so",
    "XDG_CONFIG_HOME": "/x",
    "RAFSIGHT_CACHE_DIR": "/r",
}
OFF = {
    "trivy": {
        "TRIVY_DISABLE_TELEMETRY": "true",
        "TRIVY_OFFLINE_SCAN": "true",
        "TRIVY_SKIP_DB_UPDATE": "true",
        "TRIVY_SKIP_JAVA_DB_UPDATE": "true",
        "TRIVY_SKIP_VERSION_CHECK": "true",
    },
    "grype": {
        "GRYPE_CHECK_FOR_APP_UPDATE": "false",
        "GRYPE_DB_AUTO_UPDATE": "false",
        "GRYPE_DB_REQUIRE_UPDATE_CHECK": "false",
        "GRYPE_EXTERNAL_SOURCES_ENABLE": "false",
    },
    "syft": {
        "SYFT_CHECK_FOR_APP_UPDATE": "false",
        "SYFT_GOLANG_SEARCH_REMOTE_LICENSES": "false",
        "SYFT_JAVA_USE_NETWORK": "false",
        "SYFT_JAVASCRIPT_SEARCH_REMOTE_LICENSES": "false",
        "SYFT_PYTHON_SEARCH_REMOTE_LICENSES": "false",
    },
    "osv-scanner": {},
}
PASSED = {
    "trivy": {"TRIVY_CACHE_DIR", "TRIVY_IGNOREFILE", "TRIVY_TIMEOUT"},
    "grype": {"GRYPE_DB_CACHE_DIR", "GRYPE_DB_VALIDATE_AGE"},
    "syft": {"SYFT_FILE_METADATA_SELECTION"},
    "osv-scanner": {"OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY"},
}
WITHHELD = {
    "trivy": {"TRIVY_SEVERITY", "TRIVY_SERVER", "TRIVY_SBOM_SOURCES", "TRIVY_PKG_RELATIONSHIPS", "TRIVY_CACHE_BACKEND"},
    "grype": {"GRYPE_EXCLUDE", "GRYPE_CONFIG", "GRYPE_ONLY_FIXED", "GRYPE_DB_UPDATE_URL"},
    "syft": {"SYFT_EXCLUDE", "SYFT_CONFIG", "SYFT_SELECT_CATALOGERS", "SYFT_ENRICH"},
    "osv-scanner": {"OSV_SOMETHING"},
}


def seen(engine, **more):
    return environment_for(engine.traits, OF_THE_USER | more, SCRATCH)


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.traits.name)
def test_nothing_of_other_programs(engine):
    shared = {"HOME": "/h", "PATH": "/p", "XDG_CACHE_HOME": "/c", "TMPDIR": "/scratch"}
    assert seen(engine) == shared | OFF[engine.traits.name]


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.traits.name)
def test_its_own_part(engine):
    name = engine.traits.name
    own = dict.fromkeys(PASSED[name], "yes")
    refused = dict.fromkeys(WITHHELD[name], "no")
    others = {each: "no" for other, names in PASSED.items() if other != name for each in names}
    found = seen(engine, **own, **refused, **others)
    assert {key: value for key, value in found.items() if value == "yes"} == own
    assert "no" not in found.values()


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.traits.name)
def test_the_network_stays_off_whatever_the_user_has_set(engine):
    off = OFF[engine.traits.name]
    opposite = {key: {"true": "false", "false": "true"}[value] for key, value in off.items()}
    assert off.items() <= seen(engine, **opposite).items()


def test_an_environment_that_is_empty_stays_so():
    assert environment_for(engine_named("osv-scanner").traits, {}, SCRATCH) == {"TMPDIR": "/scratch"}


def test_no_other_engines():
    with pytest.raises(UnknownEngine, match="'snyk' is no engine") as caught:
        engine_named("snyk")
    assert "trivy, grype, syft, osv-scanner" in caught.value.advice
