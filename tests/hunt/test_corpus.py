"""Names of images for a process elsewhere."""

import pytest

from rafsight.formats.oci.reference import parse_reference
from rafsight.hunt.corpus import whole_path


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("registry.example/app:v1", "registry.example/app:v1"),
        ("no reference!", "no reference!"),
        ("oci:app", "oci:{here}/app"),
        ("oci:app:v1", "oci:{here}/app:v1"),
        ("oci://./app:v1", "oci:{here}/app:v1"),
        ("./app", "{here}/app"),
        ("boot:image.boot", "boot:{here}/image.boot"),
        ("image.boot", "{here}/image.boot"),
        ("docker-archive:a.tar:registry.example/app:v1", "docker-archive:{here}/a.tar:registry.example/app:v1"),
        ("/somewhere/else", "/somewhere/else"),
    ],
)
def test_files_are_named_by_whole_paths(name, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.boot").write_bytes(b"x")
    found = whole_path(name)
    assert found == whole.format(here=tmp_path)
    if "!" not in name:
        parse_reference(found)
