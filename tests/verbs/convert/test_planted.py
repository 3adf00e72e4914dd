"""The planted image, whose truth is known, in both versions: for our reader, and for the kernel."""

import gzip
import hashlib
import io
import json
import stat
import tarfile

import numpy as np
import pytest
from tests.formats.rafs.kernel import mounted
from tests.shared import SHARED, needs_shared
from tests.verbs.convert.plain_layers import assert_sound, document, raw, said_of, tags_of
from tests.views.observed import assert_tree, observe

from rafsight.access.session import open_image
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms

pytestmark = [pytest.mark.shared, needs_shared]

IMAGES = SHARED / "fixtures" / "images"
SOURCE = f"oci:{IMAGES / 'planted'}:oci"
FORMS = {
    "v6": {},
    "v5": {"fs_version": 5},
    "v6-small": {"chunk_size": 4096, "compressor": "lz4_block", "digester": "sha256", "inlined": False},
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """The image in all forms, each by its name."""
    place = tmp_path_factory.mktemp("planted")
    for name, terms in FORMS.items():
        convert_image(SOURCE, f"oci:{place}:{name}", terms=ConvertTerms(**terms))
    return place


@pytest.fixture(scope="module")
def told(layout):
    """What our reader says of each form, and of the plain image."""
    return {name: said_of(f"oci:{layout}:{name}") for name in FORMS} | {"plain": said_of(SOURCE)}


def test_it_is_as_its_recipe_says(told):
    truth = json.loads((IMAGES / "planted.expected.json").read_text())
    found = {}
    for path, (about, target, _, _, content) in told["v6"].items():
        entry = {"type": {"directory": "dir"}.get(about.kind, about.kind)}
        if about.kind == "symlink":
            entry["target"] = target.decode()
        else:
            entry["mode"] = oct(stat.S_IMODE(about.mode))
        if about.kind == "file":
            entry |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        found[path.decode()] = entry
    del found[""]
    expected = {path: {key: one[key] for key in one if key != "layer"} for path, one in truth["view"].items()}
    assert found == expected
    for one in truth["whiteouts"]:  # two of which the peer loses: the tar does not name the folders above them
        assert one["path"] not in found


@pytest.mark.parametrize("name", FORMS)
def test_it_is_the_plain_image_in_every_attribute(told, name):
    assert told[name] == told["plain"]


@pytest.mark.parametrize("name", FORMS)
def test_it_is_sound(layout, name):
    assert_sound(f"oci:{layout}:{name}", source=SOURCE)


def bootstrap_of(layout, name):
    layer = document(layout, tags_of(layout)[name])["layers"][-1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(raw(layout, layer["digest"])))) as archive:
        return archive.extractfile("image/image.boot").read()


@pytest.mark.root
@pytest.mark.parametrize("name", [name for name, terms in FORMS.items() if terms.get("fs_version") != 5])
def test_the_kernel_sees_the_same(layout, told, name, tmp_path):
    """The bootstrap itself, with the chunks where its device slots say: one disk that the kernel mounts."""
    with open_image(f"oci:{layout}:{name}") as image, (tmp_path / "disk").open("wb") as disk:
        tables, rdev = image.tree.tables, dict(zip(image.tree.paths(), image.tree.entries.rdev.tolist(), strict=True))
        disk.write(bootstrap_of(layout, name))
        for chunk, content in image.read_chunks(np.arange(len(tables.chunks.size))):
            place = tables.blobs[int(tables.chunks.blob_index[chunk])].mapped_block_address * 4096
            disk.seek(place + int(tables.chunks.uncompressed_offset[chunk]))
            disk.write(content)
        disk.truncate(max(one.mapped_block_address * 4096 + one.uncompressed_size for one in tables.blobs))
    expected = {
        path: {
            "mode": about.mode,
            "uid": about.uid,
            "gid": about.gid,
            "mtime": about.mtime * 10**9 + about.mtime_nsec,
            "nlink": about.nlink,
            "rdev": rdev[path],
            "size": about.size,
            "target": target,
            "xattrs": dict(xattrs),
            "sha256": hashlib.sha256(content).hexdigest() if about.kind == "file" else "",
            "first": first,
        }
        for path, (about, target, xattrs, first, content) in told[name].items()
    }
    with mounted(tmp_path / "disk", tmp_path / "mnt") as root:
        assert_tree(observe(root), expected)
