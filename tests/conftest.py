"""What holds for every test: a missing part is a skip with its reason, or an error where everything is required."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.register_profile("deep", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("RAFSIGHT_TEST_PROFILE", "ci"))

os.environ.pop("COLUMNS", None)  # the width of whoever started the tests, which reports would be fitted to

REQUIRE_ALL = os.environ.get("RAFSIGHT_TEST_REQUIRE_ALL") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything is required, a skip is a failure that says what is missing; peers never are."""
    report = yield
    is_peer = item.get_closest_marker("peer") is not None
    if REQUIRE_ALL and report.skipped and not is_peer and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"everything is required here, but this test was skipped: {reason}"
    return report


def _mounts_below(folder):
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return set()
    return {line for line in lines if line.split(" ")[1].startswith(f"{folder}/")}


@pytest.fixture(scope="session", autouse=True)
def no_mounts_left(tmp_path_factory):
    """No test may leave a mount behind: all are made below the folder of this run."""
    yield
    left = _mounts_below(tmp_path_factory.getbasetemp().resolve())
    assert not left, f"mounts left behind: {left}"
