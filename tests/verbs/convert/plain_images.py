"""Plain images that were made of Nydus images, and what they hold."""

import gzip
import hashlib
import io
import json
import tarfile
from contextlib import contextmanager

from tests.verbs.inspect.layouts import OCI_LAYER, write_blob, write_layout
from tests.views.slim.images import layer_of

from rafsight.access.layout_target import LayoutTarget
from rafsight.access.session import open_image
from rafsight.formats.oci.classify import OciManifest
from rafsight.image.difference import CHANGES, Aspect, compare_trees
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms


class UnluckyTarget(LayoutTarget):
    """A layout that breaks down at one of its blobs; remembers the order of all objects."""

    def __init__(self, folder, *, breaks_at=None):
        super().__init__(folder)
        self.breaks_at = breaks_at
        self.pushed = []

    def push_blob(self, digest, size, content, *, neighbour=""):
        self.pushed.append(digest)
        if len(self.pushed) - 1 == self.breaks_at:
            raise OSError(28, "no room for more")
        return super().push_blob(digest, size, content, neighbour=neighbour)


def contents_of(image):
    """The SHA-256 of each file by path."""
    tree = image.tree
    return {
        path: hashlib.sha256(b"".join(image.read_file(row))).hexdigest()
        for row, path in enumerate(tree.paths())
        if tree.is_file(row)
    }


@contextmanager
def open_plain(folder):
    """Open a converted image: its layers are streamed once, and everything is kept."""
    with open_image(f"oci:{folder}", keep=lambda path, size: True) as image:
        assert isinstance(image.identity.classified, OciManifest)
        assert image.unread == ()
        yield image


def assert_same_image(theirs, ours, *, left_out=()):
    """Two open images have the same paths, attributes and contents."""
    difference = compare_trees(theirs.tree, ours.tree)
    pairs = difference.pairs
    assert sorted(theirs.tree.path(row) for row in pairs.only_left.tolist()) == sorted(left_out)
    assert len(pairs.only_right) == 0
    changed = {
        theirs.tree.path(int(pairs.left[index])): Aspect(int(difference.aspects[index]) & CHANGES)
        for index in difference.changed.tolist()
    }
    assert changed == {}
    expected = {path: digest for path, digest in contents_of(theirs).items() if path not in left_out}
    assert contents_of(ours) == expected


def document_at(folder, digest):
    return json.loads((folder / "blobs/sha256" / digest.partition(":")[2]).read_bytes())


def stored_at(folder, digest):
    return (folder / "blobs/sha256" / digest.partition(":")[2]).read_bytes()


def nydus_of(folder, *layers, history=(), xattrs=None, **terms):
    """Make a Nydus image of plain layers, as `tests.views.slim.images` describes them, and attributes by path."""
    tars = [_with_xattrs(layer_of(one), xattrs or {}) for one in layers]
    descriptors = [
        {"mediaType": OCI_LAYER} | write_blob(folder / "source", gzip.compress(tar, 1, mtime=0)) for tar in tars
    ]
    diff_ids = ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]
    source = write_layout(folder / "source", descriptors, diff_ids=diff_ids, history=history)
    convert_image(source, f"oci:{folder}/nydus:t", terms=ConvertTerms(**terms))
    return f"oci:{folder}/nydus:t"


def _with_xattrs(content, xattrs):
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(content)) as old,
        tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in old:
            member.pax_headers |= {f"SCHILY.xattr.{name}": text for name, text in xattrs.get(member.name, {}).items()}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return buffer.getvalue()


def rewrite(folder, change, *, tag=""):
    """Change the manifest and the config of the only image of a layout: `change` is given both as dictionaries."""
    index = json.loads((folder / "index.json").read_text())
    (entry,) = index["manifests"]
    manifest = document_at(folder, entry["digest"])
    config = document_at(folder, manifest["config"]["digest"])
    change(manifest, config)
    manifest["config"] |= write_blob(folder, json.dumps(config).encode())
    entry |= write_blob(folder, json.dumps(manifest).encode()) | {"mediaType": manifest["mediaType"]}
    if tag:
        entry["annotations"] = {"org.opencontainers.image.ref.name": tag}
    (folder / "index.json").write_text(json.dumps(index))


def tags_of(folder):
    """The images that have a name in a layout."""
    index = folder / "index.json"
    return json.loads(index.read_text())["manifests"] if index.exists() else []
