import pytest
from tests.formats.rafs.laws import check_laws
from tests.formats.rafs.v5_patch import Patch

from rafsight.base.limits import Limits
from rafsight.formats.judge import Collector
from rafsight.formats.rafs.codec import check_bootstrap
from rafsight.testing.bootstraps_v5 import synthetic_bootstrap_v5


@pytest.mark.parametrize("count", [1, 2, 3, 41, 42, 3000])
def test_is_sound(count):
    content = synthetic_bootstrap_v5(count)
    judge = Collector()
    tables = check_bootstrap(content, name="", limits=Limits(), judge=judge)
    assert judge.faults == []
    check_laws(tables)
    assert len(tables.entries.mode) == tables.superblock.inode_count == count


def test_digests_are_as_plain_loops_compute_them():
    content = synthetic_bootstrap_v5(500)
    patch = Patch(content)
    patch.seal()
    assert bytes(patch.content) == content


def test_has_every_kind_that_was_promised():
    tables = check_bootstrap(synthetic_bootstrap_v5(500), name="", limits=Limits(), judge=Collector())
    assert {int(mode) >> 12 for mode in tables.entries.mode} == {1, 4, 8, 10}
    assert set(tables.entries.extent_count.tolist()) == {0, 1}


def test_is_reproducible():
    assert synthetic_bootstrap_v5(300) == synthetic_bootstrap_v5(300)
