"""OCI layouts with a fault: the shipped image, taken apart, changed, and put together again with digests that fit.

What a test changes is reached, as everything above it is made to agree; `lie` afterwards makes the one thing disagree.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.testing.registry import PLANTED

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
SOURCE = "sha256:" + "5" * 64
Json = dict[str, Any]


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


@dataclass
class Bootstrap:
    """A bootstrap layer as its members."""

    members: list[tuple[tarfile.TarInfo, bytes]]
    compress: Any = gzip.compress

    @classmethod
    def read(cls, stored):
        with tarfile.open(fileobj=io.BytesIO(stored)) as archive:
            return cls([(one, (archive.extractfile(one).read() if one.isfile() else b"")) for one in archive])

    def add(self, name, content=b"", kind=tarfile.REGTYPE):
        info = tarfile.TarInfo(name)
        info.size, info.type = len(content), kind
        self.members.append((info, content))

    def content(self, name):
        return next(content for info, content in self.members if info.name == name)

    def replace(self, name, content):
        for row, (info, _) in enumerate(self.members):
            if info.name == name:
                info.size = len(content)
                self.members[row] = (info, content)

    def drop(self, name):
        self.members = [pair for pair in self.members if pair[0].name != name]

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for info, content in self.members:
                archive.addfile(info, io.BytesIO(content))
        return out.getvalue()


class Blobs:
    """The `blobs` folder of a layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs" / "sha256"
        self.folder.mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def put(self, content):
        name = digest(content)
        (self.folder / name[7:]).write_bytes(content)
        return name

    def take(self, origin, name):
        """Share a blob with another layout."""
        target = self.folder / name[7:]
        if not target.exists():
            source = origin / "blobs" / "sha256" / name[7:]
            try:
                os.link(source, target)
            except OSError:
                shutil.copy(source, target)

    def lie(self, name, content):
        """Keep other bytes under a name."""
        path = self.folder / name[7:]
        path.unlink(missing_ok=True)
        path.write_bytes(content)

    def drop(self, name):
        (self.folder / name[7:]).unlink()

    def read(self, name):
        return (self.folder / name[7:]).read_bytes()


@dataclass
class Layout:
    """A layout with one image (or a merged index of two), to be changed before `write`."""

    folder: Path
    tag: str = "v6"
    origin: Path = PLANTED
    document: bytes | None = None
    """Written instead of the manifest."""
    config_document: bytes | None = None
    """Written instead of the config."""
    manifest: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    bootstrap: Bootstrap | None = None
    index: Json | None = None
    plain: Json = field(default_factory=dict)
    plain_config: Json = field(default_factory=dict)
    descriptor: Json = field(default_factory=dict)
    """More members of the descriptor in the index that names the image."""
    rebuilds: bool = False
    """The bootstrap layer was changed and is packed anew."""

    def __post_init__(self):
        index = json.loads((self.origin / "index.json").read_text())
        name = next(one["digest"] for one in index["manifests"] if one["annotations"][keys.OCI_REF_NAME] == self.tag)
        self.blobs = Blobs(self.folder)
        self.manifest = self._json(name)
        self.config = self._json(self.manifest["config"]["digest"])
        for layer in self.manifest["layers"]:
            self.blobs.take(self.origin, layer["digest"])
        self.bootstrap = Bootstrap.read(self.blobs.read(self.layers[-1]["digest"]))

    def _json(self, name):
        return json.loads((self.origin / "blobs" / "sha256" / name[7:]).read_text())

    @property
    def layers(self):
        return self.manifest["layers"]

    @property
    def diff_ids(self):
        return self.config["rootfs"]["diff_ids"]

    def merge(self):
        """Put an OCI half beside the image, as `--merge-platform` does."""
        empty = gzip.compress(bytes(1024), mtime=0)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("file"))
        tar, layer = out.getvalue(), gzip.compress(out.getvalue(), mtime=0)
        marks = {keys.NYDUS_EMPTY_LAYER: "true"}
        self.plain = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": media_types.OCI_CONFIG},
            "layers": [
                {"mediaType": GZIP, "digest": self.blobs.put(empty), "size": len(empty), "annotations": marks},
                {"mediaType": GZIP, "digest": self.blobs.put(layer), "size": len(layer)},
            ],
            "annotations": {keys.NYDUS_SOURCE_DIGEST: SOURCE},
        }
        self.plain_config = {
            **self.config,
            "rootfs": {"type": "layers", "diff_ids": [digest(bytes(1024)), digest(tar)]},
        }
        self.plain_config["history"] = [{"created_by": "empty"}, {"created_by": "file"}]
        self.manifest["config"]["mediaType"] = media_types.NYDUS_CONFIG
        self.manifest.setdefault("annotations", {})[keys.NYDUS_SOURCE_DIGEST] = SOURCE
        self.index = {"schemaVersion": 2, "manifests": []}
        return self

    def write(self):
        """Write all, and return the reference."""
        if self.rebuilds:
            self._pack()
        self._put_config(self.manifest, self.config_document or json.dumps(self.config).encode())
        name = self._put_manifest(self.manifest, self.document)
        top = {**name, **self.descriptor}
        if self.index is not None:
            top = self._put_index(name)
        top["annotations"] = {**top.get("annotations", {}), keys.OCI_REF_NAME: self.tag}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
        return f"oci:{self.folder}:{self.tag}"

    def _pack(self):
        """Pack the bootstrap layer, and make manifest and config agree with it."""
        tar = self.bootstrap.tar()
        stored = self.bootstrap.compress(tar)
        self.layers[-1] |= {"digest": self.blobs.put(stored), "size": len(stored)}
        self.diff_ids[-1] = digest(tar)

    def _put_config(self, manifest, content):
        manifest["config"] = {**manifest["config"], "digest": self.blobs.put(content), "size": len(content)}

    def _put_manifest(self, manifest, content=None):
        content = content or json.dumps(manifest).encode()
        return {"mediaType": media_types.OCI_MANIFEST, "digest": self.blobs.put(content), "size": len(content)}

    def _put_index(self, nydus):
        platform = {"os": "linux", "architecture": "amd64"}
        self._put_config(self.plain, json.dumps(self.plain_config).encode())
        plain = {**self._put_manifest(self.plain), "platform": platform}
        plain["annotations"] = {keys.NYDUS_SOURCE_DIGEST: SOURCE}
        nydus = {**nydus, "platform": platform, "artifactType": media_types.NYDUS_MANIFEST, **self.descriptor}
        self.index["manifests"] = [plain, nydus]
        content = json.dumps(self.index).encode()
        return {"mediaType": media_types.OCI_INDEX, "digest": self.blobs.put(content), "size": len(content)}

    def name_of(self, which):
        """Return the digest of an object that was written: `manifest`, `config`, `plain`, `plain-config`."""
        if which in ("config", "plain-config"):
            return (self.plain if which == "plain-config" else self.manifest)["config"]["digest"]
        return digest(json.dumps(self.plain if which == "plain" else self.manifest).encode())
