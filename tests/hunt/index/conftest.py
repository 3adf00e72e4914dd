"""What the tests of indexes share: they need DuckDB, which only comes with an extra."""

import pytest


@pytest.fixture(autouse=True)
def duckdb():
    return pytest.importorskip("duckdb", reason="needs the extra `fleet`")
