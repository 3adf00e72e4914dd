"""OCI layouts made by hand: the manifest, config and layers that a test needs."""

import gzip
import hashlib
import io
import json
import tarfile

OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NYDUS_LAYER = "application/vnd.oci.image.layer.nydus.blob.v1"
BLOB = {"containerd.io/snapshot/nydus-blob": "true"}
BOOTSTRAP = {"containerd.io/snapshot/nydus-bootstrap": "true", "containerd.io/snapshot/nydus-fs-version": "6"}


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_blob(folder, content):
    digest = hashlib.sha256(content).hexdigest()
    (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
    (folder / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def write_layout(folder, layers, *, diff_ids=(), history=()):
    """Write an image.

    `layers` are descriptors with all they need; their blobs are there, or never looked at.
    """
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": list(history),
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json"}
        | write_blob(folder, json.dumps(config).encode()),
        "layers": layers,
    }
    entry = {"mediaType": manifest["mediaType"]} | write_blob(folder, json.dumps(manifest).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{folder}"


def write_plain(folder, *trees, history=()):
    """Write an image of plain layers, each a mapping of names to contents."""
    tars = [tar_of(files) for files in trees]
    layers = [{"mediaType": OCI_LAYER} | write_blob(folder, gzip.compress(tar, 1, mtime=0)) for tar in tars]
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    return write_layout(folder, layers, diff_ids=diff_ids, history=history)


def write_nydus(folder, bootstrap, layers, *, history=()):
    """Write a Nydus image; `layers` are (digest, size, annotations) of blobs that are not there."""
    archive = gzip.compress(tar_of({"image/image.boot": bootstrap}), 1, mtime=0)
    descriptors = [
        {"mediaType": NYDUS_LAYER, "digest": digest, "size": size, "annotations": BLOB | annotations}
        for digest, size, annotations in layers
    ]
    last = {"mediaType": OCI_LAYER, "annotations": BOOTSTRAP} | write_blob(folder, archive)
    return write_layout(folder, [*descriptors, last], history=history)
