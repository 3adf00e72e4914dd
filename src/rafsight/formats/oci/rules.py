"""Rules of manifests, configs, bootstrap layers and merged indexes; section 1 of the image reference. Tables only.

What `nydusify check`, containerd or the OCI image specification refuses, or what makes a reader ask for the wrong
bytes, is broken; what only people and collectors of old blobs trip over is odd.
"""

from typing import Final

from rafsight.formats.judge import Rule, Weight

# documents: manifests and indexes
DOCUMENT_MISSING: Final = Rule("document-missing", "is named by the index and is not there")
DOCUMENT_DIGEST: Final = Rule("document-digest", "has other bytes than the digest that names it says")
DOCUMENT_SIZE: Final = Rule("document-size", "has another size than its descriptor says")
DOCUMENT_FORM: Final = Rule("document-form", "does not follow its format")
SCHEMA_VERSION: Final = Rule("schema-version", "does not say that its schemaVersion is 2")
MANIFEST_TYPE: Final = Rule("manifest-media-type", "calls itself by a media type that no manifest has")
MANIFEST_TYPES: Final = Rule(
    "manifest-media-types", "has another media type than the place that names it says", Weight.ODD
)

# layers of a Nydus manifest
BLOB_TYPE: Final = Rule("blob-media-type", "is no bootstrap, and has not the media type of Nydus blobs")
BLOB_MARK: Final = Rule("blob-annotation", "is no bootstrap, and its annotation nydus-blob is not `true`")
BOOTSTRAP_MISSING: Final = Rule("bootstrap-layer-missing", "has Nydus blobs and no layer that could be the bootstrap")
BOOTSTRAP_MARK: Final = Rule("bootstrap-annotation", "is the bootstrap, and its annotation nydus-bootstrap not `true`")
BOOTSTRAP_TYPE: Final = Rule("bootstrap-media-type", "is the bootstrap, and has not the media type of a tar.gz layer")
BOOTSTRAP_LAST: Final = Rule("bootstrap-not-last", "is the bootstrap, and other layers follow it")
BOOTSTRAP_TWICE: Final = Rule("bootstrap-twice", "is marked as the bootstrap, and another layer is, too")
BOOTSTRAP_SIZE: Final = Rule("bootstrap-layer-size", "has a size that no bootstrap layer has")
LAYER_ALGORITHM: Final = Rule("layer-digest-algorithm", "is not named by a SHA-256 digest, as Nydus blobs have to be")
LAYER_CONFLICT: Final = Rule("layer-described-twice", "has the digest of another layer, and another size or media type")
REFERENCE: Final = Rule("reference-digest", "has an annotation nydus-ref that is no digest")

# annotations
FS_VERSION: Final = Rule("fs-version", "says another file system version than the superblock of the bootstrap")
SOURCE_DIGEST: Final = Rule("source-digest", "has an annotation nydus-source-digest that is no digest", Weight.ODD)
PREFETCH_BLOB: Final = Rule("prefetch-blob", "names a blob of prefetched files that is no layer")
COMMIT_BLOBS: Final = Rule("commit-blobs", "names committed blobs that are no layers", Weight.ODD)
UNCOMPRESSED: Final = Rule(
    "uncompressed-annotation", "has an annotation containerd.io/uncompressed that is not its diff id", Weight.ODD
)
MODEL_SUBJECT: Final = Rule("model-subject", "is not the OCI manifest that a model artifact was made from")

# config
CONFIG_TYPE: Final = Rule("config-media-type", "has a media type that no image config has")
CONFIG_UNMARKED: Final = Rule(
    "config-not-marked",
    "is of a Nydus image in a merged index, and has not the media type that keeps plain containerd off",
    Weight.ODD,
)
CONFIG_MISSING: Final = Rule("config-missing", "is not there")
CONFIG_SIZE: Final = Rule("config-size", "has another size than its descriptor says")
CONFIG_DIGEST: Final = Rule("config-digest", "has other bytes than the digest that names it says")
CONFIG_FORM: Final = Rule("config-form", "does not follow its format")
ROOTFS_TYPE: Final = Rule("rootfs-type", "has a rootfs that is not of type `layers`")
DIFF_ID_COUNT: Final = Rule("diff-id-count", "has not one diff id for each layer")
BLOB_DIFF_ID: Final = Rule("blob-diff-id", "belongs to a Nydus blob, and is not that blob's digest")
HISTORY_COUNT: Final = Rule(
    "history-count", "says of more or other steps that they made layers than there are layers", Weight.ODD
)
PLATFORM: Final = Rule("config-platform", "is for another platform than the index says")
NO_PLATFORM: Final = Rule("config-without-platform", "does not say which system and architecture it is for", Weight.ODD)

# bootstrap layer
BOOTSTRAP_DIGEST: Final = Rule("bootstrap-digest", "has other bytes than the digest that names it says")
BOOTSTRAP_STORED: Final = Rule("bootstrap-stored-size", "has another size than its descriptor says")
BOOTSTRAP_DIFF_ID: Final = Rule("bootstrap-diff-id", "has, uncompressed, not the diff id that the config says")
BOOTSTRAP_LOST: Final = Rule("bootstrap-lost", "is not there")
BOOTSTRAP_FILE: Final = Rule("bootstrap-file-missing", "holds no file image/image.boot")
LAYER_COMPRESSION: Final = Rule("layer-compression", "is not compressed as its media type says")
MEMBER_TWICE: Final = Rule("bootstrap-member-twice", "holds a file twice: some readers take the first, some the last")
MEMBER_KIND: Final = Rule("bootstrap-member-kind", "holds something under the name of a file that is no file")
MEMBER_UNKNOWN: Final = Rule("bootstrap-member", "holds a file that no reader looks for", Weight.ODD)
META_OWNER: Final = Rule("chunk-info-owner", "holds a chunk-info array of a blob that is no layer", Weight.ODD)

# blob table
BLOB_UNLISTED: Final = Rule("blob-not-a-layer", "is in the blob table, and is no layer of the manifest")

# merged index, and its OCI half
NYDUS_HALF: Final = Rule("nydus-half", "is said to be a Nydus image by the index, and is none that can be read")
OCI_HALF: Final = Rule("oci-half", "is said to be a plain image by the index, and is none that can be read")
EMPTY_LAYER: Final = Rule(
    "empty-layer", "is marked as the empty layer of a merged index, and is not that, or not first"
)
NO_EMPTY_LAYER: Final = Rule(
    "empty-layer-missing",
    "does not begin with the empty layer that keeps the two forms apart",
    Weight.ODD,
)
SOURCES_DIFFER: Final = Rule("source-digests-differ", "was made from another manifest than the other half says")
RUNTIME_DIFFERS: Final = Rule("runtime-config-differs", "starts containers otherwise than its other half or its source")
LAYER_DIGEST: Final = Rule("layer-digest", "has other bytes than the digest that names it says")
LAYER_STORED: Final = Rule("layer-size", "has another size than its descriptor says")
LAYER_DIFF_ID: Final = Rule("layer-diff-id", "has, uncompressed, not the diff id that the config says")
LAYER_BROKEN: Final = Rule("layer-archive", "cannot be decompressed to its end")
