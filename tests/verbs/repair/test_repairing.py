"""Repaired images: sound, with the wanted differences and no others, for what they have to cost."""

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from tests.formats.rafs import images
from tests.formats.rafs.kernel import mounted
from tests.verbs.repair import layouts
from tests.verbs.repair.layouts import (
    Store,
    contents_of,
    differing,
    document,
    faults_of,
    golden_layout,
    local_file,
    tag_of,
)

from rafsight.access.options import Options
from rafsight.access.session import open_image
from rafsight.base.errors import RegistryFault
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.documents import write_bootstrap_layer, write_json
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.codec import write_bootstrap
from rafsight.formats.tables import Compressor
from rafsight.image.tree import NoSuchPath
from rafsight.reports.repair import Repaired
from rafsight.testing.rafs_images import write_image
from rafsight.testing.registry import Mischief, serve_layout, serve_writable
from rafsight.testing.trees import Link
from rafsight.verbs.repair.building import NoRoomForBlob
from rafsight.verbs.repair.checking import UnsoundImage
from rafsight.verbs.repair.opening import NotRepairable
from rafsight.verbs.repair.planning import NothingWanted
from rafsight.verbs.repair.repairing import SameTag, repair_image
from rafsight.verbs.repair.wishes import Addition, Removal, Replacement, Wishes

FILES = {
    b"usr/lib/big": bytes(range(256)) * 4096,
    b"usr/lib/small": b"small",
    b"usr/lib/other": b"other" * 5000,
    b"lib": Link(b"usr/lib"),
    b"etc/conf": b"old",
}
NEW = b"new content, quite long enough to be compressed " * 200


@pytest.fixture(params=[5, 6])
def layout(tmp_path, request):
    write_image(
        tmp_path / "image", FILES, version=request.param, compressor=Compressor.ZSTD, chunk_size=1 << 16, tag="old"
    )
    return tmp_path / "image"


@pytest.fixture
def wishes(tmp_path):
    new = local_file(tmp_path, "new", NEW, mode=0o755)
    return Wishes(
        files=(
            Replacement(path=b"/lib/small", local=new),
            Addition(path=b"/lib/hot/fix", local=new),
            Removal(path=b"/etc/conf"),
        )
    )


def manifest_of(folder, tag):
    return document(folder, tag_of(folder, tag))


def test_files_are_replaced_added_and_removed(layout, wishes):
    before, old = contents_of(f"oci:{layout}:old"), tag_of(layout, "old")
    done = repair_image(f"oci:{layout}:old", f"oci:{layout}:new", wishes)
    assert isinstance(done, Repaired)
    assert faults_of(f"oci:{layout}:new") == []
    after = contents_of(f"oci:{layout}:new")
    assert differing(before, after) == {
        b"usr/lib/small", b"usr/lib", b"usr/lib/hot", b"usr/lib/hot/fix", b"etc/conf",
    }  # fmt: skip
    small, fix, digest = after[b"usr/lib/small"], after[b"usr/lib/hot/fix"], hashlib.sha256(NEW).hexdigest()
    assert small == before[b"usr/lib/small"] | {"content": digest, "mtime": (1_600_000_000, 1)}
    assert (fix["content"], fix["mode"] & 0o7777, fix["uid"]) == (digest, 0o755, 0)
    assert after[b"usr/lib"]["nlink"] == before[b"usr/lib"]["nlink"] + 1
    assert tag_of(layout, "old") == old == done.old_digest
    assert tag_of(layout, "new") == done.digest == done.manifest_digest
    assert [(one.path, one.change, one.old_size, one.new_size) for one in done.files] == [
        (b"etc/conf", "removed", 3, None),
        (b"usr/lib/hot/fix", "added", None, len(NEW)),
        (b"usr/lib/small", "replaced", 5, len(NEW)),
    ]


def test_what_travels_is_the_bootstrap_and_what_is_new(layout, wishes, tmp_path):
    with serve_writable(tmp_path / "registry", layouts={"app": layout}) as registry:
        (tmp_path / "registry/team+app").mkdir()
        target = f"{registry.host}/team/app:new"
        done = repair_image(registry.reference("old"), target, wishes)
        asked = [(one.call.method, one.call.path) for one in registry.log]
        assert faults_of(target) == []
    manifest = manifest_of(tmp_path / "registry/team+app", "new")
    *old, blob, bootstrap = manifest["layers"]
    fetched = [path for method, path in asked if method == "GET"]
    old_manifest = manifest_of(layout, "old")
    assert fetched == [
        "/v2/app/manifests/old",
        *sorted(
            (f"/v2/app/blobs/{one['digest']}" for one in (old_manifest["config"], old_manifest["layers"][-1])),
            key=fetched.index,
        ),
    ]
    assert done.bytes_fetched < 6000
    assert done.bytes_sent < 8000
    assert done.old_objects == (("mounted", 1),)
    assert [one["digest"] for one in old] == [one["digest"] for one in old_manifest["layers"][:-1]]
    assert blob["size"] == done.blob_size < 4500
    assert bootstrap["annotations"] == old_manifest["layers"][-1]["annotations"]
    assert asked[-1] == ("PUT", "/v2/team/app/manifests/new")


def test_at_home_nothing_is_asked_of_old_blobs(layout, wishes, tmp_path):
    registry_folder = tmp_path / "registry"
    registry_folder.mkdir()
    layout.rename(registry_folder / "app")
    with serve_writable(registry_folder) as registry:
        done = repair_image(registry.reference("old"), registry.reference("new"), wishes)
        paths = [one.call.path for one in registry.log]
    old_blob = manifest_of(registry_folder / "app", "old")["layers"][0]["digest"]
    assert not [path for path in paths if old_blob in path]
    assert done.old_objects == ()
    assert faults_of(f"oci:{registry_folder / 'app'}:new") == []


def test_documents_keep_what_nobody_here_knows(tmp_path):
    more = {"subject": {"mediaType": media_types.OCI_MANIFEST, "digest": "sha256:" + "5" * 64, "size": 7}, "x-odd": [1]}
    golden_layout(tmp_path / "image", "v6-zstd", more=more)
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(files=(Addition(path=b"/new", local=new), Removal(path=b"/a")))
    done = repair_image(f"oci:{tmp_path / 'image'}:old", f"oci:{tmp_path / 'image'}:new", wishes)
    before, after = manifest_of(tmp_path / "image", "old"), manifest_of(tmp_path / "image", "new")
    *_, blob, last = after["layers"]
    assert blob == {
        "mediaType": media_types.NYDUS_BLOB,
        "digest": done.blob_digest,
        "size": done.blob_size,
        "annotations": {keys.NYDUS_BLOB: "true"},
    }
    assert after["layers"][:-2] == before["layers"][:-1]
    assert {**last, "digest": "", "size": 0} == {**before["layers"][-1], "digest": "", "size": 0}
    for member in ("annotations", "subject", "x-odd"):
        assert after[member] == before[member]
    old, config = (document(tmp_path / "image", one["config"]["digest"]) for one in (before, after))
    assert config["x-unknown"] == [1, 2.5]
    assert config["config"] == old["config"]
    *steps, ours, nydus = config["history"]
    assert [*steps, nydus] == old["history"]
    assert ours == {"created_by": "rafsight repair", "comment": "Nydus Repair: 1 added, 1 removed"}
    assert config["rootfs"]["diff_ids"][:-1] == [one["digest"] for one in after["layers"][:-1]]


def test_what_does_not_hold_any_more_is_left_out(tmp_path):
    golden_layout(tmp_path / "image", "v6-zstd")
    index = json.loads((tmp_path / "image/index.json").read_bytes())
    manifest = document(tmp_path / "image", index["manifests"][0]["digest"])
    last = manifest["layers"][-1]
    diff_ids = document(tmp_path / "image", manifest["config"]["digest"])["rootfs"]["diff_ids"]
    last["annotations"] |= {keys.NYDUS_SIGNATURE: "c2ln", keys.NYDUS_BLOB_IDS: "[]", keys.UNCOMPRESSED: diff_ids[-1]}
    last["data"] = "eA=="
    Store(tmp_path / "image").put_manifest(write_json(manifest), "signed")
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(files=(Addition(path=b"/new", local=new),))
    repair_image(f"oci:{tmp_path / 'image'}:signed", f"oci:{tmp_path / 'image'}:new", wishes)
    after = manifest_of(tmp_path / "image", "new")
    config = document(tmp_path / "image", after["config"]["digest"])
    assert after["layers"][-1]["annotations"] == {
        keys.NYDUS_BOOTSTRAP: "true",
        keys.NYDUS_FS_VERSION: "6",
        keys.UNCOMPRESSED: config["rootfs"]["diff_ids"][-1],
    }
    assert "data" not in after["layers"][-1]


@pytest.mark.parametrize("bundles", [True, False])
@pytest.mark.parametrize("name", layouts.NAMES)
def test_images_of_the_peer_are_repaired(name, bundles, tmp_path):
    """All that a registry can hold: both versions, merged, with dictionaries, batches, prefetch lists, zran, encrypted."""
    if not bundles and name not in ("targz-ref", "v6-batch", "v6-enc"):
        return
    layout, target = tmp_path / "image", tmp_path / "copy"
    golden_layout(layout, name, bundles=bundles)
    before, known = contents_of(f"oci:{layout}:old"), set(faults_of(f"oci:{layout}:old"))
    victims = [path for path, about in sorted(before.items()) if about["content"] and about["first"] == path]
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(
        files=(
            Addition(path=b"/quite/new/file", local=new),
            *(Replacement(path=b"/" + path, local=new) for path in victims[:1]),
            *(Removal(path=b"/" + path) for path in victims[1:2]),
        )
    )
    done = repair_image(f"oci:{layout}:old", f"oci:{target}:new", wishes)
    assert set(faults_of(f"oci:{target}:new")) <= known
    after = contents_of(f"oci:{target}:new")
    group = {path for path in before if before[path]["first"] in victims[:2]}
    above = {b"", b"quite", b"quite/new", b"quite/new/file"}
    assert differing(before, after) <= group | above
    assert after[b"quite/new/file"]["content"] == hashlib.sha256(NEW).hexdigest()
    for path in victims[:1]:
        assert after[path]["content"] == after[b"quite/new/file"]["content"]
        assert after[path]["xattrs"] == before[path]["xattrs"]
    assert not set(victims[1:2]) & set(after)
    with open_image(f"oci:{layout}:old") as image, open_image(f"oci:{target}:new") as repaired:
        assert len(repaired.tree.tables.prefetch) == len(image.tree.tables.prefetch)
        encrypted = any(blob.features & shared.ENCRYPTED for blob in image.head.blobs)
    assert any("not encrypted" in note for note in done.notes) == encrypted


@pytest.mark.root
def test_the_kernel_mounts_a_repaired_image(tmp_path):
    layout, target = tmp_path / "image", tmp_path / "copy"
    golden_layout(layout, "merge-oci-v6")
    new = local_file(tmp_path, "new", NEW)
    repair_image(f"oci:{layout}:old", f"oci:{target}:new", Wishes(files=(Addition(path=b"/new/file", local=new),)))
    with open_image(f"oci:{target}:new") as image:
        tables, expected = image.tree.tables, {}
        disk = tmp_path / "disk"
        with disk.open("wb") as file:
            file.write(bytes(tables.buffer))
            for chunk, content in image.read_chunks(np.arange(len(tables.chunks.size))):
                entry = tables.blobs[int(tables.chunks.blob_index[chunk])]
                file.seek(entry.mapped_block_address * 4096 + int(tables.chunks.uncompressed_offset[chunk]))
                file.write(content)
            ends = [entry.mapped_block_address * 4096 + entry.uncompressed_size for entry in tables.blobs]
            file.truncate(max(ends))
        for row, path in enumerate(image.tree.paths()):
            if image.tree.is_file(row):
                expected[path] = b"".join(image.read_file(row))
    assert expected[b"new/file"] == NEW
    with mounted(disk, tmp_path / "mnt") as root:
        for path, content in expected.items():
            assert (root / path.decode("utf-8", "surrogateescape")).read_bytes() == content, path


def test_removals_need_no_blob(layout):
    wishes = Wishes(files=(Removal(path=b"/etc"),))
    done = repair_image(f"oci:{layout}:old", f"oci:{layout}:new", wishes)
    assert (done.blob_digest, done.blob_size, done.new_chunks) == ("", 0, 0)
    after = manifest_of(layout, "new")
    assert len(after["layers"]) == len(manifest_of(layout, "old")["layers"])
    config = document(layout, after["config"]["digest"])
    assert config["history"][-1]["empty_layer"] is True
    assert faults_of(f"oci:{layout}:new") == []


def test_content_that_the_image_has_needs_no_blob(layout, tmp_path):
    same = local_file(tmp_path, "same", FILES[b"usr/lib/big"])
    done = repair_image(f"oci:{layout}:old", f"oci:{layout}:new", Wishes(files=(Addition(path=b"/copy", local=same),)))
    assert (done.blob_digest, done.new_chunks, done.reused_chunks) == ("", 0, 16)
    after = contents_of(f"oci:{layout}:new")
    assert after[b"copy"]["content"] == after[b"usr/lib/big"]["content"]
    assert faults_of(f"oci:{layout}:new") == []


def test_a_repaired_image_can_be_repaired(layout, wishes, tmp_path):
    repair_image(f"oci:{layout}:old", f"oci:{layout}:1", wishes)
    other = local_file(tmp_path, "other", b"another one")
    again = Wishes(files=(Replacement(path=b"/lib/hot/fix", local=other), Removal(path=b"/lib/small")))
    repair_image(f"oci:{layout}:1", f"oci:{layout}:2", again)
    assert faults_of(f"oci:{layout}:2") == []
    assert contents_of(f"oci:{layout}:2")[b"usr/lib/hot/fix"]["content"] == hashlib.sha256(b"another one").hexdigest()
    assert len(manifest_of(layout, "2")["layers"]) == 4


def test_the_same_repair_gives_the_same_image(layout, wishes, tmp_path):
    one = repair_image(f"oci:{layout}:old", f"oci:{tmp_path / 'one'}:new", wishes)
    other = repair_image(f"oci:{layout}:old", f"oci:{tmp_path / 'two'}:else", wishes)
    assert one.digest == other.digest


def test_a_dry_run_says_the_same_and_pushes_nothing(layout, wishes, tmp_path):
    with serve_writable(tmp_path / "registry", layouts={"app": layout}) as registry:
        source, target = registry.reference("old"), f"{registry.host}/team/app:new"
        dry = repair_image(source, target, wishes, dry_run=True)
        assert {one.call.method for one in registry.log} == {"GET"}
        nameless = repair_image(source, "", wishes, dry_run=True)
        done = repair_image(source, target, wishes)
    assert dry.is_dry_run
    assert not done.is_dry_run
    for name in ("digest", "blob_digest", "bootstrap_digest", "config_digest", "files", "new_chunks", "reused_chunks"):
        assert getattr(dry, name) == getattr(done, name) == getattr(nameless, name)
    assert dry.bytes_sent == done.bytes_sent


@pytest.mark.parametrize("name", ["v6-zstd", "targz-ref"])
def test_a_dry_run_counts_old_blobs_that_the_target_cannot_take_over(tmp_path, name):
    layouts.golden_layout(tmp_path / "image", name)
    wishes = Wishes(files=(Addition(path=b"/new", local=local_file(tmp_path, "new", b"new")),))
    with (
        serve_writable(tmp_path / "one", layouts={"app": tmp_path / "image"}) as home,
        serve_writable(tmp_path / "two", layouts={"app": tmp_path / "image"}) as away,
    ):
        (tmp_path / "two/fixed").mkdir()
        source, target = home.reference("old"), f"{away.host}/fixed:new"
        dry = repair_image(source, target, wishes, dry_run=True)
        near = repair_image(source, f"{home.host}/fixed:new", wishes, dry_run=True)
        assert not away.log
        done = repair_image(source, target, wishes)
    old = dict(done.old_objects)["sent"]
    assert dry.bytes_sent == done.bytes_sent
    assert abs(dry.bytes_fetched - done.bytes_fetched) < 1000  # what asking for an archive's size takes
    assert any(note.startswith(f"{old} old blob") for note in dry.notes)
    assert near.bytes_sent < dry.bytes_sent
    assert near.notes == done.notes == ()


@pytest.mark.parametrize("after", range(1, 5))
def test_a_push_that_fails_leaves_no_tag_and_can_be_run_again(layout, wishes, tmp_path, after):
    folder = tmp_path / "registry"
    broken = Mischief(only="/v2/team/app/", method="PUT", after=after - 1, status=403)
    with serve_writable(folder, layouts={"app": layout}, mischief=[broken]) as registry:
        with pytest.raises(RegistryFault):
            repair_image(registry.reference("old"), f"{registry.host}/team/app:new", wishes)
        sent = [one.call.path for one in registry.log if one.call.method == "PUT" and one.status == 201]
    assert len(sent) == after - 1
    assert tag_of(folder / "team+app", "new") is None
    with serve_writable(folder, layouts={"app": layout}) as registry:
        done = repair_image(registry.reference("old"), f"{registry.host}/team/app:new", wishes)
        again = [one.call.path for one in registry.log if one.call.method == "PUT" and one.status == 201]
        assert faults_of(f"{registry.host}/team/app:new") == []
    assert len(again) == 4 - (after - 1)
    assert tag_of(folder / "team+app", "new") == done.digest


def merged(folder, *, inner=False):
    """Make a layout with an index of two plain images and a Nydus one, which may lie in an index inside."""
    store = Store(folder)
    nydus = golden_layout(folder, "v6-zstd")
    images_ = []
    for architecture in ("amd64", "arm64"):
        config = {
            "architecture": architecture,
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
        }
        layer = {"mediaType": media_types.OCI_LAYER, **store.put(f"layer of {architecture}".encode())}
        manifest = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": media_types.OCI_CONFIG, **store.put(write_json(config))},
            "layers": [layer],
        }
        entry = {"mediaType": media_types.OCI_MANIFEST, **store.put(write_json(manifest))}
        images_.append({**entry, "platform": {"os": "linux", "architecture": architecture}})
    nydus = {
        **nydus,
        "platform": {"os": "linux", "architecture": "amd64"},
        "artifactType": media_types.NYDUS_MANIFEST,
        "x-kept": 1,
    }
    if inner:
        index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [nydus]}
        nydus = {"mediaType": media_types.OCI_INDEX, **store.put(write_json(index))}
    index = {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX, "manifests": [images_[0], nydus, images_[1]]}
    store.put_manifest(write_json({**index, "annotations": {"a": "b"}}), "all")


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("at_home", [False, True])
def test_in_an_index_the_repaired_image_takes_the_place_of_the_old(tmp_path, inner, at_home):
    merged(tmp_path / "image", inner=inner)
    target = tmp_path / ("image" if at_home else "copy")
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(files=(Addition(path=b"/new/file", local=new),))
    options = Options(platform="linux/amd64")
    done = repair_image(f"oci:{tmp_path / 'image'}:all", f"oci:{target}:new", wishes, options=options)
    before, after = manifest_of(tmp_path / "image", "all"), manifest_of(target, "new")
    assert (done.media_type, tag_of(target, "new")) == (media_types.OCI_INDEX, done.digest)
    if inner:
        assert after["manifests"][1]["digest"] != before["manifests"][1]["digest"]
        (ours,) = document(target, after["manifests"][1]["digest"])["manifests"]
        (old,) = document(tmp_path / "image", before["manifests"][1]["digest"])["manifests"]
    else:
        ours, old = after["manifests"][1], before["manifests"][1]
    assert {**ours, "digest": "", "size": 0} == {**old, "digest": "", "size": 0}
    assert ours["digest"] == done.manifest_digest
    after["manifests"][1] = before["manifests"][1]
    assert after == before
    assert contents_of(f"oci:{target}:new", options=options)[b"new/file"]["content"]
    for one in before["manifests"][::2]:
        plain = document(target, one["digest"])
        for part in (plain["config"], *plain["layers"]):
            assert (target / "blobs/sha256" / part["digest"][7:]).stat().st_size == part["size"]
    assert any("plain form" in note for note in done.notes)


def test_zran_images_bring_the_archives_that_they_refer_to(tmp_path):
    golden_layout(tmp_path / "image", "targz-ref")
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(files=(Addition(path=b"/new", local=new),))
    with serve_writable(tmp_path / "registry", layouts={"app": tmp_path / "image"}) as registry:
        done = repair_image(registry.reference("old"), f"{registry.host}/team/app:new", wishes)
        assert faults_of(f"{registry.host}/team/app:new") == []
    assert done.old_objects == (("mounted", 2),)


def test_the_tag_of_the_old_image_is_not_taken(layout, wishes, tmp_path):
    (tmp_path / "link").symlink_to(layout)
    old = tag_of(layout, "old")
    for source, target in (
        (f"oci:{layout}:old", f"oci:{layout}:old"),
        (f"oci:{layout}:old", f"oci:{layout}/:old"),
        (f"oci:{layout}:old", f"oci:{tmp_path / 'link'}:old"),
        (f"oci:{layout}", f"oci:{layout}:old"),
    ):
        with pytest.raises(SameTag):
            repair_image(source, target, wishes)
    with serve_layout(layout) as registry, pytest.raises(SameTag):
        repair_image(registry.reference("old"), registry.reference("old"), wishes)
    assert tag_of(layout, "old") == old
    assert repair_image(f"oci:{layout}@{old}", f"oci:{layout}:new", wishes).digest == tag_of(layout, "new")


def test_other_names_of_a_replaced_file_are_told(tmp_path):
    golden_layout(tmp_path / "image", "v6-zstd")
    before = contents_of(f"oci:{tmp_path / 'image'}:old")
    names = next(
        group
        for first in sorted(before)
        if len(group := [path for path in before if before[path]["first"] == first and before[path]["content"]]) > 1
    )
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(files=(Replacement(path=b"/" + names[-1], local=new),))
    done = repair_image(f"oci:{tmp_path / 'image'}:old", f"oci:{tmp_path / 'image'}:new", wishes)
    assert done.notes == (f"/{names[-1].decode()} is one of {len(names)} names of a file; all show the new content",)
    after = contents_of(f"oci:{tmp_path / 'image'}:new")
    assert differing(before, after) == set(names)
    assert {after[path]["first"] for path in names} == {before[names[0]]["first"]}


def test_what_is_in_the_cache_is_not_fetched_again(layout, wishes, tmp_path):
    options = Options(cache_dir=tmp_path / "cache")
    with serve_writable(tmp_path / "registry", layouts={"app": layout}) as registry:
        target = f"{registry.host}/team/app"
        first = repair_image(registry.reference("old"), f"{target}:1", wishes, options=options)
        registry.forget()
        again = repair_image(registry.reference("old"), f"{target}:2", wishes, options=options)
        fetched = [one.call.path for one in registry.log if one.call.method == "GET"]
    assert fetched == ["/v2/app/manifests/old"]
    assert first.digest == again.digest


def test_nothing_to_do_is_said(layout):
    with pytest.raises(NothingWanted):
        repair_image(f"oci:{layout}:old", f"oci:{layout}:new", Wishes())
    assert tag_of(layout, "new") is None


def test_what_cannot_be_repaired_is_refused(tmp_path, wishes):
    golden_layout(tmp_path / "tarfs", "tar-tarfs")
    merged(tmp_path / "index")
    plain = document(tmp_path / "index", tag_of(tmp_path / "index", "all"))["manifests"][2]["digest"]
    golden_layout(tmp_path / "outside", "v6-zstd")
    manifest = manifest_of(tmp_path / "outside", "old")
    manifest["layers"] = manifest["layers"][-1:]
    Store(tmp_path / "outside").put_manifest(write_json(manifest), "outside")
    bare = images.GOLDEN / "v6-zstd/image.boot"
    for reference, why in (
        (f"oci:{tmp_path / 'tarfs'}:old", "tar files"),
        (f"oci:{tmp_path / 'index'}@{plain}", "plain image"),
        (f"oci:{tmp_path / 'outside'}:outside", "outside the registry"),
        (f"boot:{bare}", "a bootstrap alone"),
    ):
        wanted = Wishes(files=wishes.files[1:2])
        with pytest.raises(NotRepairable, match=why):
            repair_image(reference, f"oci:{tmp_path / 'target'}:new", wanted)
    assert not (tmp_path / "target").exists()


def test_an_image_with_all_blobs_that_can_be_is_refused(tmp_path, wishes):
    golden_layout(tmp_path / "image", "v5-zstd")
    store, manifest = Store(tmp_path / "image"), manifest_of(tmp_path / "image", "old")
    tables = images.open_golden("v5-zstd").tables
    more = tuple(replace(tables.blobs[0], index=number, blob_id=f"{number:064x}") for number in range(1, 254))
    layer = write_bootstrap_layer(write_bootstrap(replace(tables, blobs=(*tables.blobs, *more))), {})
    config = document(tmp_path / "image", manifest["config"]["digest"])
    config["rootfs"]["diff_ids"][-1] = layer.diff_id
    manifest["config"] |= store.put(write_json(config))
    manifest["layers"][-1] |= store.put(layer.content)
    store.put_manifest(write_json(manifest), "full")
    with pytest.raises(NoRoomForBlob):
        repair_image(
            f"oci:{tmp_path / 'image'}:full", f"oci:{tmp_path / 'target'}:new", Wishes(files=wishes.files[1:2])
        )


def test_an_unsound_image_stays_unrepaired(tmp_path, wishes):
    golden_layout(tmp_path / "image", "v6-zstd")
    manifest = manifest_of(tmp_path / "image", "old")
    del manifest["layers"][0]["annotations"]
    Store(tmp_path / "image").put_manifest(write_json(manifest), "broken")
    with pytest.raises(UnsoundImage, match="nydus-blob"):
        repair_image(
            f"oci:{tmp_path / 'image'}:broken", f"oci:{tmp_path / 'target'}:new", Wishes(files=wishes.files[1:2])
        )
    assert not (tmp_path / "target").exists()


def test_a_failing_plan_pushes_nothing(layout, tmp_path):
    wishes = Wishes(files=(Removal(path=b"/no/such"),))
    with pytest.raises(NoSuchPath):
        repair_image(f"oci:{layout}:old", f"oci:{tmp_path / 'target'}:new", wishes)
    assert not (tmp_path / "target").exists()


def test_the_list_of_an_optimised_image_comes_along(tmp_path):
    golden_layout(tmp_path / "image", "v6-zstd")
    store, manifest = Store(tmp_path / "image"), manifest_of(tmp_path / "image", "old")
    hot = manifest["layers"][0]["digest"][7:]
    listed = b'{"version":"v1","files":[]}'
    layer = write_bootstrap_layer(images.bootstrap("v6-zstd"), {}, {"prefetch.files": listed})
    last = manifest["layers"][-1]
    last |= store.put(layer.content)
    last["annotations"][keys.NYDUS_PREFETCH_BLOB] = hot
    config = document(tmp_path / "image", manifest["config"]["digest"])
    config["rootfs"]["diff_ids"][-1] = layer.diff_id
    manifest["config"] |= store.put(write_json(config))
    store.put_manifest(write_json(manifest), "hot")
    new = local_file(tmp_path, "new", NEW)
    wishes = Wishes(files=(Addition(path=b"/new", local=new),))
    repair_image(f"oci:{tmp_path / 'image'}:hot", f"oci:{tmp_path / 'image'}:new", wishes)
    after = manifest_of(tmp_path / "image", "new")
    stored = (tmp_path / "image/blobs/sha256" / after["layers"][-1]["digest"][7:]).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(stored))) as archive:
        assert archive.extractfile("image/prefetch.files").read() == listed
    assert faults_of(f"oci:{tmp_path / 'image'}:new") == []


def test_a_bootstrap_of_a_repaired_image_has_the_old_blobs_first(layout, wishes):
    repair_image(f"oci:{layout}:old", f"oci:{layout}:new", wishes)
    with open_image(f"oci:{layout}:old") as old, open_image(f"oci:{layout}:new") as new:
        assert new.head.blobs[: len(old.head.blobs)] == old.head.blobs
        assert new.head.superblock.chunk_size == old.head.superblock.chunk_size
        assert len(new.head.blobs) == len(old.head.blobs) + 1
