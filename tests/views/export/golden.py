"""The golden images, and what an export of them should be, as their `tree.json` says."""

import base64
import io
import json
import stat
import tarfile
from decimal import Decimal
from pathlib import Path

from rafsight.access.options import Options

GOLDEN = Path(__file__).parents[2] / "golden" / "rafs"
NAMES = sorted(folder.name for folder in GOLDEN.iterdir())
INLINED = {"v5-inline", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline", "targz-ref-toc-inline"}


def reference_of(name):
    """Inlined bootstraps are taken as they are beside their blobs: the blob's own name says which it is."""
    if name not in INLINED:
        return f"boot:{GOLDEN / name / 'image.boot'}"
    blobs = [path for path in (GOLDEN / name).iterdir() if len(path.name) == 64]
    return f"boot:{min(blobs, key=lambda path: b'rafs.blob.toc' not in path.read_bytes()[-512:])}"


def options_of(name):
    return Options(blob_dir=GOLDEN / name)


def entries_of(name):
    """What `tree.json` says, by path without a leading slash."""
    found = {}
    for one in json.loads((GOLDEN / name / "tree.json").read_text()):
        path = base64.b64decode(one["path_b64"]) if "path_b64" in one else one["path"].encode()
        target = base64.b64decode(one["target_b64"]) if "target_b64" in one else one.get("target", "").encode()
        one["target"] = target
        one["xattrs"] = {key.encode(): base64.b64decode(value) for key, value in one.get("xattrs", {}).items()}
        found[path.lstrip(b"/")] = one
    return found


def raw(text):
    return text.encode("utf-8", "surrogateescape")


def mtime_of(info):
    """The time of a member of `tarfile` [ns], without its way through a float."""
    text = info.pax_headers.get("mtime")
    return int(Decimal(text) * 10**9) if text else int(info.mtime) * 10**9


def describe_tar(content):
    """What tarfile of the standard library reads: by name (the root is empty) the member, and its content."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = tar.getmembers()
        read = [tar.extractfile(one).read() if one.isreg() else b"" for one in members]
    names = [b"" if raw(one.name) == b"." else raw(one.name) for one in members]
    return dict(zip(names, zip(members, read, strict=True), strict=True))


def xattrs_of(info):
    prefix = "SCHILY.xattr."
    return {raw(k.removeprefix(prefix)): raw(v) for k, v in info.pax_headers.items() if k.startswith(prefix)}


def is_socket(entry):
    return stat.S_ISSOCK(entry["mode"])
