"""A slim archive holds the whole tree, and the content that was asked for; what cannot be read is not in it."""

import hashlib
import io
import os
import shutil
import stat
import tarfile

import pytest
from tests.views.export import golden
from tests.views.slim.images import contents_of, open_archive, other_name, program, write_image
from tests.views.slim.programs import elf

import rafsight
from rafsight.access.options import Options
from rafsight.base.events import Advanced, Finished, Started
from rafsight.base.units import KiB, MiB
from rafsight.testing.registry import PLANTED, serve_layout
from rafsight.views.export import delivery
from rafsight.views.slim.archive import write_slim
from rafsight.views.slim.rules import Programs, SlimRules, rules_for

NO_PROGRAMS = Programs(names=(), sections=frozenset(), keeps_appended=False)
ALL = SlimRules(name="all", patterns=(b"**/*",), follows_links=False, programs=NO_PROGRAMS)
NOTHING = SlimRules(name="nothing", patterns=(), follows_links=False, programs=NO_PROGRAMS)
V6 = f"oci:{PLANTED}:v6"


def slim(reference, rules, options=None, **more):
    pieces = []
    with rafsight.open_image(reference, options=options) as image:
        done = write_slim(image, rules, pieces.append, **more)
    return b"".join(pieces), done


def merged(content):
    """What all layers together hold: member and content by path; each path stands in one layer."""
    found = {}
    for layer in open_archive(content)[2]:
        here = golden.describe_tar(layer)
        assert not set(here) & set(found)
        found |= here
    return found


# the tree


@pytest.mark.parametrize("name", golden.NAMES)
def test_every_golden_image_whole(name):
    """Names, kinds, attributes and contents are those of the source."""
    expected = golden.entries_of(name)
    content, done = slim(golden.reference_of(name), ALL, golden.options_of(name))
    found = merged(content)
    assert done.is_complete
    assert done.size == len(content)
    assert set(found) == {path for path, one in expected.items() if not golden.is_socket(one)}
    for path, (info, body) in found.items():
        wanted = expected[path]
        assert (info.uid, info.gid) == (wanted["uid"], wanted["gid"]), path
        if info.isreg():
            assert hashlib.sha256(body).hexdigest() == wanted["sha256"], path
        if info.islnk():
            assert expected[golden.raw(info.linkname)]["link_group"] == wanted["link_group"]
            continue
        assert info.mode == stat.S_IMODE(wanted["mode"]), path
        assert golden.mtime_of(info) == wanted["mtime"][0] * 10**9 + wanted["mtime"][1], path
        assert golden.xattrs_of(info) == wanted["xattrs"], path
        if info.issym():
            assert golden.raw(info.linkname) == wanted["target"]


def test_files_that_nobody_looks_at_have_no_bytes():
    name = "v6-none"
    expected = golden.entries_of(name)
    content, done = slim(golden.reference_of(name), NOTHING, golden.options_of(name))
    found = merged(content)
    assert set(found) == {path for path, one in expected.items() if not golden.is_socket(one)}
    assert all(info.size == 0 for info, _ in found.values())
    assert done.kept_count == done.kept_size == 0
    groups = {one.get("link_group", path): one["size"] for path, one in expected.items() if stat.S_ISREG(one["mode"])}
    sizes = [size for size in groups.values() if size]
    assert (done.left_out_count, done.left_out_size) == (len(sizes), sum(sizes))


def test_all_names_of_a_file_keep_its_content(tmp_path):
    entries = {"etc/os-release": b"ID=x\n", "a/first": other_name("etc/os-release"), "z": other_name("etc/os-release")}
    content, done = slim(write_image(tmp_path, entries), rules_for("trivy"))
    assert set(contents_of(content).values()) == {b"ID=x\n"}
    assert len(contents_of(content)) == 3
    assert (done.kept_count, done.kept_size) == (1, 5)


# the form


def test_the_same_image_is_the_same_archive():
    one, first = slim(V6, rules_for("syft"))
    two, second = slim(V6, rules_for("syft"))
    assert one == two
    assert first == second


def test_digests_and_sizes_are_those_of_the_layers():
    content, done = slim(V6, rules_for("trivy"), tag="registry.example.com/app:v6")
    manifest, config, layers = open_archive(content)
    digests = ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]
    assert digests == config["rootfs"]["diff_ids"] == [layer.diff_id for layer in done.layers]
    assert [len(layer) for layer in layers] == [layer.size for layer in done.layers]
    assert done.config_digest == f"sha256:{manifest['Config'].removesuffix('.json')}"
    assert manifest["RepoTags"] == ["registry.example.com/app:v6"]
    assert done.rules == "trivy"


def test_an_archive_goes_into_a_file_too():
    file = io.BytesIO()
    with rafsight.open_image(V6) as image:
        write_slim(image, rules_for("trivy"), file)
    assert file.getvalue() == slim(V6, rules_for("trivy"))[0]


def test_progress_is_told():
    events = []
    _, done = slim(V6, rules_for("trivy"), listener=events.append)
    started, *advanced, finished = events
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    assert started.total == done.kept_size == sum(one.amount for one in advanced if isinstance(one, Advanced))


# what it costs


def test_only_what_is_kept_is_fetched():
    with serve_layout(PLANTED) as registry, rafsight.open_image(registry.reference("v6")) as image:
        image.tree  # noqa: B018 - the bootstrap is not what is counted
        opened = image.cost
        done = write_slim(image, rules_for("trivy"), lambda _: None)
        fetched = image.cost.bytes_fetched - opened.bytes_fetched
    whole = sum(blob.compressed_size for blob in image.tree.tables.blobs)
    assert done.left_out_size > done.kept_size // 2
    assert fetched < 0.75 * whole


def test_plain_layers_are_streamed_twice_at_most(tmp_path):
    files = {"app/go": program(elf([b".go.buildinfo"], appended=os.urandom(MiB))), "data": os.urandom(2 * MiB)}
    reference = write_image(tmp_path, files)
    with rafsight.open_image(reference) as image:
        opened = image.cost.bytes_fetched
        done = write_slim(image, rules_for("trivy"), lambda _: None)
        assert image.cost.bytes_fetched - opened <= opened
    assert done.kept_count == 1


# what cannot be read


@pytest.fixture
def damaged(tmp_path):
    """A golden image with a flipped byte in the chunk of a file that has another name, too."""
    copy = tmp_path / "image"
    shutil.copytree(golden.GOLDEN / "v6-none", copy)
    (blob,) = (path for path in copy.iterdir() if len(path.name) == 64)
    content = bytearray(blob.read_bytes())
    with rafsight.open_image(f"boot:{copy / 'image.boot'}") as image:
        tree = image.tree
        chunk = tree.tables.extents.chunk[tree.extent_rows(tree.lookup(b"d/e/f")).start]
        content[int(tree.tables.chunks.compressed_offset[chunk])] ^= 1
    blob.write_bytes(content)
    return f"boot:{copy / 'image.boot'}", Options(blob_dir=copy), golden.entries_of("v6-none")


def test_a_file_that_cannot_be_read_is_told_and_not_there(damaged):
    reference, options, expected = damaged
    content, done = slim(reference, ALL, options)
    found = merged(content)
    assert not done.is_complete
    lost = {one.path for one in done.unreadable}
    groups = {expected[path]["link_group"] for path in lost if "link_group" in expected[path]}
    absent = lost | {path for path, one in expected.items() if one.get("link_group") in groups}
    assert len(absent) > len(lost) >= 1
    assert set(found) == {path for path, one in expected.items() if not golden.is_socket(one)} - absent
    for path, (info, body) in found.items():
        if info.isreg():
            assert hashlib.sha256(body).hexdigest() == expected[path]["sha256"]


def test_the_archive_is_sound_all_the_same(damaged):
    reference, options, _ = damaged
    content, done = slim(reference, ALL, options)
    _, config, layers = open_archive(content)
    assert ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers] == config["rootfs"]["diff_ids"]
    assert [len(layer) for layer in layers] == [layer.size for layer in done.layers]


def test_a_file_that_nobody_looks_at_may_be_damaged(damaged):
    reference, options, _ = damaged
    content, done = slim(reference, NOTHING, options)
    assert done.is_complete
    assert b"d/e/f" in merged(content)


def test_a_program_that_cannot_be_looked_into_is_not_left_out_silently(tmp_path):
    size = delivery.BATCH + 3 * MiB
    files = {"app/go": program(elf([b".go.buildinfo"], appended=os.urandom(size)))}
    reference = write_image(tmp_path, {"etc/os-release": b"ID=x\n"}, files)
    with rafsight.open_image(reference) as image:
        blobs = {blob.blob_id for blob in image.tree.tables.blobs}
        path = max((tmp_path / "blobs/sha256" / name for name in blobs), key=lambda one: one.stat().st_size)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        pieces = []
        done = write_slim(image, rules_for("trivy"), pieces.append)
    assert [one.path for one in done.unreadable] == [b"app/go"]
    assert contents_of(b"".join(pieces)) == {"etc/os-release": b"ID=x\n"}


def test_a_large_program_is_kept_whole(tmp_path):
    body = elf([b".go.buildinfo"], appended=os.urandom(delivery.BATCH + 64 * KiB))
    content, done = slim(write_image(tmp_path, {"app/go": program(body)}), rules_for("trivy"))
    assert contents_of(content)["app/go"] == body
    assert done.kept_size == len(body)


def test_a_sink_that_fails_ends_it():
    def full(_):
        raise OSError(28, "no space")

    with rafsight.open_image(V6) as image, pytest.raises(OSError, match="no space"):
        write_slim(image, rules_for("trivy"), full)


def test_entries_that_no_tar_holds_are_told():
    name = "v6-none"
    _, done = slim(golden.reference_of(name), NOTHING, golden.options_of(name))
    sockets = [path for path, one in golden.entries_of(name).items() if golden.is_socket(one)]
    assert sum(one.count for one in done.omitted) == len(sockets)


def test_a_reader_of_tars_reads_the_archive_in_one_pass():
    content, _ = slim(V6, rules_for("syft"))
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|") as tar:
        names = [member.name for member in tar]
    assert names[-1] == "manifest.json"
    assert names[-2].endswith(".json")
