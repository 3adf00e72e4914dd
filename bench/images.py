"""The images of the bench in every form: plain OCI layers, RAFS v5 and RAFS v6, made by our converter and kept.

Each form is an OCI layout with two tags: `latest`, and `next`, which shares all layers with it but a small one that has
one package. Forms are kept by the digest of the image that they are made of and by the version of rafsight.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench.measure import rafsight, run

FORMS = ("v6", "v5", "oci")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG = "org.opencontainers.image.ref.name"
NYDUS = "containerd.io/snapshot/nydus-bootstrap"

PACKAGE = "usr/lib/python3/dist-packages/rafsight_bench-1.0.dist-info/METADATA"
METADATA = b"Metadata-Version: 2.1\nName: rafsight-bench\nVersion: 1.0\n"


def make_forms(layout: Path, shelf: Path, work: Path) -> dict[str, Path]:
    """Make all forms of an image, unless they are there; returns their layouts.

    Args:
        layout: has the image as plain layers, or as a Nydus image at least.
        shelf: where forms are kept.
        work: for what is needed meanwhile.
    """
    version = run(rafsight("--version")).output.split()[-1].decode()
    manifests = {one["annotations"][TAG]: one for one in read_index(layout)}
    plain = next((tag for tag in manifests if is_plain(layout, manifests[tag])), None)
    tag = plain if plain is not None else next(iter(manifests))
    kept = shelf / f"{layout.name}-{manifests[tag]['digest'].partition(':')[2][:16]}-{version}"
    if not kept.is_dir():
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=shelf, prefix=".new-") as draft:
            place = Path(draft) / "forms"
            if plain is not None:
                copy_plain(layout, manifests[plain], place / "oci")
            else:
                call("convert", "--to-oci", f"oci:{layout}:{tag}", f"oci:{place}/oci:latest", work=work)
            add_layer(place / "oci")
            for form in ("v6", "v5"):
                make_nydus(place, form, work)
            place.rename(kept)
    return {form: kept / form for form in FORMS}


def make_nydus(place: Path, form: str, work: Path) -> None:
    """Convert the plain form; its `next` is mended from it, as only what is new has to be made."""
    source, target = f"oci:{place}/oci:latest", f"oci:{place}/{form}"
    call("convert", source, f"{target}:latest", "--fs-version", form.removeprefix("v"), work=work)
    local = work / "METADATA"
    local.write_bytes(METADATA)
    call("repair", f"{target}:latest", "--target", f"{target}:next", "--add", f"/{PACKAGE}={local}", work=work)


def call(*arguments: str, work: Path) -> None:
    """Run rafsight to a good end."""
    sample = run(rafsight("--cache-dir", str(work / "making"), *arguments, "--quiet"))
    assert sample.status == 0, f"{arguments} ends with {sample.status}"


def copy_plain(layout: Path, descriptor: Mapping[str, object], target: Path) -> None:
    """Make a layout of one image of another layout; blobs are linked where that is possible."""
    blobs = target / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    manifest = read_blob(layout, str(descriptor["digest"]))
    digests = [str(descriptor["digest"]), manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])]
    for name in (digest.partition(":")[2] for digest in digests):
        blob = layout / "blobs" / "sha256" / name
        try:
            os.link(blob, blobs / name)
        except OSError:
            shutil.copyfile(blob, blobs / name)
    (target / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')
    write_index(target, [{**descriptor, "annotations": {TAG: "latest"}}])


def add_layer(layout: Path) -> None:
    """Make `next` of `latest`: one layer more, with one package in it."""
    latest = read_index(layout)[0]
    manifest = read_blob(layout, latest["digest"])
    config = read_blob(layout, manifest["config"]["digest"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(PACKAGE)
        member.size = len(METADATA)
        archive.addfile(member, io.BytesIO(METADATA))
    config["rootfs"]["diff_ids"].append(f"sha256:{hashlib.sha256(packed.getvalue()).hexdigest()}")
    manifest["layers"].append({"mediaType": LAYER, **write_blob(layout, gzip.compress(packed.getvalue(), mtime=0))})
    manifest["config"] |= write_blob(layout, json.dumps(config).encode())
    written = write_blob(layout, json.dumps(manifest).encode())
    write_index(layout, [latest, {"mediaType": MANIFEST, **written, "annotations": {TAG: "next"}}])


def is_plain(layout: Path, descriptor: Mapping[str, object]) -> bool:
    """Tell whether an image has plain layers."""
    layers = read_blob(layout, str(descriptor["digest"])).get("layers", [])
    return bool(layers) and not any(NYDUS in (layer.get("annotations") or {}) for layer in layers)


def read_index(layout: Path) -> list:
    """Read the descriptors of a layout's images."""
    return json.loads((layout / "index.json").read_bytes())["manifests"]


def write_index(layout: Path, manifests: list) -> None:
    """Write the list of a layout's images."""
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))


def read_blob(layout: Path, digest: str) -> dict:
    """Read a document of a layout."""
    return json.loads((layout / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes())


def write_blob(layout: Path, content: bytes) -> dict:
    """Write a blob; returns digest and size of its descriptor."""
    name = hashlib.sha256(content).hexdigest()
    (layout / "blobs" / "sha256" / name).write_bytes(content)
    return {"digest": f"sha256:{name}", "size": len(content)}
