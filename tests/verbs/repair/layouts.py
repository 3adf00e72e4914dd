"""Images to repair: the golden bootstraps and blobs as images of OCI layouts, and what is in a repaired one."""

import hashlib
import json
import os
from pathlib import Path

from tests.formats.rafs import images

from rafsight.access.session import open_image
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.documents import (
    blob_layer,
    bootstrap_layer,
    descriptor_members,
    write_bootstrap_layer,
    write_json,
)
from rafsight.formats.rafs import shared_layout as shared
from rafsight.verbs.check.checking import check_reference

MISFITS = {
    "tar-tarfs": "tarfs",
    "targz-ref-toc-inline": "its bootstrap lies in its blob",
    "v5-inline": "its bootstrap lies in its blob",
    "v6-inline": "its bootstrap lies in its blob",
    "v6-toc-inline": "its bootstrap lies in its blob",
    "v6-enc-batch-inline": "its bootstrap lies in its blob",
    "v6-blobid": "no registry could hold its blob",
    "v6-toc": "no registry could hold its blob",
    "v6-batch-lz4-toc": "no registry could hold its blob",
}
NAMES = [name for name in images.NAMES if name not in MISFITS]
HISTORY = [
    {"created_by": "COPY . /"},
    {"created_by": "CMD", "empty_layer": True},
    {"created_by": "Nydus Converter", "comment": "Nydus Bootstrap Layer"},
]


class Store:
    """The blobs of a layout that is being made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, content):
        name = hashlib.sha256(content).hexdigest()
        (self.folder / "blobs/sha256" / name).write_bytes(content)
        return {"digest": f"sha256:{name}", "size": len(content)}

    def put_manifest(self, content, tag):
        entry = {"mediaType": json.loads(content)["mediaType"], **self.put(content)}
        named = {**entry, "annotations": {keys.OCI_REF_NAME: tag}}
        path = self.folder / "index.json"
        index = json.loads(path.read_bytes()) if path.exists() else {"schemaVersion": 2, "manifests": []}
        index["manifests"].append(named)
        path.write_text(json.dumps(index))
        return entry


def golden_layout(folder, name, *, tag="old", bundles=True, more=None):
    """Make a layout of a golden image; return the descriptor of its manifest."""
    image, store = images.open_golden(name), Store(folder)
    layers, metas = [], {}
    for entry in image.tables.blobs:
        data = image.blob(entry.data_id)
        stored = store.put(data)
        reference = ""
        if entry.features & shared.SEPARATE:
            reference, stored = stored["digest"], store.put(image.blob(entry.meta_id))
        layers.append(descriptor_members(blob_layer(stored["digest"], stored["size"], reference=reference)))
        if entry.index in image.metas and bundles:
            table, header = image.metas[entry.index][:-4096], image.metas[entry.index][-4096:]
            metas[stored["digest"][7:]] = table.ljust(-(-len(table) // 4096) * 4096, b"\0") + header
    layer = write_bootstrap_layer(images.bootstrap(name), metas)
    store.put(layer.content)
    last = bootstrap_layer(layer, media_type=media_types.OCI_LAYER, fs_version=image.tables.superblock.version)
    diff_ids = [*(one["digest"] for one in layers), layer.diff_id]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["A=1"]},
        "x-unknown": [1, 2.50],
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": HISTORY[:1] * max(len(layers) - 1, 0) + HISTORY if layers else HISTORY[1:],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_MANIFEST,
        "config": {"mediaType": media_types.OCI_CONFIG, **store.put(write_json(config))},
        "layers": [*layers, descriptor_members(last)],
        "annotations": {"org.example": "kept"},
        **(more or {}),
    }
    return store.put_manifest(write_json(manifest), tag)


def contents_of(reference, **options):
    """Everything about every entry of an image, by path; what is only numbering left out."""
    found = {}
    with open_image(reference, **options) as image:
        tree = image.tree
        paths, first = tree.paths(), tree.entries.link_row.tolist()
        for row, path in enumerate(paths):
            about = tree.attributes(row)
            found[path] = {
                "mode": about.mode,
                "uid": about.uid,
                "gid": about.gid,
                "mtime": (about.mtime, about.mtime_nsec),
                "nlink": about.nlink,
                "device": about.device if about.kind in ("char", "block") else None,
                "target": tree.target(row),
                "xattrs": tuple(sorted((one.name, one.value) for one in tree.xattrs(row))),
                "first": paths[first[row]],
                "content": hashlib.sha256(b"".join(image.read_file(row))).hexdigest() if tree.is_file(row) else "",
            }
    return found


def differing(before, after):
    return {path for path in before | after if before.get(path) != after.get(path)}


def faults_of(reference, **more):
    """What a check of all chunks finds; warnings, too."""
    report = check_reference(reference, chunks=True, **more)
    steps = [step for image in report.images for step in image.steps]
    return [fault.rule.code for step in steps for fault in step.faults] + [
        one.subject for step in steps for one in step.unchecked
    ]


def local_file(folder, name, content, *, mode=0o640, mtime=1_600_000_000_000_000_001):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    os.utime(path, ns=(mtime, mtime))
    return path


def document(folder, digest):
    return json.loads((folder / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes())


def tag_of(folder, tag):
    """Digest that a tag of a layout names; None if there is no such tag."""
    path = folder / "index.json"
    manifests = json.loads(path.read_bytes())["manifests"] if path.exists() else []
    found = [one["digest"] for one in manifests if one.get("annotations", {}).get(keys.OCI_REF_NAME) == tag]
    return found[0] if found else None
