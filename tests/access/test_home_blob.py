"""The blob that a bare bootstrap was taken out of is found by its bytes."""

import shutil
from pathlib import Path

import pytest

from rafsight.access.counting import Meter
from rafsight.access.home_blob import find_home, names_itself
from rafsight.base.limits import Limits

GOLDEN = Path(__file__).parents[1] / "golden" / "rafs"
INLINED = ("v5-inline", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline", "targz-ref-toc-inline")


def home(case, folder):
    return find_home((GOLDEN / case / "image.boot").read_bytes(), folder, Limits(), Meter())


@pytest.mark.parametrize("case", INLINED)
def test_the_blob_is_found(case):
    bootstrap = (GOLDEN / case / "image.boot").read_bytes()
    assert names_itself(bootstrap, "image", Limits())
    found = home(case, GOLDEN / case)
    assert found is not None
    assert bootstrap[:512] in (GOLDEN / case / found).read_bytes() or "toc" in case or "enc" in case
    assert len(found) == 64


@pytest.mark.parametrize("case", ["v6-zstd", "v5-zstd", "v6-toc", "targz-ref", "v6-nodata"])
def test_others_know_their_blobs(case):
    assert not names_itself((GOLDEN / case / "image.boot").read_bytes(), "image", Limits())
    assert not names_itself(b"no bootstrap", "image", Limits())


def test_where_it_cannot_be_known_nothing_is_said(tmp_path):
    assert home("v6-inline", tmp_path) is None
    assert home("v6-inline", tmp_path / "none") is None
    blob = GOLDEN / "v6-inline" / str(home("v6-inline", GOLDEN / "v6-inline"))
    (tmp_path / "folder").mkdir()
    (tmp_path / "short").write_bytes(blob.read_bytes()[-512:])
    shutil.copy(blob, tmp_path / "one")
    assert home("v6-inline", tmp_path) == "one"
    assert home("v5-inline", tmp_path) is None
    shutil.copy(blob, tmp_path / "two")
    assert home("v6-inline", tmp_path) is None
