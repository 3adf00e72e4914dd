"""Any stack of layers, converted by any terms: the tree that the plain image has, byte for byte, and sound."""

import stat
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.access.source_images import Entry, folder, hard_link, symlink
from tests.verbs.convert.plain_layers import assert_sound, said_of, sparse_member, tar_with, write_plain

from rafsight.reports.soundness import Verdict
from rafsight.verbs.check.checking import check_reference
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import COMPRESSORS, DIGESTERS, ConvertTerms

NAMES = st.sampled_from([b"a", b"b", b"c", b"!", b"\xff\xfe", b"d" * 255])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(b"/".join)
PIECES = st.sampled_from([b"", b"x", bytes(4096), b"A" * 4096, b"B" * 5000, bytes(range(256)) * 33, b"tail"])
CONTENTS = st.lists(PIECES, max_size=4).map(b"".join)
MODES = st.sampled_from([0o644, 0o4755, 0, 0o7777])
XATTRS = st.dictionaries(
    st.sampled_from([b"user.a", b"user.\xc3\xa4", b"security.capability", b"trusted.overlay.opaque"]),
    st.sampled_from([b"", b"\x01value", b"v" * 300]),
    max_size=2,
)
COMMON = {
    "uid": st.sampled_from([0, 1000, 2**32 - 2]),
    "gid": st.sampled_from([0, 70_000]),
    "mtime": st.sampled_from([(0, 0), (1_700_000_000, 123_456_789), (-5, 0)]),
    "xattrs": XATTRS,
}


@st.composite
def sparse(draw):
    path = draw(PATHS.filter(lambda path: len(path) < 90 and b"\xff" not in path))
    first, second = draw(st.tuples(st.integers(0, 9000), st.integers(0, 9000)))
    end = first + 7 + second + 3000
    return sparse_member(
        path, end + draw(st.sampled_from([0, 1, 20_000])), (first, b"stored!"), (first + 7 + second, b"S" * 3000)
    )


def marker(path, name):
    return Entry((path + b"/" if path else b"") + name)


MEMBERS = st.one_of(
    st.builds(Entry, PATHS, mode=MODES.map(lambda mode: stat.S_IFREG | mode), content=CONTENTS, **COMMON),
    st.builds(Entry, PATHS, content=CONTENTS),
    st.builds(folder, PATHS, MODES, **COMMON),
    st.builds(folder, st.just(b""), MODES, **COMMON),
    st.builds(symlink, PATHS, st.sampled_from([b"a", b"../..", b"/b/\xff", b"t" * 4095])),
    st.builds(hard_link, PATHS, PATHS),
    st.builds(
        Entry,
        PATHS,
        mode=st.sampled_from([stat.S_IFIFO | 0o600, stat.S_IFCHR | 0o666, stat.S_IFBLK | 0o660]),
        device=st.sampled_from([(0, 0), (4094, 1_048_575), (8, 17)]),
    ),
    sparse(),
    st.builds(
        lambda path, name: marker(path, b".wh." + name), st.just(b"") | PATHS, NAMES.filter(lambda name: len(name) < 9)
    ),
    st.builds(lambda path: marker(path, b".wh..wh..opq"), st.just(b"") | PATHS),
    st.builds(
        lambda name: Entry(b".wh..wh.plnk/" + name, content=b"of AUFS"), NAMES.filter(lambda name: len(name) < 9)
    ),
)
LINKED = ("linked-kind",)
"""A symbolic link or a device may have several names, in a layer as in a v6 image; `check` finds that odd."""


def in_version(found, version):
    """What is left of a tree in a version of RAFS: in v5 only regular files have several names."""
    if version == 6:
        return found
    return {
        path: one if one[0].kind in ("file", "directory") else (replace(one[0], nlink=1), *one[1:3], path, one[4])
        for path, one in found.items()
    }


STACKS = st.lists(st.lists(MEMBERS, max_size=9), min_size=1, max_size=4)
TERMS = st.builds(
    ConvertTerms,
    fs_version=st.sampled_from([6, 5]),
    compressor=st.sampled_from(sorted(COMPRESSORS)),
    digester=st.sampled_from(sorted(DIGESTERS)),
    chunk_size=st.sampled_from([4096, 1 << 20]),
    inlined=st.booleans(),
    prefetch=st.sampled_from([(b"/",), (), (b"/a", b"/b/c", b"/a")]),
)


@settings(
    max_examples=50, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(stack=STACKS, terms=TERMS, compression=st.sampled_from(["gzip", "zstd", "none"]))
def test_the_tree_is_that_of_the_plain_image(tmp_path_factory, stack, terms, compression):
    place = tmp_path_factory.mktemp("any")
    source = write_plain(place / "plain", *(tar_with(*members) for members in stack), compression=compression)
    done = convert_image(source, f"oci:{place / 'nydus'}:v", terms=terms)
    ours = f"oci:{place / 'nydus'}:v"
    assert said_of(ours) == in_version(said_of(source), terms.fs_version)
    assert_sound(ours, but=LINKED if terms.fs_version == 6 else ())
    (image,) = done.images
    assert image.left_out == ()
    assert len(image.layers) == len(stack)
    with_source = check_reference(ours, source=source)
    assert with_source.verdict is (Verdict.UNKNOWN if image.unread_count else Verdict.SOUND)


@pytest.mark.parametrize("version", [6, 5])
def test_links_and_devices_of_several_names(tmp_path, version):
    device = Entry(b"null", mode=stat.S_IFCHR | 0o666, device=(1, 3), xattrs={b"user.a": b"b"})
    fifo = Entry(b"pipe", mode=stat.S_IFIFO | 0o600)
    layer = [symlink(b"s", b"null"), device, fifo]
    more = [hard_link(b"z/s", b"s"), hard_link(b"a/null", b"null"), hard_link(b"a/pipe", b"pipe")]
    source = write_plain(tmp_path / "plain", layer, more)
    target = f"oci:{tmp_path / 'nydus'}"
    convert_image(source, target, terms=ConvertTerms(fs_version=version))
    assert said_of(target) == in_version(said_of(source), version)
    assert_sound(target, source=source, but=LINKED if version == 6 else ())


@pytest.mark.parametrize("version", [6, 5])
def test_chunks_of_many_sizes(tmp_path, version):
    """The largest chunk size, and files around the edges of chunks."""
    rng = np.random.default_rng(3)
    size = 16 << 20
    entries = [
        Entry(b"whole", content=rng.bytes(size)),
        Entry(b"more", content=rng.bytes(9) + bytes(size)),
        Entry(b"less", content=b"x" * (size - 1)),
    ]
    source = write_plain(tmp_path / "plain", entries, compression="none")
    target = f"oci:{tmp_path / 'nydus'}"
    convert_image(source, target, terms=ConvertTerms(fs_version=version, chunk_size=size, level=1))
    assert said_of(target) == said_of(source)
    assert_sound(target)
