"""The same components as Syft finds in the original image, found by it in the Nydus images that are shown as plain ones."""

import pytest
from tests.interfaces.presenting_process import presenting, syft
from tests.parity.conftest import run_syft
from tests.parity.test_syft import LOST_WHITEOUTS

from rafsight.testing.registry import serve_layout


@pytest.fixture(scope="module")
def address(planted, tmp_path_factory):
    with (
        serve_layout(planted) as registry,
        presenting(registry.host, tmp_path_factory.mktemp("present"), "--for", "syft") as (address, _),
    ):
        yield address


def components(document):
    """What makes a component one: paths are those of the image, layers are not."""
    return {(one["type"], one["name"], one["version"], one["purl"], one["locations"][0]["path"]) for one in document}


@pytest.mark.parametrize("tag", ["v6", "v5", "v6-ref", "merged"])
def test_planted_in_every_nydus_form(planted, address, tmp_path, tag):
    expected = components(run_syft(planted, tmp_path, tag="oci")["artifacts"])
    found = components(syft(f"{address}/app:{tag}", tmp_path)["artifacts"])
    assert expected <= found
    assert {one[3] for one in found - expected} == LOST_WHITEOUTS
