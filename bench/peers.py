"""What a user would otherwise run on the same images: the peers that this machine has, and how each is called.

Each scans with nothing cached, Trivy a second time with its cache. Their databases have to be where they look for them
(`TRIVY_CACHE_DIR`, `GRYPE_DB_CACHE_DIR` and `OSV_SCALIBR_LOCAL_DB_CACHE_DIRECTORY` say so); none is fetched. What a
tool prints lies in a file then.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measure import Sample, rafsight, run
from bench.nydusd import fetch_bootstrap, mounted
from bench.recorded import TRIVY_IMAGE, TRIVY_ROOTFS

SETTINGS = {
    "SYFT_CHECK_FOR_APP_UPDATE": "false",
    "SYFT_REGISTRY_INSECURE_USE_HTTP": "true",
    "GRYPE_CHECK_FOR_APP_UPDATE": "false",
    "GRYPE_DB_AUTO_UPDATE": "false",
    "GRYPE_DB_VALIDATE_AGE": "false",
    "GRYPE_REGISTRY_INSECURE_USE_HTTP": "true",
}
SKIPPED = ("--skip-db-update", "--skip-java-db-update", "--skip-check-update", "--skip-version-check")
TRIVY = (
    *("--scanners", "vuln", "--format", "json", "--list-all-pkgs", "--quiet"),
    *(*SKIPPED, "--disable-telemetry", "--offline-scan"),
)
GRYPE = ("--quiet", "--output", "cyclonedx-json")
"""Its own JSON lists only packages with findings."""
SYFT = ("scan", "--quiet", "--output", "json")
OSV = ("scan", "image", "--offline", "--format", "json", "--all-packages")

Cases = Callable[[str, str, Path], Iterator[tuple[str, Sample]]]
"""Scan the image `latest` of a host and a repository, in a fresh folder: a case and its sample, in their order."""
PRINTED = "printed.json"
"""In that folder: what the tool printed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A way to scan one form of an image."""

    tool: str
    reads_as: str
    """The key of `bench.documents` for what it prints."""
    form: str
    cases: Cases


def find_peers() -> list[Peer]:
    """Return the peers that this machine has; Syft's wheel beside this interpreter counts if there is no other."""
    syft = shutil.which("syft") or shutil.which("syft", path=str(Path(sys.executable).parent))
    trivy, grype, nydusd = (shutil.which(name) for name in ("trivy", "grype", "nydusd"))
    peers = []
    if trivy:
        peers.append(Peer(tool=TRIVY_IMAGE, reads_as="trivy", form="oci", cases=trivy_image))
    if syft:
        peers.append(Peer(tool="syft registry:", reads_as="syft", form="oci", cases=syft_image(syft)))
    if grype:
        peers.append(Peer(tool="grype registry:", reads_as="cyclonedx", form="oci", cases=grype_image))
    if shutil.which("osv-scanner") and shutil.which("skopeo"):
        peers.append(Peer(tool="skopeo and osv-scanner", reads_as="osv-scanner", form="oci", cases=osv_scanner))
    if nydusd and os.geteuid() == 0:
        for form in ("v6", "v5"):
            if trivy:
                cases = over_nydusd(trivy, "rootfs", *TRIVY)
                peers.append(Peer(tool=TRIVY_ROOTFS, reads_as="trivy", form=form, cases=cases))
            if syft:
                cases = over_nydusd(syft, *SYFT)
                peers.append(Peer(tool="syft over nydusd", reads_as="syft", form=form, cases=cases))
            if grype:
                cases = over_nydusd(grype, *GRYPE)
                peers.append(Peer(tool="grype over nydusd", reads_as="cyclonedx", form=form, cases=cases))
    for name in ("trivy", "grype", "osv-scanner"):
        if shutil.which(name):
            tool = f"rafsight scan --engine {name}"
            peers.append(Peer(tool=tool, reads_as="trivy", form="v6", cases=by_engine(name)))
    return peers


def scan(work: Path, *command: str) -> Sample:
    """Run a scanner; what it prints goes to its file, what it unpacks to the folder."""
    return run(command, environment={**SETTINGS, "TMPDIR": str(work)}, output=work / PRINTED)


def trivy_image(host: str, repository: str, work: Path) -> Iterator[tuple[str, Sample]]:
    """Scan with Trivy twice; its database has to be where Trivy looks for it."""
    run(["trivy", "clean", "--scan-cache"])
    for case in ("cold", "again"):
        yield case, scan(work, "trivy", "image", "--image-src", "remote", *TRIVY, f"{host}/{repository}:latest")


def syft_image(syft: str) -> Cases:
    """Return how Syft reads an image from its registry."""

    def cases(host: str, repository: str, work: Path) -> Iterator[tuple[str, Sample]]:
        yield "cold", scan(work, syft, *SYFT, f"registry:{host}/{repository}:latest")

    return cases


def grype_image(host: str, repository: str, work: Path) -> Iterator[tuple[str, Sample]]:
    """Scan with Grype, which reads an image from its registry as Syft does."""
    yield "cold", scan(work, "grype", f"registry:{host}/{repository}:latest", *GRYPE)


def by_engine(name: str) -> Cases:
    """Return how rafsight has a peer scan a Nydus image, with nothing cached."""

    def cases(host: str, repository: str, work: Path) -> Iterator[tuple[str, Sample]]:
        if name == "trivy":
            run(["trivy", "clean", "--scan-cache"])
        options = ("--quiet", "--engine", name, "--format", "json", "--list-all-pkgs")
        cache = ("--cache-dir", str(work / "cache"))
        yield "cold", scan(work, *rafsight(*cache, "scan", f"{host}/{repository}:latest", *options))

    return cases


def osv_scanner(host: str, repository: str, work: Path) -> Iterator[tuple[str, Sample]]:
    """Pull an image to an archive, which is all that OSV-Scanner can read without a daemon, and scan it."""
    archive = work / "image.tar"
    pull = ("skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{host}/{repository}:latest")
    look = ("osv-scanner", *OSV, "--archive", str(archive))
    sample = scan(work, "/bin/sh", "-c", f"{shlex.join((*pull, f'docker-archive:{archive}'))} && {shlex.join(look)}")
    yield "cold", replace(sample, status=0 if sample.status == 1 else sample.status)  # 1: it found something


def over_nydusd(*command: str) -> Cases:
    """Return how a scanner of folders reads a mounted Nydus image; what the daemon takes is part of it."""

    def cases(host: str, repository: str, work: Path) -> Iterator[tuple[str, Sample]]:
        bootstrap = work / "bootstrap"
        seconds = fetch_bootstrap(host, repository, bootstrap)
        with mounted(work / "nydusd", host=host, repository=repository, bootstrap=bootstrap) as mount:
            sample = scan(work, *command, str(mount.root))
        yield (
            "cold",
            replace(
                sample,
                seconds=seconds + mount.mount_seconds + sample.seconds,
                cpu_seconds=sample.cpu_seconds + mount.cpu_seconds,
                peak_bytes=sample.peak_bytes + mount.peak_bytes,
            ),
        )

    return cases
