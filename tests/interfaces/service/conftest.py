"""Stores for the tests of the service: a file, and a real server."""

import pytest
from tests.interfaces.service.postgres_server import empty, postgres_server


@pytest.fixture(scope="session")
def postgres_url():
    """The URL of a database, the same for all tests of a session."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request, tmp_path):
    """The name of a store that is empty: each test runs with both kinds."""
    if request.param == "sqlite":
        return str(tmp_path / "jobs.sqlite")
    url = request.getfixturevalue("postgres_url")
    empty(url)
    return url
