"""What the tests of `contrib/` share: a registry, a server of advisories, a database that is made once."""

import pytest
from tests.access.file_server import running
from tests.contrib.runners import YOUNG, call, environment, serve_advisories

from rafsight.testing.registry import PLANTED, serve_layout


@pytest.fixture(scope="session")
def registry():
    with serve_layout(PLANTED) as served:
        yield served


@pytest.fixture(scope="session")
def mirror():
    with running() as server:
        serve_advisories(server, **YOUNG)
        yield server.url


@pytest.fixture(scope="session")
def advisories(mirror, tmp_path_factory):
    """A cache folder with the advisories of the mirror."""
    folder = tmp_path_factory.mktemp("advisories")
    more = [part for name in ("Debian", "PyPI", "npm") for part in ("-e", name)]
    command = [
        "rafsight",
        "--cache-dir",
        folder / "cache",
        "db",
        "update",
        "--url",
        mirror,
        "--kev-url",
        "",
        "--epss-url",
        "",
        *more,
    ]
    done = call(command, env=environment(folder))
    assert done.returncode == 0, done.stdout
    return folder / "cache"
