"""Archives that skopeo writes say what the layout says that they were made of."""

import shutil
import subprocess

import pytest
from tests.access.source_images import Entry, folder, hard_link, symlink, write_source

import rafsight

pytestmark = pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo")

LOWER = [
    folder(b"etc"),
    Entry(b"etc/name", content=b"name" * 5000, uid=7, mtime=(1_600_000_000, 0)),
    hard_link(b"etc/same", b"etc/name"),
    symlink(b"link", b"etc/name"),
]
UPPER = [Entry(b"etc/.wh.same"), Entry(b"etc/more", content=b"more")]


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    path = tmp_path_factory.mktemp("layout")
    write_source(path, LOWER, UPPER, UPPER)
    return path


def copied(layout, target):
    command = ["skopeo", "copy", "--quiet", "--insecure-policy", f"oci:{layout}", target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def said_of(reference):
    with rafsight.open_image(reference) as image:
        tree, entries = image.tree, image.tree.entries
        return image.identity.config.raw, [
            (
                tree.path(row),
                int(entries.mode[row]),
                int(entries.uid[row]),
                int(entries.mtime[row]),
                int(entries.nlink[row]),
                tree.target(row),
                b"".join(image.read_file(row)) if tree.is_file(row) else None,
            )
            for row in tree.walk()
        ]


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("tag", ["", ":registry.example:5000/team/app:v1"])
def test_an_archive_is_its_layout(layout, tmp_path, kind, tag):
    if kind == "oci-archive" and tag:
        tag = ":v1"
    copied(layout, f"{kind}:{tmp_path / 'image.tar'}{tag}")
    expected = said_of(f"oci:{layout}")
    for reference in {f"{kind}:{tmp_path / 'image.tar'}{name}" for name in ("", tag, tag and ":v1")}:
        assert said_of(reference) == expected


def test_skopeo_takes_the_same_names(layout, tmp_path):
    """What we accept as a name, skopeo reads as the same image."""
    archive = tmp_path / "image.tar"
    copied(layout, f"docker-archive:{archive}:docker.io/library/app:v1")
    for name in ("", ":app:v1", ":docker.io/library/app:v1", ":@0"):
        done = subprocess.run(
            ["skopeo", "inspect", "--config", "--raw", f"docker-archive:{archive}{name}"],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert said_of(f"docker-archive:{archive}{name}")[0] == done.stdout.strip()
