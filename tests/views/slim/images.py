"""Plain images with links and modes, and what lies in a docker archive."""

import gzip
import hashlib
import io
import json
import tarfile

from tests.verbs.inspect.layouts import OCI_LAYER, write_blob, write_layout


def program(content=b"", mode=0o755):
    return (content, mode)


def link(target):
    return ("->", target)


def other_name(target):
    return ("=", target)


def layer_of(entries):
    """Entries by name: content, (content, mode), a link, another name, or None for a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, entry in entries.items():
            info = tarfile.TarInfo(name)
            content = b""
            if entry is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(entry, bytes):
                content = entry
            elif entry[0] in ("->", "="):
                info.type = tarfile.SYMTYPE if entry[0] == "->" else tarfile.LNKTYPE
                info.linkname = entry[1]
            else:
                content, info.mode = entry
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write_image(folder, *layers, history=()):
    tars = [layer_of(one) for one in layers]
    descriptors = [{"mediaType": OCI_LAYER} | write_blob(folder, gzip.compress(tar, 1, mtime=0)) for tar in tars]
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    return write_layout(folder, descriptors, diff_ids=diff_ids, history=history)


def open_archive(content):
    """Return manifest, config, and the layers of a docker archive, as its manifest says."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        config = tar.extractfile(manifest["Config"]).read()
        layers = [tar.extractfile(name).read() for name in manifest["Layers"]]
    assert manifest["Config"] == hashlib.sha256(config).hexdigest() + ".json"
    return manifest, json.loads(config), layers


def contents_of(content):
    """Return the content of each regular file of a docker archive by path; all names of a file have it."""
    found = {}
    for layer in open_archive(content)[2]:
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for member in tar:
                if member.isreg() or member.islnk():
                    found[member.name] = tar.extractfile(member).read()
    return found
