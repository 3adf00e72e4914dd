"""Small fleets of images for the tests of hunts: layouts with several tags, served by the stand-in registry."""

import json
from collections.abc import Mapping
from pathlib import Path

from rafsight.formats.tables import Compressor
from rafsight.hunt.hunts import Hunts
from rafsight.testing.rafs_images import write_image
from rafsight.testing.trees import Link

TAG = "org.opencontainers.image.ref.name"
Files = Mapping[bytes, bytes | Link | None]


def make_layout(folder: Path, images: Mapping[str, Files], *, chunk_size: int = 1 << 20, version: int = 6) -> Path:
    """Write a layout with an image for each tag; images with the same files are one image with two tags."""
    entries = []
    for number, (tag, files) in enumerate(images.items()):
        part = folder.parent / f"{folder.name}-{number}"
        write_image(part, files, version=version, compressor=Compressor.ZSTD, tag=tag, chunk_size=chunk_size)
        entries += json.loads((part / "index.json").read_bytes())["manifests"]
        for blob in (part / "blobs/sha256").iterdir():
            (folder / "blobs/sha256").mkdir(parents=True, exist_ok=True)
            blob.replace(folder / "blobs/sha256" / blob.name)
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return folder


def named(*references: str, registry: str = "", **more: object) -> Hunts:
    """Name images."""
    hunts = Hunts(**more)
    hunts.add(*references)
    if registry:
        hunts.add_registry(registry)
    return hunts


def digests_of(layout: Path) -> dict[str, str]:
    """Return the digest of each tag's manifest."""
    entries = json.loads((layout / "index.json").read_bytes())["manifests"]
    return {entry["annotations"][TAG]: entry["digest"] for entry in entries}
