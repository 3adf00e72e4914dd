"""Figures of peers that were measured once, for machines that do not have these peers.

Taken from this project's design notes: Trivy and nydusd on two cores, over a simulated link of 100 Mbit/s and 20 ms
round trip, on images of the same recipes. `trivy image` read the plain image, `trivy rootfs` a mount of the Nydus
image. Nobody wrote down requests, memory and components.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One run."""

    seconds: float
    megabytes: float | None = None
    """[MB] that were pulled; None if nobody wrote it down."""


TRIVY_IMAGE = "trivy image"
TRIVY_ROOTFS = "trivy rootfs over nydusd"

RECORDED = {
    "ubuntu-like": {
        (TRIVY_IMAGE, "oci", "cold"): Recorded(seconds=5.6, megabytes=60),
        (TRIVY_IMAGE, "oci", "again"): Recorded(seconds=0.59),
        (TRIVY_ROOTFS, "v6", "cold"): Recorded(seconds=6.2, megabytes=57),
        (TRIVY_ROOTFS, "v5", "cold"): Recorded(seconds=5.8, megabytes=20),
    },
    "wordpress-like": {
        (TRIVY_IMAGE, "oci", "cold"): Recorded(seconds=12.0, megabytes=145),
        (TRIVY_IMAGE, "oci", "again"): Recorded(seconds=0.41),
        (TRIVY_ROOTFS, "v6", "cold"): Recorded(seconds=9.1, megabytes=98),
        (TRIVY_ROOTFS, "v5", "cold"): Recorded(seconds=10.3, megabytes=33),
    },
    "tensorflow-like": {
        (TRIVY_IMAGE, "oci", "cold"): Recorded(seconds=37.8, megabytes=467),
        (TRIVY_IMAGE, "oci", "again"): Recorded(seconds=0.37),
        (TRIVY_ROOTFS, "v6", "cold"): Recorded(seconds=20.8, megabytes=228),
        (TRIVY_ROOTFS, "v5", "cold"): Recorded(seconds=20.0, megabytes=76),
    },
}
"""By image; by tool, form of the image, and case."""
