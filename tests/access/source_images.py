"""Sources to compare with: trees as lists of entries, written as tars of an OCI layout."""

import gzip
import hashlib
import io
import json
import stat
import tarfile
from dataclasses import dataclass, field, replace
from decimal import Decimal


@dataclass(frozen=True)
class Entry:
    """One member of an archive."""

    path: bytes
    mode: int = stat.S_IFREG | 0o644
    content: bytes = b""
    target: bytes = b""
    """Of a symbolic link, or the other name of a hard link."""
    uid: int = 0
    gid: int = 0
    mtime: tuple = (0, 0)
    device: tuple = (0, 0)
    xattrs: dict = field(default_factory=dict)
    is_link: bool = False
    """A hard link."""


def folder(path, mode=0o755, **more):
    return Entry(path, stat.S_IFDIR | mode, **more)


def symlink(path, target):
    return Entry(path, stat.S_IFLNK | 0o777, target=target)


def hard_link(path, target):
    return Entry(path, target=target, is_link=True)


_TYPES = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
}


def text(value):
    return value.decode("utf-8", "surrogateescape")


def member(entry):
    info = tarfile.TarInfo(text(entry.path) or "./")
    info.type = tarfile.LNKTYPE if entry.is_link else _TYPES[stat.S_IFMT(entry.mode)]
    info.mode = stat.S_IMODE(entry.mode)
    info.uid, info.gid = entry.uid, entry.gid
    info.linkname = text(entry.target)
    info.devmajor, info.devminor = entry.device
    info.size = len(entry.content)
    seconds, nanoseconds = entry.mtime
    info.pax_headers["mtime"] = f"{Decimal(seconds) + Decimal(nanoseconds).scaleb(-9):f}"
    for name, value in entry.xattrs.items():
        info.pax_headers[f"SCHILY.xattr.{text(name)}"] = text(value)
    return info


def tar_of(entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in entries:
            archive.addfile(member(entry), io.BytesIO(entry.content))
    return buffer.getvalue()


def write_source(layout, *layers):
    """Write an image; layers are lists of entries, or finished tars. Return its reference."""
    tars = [layer if isinstance(layer, bytes) else tar_of(layer) for layer in layers]
    (layout / "blobs/sha256").mkdir(parents=True)
    stored = [_write(layout, gzip.compress(tar, 1, mtime=0)) for tar in tars]
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json"}
        | _write(layout, json.dumps(config).encode()),
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"} | one for one in stored],
    }
    entry = {"mediaType": manifest["mediaType"]} | _write(layout, json.dumps(manifest).encode())
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{layout}"


def _write(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def entries_of(image):
    """Read all entries of an open image, in the order of its paths; sockets cannot be in an archive."""
    tree, known, found = image.tree, {}, []
    for row in tree.walk():
        about, inode = tree.attributes(row), int(tree.entries.link_row[row])
        if about.kind == "socket":
            continue
        if about.kind == "file" and inode in known:
            found.append(hard_link(tree.path(row), known[inode]))
            continue
        known[inode] = tree.path(row)
        found.append(
            Entry(
                path=tree.path(row),
                mode=about.mode,
                content=b"".join(image.read_file(row)) if about.kind == "file" else b"",
                target=tree.target(row),
                uid=about.uid,
                gid=about.gid,
                mtime=(about.mtime, about.mtime_nsec),
                device=about.device if about.kind in ("char", "block") else (0, 0),
                xattrs={one.name: one.value for one in tree.xattrs(row)},
            )
        )
    return found


def changed(entries, path, **fields):
    """Return entries with other fields for one of them."""
    assert any(entry.path == path for entry in entries), path
    return [replace(entry, **fields) if entry.path == path else entry for entry in entries]
