"""Repaired bootstraps before the peer's own judge."""

import shutil
import subprocess

import pytest
from tests.verbs.repair.layouts import golden_layout, local_file

from rafsight.access.session import open_image
from rafsight.verbs.repair.repairing import repair_image
from rafsight.verbs.repair.wishes import Addition, Removal, Wishes


@pytest.mark.peer
@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "merge-oci-v5", "merge-oci-v6", "targz-ref", "v6-batch"])
def test_nydus_image_finds_a_repaired_bootstrap_sound(name, tmp_path):
    program = shutil.which("nydus-image")
    if program is None:
        pytest.skip("needs nydus-image on PATH")
    layout = f"oci:{tmp_path / 'image'}"
    golden_layout(tmp_path / "image", name)
    new = local_file(tmp_path, "new", b"new" * 10_000)
    with open_image(f"{layout}:old") as image:
        gone = next(path for row, path in enumerate(image.tree.paths()) if image.tree.is_file(row))
    wishes = Wishes(files=(Addition(path=b"/new/file", local=new), Removal(path=gone)))
    repair_image(f"{layout}:old", f"{layout}:new", wishes)
    bootstrap = tmp_path / "image.boot"
    with open_image(f"{layout}:new") as image:
        bootstrap.write_bytes(image.tree.buffer[: image.tree.buffer.nbytes])
    done = subprocess.run([program, "check", "--bootstrap", bootstrap], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
