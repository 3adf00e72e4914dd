"""Another image as a chunk dictionary: its chunks are referred to, its blobs come along, and what cannot be one is not."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest
from tests.access.source_images import Entry
from tests.formats.rafs import images
from tests.verbs.convert.plain_layers import assert_sound, document, raw, said_of, tags_of, write_plain

from rafsight.access.registry.errors import RegistryDenied
from rafsight.access.session import open_image
from rafsight.base.events import Started
from rafsight.formats.rafs import toc
from rafsight.testing.registry import Mischief, serve_writable
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms, UnsuitableTerms

RANDOM = np.random.default_rng(5)
SHARED, OWN, OTHER = (RANDOM.bytes(50_000) for _ in range(3))
SMALL = {"chunk_size": 4096}


@pytest.fixture
def base(tmp_path):
    """An image of two layers to be a dictionary."""
    return write_plain(tmp_path / "base", [Entry(b"lib", content=SHARED)], [Entry(b"other", content=OTHER)])


@pytest.fixture
def app(tmp_path):
    layers = (
        [Entry(b"copy", content=SHARED)],
        [Entry(b"own", content=OWN), Entry(b"half", content=SHARED[:8192] + b"!")],
    )
    return write_plain(tmp_path / "app", *layers)


def dictionary(tmp_path, base, **terms):
    convert_image(base, f"oci:{tmp_path / 'dict'}:d", terms=ConvertTerms(**{**SMALL, **terms}))
    return f"oci:{tmp_path / 'dict'}:d"


def manifest_of(out, tag="v"):
    return document(out, tags_of(out)[tag])


@pytest.mark.parametrize("version", [6, 5])
@pytest.mark.parametrize("inlined", [True, False])
class TestUse:
    def test_nothing_is_stored_twice(self, tmp_path, base, app, version, inlined):
        named = dictionary(tmp_path, base, fs_version=version)
        out = tmp_path / "out"
        terms = ConvertTerms(fs_version=version, chunk_dict=named, inlined=inlined, **SMALL)
        done = convert_image(app, f"oci:{out}:v", terms=terms)
        (image,) = done.images
        theirs = manifest_of(tmp_path / "dict", "d")["layers"]
        assert image.dictionary_layers == (theirs[0]["digest"],)  # the other one has nothing that is wanted
        layers = manifest_of(out)["layers"]
        own = [layer.digest for layer in image.layers if layer.digest]
        assert [layer["digest"] for layer in layers[:-1]] == [*own, theirs[0]["digest"]]
        assert layers[len(own)] == theirs[0]
        assert raw(out, theirs[0]["digest"]) == raw(tmp_path / "dict", theirs[0]["digest"])
        assert len(own) == (2 if inlined else 1)
        with open_image(f"oci:{out}:v") as opened:
            digests = opened.tree.tables.chunks.digest
            assert len(np.unique(digests, axis=0)) == len(digests)
            sizes = {blob.blob_id: blob.chunk_count for blob in opened.tree.tables.blobs}
        assert sum(sizes.values()) == 13 + 13 + 1
        assert said_of(f"oci:{out}:v") == said_of(app)
        assert_sound(f"oci:{out}:v", source=app)

    def test_one_without_a_hit_leaves_no_trace(self, tmp_path, base, version, inlined):
        named = dictionary(tmp_path, base, fs_version=version)
        source = write_plain(tmp_path / "new", [Entry(b"own", content=OWN)])
        terms = {"fs_version": version, "inlined": inlined, **SMALL}
        first = convert_image(source, f"oci:{tmp_path / 'a'}:v", terms=ConvertTerms(chunk_dict=named, **terms))
        second = convert_image(source, f"oci:{tmp_path / 'b'}:v", terms=ConvertTerms(**terms))
        assert first.digest == second.digest
        assert first.images[0].dictionary_layers == ()


def test_a_layer_of_nothing_new_has_a_blob_of_its_bootstrap_alone(tmp_path, base, app):
    named = dictionary(tmp_path, base)
    done = convert_image(app, f"oci:{tmp_path / 'out'}:v", terms=ConvertTerms(chunk_dict=named, **SMALL))
    blob = raw(tmp_path / "out", done.images[0].layers[0].digest)
    assert [part.name for part in toc.find_parts(blob, len(blob))] == ["image.boot"]


def test_blobs_of_any_compression_fit_version_6(tmp_path, base, app):
    named = dictionary(tmp_path, base, compressor="lz4_block")
    convert_image(app, f"oci:{tmp_path / 'out'}:v", terms=ConvertTerms(chunk_dict=named, **SMALL))
    assert said_of(f"oci:{tmp_path / 'out'}:v") == said_of(app)
    assert_sound(f"oci:{tmp_path / 'out'}:v")


def test_an_image_that_had_a_dictionary_can_be_one(tmp_path, base, app):
    named = dictionary(tmp_path, base)
    first = f"oci:{tmp_path / 'first'}:v"
    convert_image(app, first, terms=ConvertTerms(chunk_dict=named, **SMALL))
    more = write_plain(tmp_path / "more", [Entry(b"x", content=OWN), Entry(b"y", content=SHARED)])
    done = convert_image(more, f"oci:{tmp_path / 'out'}:v", terms=ConvertTerms(chunk_dict=first, **SMALL))
    assert len(done.images[0].dictionary_layers) == 2
    assert_sound(f"oci:{tmp_path / 'out'}:v", source=more)


def test_in_a_registry_its_blobs_are_mounted(tmp_path, base, app):
    dictionary(tmp_path, base)
    layouts = {"team/dict": tmp_path / "dict"}
    with serve_writable(tmp_path / "registry", repository="team/app", layouts=layouts) as registry:
        terms = ConvertTerms(chunk_dict=f"{registry.host}/team/dict:d", **SMALL)
        done = convert_image(app, registry.reference("v"), terms=terms)
        (blob,) = done.images[0].dictionary_layers
        mounts = [one.call.path for one in registry.log if "mount=" in one.call.path and one.status == 201]
        fetched = [one.call.path for one in registry.log if one.call.method == "GET" and blob in one.call.path]
        assert said_of(registry.reference("v")) == said_of(app)
    assert len(mounts) == 1
    assert blob.replace(":", "%3A") in mounts[0] or blob in mounts[0]
    assert fetched == []


def test_layers_that_were_packed_with_another_dictionary_are_not_taken(tmp_path, base, app):
    """A file that is a bootstrap may be another one tomorrow, by the same name."""
    work, boot = tmp_path / "work", tmp_path / "d.boot"

    def bootstrap(*layers):
        source = write_plain(tmp_path / f"plain{len(list(tmp_path.iterdir()))}", *layers)
        out = tmp_path / f"nydus{len(list(tmp_path.iterdir()))}"
        convert_image(source, f"oci:{out}:v", terms=ConvertTerms(inlined=False, **SMALL))
        tar = gzip.decompress(raw(out, manifest_of(out)["layers"][-1]["digest"]))
        with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
            boot.write_bytes(archive.extractfile("image/image.boot").read())
        for layer in manifest_of(out)["layers"][:-1]:
            name = layer["digest"].partition(":")[2]
            (tmp_path / name).write_bytes(raw(out, layer["digest"]))

    terms = ConvertTerms(chunk_dict=f"boot:{boot}", work_dir=work, **SMALL)
    bootstrap([Entry(b"a", content=SHARED)])
    refusal = Mischief(only="/manifests/", method="PUT", status=403)
    with (
        serve_writable(tmp_path / "r", mischief=[refusal]) as registry,
        pytest.raises(RegistryDenied),
    ):
        convert_image(app, registry.reference("v"), terms=terms)
    bootstrap([Entry(b"z", content=OTHER), Entry(b"zz", content=SHARED)])
    done = convert_image(app, f"oci:{tmp_path / 'out'}:v", terms=terms)
    assert not any(layer.is_resumed for layer in done.images[0].layers)
    assert said_of(f"oci:{tmp_path / 'out'}:v") == said_of(app)


class TestRefusals:
    @pytest.mark.parametrize(
        ("theirs", "ours", "what"),
        [
            ({"fs_version": 5}, {}, "RAFS v5, and cannot be the chunk dictionary of RAFS v6"),
            ({}, {"fs_version": 5}, "RAFS v6"),
            ({}, {"chunk_size": 8192}, "chunks of 4096 bytes"),
            ({"digester": "sha256"}, {}, "digests of another kind than blake3"),
            ({"fs_version": 5, "compressor": "none"}, {"fs_version": 5}, "compressed otherwise"),
        ],
    )
    def test_of_other_terms(self, tmp_path, base, app, theirs, ours, what):
        named = dictionary(tmp_path, base, **theirs)
        with pytest.raises(UnsuitableTerms, match=what):
            convert_image(app, f"oci:{tmp_path / 'out'}", terms=ConvertTerms(**{**SMALL, "chunk_dict": named, **ours}))
        assert not (tmp_path / "out").exists()

    def test_a_plain_image(self, tmp_path, base, app):
        started = []
        with pytest.raises(UnsuitableTerms, match="OCI layers, and cannot"):
            convert_image(
                app,
                f"oci:{tmp_path / 'out'}",
                terms=ConvertTerms(chunk_dict=base),
                listener=lambda event: started.append(event.title) if isinstance(event, Started) else None,
            )
        assert not (tmp_path / "out").exists()

    def test_one_whose_chunks_lie_in_plain_layers(self, tmp_path, app):
        where = images.GOLDEN / "targz-ref"
        tables = images.open_golden("targz-ref").tables
        terms = ConvertTerms(
            chunk_dict=f"boot:{where / 'image.boot'}", digester="sha256", chunk_size=tables.superblock.chunk_size
        )
        with pytest.raises(UnsuitableTerms, match="layers of another image"):
            convert_image(app, f"oci:{tmp_path / 'out'}", terms=terms)


def test_documents_say_nothing_of_a_dictionary(tmp_path, base, app):
    named = dictionary(tmp_path, base)
    convert_image(app, f"oci:{tmp_path / 'out'}:v", terms=ConvertTerms(chunk_dict=named, **SMALL))
    manifest = manifest_of(tmp_path / "out")
    config = document(tmp_path / "out", manifest["config"]["digest"])
    assert len(config["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 4
    assert len(config["history"]) == 3
    assert "dict" not in json.dumps(manifest["annotations"]).replace(app, "")
