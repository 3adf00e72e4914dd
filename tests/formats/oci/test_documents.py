"""Documents as they are written: their members, their order, and nothing of what came is lost."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest

from rafsight.formats.oci.annotations import NO_ANNOTATIONS, Annotations
from rafsight.formats.oci.documents import (
    BOOTSTRAP_STEP,
    blob_layer,
    bootstrap_layer,
    descriptor_members,
    history_steps,
    rewrite_config,
    write_bootstrap_layer,
    write_index,
    write_manifest,
)
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor, Index, Manifest, parse_document
from rafsight.formats.oci.platform import Platform

OCI = "application/vnd.oci.image.manifest.v1+json"


def descriptor(letter="a", **more):
    return Descriptor(**{"media_type": "type/x", "digest": "sha256:" + letter * 64, "size": 7, **more})


class TestBootstrapLayer:
    def test_members_in_their_order(self):
        layer = write_bootstrap_layer(b"BOOT" * 300, {"b" * 64: b"two", "a" * 64: b""}, {"prefetch.files": b"{}"})
        plain = gzip.decompress(layer.content)
        assert layer.digest == "sha256:" + hashlib.sha256(layer.content).hexdigest()
        assert layer.diff_id == "sha256:" + hashlib.sha256(plain).hexdigest()
        assert layer.size == len(layer.content)
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            members = archive.getmembers()
            content = [archive.extractfile(one).read() if one.isfile() else b"" for one in members]
        assert [one.name for one in members] == [
            "image",
            "image/image.boot",
            f"image/{'b' * 64}.blob.meta",
            f"image/{'a' * 64}.blob.meta",
            "image/prefetch.files",
        ]
        assert content == [b"", b"BOOT" * 300, b"two", b"", b"{}"]
        assert [one.mode for one in members] == [0o755, 0o444, 0o444, 0o444, 0o444]
        assert {(one.uid, one.gid, one.mtime, one.uname, one.gname) for one in members} == {(0, 0, 0, "", "")}
        assert not members[0].pax_headers

    def test_no_time_and_no_name_in_the_gzip_header(self):
        head = write_bootstrap_layer(b"", {}).content[:10]
        assert head == b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
        assert write_bootstrap_layer(b"x", {}) == write_bootstrap_layer(memoryview(b"x"), {})

    def test_its_descriptor(self):
        layer = write_bootstrap_layer(b"x", {})
        said = descriptor_members(bootstrap_layer(layer, media_type="type/gz", fs_version=6))
        assert said == {
            "mediaType": "type/gz",
            "digest": layer.digest,
            "size": layer.size,
            "annotations": {
                "containerd.io/snapshot/nydus-bootstrap": "true",
                "containerd.io/snapshot/nydus-fs-version": "6",
            },
        }


class TestDescriptors:
    def test_members_in_the_order_of_the_specification(self):
        platform = Platform(os="windows", architecture="arm", os_version="1.2", os_features=("w",), variant="v7")
        full = descriptor(
            urls=("http://x",), annotations=Annotations((("k", "v"),)), platform=platform, artifact_type="type/y"
        )
        said = descriptor_members(full)
        assert list(said) == ["mediaType", "digest", "size", "urls", "annotations", "platform", "artifactType"]
        assert said["platform"] == {
            "architecture": "arm",
            "os": "windows",
            "os.version": "1.2",
            "os.features": ["w"],
            "variant": "v7",
        }
        assert list(descriptor_members(descriptor())) == ["mediaType", "digest", "size"]

    def test_a_blob(self):
        own = descriptor_members(blob_layer("sha256:" + "b" * 64, 9))
        assert own["mediaType"] == "application/vnd.oci.image.layer.nydus.blob.v1"
        assert own["annotations"] == {"containerd.io/snapshot/nydus-blob": "true"}
        other = blob_layer("sha256:" + "b" * 64, 9, reference="sha256:" + "c" * 64)
        assert dict(other.annotations.pairs)["containerd.io/snapshot/nydus-ref"] == "sha256:" + "c" * 64


class TestManifests:
    def test_our_reader_reads_them(self):
        content = write_manifest(
            media_type=OCI,
            config=descriptor("c"),
            layers=[descriptor("a"), descriptor("b")],
            annotations=Annotations((("z", "ä"), ("a", ""))),
            subject=descriptor("d"),
            artifact_type="type/y",
        )
        assert list(json.loads(content)) == [
            "schemaVersion",
            "mediaType",
            "artifactType",
            "config",
            "layers",
            "subject",
            "annotations",
        ]
        assert b" " not in content
        read = parse_document(content)
        assert isinstance(read, Manifest)
        assert read.layers == (descriptor("a"), descriptor("b"))
        assert read.config == descriptor("c")
        assert read.subject == descriptor("d")
        assert read.annotations.pairs == (("z", "ä"), ("a", ""))

    def test_what_is_empty_is_left_out(self):
        content = write_manifest(media_type=OCI, config=descriptor(), layers=[], annotations=NO_ANNOTATIONS)
        assert list(json.loads(content)) == ["schemaVersion", "mediaType", "config", "layers"]

    def test_an_index(self):
        kind = "application/vnd.oci.image.index.v1+json"
        one = descriptor(media_type=OCI, platform=Platform(os="linux", architecture="amd64"))
        content = write_index([one], NO_ANNOTATIONS, media_type=kind)
        assert list(json.loads(content)) == ["schemaVersion", "mediaType", "manifests"]
        read = parse_document(content)
        assert isinstance(read, Index)
        assert read.manifests == (one,)
        annotated = write_index([], Annotations((("k", "v"),)), media_type=kind)
        assert json.loads(annotated)["annotations"] == {"k": "v"}


CONFIG = (
    b'{ "created":"x", "os" : "linux", "big": 123456789012345678901234567890, "float":1.50,\n'
    b'  "config": {"Env": ["A=\\u00e4"], "unknown": {"z":1,"a":2}}, "rootfs": {"type":"odd","diff_ids":[]},\n'
    b'  "history": [{"created_by": "\\u003cstep\\u003e", "empty_layer":true, "x": 1.0}, {}] }'
)


class TestConfigs:
    def test_every_other_member_stays_as_it_came(self):
        steps = history_steps(CONFIG)
        written = rewrite_config(CONFIG, diff_ids=["sha256:1", "sha256:2"], history=[*steps, BOOTSTRAP_STEP])
        for kept in (
            b"123456789012345678901234567890",
            b'"float":1.50',
            b'{"Env": ["A=\\u00e4"], "unknown": {"z":1,"a":2}}',
            b'{"created_by":"\\u003cstep\\u003e","empty_layer":true,"x":1.0}',
        ):
            assert kept in written
        said = json.loads(written)
        assert list(said) == ["created", "os", "big", "float", "config", "rootfs", "history"]
        assert said["rootfs"] == {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]}
        assert said["history"][2] == {"created_by": "Nydus Converter", "comment": "Nydus Bootstrap Layer"}
        assert len(said["history"]) == 3

    @pytest.mark.parametrize("raw", [b"", b"{}", b'{"history":null}'])
    def test_without_a_history(self, raw):
        assert history_steps(raw) == []
        said = json.loads(rewrite_config(raw, diff_ids=[], history=[BOOTSTRAP_STEP]))
        assert said == {"rootfs": {"type": "layers", "diff_ids": []}, "history": [BOOTSTRAP_STEP]}

    @pytest.mark.parametrize("raw", [b"[]", b"{", b'{"history": 7}', b'{"history": [7]}'])
    def test_damaged_ones(self, raw):
        with pytest.raises(MalformedDocument):
            rewrite_config(raw, diff_ids=[], history=history_steps(raw))
