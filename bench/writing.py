"""Images made and mended: `convert` from and to a registry on loopback, `repair` over the slow link.

Beside `convert` stand nydusify where it is on PATH with nydus-image (else its figures, which were measured once on two
cores), and what nydus-image takes for the layers alone: no registry, no verifying, all layers at once.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from bench.measure import Sample, middle, python, rafsight, run, service

NYDUSIFY = {
    "go-like": 0.31,
    "ubuntu-like": 2.09,
    "wordpress-like": 3.57,
    "node-like": 3.55,
    "java-like": 4.98,
    "tensorflow-like": 15.27,
}
"""[s] of `nydusify convert` to RAFS v6, with nydus-image 2.4.4."""
REPAIRED = 100_000
"""[bytes] of the file that `repair` replaces."""


def convert(runs: int, work: Path, layouts: Mapping[str, Path]) -> list[dict[str, str]]:
    """Every image to RAFS v6 and v5, nothing cached, into an empty repository."""
    rows = []
    for name, layout in layouts.items():
        for version in ("6", "5"):
            samples: list[Sample] = []
            for _ in range(runs):
                shutil.rmtree(work / "pushed", ignore_errors=True)
                shutil.rmtree(work / "cache", ignore_errors=True)
                (work / "pushed").mkdir()
                with service(
                    python("-m", "bench.serve", "--writable", str(work / "pushed"), f"{name}={layout}")
                ) as port:
                    samples.append(run(_convert(work, f"127.0.0.1:{port}", name, version)))
            sample = middle(samples)
            assert sample.status == 0, f"{name} cannot be converted"
            rows.append(_row(name, version, sample))
            if version == "6":
                rows += _nydusify(runs, work, name, layout, sample)
                rows += _peers(work, name, layout, sample)
    return rows


def repair(runs: int, work: Path, layouts: Mapping[str, Path]) -> list[dict[str, str]]:
    """Replace one file of 100 kB in each image, over the slow link; nothing cached."""
    rows = []
    for name, layout in layouts.items():
        image = work / "nydus" / name
        made = run(rafsight("convert", f"oci:{layout}", f"oci:{image}:v6", "--quiet"))
        assert made.status == 0, f"{name} cannot be converted"
        local = work / "local"
        local.write_bytes(os.urandom(REPAIRED))
        samples: list[Sample] = []
        for _ in range(runs):
            for folder in ("pushed", "cache"):
                shutil.rmtree(work / folder, ignore_errors=True)
            shutil.copytree(image, work / "pushed" / name, copy_function=os.link)
            with (
                service(python("-m", "bench.serve", "--writable", str(work / "pushed"), f"other={image}")) as port,
                service(python("-m", "bench.link", "--to", f"127.0.0.1:{port}")) as slow,
            ):
                place = f"127.0.0.1:{slow}/{name}"
                samples.append(run(_repair(work, f"{place}:v6", f"{place}:mended", local)))
        sample = middle(samples)
        assert sample.status == 0, f"{name} cannot be repaired"
        done = json.loads(sample.output)
        moved = done["bytes_fetched"] + done["bytes_sent"]
        rows.append(
            {
                "image": name,
                "s": f"{sample.seconds:.2f}",
                "budget s": "3",
                "down": f"{done['bytes_fetched'] / 1e6:.2f} MB",
                "up": f"{done['bytes_sent'] / 1e6:.2f} MB",
                "moved": f"{moved / 1e6:.2f} MB",
                "budget MB": "8",
                "peak": f"{sample.peak_bytes / 1e6:.0f} MB",
                "to convert again": f"{_size(layout) / 1e6:.0f} MB down, as much up",
            }
        )
    return rows


def _convert(work: Path, host: str, name: str, version: str) -> list[str]:
    cache = ("--cache-dir", str(work / "cache"))
    return rafsight(
        *cache, "convert", f"{host}/{name}", f"{host}/out/{name}:v{version}", "--fs-version", version, "--quiet"
    )


def _repair(work: Path, reference: str, target: str, local: Path) -> list[str]:
    wish = ("--replace", f"/etc/debian_version={local}")
    return rafsight(
        "--cache-dir", str(work / "cache"), "repair", reference, "--target", target, *wish, "--json", "--quiet"
    )


def _nydusify(runs: int, work: Path, name: str, layout: Path, ours: Sample) -> list[dict[str, str]]:
    """Have nydusify do the same: from and to the registry on loopback, to RAFS v6, with its own defaults."""
    if not _has_nydusify():
        return []
    samples: list[Sample] = []
    for _ in range(runs):
        for folder in ("pushed", "nydusify"):
            shutil.rmtree(work / folder, ignore_errors=True)
        (work / "pushed").mkdir()
        with service(python("-m", "bench.serve", "--writable", str(work / "pushed"), f"{name}={layout}")) as port:
            source, target = f"127.0.0.1:{port}/{name}:latest", f"127.0.0.1:{port}/out/{name}:v6"
            places = ("--source", source, "--target", target, "--work-dir", str(work / "nydusify"))
            samples.append(run(["nydusify", "convert", *places, "--fs-version", "6", "--plain-http"]))
    sample = middle(samples)
    assert sample.status == 0, f"nydusify cannot convert {name}"
    row = {"image": name, "by": "nydusify convert, RAFS v6", "s": f"{sample.seconds:.2f}"}
    return [{**row, "cpu s": f"{sample.cpu_seconds:.2f}", "times": f"{sample.seconds / ours.seconds:.1f}"}]


def _has_nydusify() -> bool:
    return bool(shutil.which("nydusify") and shutil.which("nydus-image"))


def _row(name: str, version: str, sample: Sample) -> dict[str, str]:
    recorded = NYDUSIFY.get(name) if version == "6" and not _has_nydusify() else None
    row = {
        "image": name,
        "by": f"rafsight convert, RAFS v{version}",
        "s": f"{sample.seconds:.2f}",
        "cpu s": f"{sample.cpu_seconds:.2f}",
        "peak": f"{sample.peak_bytes / 1e6:.0f} MB",
    }
    if recorded is not None:
        row["nydusify s"] = f"{recorded:.1f}"
        row["times"] = f"{recorded / sample.seconds:.1f}"
    return row


def _peers(work: Path, name: str, layout: Path, ours: Sample) -> list[dict[str, str]]:
    """Run nydus-image over the layers, all at once, then merge: less than any converter has to do."""
    program = shutil.which("nydus-image")
    if program is None:
        return []
    folder = work / "peer"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "blobs").mkdir(parents=True)
    options = ("--compressor", "zstd", "--whiteout-spec", "none", "--features", "blob-toc", "-D", str(folder / "blobs"))
    boots = [str(folder / f"{number:03}.boot") for number in range(len(_layers(layout)))]
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            [program, "create", "-t", "targz-rafs", "-v", "6", *options, "-B", boot, str(layer)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for boot, layer in zip(boots, _layers(layout), strict=True)
    ]
    statuses = [process.wait() for process in running]
    assert not any(statuses), "nydus-image fails"
    merge = [program, "merge", "--bootstrap", str(folder / "merged.boot"), *boots]
    subprocess.run(merge, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    row = {"image": name, "by": "nydus-image create and merge alone", "s": f"{seconds:.2f}"}
    return [{**row, "times": f"{seconds / ours.seconds:.1f}"}]


def _layers(layout: Path) -> list[Path]:
    def read(digest: str) -> bytes:
        return (layout / "blobs" / "sha256" / digest.partition(":")[2]).read_bytes()

    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(read(index["manifests"][0]["digest"]))
    return [layout / "blobs" / "sha256" / layer["digest"].partition(":")[2] for layer in manifest["layers"]]


def _size(layout: Path) -> int:
    return sum(layer.stat().st_size for layer in _layers(layout))
