"""What can be wrong with manifests, configs, bootstrap layers and merged indexes, and the rule that names it.

Each damage gets a layout before it is written, and may return what to do afterwards. The expected codes are those that
have to be found; others that the damage brings with it are allowed only if they are listed, too.
"""

import gzip
import tarfile
from dataclasses import dataclass

import zstandard
from tests.verbs.check.layouts import GZIP

from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types

OTHER = "sha256:" + "a" * 64
LAST = -1


@dataclass
class Damage:
    name: str
    code: str
    change: object
    also: tuple[str, ...] = ()
    """Codes that come with it."""
    merged: bool = False
    chunks: bool = False
    tag: str = "v6"


def put(place, **members):
    """Set members of a JSON object; None takes one out."""
    for name, value in members.items():
        if value is None:
            place.pop(name, None)
        else:
            place[name] = value


def layer(row, **members):
    return lambda layout: put(layout.layers[row], **members)


def mark(row, key, value):
    def change(layout):
        put(layout.layers[row].setdefault("annotations", {}), **{key: value})

    return change


def note(key, value):
    return lambda layout: put(layout.manifest.setdefault("annotations", {}), **{key: value})


def manifest(**members):
    return lambda layout: put(layout.manifest, **members)


def config(**members):
    return lambda layout: put(layout.config, **members)


def rebuilt(change):
    def changed(layout):
        layout.rebuilds = True
        change(layout.bootstrap)

    return changed


def _move_bootstrap(layout):
    layout.layers.insert(0, layout.layers.pop())
    layout.diff_ids.insert(0, layout.diff_ids.pop())


def _second_bootstrap(layout):
    layout.layers[0]["annotations"][keys.NYDUS_BOOTSTRAP] = "true"


def _only_blobs(layout):
    layout.layers.pop()
    layout.diff_ids.pop()


def _twice_otherwise(layout):
    layout.layers.insert(0, {**layout.layers[0], "size": layout.layers[0]["size"] + 1})
    layout.diff_ids.insert(0, layout.diff_ids[0])


def _sha512(layout):
    layout.layers[0]["digest"] = layout.diff_ids[0] = "sha512:" + "b" * 128


def _wrong_document_size(layout):
    layout.descriptor["size"] = 7


def _lost(which):
    return lambda layout: lambda: layout.blobs.drop(layout.name_of(which))


def _other_bytes(which, change=lambda content: content.replace(b"linux", b"Linux", 1) + b" "):
    def damage(layout):
        def lie():
            name = layout.name_of(which)
            layout.blobs.lie(name, change(layout.blobs.read(name)))

        return lie

    return damage


def _config_text(text):
    def change(layout):
        layout.config_document = text

    return change


def _bootstrap_bytes(change):
    """Other bytes under the digest of the bootstrap layer."""

    def damage(layout):
        name = layout.layers[LAST]["digest"]
        layout.blobs.lie(name, change(layout.blobs.read(name)))

    return damage


def _repacked(stored):
    return gzip.compress(gzip.decompress(stored), 9, mtime=1)


def _zstd(layout):
    layout.rebuilds = True
    layout.bootstrap.compress = zstandard.ZstdCompressor().compress


def _diff_id(row, value):
    def change(layout):
        layout.diff_ids[row] = value

    return change


def _blob_of_no_layer(layout):
    layout.layers.pop(0)
    layout.diff_ids.pop(0)


def _model(layout):
    layout.manifest["artifactType"] = media_types.MODEL_MANIFEST


def _plain_layer_bytes(change):
    def damage(layout):
        name = layout.plain["layers"][1]["digest"]
        layout.blobs.lie(name, change(layout.blobs.read(name)))

    return damage


def _plain_uncompressed(layout):
    layout.plain["layers"][1]["mediaType"] = "application/vnd.oci.image.layer.v1.tar"


def _runtime(layout):
    layout.plain_config["config"] = {**layout.config.get("config", {}), "Env": ["PATH=/other"], "Labels": {"a": "b"}}


def _broken_nydus_half(layout):
    layout.document = b'{"schemaVersion":2,"layers":[],"config":{"digest":"sha256:x","size":1}}'


def _plain_type(layout):
    layout.plain["layers"][1]["mediaType"] = "application/x-unknown"


def _move_empty(layout):
    layout.plain["layers"].reverse()
    layout.plain_config["rootfs"]["diff_ids"].reverse()


def _no_empty(layout):
    del layout.plain["layers"][0]
    del layout.plain_config["rootfs"]["diff_ids"][0]
    del layout.plain_config["history"][0]


DAMAGES = [
    # documents
    Damage("named by the index and gone", "document-missing", _lost("manifest"), merged=True),
    Damage("other bytes than the digest", "document-digest", _other_bytes("manifest", lambda c: c + b" ")),
    Damage("index states another size", "document-size", _wrong_document_size, merged=True),
    Damage("not JSON", "document-form", lambda layout: setattr(layout, "document", b"{")),
    Damage("a digest is none", "document-form", layer(0, digest="sha256:12")),
    Damage("a size is negative", "document-form", layer(0, size=-1)),
    Damage("schema 3", "schema-version", manifest(schemaVersion=3)),
    Damage("no schema", "schema-version", manifest(schemaVersion=None)),
    Damage("unknown media type", "manifest-media-type", manifest(mediaType="application/x-manifest")),
    Damage("Docker inside, OCI outside", "manifest-media-types", manifest(mediaType=media_types.DOCKER_MANIFEST)),
    # layers
    Damage("blob of another media type", "blob-media-type", layer(0, mediaType=GZIP)),
    Damage("blob without annotation", "blob-annotation", layer(0, annotations=None)),
    Damage("blob with another annotation", "blob-annotation", mark(0, keys.NYDUS_BLOB, "yes")),
    Damage("neither type nor annotation", "blob-media-type", layer(0, mediaType=GZIP, annotations=None), also=("blob-annotation",)),
    Damage("no bootstrap layer", "bootstrap-layer-missing", _only_blobs),
    Damage("bootstrap without annotation", "bootstrap-annotation", layer(LAST, annotations=None)),
    Damage("bootstrap with another annotation", "bootstrap-annotation", mark(LAST, keys.NYDUS_BOOTSTRAP, "yes")),
    Damage("bootstrap of an unknown media type", "bootstrap-media-type", layer(LAST, mediaType="application/x-boot"), also=("layer-compression",)),
    Damage("bootstrap said to be zstd", "bootstrap-media-type", layer(LAST, mediaType=GZIP.replace("gzip", "zstd")), also=("layer-compression",)),
    Damage("bootstrap first", "bootstrap-not-last", _move_bootstrap),
    Damage("two bootstraps", "bootstrap-twice", _second_bootstrap),
    Damage("bootstrap of no bytes", "bootstrap-layer-size", layer(LAST, size=0), also=("bootstrap-stored-size",)),
    Damage("digest of another algorithm", "layer-digest-algorithm", _sha512, also=("blob-missing", "blob-not-a-layer", "chunk-info-owner")),
    Damage("one layer in two sizes", "layer-described-twice", _twice_otherwise, also=("blob-size",)),
    Damage("reference that is no digest", "reference-digest", mark(0, keys.NYDUS_REF, "sha256:12")),
    # annotations
    Damage("layer says another version", "fs-version", mark(LAST, keys.NYDUS_FS_VERSION, "5")),
    Damage("manifest says another version", "fs-version", note(keys.NYDUS_FS_VERSION, "5")),
    Damage("version is no number", "fs-version", mark(LAST, keys.NYDUS_FS_VERSION, "latest")),
    Damage("source is no digest", "source-digest", note(keys.NYDUS_SOURCE_DIGEST, "latest")),
    Damage("prefetch blob that is no layer", "prefetch-blob", mark(LAST, keys.NYDUS_PREFETCH_BLOB, "b" * 64)),
    Damage("prefetch blob that is no digest", "prefetch-blob", mark(LAST, keys.NYDUS_PREFETCH_BLOB, "none")),
    Damage("committed blob that is no layer", "commit-blobs", mark(LAST, keys.NYDUS_COMMIT_BLOBS, OTHER)),
    Damage("another uncompressed digest", "uncompressed-annotation", mark(LAST, keys.UNCOMPRESSED, OTHER)),
    Damage("model without a subject", "model-subject", _model),
    # config
    Damage("config of an unknown media type", "config-media-type", lambda layout: put(layout.manifest["config"], mediaType="application/x-config")),
    Damage("config of a merged index not marked", "config-not-marked", lambda layout: put(layout.manifest["config"], mediaType=media_types.OCI_CONFIG), merged=True),
    Damage("config is gone", "config-missing", _lost("config")),
    Damage("config is longer", "config-size", _other_bytes("config"), also=("config-digest",)),
    Damage("config is other", "config-digest", _other_bytes("config", lambda c: c.replace(b"linux", b"Linux", 1))),
    Damage("config is no JSON", "config-form", _config_text(b"{{")),
    Damage("diff id is none", "config-form", _diff_id(0, "sha256:12")),
    Damage("rootfs of another type", "rootfs-type", lambda layout: put(layout.config["rootfs"], type="tree")),
    Damage("a diff id too few", "diff-id-count", lambda layout: layout.diff_ids.pop()),
    Damage("a diff id too many", "diff-id-count", lambda layout: layout.diff_ids.append(OTHER)),
    Damage("no rootfs", "diff-id-count", config(rootfs=None), also=("rootfs-type",)),
    Damage("diff id of a blob", "blob-diff-id", _diff_id(0, OTHER)),
    Damage("more history than layers", "history-count", config(history=[{"created_by": "step"}] * 99)),
    Damage("another architecture than the index says", "config-platform", config(architecture="s390x"), merged=True),
    Damage("no architecture", "config-without-platform", config(architecture=None)),
    # bootstrap layer
    Damage("bootstrap is other", "bootstrap-digest", _bootstrap_bytes(_repacked), also=("bootstrap-stored-size",)),
    Damage("bootstrap of another size", "bootstrap-stored-size", layer(LAST, size=99)),
    Damage("bootstrap diff id", "bootstrap-diff-id", _diff_id(LAST, OTHER)),
    Damage("bootstrap layer is gone", "bootstrap-lost", lambda layout: layout.blobs.drop(layout.layers[LAST]["digest"])),
    Damage("bootstrap layer is cut", "malformed", _bootstrap_bytes(lambda c: c[: len(c) // 2]), also=("bootstrap-digest", "bootstrap-stored-size")),
    Damage("bootstrap layer is rubbish", "malformed", _bootstrap_bytes(lambda c: b"rubbish" * 200), also=("bootstrap-digest", "bootstrap-stored-size", "layer-compression")),
    Damage("no image.boot", "bootstrap-file-missing", rebuilt(lambda b: b.drop("image/image.boot"))),
    Damage("bootstrap is zstd, said to be gzip", "layer-compression", _zstd),
    Damage("image.boot twice", "bootstrap-member-twice", rebuilt(lambda b: b.add("image/image.boot", b"other"))),
    Damage("image.boot is a link", "bootstrap-member-kind", rebuilt(lambda b: (b.drop("image/image.boot"), b.add("image/image.boot", kind=tarfile.DIRTYPE))), also=("bootstrap-file-missing",)),
    Damage("a file that nobody knows", "bootstrap-member", rebuilt(lambda b: b.add("image/evil\x1b[2J", b"x"))),
    Damage("chunk-info of nobody", "chunk-info-owner", rebuilt(lambda b: b.add("image/" + "c" * 64 + ".blob.meta", b"x"))),
    Damage("image.boot is rubbish", "malformed", rebuilt(lambda b: b.replace("image/image.boot", bytes(8192)))),
    Damage("blob that is no layer", "blob-not-a-layer", _blob_of_no_layer, also=("chunk-info-owner", "history-count")),
    # merged index
    Damage("Nydus half is no manifest", "nydus-half", _broken_nydus_half, merged=True),
    Damage("OCI half is no image", "oci-half", _plain_type, merged=True),
    Damage("empty layer is not first", "empty-layer", _move_empty, merged=True),
    Damage("empty layer is not empty", "empty-layer", lambda layout: put(layout.plain_config["rootfs"], diff_ids=[OTHER, OTHER]), merged=True),
    Damage("no empty layer", "empty-layer-missing", _no_empty, merged=True),
    Damage("halves of two sources", "source-digests-differ", note(keys.NYDUS_SOURCE_DIGEST, OTHER), merged=True),
    Damage("halves start otherwise", "runtime-config-differs", _runtime, merged=True),
    Damage("OCI layer is other", "layer-digest", _plain_layer_bytes(_repacked), merged=True, chunks=True),
    Damage("OCI layer is longer", "layer-size", _plain_layer_bytes(lambda c: c + bytes(100)), merged=True, chunks=True, also=("blob-size",)),
    Damage("OCI layer is cut", "layer-archive", _plain_layer_bytes(lambda c: c[:-9]), merged=True, chunks=True, also=("layer-digest", "blob-size")),
    Damage("OCI layer of another diff id", "layer-diff-id", lambda layout: layout.plain_config["rootfs"]["diff_ids"].__setitem__(1, OTHER), merged=True, chunks=True),
    Damage("OCI layer said to be plain", "layer-compression", _plain_uncompressed, merged=True, chunks=True),
]  # fmt: skip
