"""Exports as a whole: what they cost, what happens when something is missing, damaged, full or interrupted."""

import gzip
import hashlib
import io
import os
import shutil
import stat
import tarfile
import threading

import pytest
import zstandard
from tests.verbs.inspect.layouts import write_plain
from tests.views.export import golden

import rafsight
from rafsight.access.options import Options
from rafsight.base.errors import ExitStatus, ImageFault, RegistryFault
from rafsight.base.events import Advanced, Finished, Started
from rafsight.base.units import MiB
from rafsight.image.tree import NoSuchPath
from rafsight.testing.registry import PLANTED, serve_layout
from rafsight.verbs.export import export_files, export_reference
from rafsight.views.export import delivery
from rafsight.views.export.faults import FolderNotEmpty, NoSuchForm, NotWritten
from rafsight.views.export.tally import Omission

V6 = f"oci:{PLANTED}:v6"


def tar_of(reference, *paths, **more):
    pieces = []
    done = export_reference(reference, paths, to=pieces.append, **more)
    return b"".join(pieces), done


def names_in(content):
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


# what it costs


@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_many_small_files_are_few_requests(tag, tmp_path):
    with serve_layout(PLANTED) as registry, rafsight.open_image(registry.reference(tag)) as image:
        image.tree  # noqa: B018 - the bootstrap is not what is counted
        opened = image.cost
        done = export_files(image, [b"/usr/lib"], to=tmp_path / "lib.tar")
        ranges = image.cost.requests - opened.requests
        fetched = image.cost.bytes_fetched - opened.bytes_fetched
    assert done.entry_count > 150
    assert ranges <= 2
    assert fetched < MiB


def test_nothing_is_fetched_for_what_has_no_content(tmp_path):
    with rafsight.open_image(V6) as image:
        image.tree  # noqa: B018
        before = image.cost
        export_files(image, [b"/opt/current"], to=tmp_path / "link.tar")
        assert image.cost == before


def test_layers_are_streamed_twice_at_most(tmp_path):
    """What the first pass kept is not fetched again; the rest needs one more, whatever the number of batches."""
    files = {f"f{number}": os.urandom(8192) * 1024 for number in range(18)}
    reference = write_plain(tmp_path / "image", files)
    layer = next(path for path in (tmp_path / "image/blobs/sha256").iterdir() if path.stat().st_size > 10_000)
    with rafsight.open_image(reference) as image:
        opened = image.cost.bytes_fetched
        done = export_files(image, to=tmp_path / "out.tar")
        assert image.cost.bytes_fetched - opened == layer.stat().st_size
    assert done.size == 18 * 8 * MiB
    with tarfile.open(tmp_path / "out.tar") as tar:
        for name, content in files.items():
            assert tar.extractfile(name).read() == content
    small = write_plain(tmp_path / "small", {"a/b": b"content", "c": b"more"})
    with serve_layout(tmp_path / "small") as registry:
        content, _ = tar_of(registry.reference(_only_digest(tmp_path / "small")))
        blobs = [line for line in registry.log if "/blobs/" in line.call.path and line.call.method == "GET"]
    assert names_in(content) == [".", "a", "a/b", "c"]
    assert len(blobs) == 2, "the config, and the layer once"
    assert names_in(tar_of(small, b"a")[0]) == ["a", "a/b"]


def _only_digest(layout):
    import json

    return json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]


# what comes out


def test_a_large_file_with_holes_is_written_in_full(tmp_path):
    """Holes are zeros in a tar, and holes in a folder."""
    source = tmp_path / "sparse"
    with source.open("wb") as file:
        file.write(b"head" * 1000)
        file.seek(40 * MiB)
        file.write(os.urandom(3 * MiB))
        file.seek(70 * MiB)
        file.write(b"tail")
        file.truncate(90 * MiB)
    reference = _sparse_image(tmp_path, source)
    content, done = tar_of(reference)
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert tar.extractfile("sparse").read() == source.read_bytes()
    assert done.size == 90 * MiB
    export_reference(reference, to=tmp_path / "out")
    written = tmp_path / "out/sparse"
    assert written.read_bytes() == source.read_bytes()
    assert written.stat().st_blocks * 512 < 20 * MiB


def _sparse_image(tmp_path, source):
    import subprocess

    if shutil.which("tar") is None:
        pytest.skip("needs tar on PATH to make a sparse member")
    from tests.verbs.inspect.layouts import OCI_LAYER, write_blob, write_layout

    subprocess.run(
        ["tar", "-c", "-S", "--format=pax", "-f", tmp_path / "s.tar", "-C", tmp_path, source.name], check=True
    )
    layer = (tmp_path / "s.tar").read_bytes()
    assert len(layer) < 10 * MiB
    descriptor = {"mediaType": OCI_LAYER} | write_blob(tmp_path / "image", gzip.compress(layer, 1, mtime=0))
    return write_layout(tmp_path / "image", [descriptor], diff_ids=["sha256:" + hashlib.sha256(layer).hexdigest()])


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz", "a.tar.zst", "A.TAR.ZST"])
def test_the_suffix_is_the_compression(name, tmp_path):
    plain, _ = tar_of(V6, b"/etc")
    for _ in range(2):  # an old archive is replaced
        export_reference(V6, [b"/etc"], to=tmp_path / name)
    content = (tmp_path / name).read_bytes()
    if name.endswith(("gz",)):
        content = gzip.decompress(content)
    elif name.lower().endswith("zst"):
        content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    assert content == plain
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_two_exports_are_the_same_bytes(tmp_path):
    for name in ("a.tar.gz", "b.tar.gz", "a.tar.zst", "b.tar.zst"):
        export_reference(V6, [b"/usr"], to=tmp_path / name)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()
    assert (tmp_path / "a.tar.zst").read_bytes() == (tmp_path / "b.tar.zst").read_bytes()


def test_a_pipe_takes_the_archive_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    export_reference(V6, [b"/etc"], to=pipe)
    reader.join()
    assert got == [tar_of(V6, b"/etc")[0]]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_progress_adds_up(tmp_path):
    heard = []
    done = export_reference(V6, [b"/usr"], to=tmp_path / "a.tar", listener=heard.append)
    begun = {event.unit: event for event in heard if isinstance(event, Started)}
    for unit, total in (("files", done.entry_count), ("bytes", done.size)):
        operation = begun[unit].operation
        assert begun[unit].total == total
        assert sum(e.amount for e in heard if isinstance(e, Advanced) and e.operation == operation) == total
        assert Finished(operation=operation) in heard


# what is refused


def test_a_missing_path_is_said_before_anything_is_written(tmp_path):
    for to in (tmp_path / "a.tar", tmp_path / "out"):
        with pytest.raises(NoSuchPath):
            export_reference(V6, [b"/etc/passwd", b"/nope"], to=to)
    assert list(tmp_path.iterdir()) == []


def test_targets_that_make_no_sense_are_refused_before_anything_is_fetched(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with serve_layout(PLANTED) as registry:
        with pytest.raises(NoSuchForm):
            export_reference(registry.reference("v6"), to=tmp_path / "file")
        with pytest.raises(FolderNotEmpty):
            export_reference(registry.reference("v6"), to=tmp_path / "full")
        assert registry.log == ()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_may_be_called_like_an_archive(tmp_path):
    (tmp_path / "folder.tar").mkdir()
    export_reference(V6, [b"/etc/passwd"], to=tmp_path / "folder.tar")
    assert (tmp_path / "folder.tar/etc/passwd").is_file()


def test_a_full_disk_is_said():
    from pathlib import Path

    with pytest.raises(NotWritten) as caught:
        export_reference(V6, to=Path("/dev/full"))
    assert caught.value.exit_status == ExitStatus.OUTPUT


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_an_interrupted_archive_leaves_the_old_one(name, tmp_path):
    (tmp_path / name).write_text("old")
    count = 0

    def stop(event):
        nonlocal count
        count += 1
        if count == 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_reference(V6, to=tmp_path / name, listener=stop)
    assert (tmp_path / name).read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [name]


# what cannot be read


@pytest.fixture
def damaged(tmp_path):
    """A golden image with a flipped byte in the middle of its blob."""
    name = "v6-none"
    copy = tmp_path / "image"
    shutil.copytree(golden.GOLDEN / name, copy)
    (blob,) = (path for path in copy.iterdir() if len(path.name) == 64)
    content = bytearray(blob.read_bytes())
    with rafsight.open_image(f"boot:{copy / 'image.boot'}") as image:
        tree = image.tree
        row = tree.lookup(b"d/e/f")  # has another name, too
        chunk = tree.tables.extents.chunk[tree.extent_rows(row).start]
        content[int(tree.tables.chunks.compressed_offset[chunk])] ^= 1
    blob.write_bytes(content)
    return f"boot:{copy / 'image.boot'}", golden.entries_of(name)


def test_a_file_that_cannot_be_read_ends_the_export(damaged, tmp_path):
    reference, _ = damaged
    for to in (tmp_path / "a.tar", tmp_path / "out"):
        with pytest.raises(ImageFault) as caught:
            export_reference(reference, to=to)
        assert caught.value.exit_status == ExitStatus.DAMAGED
        assert any("while reading /" in note for note in caught.value.__notes__)
    assert not (tmp_path / "a.tar").exists()
    assert not list((tmp_path / "out").rglob("*.part"))


@pytest.mark.parametrize("spooled", [False, True])
def test_files_that_cannot_be_read_can_be_left_out(damaged, tmp_path, spooled):
    reference, expected = damaged
    content, done = tar_of(reference, keep_going=True)
    found = golden.describe_tar(content)
    lost = {one.path for one in done.unreadable}
    assert lost
    assert b"d/e/f" in lost or expected[b"d/e/f"]["link_group"] in {expected[p].get("link_group") for p in lost}
    groups = {expected[path]["link_group"] for path in lost if "link_group" in expected[path]}
    left = lost | {path for path, one in expected.items() if one.get("link_group") in groups}
    (links,) = (one for one in done.omitted if one.what == Omission.LINK)
    assert links.count == len(left) - len(lost) > 0
    assert set(found) == {path for path, one in expected.items() if not golden.is_socket(one)} - left
    assert not done.is_complete
    for path, (info, body) in found.items():
        if info.isreg():
            assert hashlib.sha256(body).hexdigest() == expected[path]["sha256"]
    folder = export_reference(reference, to=tmp_path / "out", keep_going=True)
    assert {one.path for one in folder.unreadable} == lost


def test_a_large_damaged_file_leaves_no_trace_in_a_tar(tmp_path):
    """It is read to its end before its header is written; others of its size come through a temporary file."""
    size = delivery.BATCH + 3 * MiB
    good, bad = os.urandom(size), os.urandom(size)
    reference = write_plain(tmp_path / "image", {"good": good}, {"bad": bad})
    with rafsight.open_image(reference) as image:
        row = image.tree.lookup(b"bad")
        layer = int(
            image.tree.tables.chunks.blob_index[image.tree.tables.extents.chunk[image.tree.extent_rows(row)[0]]]
        )
        blob = tmp_path / "image/blobs/sha256" / image.tree.tables.blobs[layer].blob_id
        content = bytearray(blob.read_bytes())
        content[len(content) // 2] ^= 1
        blob.write_bytes(content)
        pieces = []
        done = export_files(image, to=pieces.append, keep_going=True)
    assert [one.path for one in done.unreadable] == [b"bad"]
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.getnames() == [".", "good"]
        assert tar.extractfile("good").read() == good


def test_a_registry_that_fails_is_not_a_damaged_image(tmp_path):
    copy = tmp_path / "image"
    shutil.copytree(golden.GOLDEN / "v6-none", copy)
    (blob,) = (path for path in copy.iterdir() if len(path.name) == 64)
    blob.unlink()
    reference = f"boot:{copy / 'image.boot'}"
    with pytest.raises(RegistryFault):
        tar_of(reference, options=Options(blob_dir=copy))
    content, done = tar_of(reference, keep_going=True, options=Options(blob_dir=copy))
    assert {"d", "d/e"} <= set(names_in(content))
    assert len(done.unreadable) > 10


def test_members_of_layers_that_make_no_file_are_told(tmp_path):
    from tests.access.source_images import write_source

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind in (("a/file", tarfile.REGTYPE), ("a/odd", b"Q"), ("b", tarfile.REGTYPE)):
            info = tarfile.TarInfo(name)
            info.type = kind
            tar.addfile(info, io.BytesIO())
    reference = write_source(tmp_path / "image", buffer.getvalue())
    content, done = tar_of(reference)
    assert names_in(content) == [".", "a", "a/file", "b"]
    (omitted,) = done.omitted
    assert (omitted.what, omitted.count, omitted.example) == (Omission.UNKNOWN_KIND, 1, b"a/odd")
    assert tar_of(reference, b"/b")[1].omitted == ()
