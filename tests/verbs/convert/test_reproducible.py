"""The same input gives the same bytes, whatever the work folder, the order of names, or what was there before."""

import os

import numpy as np
import pytest
from tests.access.source_images import Entry, folder, hard_link
from tests.verbs.convert.plain_layers import files_of, put_image, write_index, write_plain

from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms

RANDOM = np.random.default_rng(9)
LAYERS = [
    [
        Entry(b"d/f%d" % row, content=RANDOM.bytes(3000 * row), xattrs={b"user.b": b"1", b"user.a": b"2"})
        for row in range(9)
    ],
    [hard_link(b"d/link", b"d/f3"), Entry(b"d/.wh.f4"), Entry(b"new", content=RANDOM.bytes(300_000))],
    [folder(b"e")],
]


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"fs_version": 5, "compressor": "lz4_block", "chunk_size": 4096},
        {"digester": "sha256", "compressor": "none", "inlined": False, "prefetch": (b"/d",)},
    ],
    ids=str,
)
def test_again_and_elsewhere(tmp_path, terms):
    """No difference between places, work folders, and targets that had something."""
    (tmp_path / "a").mkdir()
    source = write_plain(tmp_path / "plain", *LAYERS)
    convert_image(source, f"oci:{tmp_path / 'a/out'}:v", terms=ConvertTerms(**terms))
    convert_image(source, f"oci:{tmp_path / 'b'}:v", terms=ConvertTerms(**terms, work_dir=tmp_path / "work"))
    first = files_of(tmp_path / "a/out")
    assert files_of(tmp_path / "b") == first
    convert_image(source, f"oci:{tmp_path / 'b'}:v", terms=ConvertTerms(**terms))
    assert files_of(tmp_path / "b") == first


def test_with_one_processor_or_several(tmp_path, monkeypatch):
    source, found = write_plain(tmp_path / "plain", *LAYERS), set()
    for count in (1, 2, 4, None):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        found.add(
            convert_image(source, f"oci:{tmp_path / f'out{count}'}:v", terms=ConvertTerms(chunk_size=4096)).digest
        )
    assert len(found) == 1


def test_images_that_share_a_layer_share_its_blob(tmp_path):
    first = write_plain(tmp_path / "one", LAYERS[0], LAYERS[1])
    second = write_plain(tmp_path / "two", LAYERS[2], LAYERS[0], compression="gzip")
    one = convert_image(first, f"oci:{tmp_path / 'out'}:one").images[0]
    two = convert_image(second, f"oci:{tmp_path / 'out'}:two").images[0]
    assert one.layers[0].digest == two.layers[1].digest
    assert two.layers[1].how == "present"


def test_alone_or_as_one_platform_of_an_index(tmp_path):
    platforms = [{"os": "linux", "architecture": name} for name in ("amd64", "arm64")]
    plain = tmp_path / "plain"
    plain.mkdir()
    source = write_index(plain, *(put_image(plain, *LAYERS[row:], platform=one) for row, one in enumerate(platforms)))
    both = convert_image(source, f"oci:{tmp_path / 'both'}", terms=ConvertTerms(all_platforms=True))
    alone = convert_image(source, f"oci:{tmp_path / 'alone'}", terms=ConvertTerms(platforms=("linux/arm64",)))
    assert both.images[1].digest == alone.images[0].digest


def build_folder(root, names):
    """Make a tree, its names in some order; times are those that they always have."""
    root.mkdir()
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 2000)
    os.link(root / "b/z", root / "a.link")
    for path in [*sorted(root.rglob("*")), root]:
        os.utime(path, ns=(1_600_000_000_123_456_789,) * 2)
    return root


def test_a_folder_whatever_the_order_in_which_it_was_filled(tmp_path):
    names = ["b/z", "b/a", "a/x", "c", "b.c", "b-c", "ä", "B"]
    found = []
    for number, order in enumerate((names, names[::-1], sorted(names))):
        root = build_folder(tmp_path / f"tree{number}", order)
        convert_image(f"dir:{root}", f"oci:{tmp_path / f'out{number}'}:v")
        found.append(files_of(tmp_path / f"out{number}"))
    assert found[0] == found[1] == found[2]
