"""An image beside its source: sound pairs of every kind, one field broken at a time, and the converter's known mistakes."""

import json
import shutil
import stat
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.access.source_images import Entry, changed, entries_of, folder, hard_link, symlink, tar_of, write_source
from tests.shared import SHARED, needs_shared

from rafsight.access.backend import DigestMismatch
from rafsight.access.options import Options
from rafsight.access.session import open_image
from rafsight.access.source_layers import SourceNotLayers, compare_with_source
from rafsight.base.events import Finished, Started
from rafsight.base.units import MiB
from rafsight.formats.judge import Collector, Weight
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import Link, build_image

GOLDEN = Path(__file__).parents[1] / "golden" / "rafs"
INLINED = {"v5-inline", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline", "targz-ref-toc-inline"}
CASES = sorted(path.name for path in GOLDEN.iterdir() if path.name not in INLINED)
HAVE_A_SOCKET = {"v5-zstd", "v6-zstd", "v5-lz4-sha256-fs", "v6-lz4-sha256-4k-fs"}
OPTIONS = Options(platform="linux/amd64")
PLANTED = f"oci:{SHARED}/fixtures/images/planted"


def compare(tree, source, read=None, **more):
    judge = Collector()
    comparison = compare_with_source(tree, source, options=OPTIONS, judge=judge, read=read, **more)
    assert sum(judge.counts.values()) == len(judge.faults)
    return comparison, judge.faults


def told(faults):
    return [(fault.rule.code, fault.path) for fault in faults]


def small(files):
    return ImageTree(build_image(files).tables)


# sound pairs


@pytest.mark.parametrize("case", CASES)
def test_every_variant_equals_an_archive_of_its_tree(case, tmp_path):
    with open_image(f"boot:{GOLDEN / case / 'image.boot'}", options=OPTIONS) as image:
        comparison, faults = compare(image.tree, write_source(tmp_path, entries_of(image)), image.read)
        files = {
            int(image.tree.entries.link_row[row])
            for row in image.tree.walk()
            if image.tree.is_file(row) and image.tree.entries.size[row]
        }
    assert told(faults) == ([("source-extra", b"sock")] if case in HAVE_A_SOCKET else [])
    assert comparison.unchecked == ()
    facts = dict(comparison.facts)
    assert facts["files"] >= len(files)
    assert facts["files-fetched"] == (facts["files"] if case == "tar-tarfs" else 0)


@pytest.mark.parametrize("case", ["merge-oci-v5", "merge-oci-v6"])
def test_a_merged_image_equals_its_layers(case, tmp_path):
    layers = []
    for name in json.loads((GOLDEN / case / "layers/order.json").read_text()):
        options = Options(blob_dir=GOLDEN / case)
        with open_image(f"boot:{GOLDEN / case / 'layers' / name}", options=options) as layer:
            layers.append(entries_of(layer))
    assert sum(b"/.wh." in b"/" + entry.path for layer in layers for entry in layer) > 2
    with open_image(f"boot:{GOLDEN / case / 'image.boot'}", options=OPTIONS) as image:
        comparison, faults = compare(image.tree, write_source(tmp_path, *layers), image.read)
    assert (told(faults), comparison.unchecked) == ([], ())
    assert dict(comparison.facts)["files"] == 14


def test_without_digests_and_without_a_reader_content_is_unchecked(tmp_path):
    with open_image(f"boot:{GOLDEN / 'tar-tarfs' / 'image.boot'}", options=OPTIONS) as image:
        comparison, faults = compare(image.tree, write_source(tmp_path, entries_of(image)))
    assert faults == []
    [(subject, why)] = comparison.unchecked
    assert "and of 18 more files" in subject
    assert "no digests" in why


def test_content_that_cannot_be_fetched_is_unchecked(tmp_path):
    (tmp_path / "case").mkdir()
    shutil.copy(GOLDEN / "tar-tarfs" / "image.boot", tmp_path / "case")
    with open_image(f"boot:{GOLDEN / 'tar-tarfs' / 'image.boot'}", options=OPTIONS) as image:
        source = write_source(tmp_path / "source", entries_of(image))
    with open_image(f"boot:{tmp_path / 'case' / 'image.boot'}", options=OPTIONS) as image:
        comparison, faults = compare(image.tree, source, image.read)
    assert faults == []
    assert len(comparison.unchecked) == 19
    assert dict(comparison.facts)["files"] == 0


def test_content_that_had_to_be_fetched_is_compared(tmp_path):
    with open_image(f"boot:{GOLDEN / 'tar-tarfs' / 'image.boot'}", options=OPTIONS) as image:
        entries = entries_of(image)
        largest = max(entries, key=lambda entry: len(entry.content))
        spoiled = largest.content[:-1] + bytes([largest.content[-1] ^ 1])
        source = write_source(tmp_path, changed(entries, largest.path, content=spoiled))
        comparison, faults = compare(image.tree, source, image.read)
    assert told(faults) == [("source-content", largest.path)]
    assert comparison.unchecked == ()


# one thing broken at a time


def without(entries, path):
    return [entry for entry in entries if entry.path != path]


def flipped(entries, path, at):
    content = next(entry.content for entry in entries if entry.path == path)
    return changed(entries, path, content=content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])


def xattrs(entries, path, **more):
    before = next(entry.xattrs for entry in entries if entry.path == path)
    after = {**before, **{name.replace("__", ".").encode(): value for name, value in more.items()}}
    return changed(entries, path, xattrs={name: value for name, value in after.items() if value is not None})


T = (1600000000, 123456789)
BREAKS = {
    "mode": (lambda e: changed(e, b"f4096", mode=0o100600), "source-mode", b"f4096", "mode: 0644, in the source 0600"),
    "setuid": (lambda e: changed(e, b"suid", mode=0o100755), "source-mode", b"suid", "mode: 4755, in the source 0755"),
    "mode of a directory": (lambda e: changed(e, b"a/b", mode=0o40755), "source-mode", b"a/b", "0700, in the source 0755"),
    "uid": (lambda e: changed(e, b"ids", uid=1), "source-owner", b"ids", "owner: 70000:4294967294, in the source 1:4294967294"),
    "gid": (lambda e: changed(e, b"sl-dangling", gid=0), "source-owner", b"sl-dangling", "owner: 5:6, in the source 5:0"),
    "size": (lambda e: changed(e, b"one", content=b"longer"), "source-size", b"one", "size: 1 bytes, in the source 6 bytes"),
    "empty": (lambda e: changed(e, b"one", content=b""), "source-size", b"one", "size: 1 bytes, in the source 0 bytes"),
    "content": (lambda e: flipped(e, b"f4097", 0), "source-content", b"f4097", "bytes 0 to 4096 of 4097 are"),
    "content of a later chunk": (lambda e: flipped(e, b"big", 2 * MiB), "source-content", b"big", "bytes 2097152 to 2109496"),
    "content of zeros": (lambda e: flipped(e, b"zeros", 69_999), "source-content", b"zeros", "content: bytes 0 to 69999"),
    "seconds": (lambda e: changed(e, b"mtneg", mtime=(-1001, 0)), "source-mtime", b"mtneg", "mtime: 1969-12-31 23:43:20 UTC, in the source 1969-12-31 23:43:19 UTC"),
    "nanoseconds": (lambda e: changed(e, b"one", mtime=(T[0], 5)), "source-mtime", b"one", "in the source 2020-09-13 12:26:40.000000005 UTC"),
    "time of a directory": (lambda e: changed(e, b"a", mtime=(7, 0)), "source-mtime", b"a", "2020-09-13 12:26:40.123456789 UTC, in the source 1970-01-01 00:00:07 UTC"),
    "xattr value": (lambda e: xattrs(e, b"xa", user__a=b"2"), "source-xattr", b"xa", "xattr user.a: 0x31, in the source 0x32"),
    "xattr gone": (lambda e: xattrs(e, b"xa", user__empty=None), "source-xattr", b"xa", "xattr user.empty: 0x, in the source none"),
    "xattr more": (lambda e: xattrs(e, b"one", user__n=b"v"), "source-xattr", b"one", "xattr user.n: none, in the source 0x76"),
    "xattr of a link": (lambda e: xattrs(e, b"xa-link", trusted__l=b"k"), "source-xattr", b"xa-link", "trusted.l"),
    "target": (lambda e: changed(e, b"sl-abs", target=b"/a/b/dup3"), "source-target", b"sl-abs", "'/a/b/dup2', in the source '/a/b/dup3'"),
    "device": (lambda e: changed(e, b"chrbig", device=(511, 7)), "source-device", b"chrbig", "device: 511:70000, in the source 511:7"),
    "kind": (lambda e: changed(e, b"fifo", mode=0o20600), "source-type", b"fifo", "a char in the source"),
    "file or link": (lambda e: changed(e, b"one", mode=0o120777, content=b"", target=b"x"), "source-type", b"one", "a symlink in the source"),
    "not in the source": (lambda e: without(e, b"ids2"), "source-extra", b"ids2", "is here, and not in the source"),
    "not in the image": (lambda e: [*e, Entry(b"a/new")], "source-missing", b"a/new", "is in the source, and not here"),
    "unlinked": (lambda e: [replace(x, **vars_of(e, b"a/b/h2"), path=x.path) if x.path == b"h3" else x for x in e], "source-links", b"h3", "linked with /a/b/h2, in the source with nothing before it"),
    "linked": (lambda e: changed(e, b"a/dup1", is_link=True, content=b"", target=b"a/b/dup2"), "source-links", b"a/dup1", "linked with nothing before it, in the source with /a/b/dup2"),
}  # fmt: skip


def vars_of(entries, path):
    found = next(entry for entry in entries if entry.path == path)
    return {
        name: getattr(found, name) for name in ("mode", "content", "uid", "gid", "mtime", "xattrs", "is_link", "target")
    }


@pytest.fixture(scope="module", params=["v6-zstd", "v5-zstd"])
def sound(request):
    with open_image(f"boot:{GOLDEN / request.param / 'image.boot'}", options=OPTIONS) as image:
        yield image, entries_of(image)


@pytest.mark.parametrize("name", BREAKS)
def test_one_difference_is_the_only_one_that_is_told(name, sound, tmp_path):
    image, entries = sound
    spoil, code, path, words = BREAKS[name]
    _, faults = compare(image.tree, write_source(tmp_path, spoil(entries)), image.read)
    assert told(faults if code == "source-extra" else [f for f in faults if f.path != b"sock"]) in (
        [(code, path)],
        [(code, path), ("source-extra", b"sock")],
    )
    fault = next(fault for fault in faults if fault.path == path)
    assert words in fault.detail
    assert fault.rule.weight is Weight.BROKEN


def test_what_converters_drop_on_purpose_is_no_difference(sound, tmp_path):
    image, entries = sound
    entries = changed(entries, b"", mtime=(1_700_000_000, 5))
    entries = changed(entries, b"mt0", mtime=(0, 5))
    entries = changed(entries, b"mtneg", mtime=(-1001, 500_000_000))
    entries = changed(entries, b"sl-short", mode=0o120700)
    entries = xattrs(entries, b"one", trusted__overlay__origin=b"x", nobody__knows=b"y")
    entries += [Entry(b"stargz.index.json", content=b"{}"), Entry(b".no.prefetch.landmark", content=b"\x0f")]
    _, faults = compare(image.tree, write_source(tmp_path, entries), image.read)
    assert told(faults) == [("source-extra", b"sock")]


def test_only_the_last_writer_of_a_path_counts(sound, tmp_path):
    image, entries = sound
    lower = [entry for entry in flipped(entries, b"big", 5) if entry.path in (b"", b"a", b"big", b"f4096")]
    lower = [*changed(lower, b"f4096", content=b"x" * 4096), Entry(b"a/removed", content=b"r" * 4096)]
    _, faults = compare(image.tree, write_source(tmp_path, lower, [*entries, Entry(b"a/.wh.removed")]), image.read)
    assert told(faults) == [("source-extra", b"sock")]


# whiteouts, links


def test_a_whiteout_that_was_lost(tmp_path):
    source = write_source(
        tmp_path,
        [folder(b"d"), Entry(b"d/x"), folder(b"d/y"), Entry(b"d/y/z"), folder(b"o"), Entry(b"o/1"), Entry(b"keep")],
        [folder(b"d"), Entry(b"d/.wh.x"), Entry(b"d/.wh.y"), folder(b"o"), Entry(b"o/.wh..wh..opq")],
    )
    tree = small({b"d/x": b"", b"d/y/z": b"", b"o/1": b"", b"keep": b"", b"d/.wh.v": b"", b"stray": b""})
    _, faults = compare(tree, source)
    assert told(faults) == [
        ("source-whiteout-marker", b"d/.wh.v"),
        ("source-whiteout", b"d/x"),
        ("source-whiteout", b"d/y"),
        ("source-unremoved", b"d/y/z"),
        ("source-whiteout", b"o/1"),
        ("source-extra", b"stray"),
    ]
    details = {fault.path: fault.detail for fault in faults}
    assert "layer 2 of 2 removes it by /d/.wh.x" in details[b"d/x"]
    assert "/d/y was removed by layer 2 of 2" in details[b"d/y/z"]
    assert "by /o/.wh..wh..opq" in details[b"o/1"]


def test_a_hard_link_whose_first_name_is_gone(tmp_path):
    source = write_source(
        tmp_path,
        [folder(b"d"), Entry(b"d/one", content=b"123"), hard_link(b"d/two", b"d/one"), hard_link(b"d/three", b"d/one")],
        [folder(b"d"), Entry(b"d/.wh.one")],
    )
    _, faults = compare(small({b"d/three": b"", b"other": b""}), source)
    assert told(faults) == [
        ("source-lost-link", b"d/two"),
        ("source-extra", b"other"),
        ("source-lost-link", b"d/three"),
    ]
    assert "it was linked with /d/one, which is gone" in faults[0].detail
    assert "size: 0 bytes, in the source 3 bytes" in faults[2].detail


# directories without entries


def test_entries_below_a_directory_that_no_archive_names(tmp_path):
    source = write_source(
        tmp_path,
        [
            folder(b"z"),
            Entry(b"z/own", content=b"1"),
            Entry(b"a/first", content=b"2"),
            Entry(b"a/second", content=b"3"),
        ],
    )
    as_the_peer_has_it = small({b"a/second": b"3", b"z/own": b"1", b"z/first": b"2"})
    comparison, faults = compare(as_the_peer_has_it, source)
    assert told(faults) == [
        ("source-implied-directory", b"a"),
        ("source-misplaced", b"a/first"),
        ("source-misplaced", b"z/first"),
    ]
    assert faults[0].detail == (
        "its archive has no entry for this directory; the converter attached 1 entry (/a/first) below /z"
    )
    assert faults[0].rule.advice == "convert again from archives that have entries for all directories"
    assert comparison.remark.startswith("2 differences from the source follow from one cause: its archives have no ")
    assert "entries for a directory, and the converter" in comparison.remark
    assert faults[2].detail.endswith("it is /a/first of the source; layer 1 of 1 has no entry for /a")
    sound_tree = small({b"a/first": b"2", b"a/second": b"3", b"z/own": b"1"})
    assert compare(sound_tree, source)[1] == []


def test_entries_that_were_lost_below_a_file(tmp_path):
    source = write_source(tmp_path, [Entry(b"z"), Entry(b"a/b/c/deep"), Entry(b"a/b/late")])
    _, faults = compare(small({b"a/b/late": b"", b"z": b""}), source)
    assert told(faults) == [
        ("source-implied-directory", b"a"),
        ("source-misplaced", b"a/b/c"),
        ("source-misplaced", b"a/b/c/deep"),
    ]
    assert "(/a/b/c/deep) below /z, which is no directory, so that they were lost" in faults[0].detail


def test_a_file_that_came_to_lie_over_another(tmp_path):
    mine, theirs = b"mine" * 100, b"their" * 80
    source = write_source(
        tmp_path,
        [
            folder(b"z"),
            Entry(b"z/__init__.py", content=theirs),
            Entry(b"z/conf", content=b"long"),
            Entry(b"a/__init__.py", content=mine),
            Entry(b"b/conf", content=b"other"),
        ],
    )
    tree = small({b"a": None, b"b": None, b"z/__init__.py": mine, b"z/conf": b"other"})
    _, faults = compare(tree, source)
    assert Counter(told(faults)) == Counter(
        [
            ("source-implied-directory", b"a"),
            ("source-implied-directory", b"b"),
            ("source-misplaced", b"a/__init__.py"),
            ("source-misplaced", b"b/conf"),
            ("source-misplaced", b"z/__init__.py"),
            ("source-misplaced", b"z/conf"),
        ]
    )
    detail = {fault.path: fault.detail for fault in faults}[b"z/__init__.py"]
    assert detail.startswith("content: bytes 0 to 399 of 400")
    assert "/a/__init__.py came to lie over it" in detail
    unlike = small({b"a": None, b"b": None, b"z/__init__.py": b"x" * 400, b"z/conf": b"other"})
    assert ("source-content", b"z/__init__.py") in told(compare(unlike, source)[1])


def test_entries_missing_below_a_directory_without_entry_for_another_reason(tmp_path):
    source = write_source(tmp_path, [Entry(b"x/1"), Entry(b"x/2"), Entry(b"x/3")])
    comparison, faults = compare(small({b"x/3": b""}), source)
    assert comparison.remark == ""
    assert told(faults) == [
        ("source-implied-directory", b"x"),
        ("source-missing", b"x/1"),
        ("source-missing", b"x/2"),
    ]
    assert "no layer has an entry for it, and 2 entries below it are missing here" in faults[0].detail


def test_attributes_that_a_layer_without_an_entry_took(tmp_path):
    private = folder(b"p", 0o700, uid=5, mtime=(9, 0), xattrs={b"user.k": b"v"})
    source = write_source(tmp_path, [private, Entry(b"q")], [Entry(b"p/f")])
    _, faults = compare(small({b"p/f": b"", b"q": b""}), source)
    assert told(faults) == [
        ("source-implied-attributes", b"p"),
        ("source-implied-attributes", b"p"),
        ("source-directory-mtime", b"p"),
        ("source-implied-attributes", b"p"),
    ]
    assert (
        faults[0].detail == "mode: 0755, in the source 0700; layer 2 of 2 changes what is in it and has no entry for it"
    )
    assert [fault.rule.weight for fault in faults] == [Weight.BROKEN, Weight.BROKEN, Weight.ODD, Weight.BROKEN]
    named = write_source(tmp_path / "named", [private, Entry(b"q")], [private, Entry(b"p/f")])
    assert [code for code, _ in told(compare(small({b"p/f": b"", b"q": b""}), named)[1])] == [
        "source-mode",
        "source-owner",
        "source-mtime",
        "source-xattr",
    ]


# the planted image

EXPLAINED = [b"etc", b"usr", b"srv", b"srv", b"srv/app", b"opt", b"opt/data"]
WRONG_PLACES = [b"srv/ssl", b"tmp/app", b"usr/app", b"usr/local/node_modules", b"usr/swap", b"var/local"]
UNDETERMINED = (
    b"etc opt opt/data root srv srv/app srv/shared tmp usr usr/lib usr/local usr/local/bin var var/backups".split()
)


@needs_shared
@pytest.mark.parametrize("tag", ["v6", "v5", "v6-ref", "merged"])
def test_each_difference_of_the_planted_image_is_explained(tag):
    with open_image(f"{PLANTED}:{tag}", options=OPTIONS) as image:
        comparison, faults = compare(image.tree, f"{PLANTED}:oci", image.read)
    paths = {}
    for code, path in told(faults):
        paths.setdefault(code, []).append(path)
    below = paths.pop("source-unremoved")
    assert len(below) == 17
    assert all(path.startswith(b"srv/app/node_modules/marked/") for path in below)
    assert paths == {
        "source-implied-directory": EXPLAINED,
        "source-whiteout": [b"opt/data/one", b"srv/app/node_modules/marked"],
        "source-misplaced": WRONG_PLACES,
        "source-implied-attributes": [b"root", b"srv/shared", b"tmp", b"etc/ssl", b"opt/swap"],
        "source-directory-mtime": [b"", *UNDETERMINED] if tag == "v5" else UNDETERMINED,
    }
    details = {(fault.rule.code, fault.path): fault.detail for fault in faults}
    assert "mode: 0755, in the source 2775; /usr/local came to lie over it" in details["source-misplaced", b"var/local"]
    assert "/opt/data/.wh.one) below /opt/swap2, which is no" in details["source-implied-directory", b"opt/data"]
    assert comparison.unchecked == ()
    assert dict(comparison.facts) == {
        "layers": 6,
        "layer-bytes": 2038374,
        "entries": 1442,
        "files": 1294,
        "bytes": 5831313,
        "files-fetched": 0,
    }


@needs_shared
def test_the_oci_half_of_an_index_is_the_source():
    with open_image(f"{PLANTED}:merged", options=OPTIONS) as image:
        merged, faults = compare(image.tree, f"{PLANTED}:merged", image.read)
        plain, same = compare(image.tree, f"{PLANTED}:oci", image.read)
    assert dict(merged.facts) | {"layers": 6, "layer-bytes": 2038374} == dict(plain.facts)
    assert dict(merged.facts)["layers"] == 7  # the lowest is empty
    assert told(faults) == told(same)


@needs_shared
def test_no_byte_of_the_image_is_fetched():
    with open_image(f"{PLANTED}:v6", options=OPTIONS) as image:
        before = image.cost
        comparison, _ = compare(image.tree, f"{PLANTED}:oci", image.read)
        assert image.cost == before
    assert comparison.cost.bytes_fetched < 2038374 + 10_000


# the pass


def test_a_source_that_is_no_image_of_layers_is_refused(tmp_path):
    tree = small({b"x": b""})
    with pytest.raises(SourceNotLayers):
        compare(tree, f"boot:{GOLDEN / 'v6-none' / 'image.boot'}")
    if SHARED.is_dir():
        with pytest.raises(SourceNotLayers):
            compare(tree, f"{PLANTED}:v6")


def test_a_damaged_layer_is_refused_and_nothing_is_told(tmp_path):
    source = write_source(tmp_path, [Entry(b"a", content=b"1" * 500)])
    manifest = json.loads((tmp_path / "index.json").read_text())["manifests"][0]["digest"].partition(":")[2]
    layer = json.loads((tmp_path / "blobs/sha256" / manifest).read_text())["layers"][0]["digest"].partition(":")[2]
    blob = tmp_path / "blobs/sha256" / layer
    damaged = bytearray(blob.read_bytes())
    damaged[4] ^= 1  # the time in the gzip header: nobody but the digest knows
    blob.write_bytes(bytes(damaged))
    judge = Collector()
    with pytest.raises(DigestMismatch):
        compare_with_source(small({b"x": b""}), source, options=OPTIONS, judge=judge)
    assert judge.faults == []


def test_members_that_make_no_entry_are_unchecked(tmp_path):
    source = write_source(tmp_path, [Entry(b"a"), hard_link(b"b", b"nowhere")])
    comparison, faults = compare(small({b"a": b""}), source)
    assert faults == []
    assert comparison.unchecked == (("/b of the source", "a hard link to something that is not there"),)


def test_progress_is_told(tmp_path):
    events = []
    compare(small({b"a": b""}), write_source(tmp_path, [Entry(b"a")], [Entry(b"a")]), listener=events.append)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert sum(event.amount for event in events[1:-1]) == events[0].total


def test_a_link_on_the_way_is_not_followed(tmp_path):
    source = write_source(tmp_path, [folder(b"d"), Entry(b"d/x", content=b"1"), symlink(b"l", b"d")])
    tree = small({b"d/x": b"1", b"l": Link(b"d")})
    assert compare(tree, source)[1] == []
    _, faults = compare(small({b"d/x": b"1", b"l/x": b"1"}), source)
    assert told(faults) == [("source-extra", b"l/x"), ("source-type", b"l")]


def test_a_large_layer_is_not_held(tmp_path):
    size = 100 * MiB
    image = build_image({b"large": bytes(size)}, chunk_size=MiB)
    source = write_source(tmp_path, tar_of([Entry(b"large", content=bytes(size))]))
    tracemalloc.start()
    try:
        comparison, faults = compare(ImageTree(image.tables), source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert faults == []
    assert dict(comparison.facts)["bytes"] == size
    assert peak < 12 * MiB


def test_a_wrong_source_is_told_entry_by_entry(tmp_path):
    with open_image(f"boot:{GOLDEN / 'v6-none' / 'image.boot'}", options=OPTIONS) as image:
        _, faults = compare(image.tree, write_source(tmp_path, [Entry(b"only", stat.S_IFREG | 0o644)]))
    codes = Counter(code for code, _ in told(faults))
    assert codes["source-missing"] == 1
    assert codes["source-extra"] == 24
