"""What others say of the images that we make: skopeo copies them, and the peer's own checker takes their bootstraps."""

import gzip
import io
import json
import shutil
import subprocess
import tarfile

import pytest
from tests.access.source_images import Entry, folder, hard_link, symlink
from tests.verbs.convert.plain_layers import PLATFORM, document, raw, sparse_member, tags_of, tar_with, write_plain

from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms

LAYERS = (
    tar_with(
        folder(b"etc", 0o750, uid=7, mtime=(1_600_000_000, 5)),
        Entry(b"etc/name", content=b"name" * 9000, xattrs={b"user.a": b"1", b"security.b": b"\0"}),
        hard_link(b"etc/same", b"etc/name"),
        symlink(b"bin", b"etc"),
        sparse_member(b"holes", 50_000, (10_000, b"stored")),
        Entry(b"empty"),
        Entry(b"pipe", mode=0o010644),
        Entry(b"null", mode=0o020666, device=(1, 3)),
        *(Entry(b"many/%d" % row, content=b"%d" % row) for row in range(400)),
    ),
    tar_with(Entry(b"etc/.wh.name"), Entry(b"no/folder/above", content=b"x" * 5000), Entry(b"many/.wh..wh..opq")),
)
FORMS = {
    "v6": {},
    "v5": {"fs_version": 5},
    "v6-small": {"chunk_size": 4096, "compressor": "lz4_block", "digester": "sha256", "inlined": False},
    "v5-small": {
        "fs_version": 5,
        "chunk_size": 4096,
        "compressor": "none",
        "digester": "sha256",
        "prefetch": (b"/etc",),
    },
    "merged": {"merge_platform": True, "with_referrer": True},
}
SINGLE = [name for name in FORMS if name != "merged"]
"""Skopeo writes indexes anew, without what it does not know of descriptors."""
PEER = shutil.which("nydus-image")


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """The same image in all forms, each by its name."""
    place = tmp_path_factory.mktemp("forms")
    source = write_plain(place / "plain", *LAYERS, platform=PLATFORM)
    for name, terms in FORMS.items():
        convert_image(source, f"oci:{place / 'out'}:{name}", terms=ConvertTerms(**terms))
    return place / "out"


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
@pytest.mark.parametrize("name", SINGLE)
def test_skopeo_copies_them_byte_for_byte(layout, tmp_path, name):
    command = ["skopeo", "copy", "--quiet", "--insecure-policy", "--all", "--preserve-digests"]
    copy = f"oci:{tmp_path / 'copy'}:{name}"
    done = subprocess.run([*command, f"oci:{layout}:{name}", copy], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert tags_of(tmp_path / "copy")[name] == tags_of(layout)[name]
    for path in (tmp_path / "copy/blobs/sha256").iterdir():
        assert path.read_bytes() == (layout / "blobs/sha256" / path.name).read_bytes()


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")
def test_skopeo_reads_the_plain_half_of_a_merged_index(layout):
    command = ["skopeo", "inspect", "--override-os", "linux", "--override-arch", "amd64", f"oci:{layout}:merged"]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["Layers"]) == len(LAYERS)


@pytest.mark.peer
@pytest.mark.skipif(not PEER, reason="needs nydus-image on PATH")
@pytest.mark.parametrize("name", SINGLE)
def test_the_peer_finds_the_bootstraps_valid(layout, tmp_path, name):
    layer = document(layout, tags_of(layout)[name])["layers"][-1]
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(raw(layout, layer["digest"])))) as archive:
        (tmp_path / "image.boot").write_bytes(archive.extractfile("image/image.boot").read())
    done = subprocess.run([PEER, "check", str(tmp_path / "image.boot")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "RAFS filesystem metadata is valid" in done.stdout
