"""What holds for every test: a missing part is a skip with its reason, or an error where everything is required."""

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_ANY_PACE = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
"""How fast a machine is, and what else it has to do, is no property of what is tested."""

settings.register_profile("ci", derandomize=True, database=None, **_ANY_PACE)
settings.register_profile("deep", max_examples=2000, **_ANY_PACE)
settings.load_profile(os.environ.get("RAFSIGHT_TEST_PROFILE", "ci"))

os.environ.pop("COLUMNS", None)  # the width of whoever started the tests, which reports would be fitted to

# Whoever starts the tests in the background or with nohup ignores these, and every program that a test starts and
# interrupts would, too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda _number, _frame: None)

REQUIRE_ALL = os.environ.get("RAFSIGHT_TEST_REQUIRE_ALL") == "1"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is collected stays to the end: looking through it for garbage takes a third of the time of collecting it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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
