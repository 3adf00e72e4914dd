"""What a conversion writes beside the tree: documents, layers, an index; and what it refuses."""

import gzip
import io
import json
import shutil
import tarfile
from dataclasses import replace

import pytest
from tests.access.archive_builders import docker_members, packed, tar_of_folder, with_bytes
from tests.access.archive_builders import tar_with as archive_with
from tests.access.source_images import Entry, folder, hard_link, symlink
from tests.verbs.convert.plain_layers import (
    CONFIG,
    DOCKER,
    OCI,
    PLATFORM,
    assert_sound,
    document,
    put,
    put_image,
    raw,
    said_of,
    tag,
    tags_of,
    write_index,
    write_plain,
)

from rafsight.access.connect import NotATarget
from rafsight.access.layout_target import NotALayout
from rafsight.access.options import Options
from rafsight.access.registry.errors import RegistryDenied
from rafsight.access.session import open_image
from rafsight.base.events import Advanced, Finished, Noticed, Started
from rafsight.formats.oci.errors import NoMatchingPlatform
from rafsight.formats.oci.reference import MalformedReference
from rafsight.formats.rafs.blob_writer import TooManyChunks
from rafsight.formats.rafs.codec import write_bootstrap
from rafsight.formats.rafs.v6_writer import TooManyBlobs
from rafsight.formats.tables import Compressor, MalformedImage
from rafsight.testing.rafs_images import pack
from rafsight.testing.registry import Mischief, serve_layout, serve_writable
from rafsight.testing.trees import build_image
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.source import AlreadyNydus, NotPlatforms
from rafsight.verbs.convert.terms import ConvertTerms, UnsuitableTerms

BASE = [folder(b"etc", 0o700), Entry(b"etc/name", content=b"name" * 3000), hard_link(b"etc/same", b"etc/name")]
UPPER = [Entry(b"etc/.wh.name"), Entry(b"bin/sh", content=b"#!" * 9000), symlink(b"link", b"etc/same")]
ARM = {"os": "linux", "architecture": "arm64", "variant": "v8"}
BLOB = "application/vnd.oci.image.layer.nydus.blob.v1"


@pytest.fixture
def plain(tmp_path):
    return tmp_path / "plain"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def convert(source, out, name="v", *, options=None, listener=None, **terms):
    more = {"listener": listener} if listener else {}
    return convert_image(source, f"oci:{out}:{name}", terms=ConvertTerms(**terms), options=options, **more)


def only(out, name="v"):
    return document(out, tags_of(out)[name])


class TestDocuments:
    def test_the_manifest(self, plain, out):
        source = write_plain(plain, BASE, UPPER)
        done = convert(source, out)
        manifest = only(out)
        assert done.digest == tags_of(out)["v"]
        assert manifest["mediaType"] == f"{OCI}.manifest.v1+json"
        assert manifest["config"]["mediaType"] == f"{OCI}.config.v1+json"
        assert [layer["mediaType"] for layer in manifest["layers"]] == [BLOB, BLOB, f"{OCI}.layer.v1.tar+gzip"]
        assert manifest["layers"][0]["annotations"] == {"containerd.io/snapshot/nydus-blob": "true"}
        assert manifest["layers"][2]["annotations"] == {
            "containerd.io/snapshot/nydus-bootstrap": "true",
            "containerd.io/snapshot/nydus-fs-version": "6",
        }
        assert manifest["annotations"] == {
            "containerd.io/snapshot/nydus-fs-version": "6",
            "containerd.io/snapshot/nydus-source-digest": tags_of(plain)["app"],
        }
        assert not manifest.keys() & {"subject", "artifactType"}

    def test_the_source_as_it_was_typed_if_others_can_reach_it(self, plain, out, tmp_path):
        """A path of this machine is nobody's business, and the same image elsewhere gives the same bytes."""
        write_plain(plain, BASE)
        with serve_layout(plain, repository="team/app") as registry:
            source = registry.reference("app")
            convert(source, out)
        assert only(out)["annotations"]["containerd.io/snapshot/nydus-source-reference"] == source
        shutil.copytree(plain, tmp_path / "copy")
        found = {convert(f"oci:{place}:app", out, "w").digest for place in (plain, tmp_path / "copy")}
        assert len(found) == 1

    def test_the_config_keeps_everything_else(self, plain, out):
        source = write_plain(plain, BASE, UPPER)
        convert(source, out)
        manifest, before = only(out), document(plain, only(plain, "app")["config"]["digest"])
        after = document(out, manifest["config"]["digest"])
        layers = manifest["layers"]
        tar = gzip.decompress(raw(out, layers[2]["digest"]))
        assert after["rootfs"]["diff_ids"][:2] == [layer["digest"] for layer in layers[:2]]
        assert after["rootfs"]["diff_ids"][2:] == [put(out, tar)["digest"]]
        assert after["history"] == [
            *before["history"],
            {"created_by": "Nydus Converter", "comment": "Nydus Bootstrap Layer"},
        ]
        kept = before.keys() - {"rootfs", "history"}
        assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
        assert CONFIG.keys() <= kept

    def test_the_bootstrap_layer(self, plain, out):
        convert(write_plain(plain, BASE, [folder(b"x")], UPPER), out)
        layers = only(out)["layers"]
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(raw(out, layers[-1]["digest"])))) as archive:
            names = archive.getnames()
        blobs = [layer["digest"].partition(":")[2] for layer in layers[:-1]]
        assert names == ["image", "image/image.boot", f"image/{blobs[0]}.blob.meta", f"image/{blobs[2]}.blob.meta"]

    @pytest.mark.parametrize("oci", [False, True])
    def test_docker_stays_docker_unless_told_otherwise(self, plain, out, oci):
        source = write_plain(plain, BASE, docker=True)
        convert(source, out, oci=oci)
        manifest = only(out)
        assert manifest["mediaType"] == (
            f"{OCI}.manifest.v1+json" if oci else f"{DOCKER}.distribution.manifest.v2+json"
        )
        assert manifest["config"]["mediaType"] == (
            f"{OCI}.config.v1+json" if oci else f"{DOCKER}.container.image.v1+json"
        )
        kinds = [layer["mediaType"] for layer in manifest["layers"]]
        assert kinds == [BLOB, f"{OCI}.layer.v1.tar+gzip" if oci else f"{DOCKER}.image.rootfs.diff.tar.gzip"]
        assert_sound(f"oci:{out}:v")

    def test_version_5(self, plain, out):
        convert(write_plain(plain, BASE, UPPER), out, fs_version=5)
        manifest = only(out)
        assert manifest["annotations"]["containerd.io/snapshot/nydus-fs-version"] == "5"
        assert manifest["layers"][-1]["annotations"]["containerd.io/snapshot/nydus-fs-version"] == "5"
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(raw(out, manifest["layers"][-1]["digest"])))) as archive:
            assert archive.getnames() == ["image", "image/image.boot"]

    def test_the_subject(self, plain, out):
        source = write_plain(plain, BASE)
        convert(source, out, with_referrer=True)
        content = raw(plain, tags_of(plain)["app"])
        assert only(out)["subject"] == {
            "mediaType": f"{OCI}.manifest.v1+json",
            "digest": tags_of(plain)["app"],
            "size": len(content),
        }

    @pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
    def test_layers_however_they_are_compressed(self, plain, out, compression):
        source = write_plain(plain, BASE, UPPER, compression=compression)
        convert(source, out)
        assert said_of(f"oci:{out}:v") == said_of(source)

    @pytest.mark.parametrize("inlined", [True, False])
    def test_layers_without_content(self, plain, out, inlined):
        """Inlined, each has a blob of its bootstrap; separate, none, and its step made no layer."""
        source = write_plain(plain, [folder(b"d")], BASE, [], [symlink(b"s", b"d")])
        done = convert(source, out, inlined=inlined)
        layers = only(out)["layers"]
        assert len(layers) == (5 if inlined else 2)
        history = document(out, only(out)["config"]["digest"])["history"]
        assert [step.get("empty_layer", False) for step in history] == [
            not inlined,
            False,
            not inlined,
            not inlined,
            False,
        ]
        assert [one.how for one in done.images[0].layers] == (["sent"] * 4 if inlined else ["", "sent", "", ""])
        assert_sound(f"oci:{out}:v", source=source)

    def test_no_layers_at_all(self, plain, out):
        source = write_plain(plain)
        convert(source, out)
        assert len(only(out)["layers"]) == 1
        assert_sound(f"oci:{out}:v", source=source)

    def test_the_same_layer_twice(self, plain, out):
        source = write_plain(plain, BASE, UPPER, BASE)
        convert(source, out)
        digests = [layer["digest"] for layer in only(out)["layers"]]
        assert digests[0] == digests[2] != digests[1]
        assert_sound(f"oci:{out}:v", source=source)


class TestPrefetch:
    def listed(self, out):
        with open_image(f"oci:{out}:v") as image:
            tree = image.tree
            numbers = tree.entries.ino.tolist()
            return [tree.path(numbers.index(ino)) for ino in tree.tables.prefetch.tolist()]

    def test_everything_or_nothing(self, plain, out):
        source = write_plain(plain, BASE)
        convert(source, out)
        assert self.listed(out) == [b""]
        convert(source, out, prefetch=())
        assert self.listed(out) == []

    @pytest.mark.parametrize("version", [6, 5])
    def test_paths_in_their_order_each_once(self, plain, out, version):
        source = write_plain(
            plain, [*BASE, Entry(b"e"), symlink(b"l", b"etc"), Entry(b"z", content=b"z"), folder(b"d")]
        )
        noticed = []
        convert(
            source,
            out,
            fs_version=version,
            listener=lambda event: noticed.append(event.message) if isinstance(event, Noticed) else None,
            prefetch=(b"/z", b"/l/name", b"/etc", b"/nowhere", b"/etc/same", b"/e", b"/d", b"/l"),
        )
        assert self.listed(out) == [b"z", b"etc/name", b"etc", b"d"]
        assert [message.partition(":")[2] for message in noticed] == [
            " the image has no such path",
            " there is no content in it",
        ]
        assert_sound(f"oci:{out}:v")


class TestFolders:
    @pytest.fixture
    def tree(self, tmp_path):
        root = tmp_path / "tree"
        (root / "d").mkdir(parents=True)
        (root / "d/f").write_bytes(b"f" * 9000)
        (root / "g").hardlink_to(root / "d/f")
        (root / "s").symlink_to("d")
        (root / ".wh.odd").write_bytes(b"")
        return root

    def test_one_layer(self, tree, out):
        done = convert(f"dir:{tree}", out, options=Options(platform="linux/arm64/v8"))
        manifest = only(out)
        assert len(manifest["layers"]) == 2
        config = document(out, manifest["config"]["digest"])
        assert (config["os"], config["architecture"], config["variant"]) == ("linux", "arm64", "v8")
        assert [step["created_by"] for step in config["history"]] == ["rafsight convert", "Nydus Converter"]
        assert manifest["annotations"] == {"containerd.io/snapshot/nydus-fs-version": "6"}
        assert str(tree) not in json.dumps([manifest, config])
        found = said_of(f"oci:{out}:v")
        assert set(found) == {b"", b"d", b"d/f", b"g", b"s"}
        assert (found[b"g"][3], found[b"g"][4]) == (b"d/f", b"f" * 9000) or found[b"d/f"][3] == b"g"
        assert dict(done.images[0].left_out) == {"layers mark by such a name what they remove": 1}
        assert_sound(f"oci:{out}:v")

    def test_one_that_fails_leaves_nothing_to_go_on_with(self, tree, tmp_path):
        """Whether its files have changed nobody would know."""
        (tmp_path / "registry").mkdir()
        refusal = Mischief(only="/manifests/", method="PUT", status=403)
        terms = ConvertTerms(work_dir=tmp_path / "work")
        with serve_writable(tmp_path / "registry", mischief=[refusal]) as registry, pytest.raises(RegistryDenied):
            convert_image(f"dir:{tree}", registry.reference("v"), terms=terms)
        assert list((tmp_path / "work").iterdir()) == []

    @pytest.mark.parametrize(
        "terms",
        [
            {"merge_platform": True},
            {"with_referrer": True},
            {"oci_ref": True},
            {"all_platforms": True},
            {"platforms": ("linux/amd64", "linux/arm64")},
        ],
    )
    def test_what_has_no_sense_of_one(self, tree, out, terms):
        with pytest.raises(UnsuitableTerms, match="a folder is"):
            convert(f"dir:{tree}", out, **terms)
        assert not out.exists()


@pytest.fixture
def several(plain):
    """An index of two platforms, and things that are no images."""
    amd = put_image(plain, BASE, UPPER, platform=PLATFORM)
    arm = put_image(plain, BASE, [Entry(b"arm", content=b"arm")], platform=ARM)
    other = put_image(plain, BASE, platform={"os": "unknown", "architecture": "unknown"})
    other["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
    return write_index(plain, amd, arm, other), amd, arm


class TestPlatforms:
    def test_the_default_gives_one_image(self, several, out):
        source, _, _ = several
        convert(source, out, options=Options(platform="linux/arm64"))
        assert only(out)["mediaType"] == f"{OCI}.manifest.v1+json"
        assert b"arm" in said_of(f"oci:{out}:v")

    @pytest.mark.parametrize("terms", [{"all_platforms": True}, {"platforms": ("linux/arm64", "linux/amd64")}])
    def test_several_give_an_index(self, several, out, terms):
        source, amd, arm = several
        done = convert(source, out, **terms)
        index = only(out)
        assert index["mediaType"] == f"{OCI}.index.v1+json"
        said = [one["platform"]["architecture"] for one in index["manifests"]]
        assert sorted(said) == ["amd64", "arm64"]
        assert [image.digest for image in done.images] == [one["digest"] for one in index["manifests"]]
        assert not any("artifactType" in one for one in index["manifests"])
        for platform, original in (("linux/amd64", amd), ("linux/arm64", arm)):
            options = Options(platform=platform)
            assert said_of(f"oci:{out}:v", options=options) == said_of(source, options=options)
            (one,) = [one for one in index["manifests"] if one["platform"] == original["platform"]]
            annotations = document(out, one["digest"])["annotations"]
            assert annotations["containerd.io/snapshot/nydus-source-digest"] == original["digest"]

    def test_a_layer_that_they_share_is_packed_once_and_nobody_says_that_it_was_resumed(self, several, out):
        done = convert(several[0], out, all_platforms=True)
        shared = [image.layers[0] for image in done.images]
        assert [layer.how for layer in shared] == ["sent", "present"]
        assert not any(layer.is_resumed for image in done.images for layer in image.layers)

    def test_one_platform_twice_is_one(self, several, out):
        convert(several[0], out, platforms=("linux/amd64", "linux/amd64"))
        assert only(out)["mediaType"] == f"{OCI}.manifest.v1+json"

    def test_a_platform_that_there_is_not(self, several, out):
        with pytest.raises(NoMatchingPlatform):
            convert(several[0], out, platforms=("linux/amd64", "linux/s390x"))
        assert not out.exists()

    @pytest.mark.parametrize("terms", [{"all_platforms": True}, {"platforms": ("linux/amd64", "linux/arm64")}])
    def test_of_a_single_image_there_are_none(self, plain, out, terms):
        with pytest.raises(NotPlatforms):
            convert(write_plain(plain, BASE), out, **terms)

    def test_an_index_without_images_has_none(self, plain, out):
        plain.mkdir()
        other = put_image(plain, BASE, platform={"os": "unknown", "architecture": "unknown"})
        other["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
        with pytest.raises(NotPlatforms):
            convert(write_index(plain, other), out, all_platforms=True)
        assert not out.exists()


class TestMergedIndexes:
    def test_the_source_is_untouched(self, plain, out):
        source = write_plain(plain, BASE, UPPER, platform=PLATFORM)
        convert(source, out, merge_platform=True)
        index, original = only(out), tags_of(plain)["app"]
        first, second = index["manifests"]
        assert list(index) == ["schemaVersion", "mediaType", "manifests"]
        assert first == {
            "mediaType": f"{OCI}.manifest.v1+json",
            "digest": original,
            "size": len(raw(plain, original)),
            "platform": {"architecture": "amd64", "os": "linux"},
        }
        assert raw(out, original) == raw(plain, original)
        manifest = document(plain, original)
        for one in (manifest["config"], *manifest["layers"]):
            assert raw(out, one["digest"]) == raw(plain, one["digest"])
        assert second["artifactType"] == "application/vnd.nydus.image.manifest.v1+json"
        assert second["platform"] == first["platform"]
        nydus = document(out, second["digest"])
        assert nydus["config"]["mediaType"] == "application/vnd.nydus.image.config.v1+json"
        assert "artifactType" not in nydus

    def test_docker_images_are_untouched_too(self, plain, out):
        source = write_plain(plain, BASE, docker=True)
        convert(source, out, merge_platform=True)
        index = only(out)
        assert index["mediaType"] == f"{OCI}.index.v1+json"
        first, second = index["manifests"]
        assert first["mediaType"] == f"{DOCKER}.distribution.manifest.v2+json"
        assert raw(out, first["digest"]) == raw(plain, first["digest"])
        assert second["mediaType"] == f"{OCI}.manifest.v1+json"

    def test_both_halves_are_found(self, plain, out):
        source = write_plain(plain, BASE, UPPER, platform=PLATFORM)
        convert(source, out, merge_platform=True)
        with open_image(f"oci:{out}:v") as image:
            assert image.tree.tables.superblock.format == "RAFS v6"
        assert said_of(f"oci:{out}:v") == said_of(source)

    def test_several_platforms(self, several, out):
        convert(several[0], out, merge_platform=True, all_platforms=True, with_referrer=True)
        index = only(out)
        assert [one["platform"]["architecture"] for one in index["manifests"]] == ["amd64", "amd64", "arm64", "arm64"]
        for first, second in zip(index["manifests"][::2], index["manifests"][1::2], strict=True):
            assert document(out, second["digest"])["subject"]["digest"] == first["digest"]

    def test_the_index_may_take_the_tag_of_its_source(self, plain):
        source = write_plain(plain, BASE, platform=PLATFORM)
        before = tags_of(plain)["app"]
        convert_image(source, source, terms=ConvertTerms(merge_platform=True))
        assert only(plain, "app")["manifests"][0]["digest"] == before


class TestRefusals:
    def test_a_nydus_image(self, plain, out):
        convert(write_plain(plain, BASE), out)
        with pytest.raises(AlreadyNydus, match="is a Nydus image already"):
            convert(f"oci:{out}:v", out, "w")
        assert set(tags_of(out)) == {"v"}

    def test_its_own_source(self, plain):
        source = write_plain(plain, BASE)
        tag(plain, put_image(plain, BASE), "latest")
        for one, other in (
            (source, source),
            (f"oci:{plain}", f"oci:{plain}:latest"),
            (f"oci:{plain}/", f"oci:{plain}/"),
        ):
            with pytest.raises(UnsuitableTerms, match="choose another tag"):
                convert_image(one, other)
        host = "127.0.0.1:1/a"
        for one, other in ((host, f"{host}:latest"), (f"{host}:v1", f"docker://{host}:v1")):
            with pytest.raises(UnsuitableTerms):
                convert_image(one, other)

    @pytest.mark.parametrize(
        "terms",
        [
            {"fs_version": 4},
            {"compressor": "gzip"},
            {"digester": "md5"},
            {"level": 23},
            {"chunk_size": 4095},
            {"chunk_size": 2048},
            {"chunk_size": 1 << 25},
            {"chunk_size": 12288},
            {"chunk_size": 0},
            {"oci_ref": True, "fs_version": 5},
            {"oci_ref": True, "chunk_dict": "oci:x"},
            {"all_platforms": True, "platforms": ("linux/amd64",)},
        ],
        ids=str,
    )
    def test_terms_that_cannot_be(self, plain, out, terms):
        with pytest.raises(UnsuitableTerms) as caught:
            convert(write_plain(plain, BASE), out, **terms)
        assert caught.value.exit_status == 2
        assert not out.exists()

    @pytest.mark.parametrize(
        ("target", "error"),
        [
            ("dir:x", NotATarget),
            ("docker-archive:x", NotATarget),
            ("oci:x@sha256:" + "a" * 64, NotATarget),
            ("oci:", MalformedReference),
        ],
    )
    def test_targets_that_are_none(self, plain, target, error):
        with pytest.raises(error):
            convert_image(write_plain(plain, BASE), target)

    def test_a_folder_of_something_else(self, plain, out):
        out.mkdir()
        (out / "mine").write_bytes(b"")
        with pytest.raises(NotALayout):
            convert(write_plain(plain, BASE), out)

    def test_more_blobs_than_there_are_numbers(self):
        tables = pack(build_image({b"f": b"x"}), lambda piece: None, version=6, compressor=Compressor.NONE)
        many = tuple(replace(tables.blobs[0], index=row) for row in range(256))
        write_bootstrap(replace(tables, blobs=many[:255]))
        with pytest.raises(TooManyBlobs, match="256 blobs"):
            write_bootstrap(replace(tables, blobs=many))

    def test_errors_of_chunks_advise_a_larger_size(self):
        assert "--chunk-size" in TooManyChunks(most=1).advice

    def test_a_damaged_tar(self, plain, out):
        source = write_plain(plain, BASE, b"no tar" * 1000, UPPER)
        with pytest.raises(MalformedImage):
            convert(source, out)
        assert tags_of(out) == {}


class TestProgress:
    def test_every_operation_ends(self, plain, out):
        events = []
        convert(write_plain(plain, BASE, UPPER), out, listener=events.append)
        started = [one.operation for one in events if isinstance(one, Started)]
        assert sorted(started) == sorted(one.operation for one in events if isinstance(one, Finished))
        totals = {one.operation: one.total for one in events if isinstance(one, Started)}
        for operation, total in totals.items():
            moved = sum(one.amount for one in events if isinstance(one, Advanced) and one.operation == operation)
            assert moved == total


def test_what_it_cost_and_what_became_of_it(plain, out):
    source = write_plain(plain, BASE, [*UPPER, hard_link(b"bad", b"nowhere")])
    done = convert(source, out)
    (image,) = done.images
    manifest, before = only(out), document(plain, tags_of(plain)["app"])
    assert (done.source, done.target) == (source, f"oci:{out}:v")
    assert image.platform == "linux/amd64"
    assert image.config_digest == manifest["config"]["digest"]
    assert image.bootstrap_digest == manifest["layers"][-1]["digest"]
    assert image.bootstrap_size == manifest["layers"][-1]["size"]
    assert [(one.source_digest, one.source_size) for one in image.layers] == [
        (one["digest"], one["size"]) for one in before["layers"]
    ]
    assert [(one.digest, one.size) for one in image.layers] == [
        (one["digest"], one["size"]) for one in manifest["layers"][:-1]
    ]
    assert (image.unread_count, image.unread) == (1, ("bad: a hard link to something that is not there",))
    assert image.content_size == 12_000 + 18_000
    assert image.entry_count == 6
    assert image.source_size == before["config"]["size"] + sum(one["size"] for one in before["layers"])
    assert image.target_size == manifest["config"]["size"] + sum(one["size"] for one in manifest["layers"])
    written = sum(path.stat().st_size for path in (out / "blobs/sha256").iterdir())
    assert done.bytes_sent == written
    assert done.bytes_fetched >= sum(one["size"] for one in before["layers"])
    assert done.elapsed > 0


@pytest.mark.parametrize("kind", ["docker", "oci"])
def test_archives_are_sources(tmp_path, out, kind):
    if kind == "docker":
        with_bytes(tmp_path / "image.tar", archive_with(*docker_members()))
    else:
        write_plain(tmp_path / "plain", BASE, UPPER)
        with_bytes(tmp_path / "image.tar", packed(tar_of_folder(tmp_path / "plain")))
    source = f"{kind}-archive:{tmp_path / 'image.tar'}"
    convert(source, out)
    assert said_of(f"oci:{out}:v") == said_of(source)
    assert_sound(f"oci:{out}:v", source=source)
