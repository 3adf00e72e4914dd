"""The list of images in a docker archive."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.base.limits import Limits
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.saved_images import SavedImage, parse_saved_images


def test_reads_what_docker_writes():
    content = json.dumps(
        [
            {"Config": "c.json", "RepoTags": ["a:1", "", "a:2"], "Layers": ["x/layer.tar", "y"], "LayerSources": {}},
            {"Config": "d.json", "RepoTags": None, "Layers": None},
        ]
    ).encode()
    first, second = parse_saved_images(content)
    assert first == SavedImage(config="c.json", layers=("x/layer.tar", "y"), tags=("a:1", "a:2"))
    assert second == SavedImage(config="d.json", layers=(), tags=())
    assert first.identity != second.identity


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'[{"Config": ""}]', b'[{"Layers": []}]', b"[null]"])
def test_refuses_what_is_none(content):
    with pytest.raises(MalformedDocument, match=r"manifest\.json"):
        parse_saved_images(content)


def test_layers_are_bounded():
    content = json.dumps([{"Config": "c", "Layers": ["a", "b"]}]).encode()
    assert parse_saved_images(content, limits=Limits(layer_count=2))
    with pytest.raises(MalformedDocument, match="image 0 has more than 1 layers"):
        parse_saved_images(content, limits=Limits(layer_count=1))


@given(content=st.binary(max_size=200))
def test_anything_else_is_an_image_fault(content):
    with pytest.raises(MalformedDocument):
        parse_saved_images(content)
