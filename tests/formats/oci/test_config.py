"""Image configs: real ones, and what is refused."""

import json
from pathlib import Path

import pytest

from rafsight.base.digest import digest_of
from rafsight.formats.oci.config import parse_config
from rafsight.formats.oci.errors import MalformedDocument

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
DIGEST = "sha256:" + "a" * 64


def test_reads_a_config_whole():
    content = (GOLDEN / "v6.config.json").read_bytes()
    config = parse_config(content, digest=digest_of(content))
    assert (config.os, config.architecture, config.variant) == ("linux", "amd64", "")
    assert config.created == "2026-01-02T03:04:05Z"
    assert config.diff_ids[0] == "sha256:9ffee2128f44b352f3de604bd761c0e05b6ca9501188730c1a94b2604527d950"
    assert len(config.diff_ids) == 4
    assert [step.empty_layer for step in config.history] == [False, False, True, False, False]
    assert config.history[-1].comment == "Nydus Bootstrap Layer"
    assert config.raw == content


def test_an_empty_config_says_nothing():
    config = parse_config((GOLDEN / "cache.config.json").read_bytes(), digest=DIGEST)
    assert (config.os, config.diff_ids, config.history) == ("", (), ())
    assert parse_config(b'{"rootfs": null, "history": null}', digest=DIGEST).diff_ids == ()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"no json", "malformed"),
        (json.dumps({"rootfs": {"diff_ids": ["sha256:1"]}}).encode(), "not a digest"),
        (json.dumps({"rootfs": {"diff_ids": [DIGEST] * 1025}}).encode(), "more than 1024"),
        (json.dumps({"os": 5}).encode(), "Expected `str"),
        (json.dumps({"history": [{"empty_layer": "yes"}]}).encode(), "Expected `bool"),
    ],
)
def test_refuses_what_is_malformed(content, what):
    with pytest.raises(MalformedDocument) as caught:
        parse_config(content, digest=DIGEST)
    assert what in str(caught.value)
    assert str(caught.value).startswith(f"config {DIGEST}: ")
