"""What can be wrong with an image's documents: damaged, of an unknown kind, no image at all."""

from rafsight.base.errors import ExitStatus, ImageFault


class MalformedDocument(ImageFault):
    """A manifest, index or config does not follow its format."""

    code = "malformed-document"
    template = "{document}: {what}"
    remedy = "The document is damaged or was not made by a sound tool: push the image again, or report the tool."


class UnsupportedFormat(ImageFault):
    """A version or variant of a format that this release does not read."""

    code = "unsupported-format"
    template = "{document}: {what}"
    remedy = "Convert the source image again to Nydus with RAFS v5 or v6, or use a newer release of rafsight."
    exit_status = ExitStatus.UNSUPPORTED


class EncryptedLayer(ImageFault):
    """A layer was encrypted by ocicrypt, and nobody but the holder of the key can read it."""

    code = "encrypted-layer"
    template = "{document}: the {which} {digest} is encrypted (ocicrypt), its key is needed"
    remedy = "Decrypt the image first, for example with `skopeo copy --decryption-key`, and name the copy."
    exit_status = ExitStatus.UNSUPPORTED


class NotAnImage(ImageFault):
    """The artifact exists, and is neither a Nydus nor an OCI image."""

    code = "not-an-image"
    template = "{document} is {what}, not an image"
    remedy = "Name the image itself; `{document}` was found where the image was expected."
    exit_status = ExitStatus.NOT_AN_IMAGE


class NoMatchingPlatform(ImageFault):
    """An index holds no image for the wanted platform."""

    code = "no-matching-platform"
    template = "index {document} has no image for {wanted}; it has {seen}"
    remedy = "Choose one of these platforms with --platform, or name a manifest by its digest."
    exit_status = ExitStatus.NOT_FOUND
