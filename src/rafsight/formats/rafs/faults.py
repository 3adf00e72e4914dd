"""What can be wrong with a RAFS image besides its format.

This module alone decides how "not this format", "not this release" and "not these bytes" differ.
"""

from rafsight.base.errors import ExitStatus, ImageFault


class NotABootstrap(ImageFault):
    """A file is not RAFS metadata at all."""

    code = "not-a-bootstrap"
    template = "{name} is not a RAFS bootstrap: {what}"
    remedy = (
        "Give the file `image.boot` of a Nydus image, or the image's reference; archives are named as "
        "docker-archive:FILE or oci-archive:FILE, bills of materials as sbom:FILE."
    )
    exit_status = ExitStatus.NOT_AN_IMAGE


class UnsupportedImage(ImageFault):
    """An image is of a version or uses a feature that this release does not read."""

    code = "unsupported-image"
    template = "{where}: {what}; this release does not support it"
    remedy = "Look for a newer release of rafsight, or build the image again as RAFS v5 or v6."
    exit_status = ExitStatus.UNSUPPORTED
