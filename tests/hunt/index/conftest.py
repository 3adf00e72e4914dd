"""What the tests of indexes share: they need DuckDB, which only comes with an extra."""

import pytest

from rafsight.hunt.index.fleet_index import FleetIndex


@pytest.fixture(autouse=True)
def duckdb():
    return pytest.importorskip("duckdb", reason="needs the extra `fleet`")


@pytest.fixture
def index_of(tmp_path):
    def index_of(*references, url=tmp_path / "index", **more):
        index = FleetIndex(str(url), **more)
        index.add(*references)
        return index

    return index_of
