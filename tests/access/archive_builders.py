"""Archives of images, as `docker save` and skopeo write them."""

import gzip
import hashlib
import io
import json
import tarfile

from tests.access.source_images import Entry, folder, tar_of

from rafsight.base.digest import digest_of

LOWER = tar_of([folder(b"etc"), Entry(b"etc/name", content=b"lower"), Entry(b"etc/kept", content=b"kept")])
UPPER = tar_of([Entry(b"etc/name", content=b"upper" * 1000)])


def config_of(*layers, **more):
    diff_ids = [digest_of(layer) for layer in layers]
    return json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}} | more).encode()


def hex_of(content):
    return hashlib.sha256(content).hexdigest()


def hard(target):
    """A hard link within an archive; symbolic links are given as text."""
    return (tarfile.LNKTYPE, target)


def tar_with(*members, form=tarfile.PAX_FORMAT):
    """Write (name, content) in their order; content may be bytes, text (a symbolic link), `hard(...)`, or None."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            elif isinstance(content, tuple):
                info.type, info.linkname = content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return buffer.getvalue()


def listed(config, layers, tags):
    return {"Config": config, "RepoTags": tags, "Layers": layers}


def manifest(*images):
    return ("manifest.json", json.dumps(images).encode())


def docker_members(*, tags=("demo/app:v1",), layers=(LOWER, UPPER), stored=None, name="{hex}/layer.tar"):
    """Return the members of an archive with one image; `stored` are the layers as they lie there."""
    config = config_of(*layers)
    stored = layers if stored is None else stored
    names = [name.format(hex=hex_of(layer)) for layer in stored]
    members = [(f"{hex_of(config)}.json", config), *zip(names, stored, strict=True)]
    return [*members, manifest(listed(f"{hex_of(config)}.json", names, list(tags)))]


def packed(content):
    return gzip.compress(content, 1, mtime=0)


def tar_of_folder(path):
    """Write a folder as `tar` does."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(path, arcname=".")
    return buffer.getvalue()


def with_bytes(path, content):
    path.write_bytes(content)
    return path
