"""Make a plain OCI image of a Nydus image, by their references.

This module alone decides what is refused before anything is read: a target that is none, and images that are plain,
whose layers would have to be streamed to open them.
"""

from dataclasses import replace
from pathlib import Path

from rafsight.access.cache import Cache
from rafsight.access.connect import check_login, connect, open_target
from rafsight.access.counting import Meter
from rafsight.access.objects import fetch_document
from rafsight.access.options import Options
from rafsight.access.session import open_image
from rafsight.base.events import Listener, silent
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.resolve import hold, resolve
from rafsight.formats.stream_compression import layer_compression
from rafsight.reports.conversion import ConvertedBack
from rafsight.verbs.convert.back import convert_image_to_oci, require_nydus
from rafsight.verbs.convert.terms import UnsuitableTerms


def convert_to_oci(
    reference: str,
    target: str,
    *,
    compressor: str = "gzip",
    level: int | None = None,
    oci: bool = False,
    options: Options | None = None,
    target_options: Options | None = None,
    work_dir: Path | None = None,
    listener: Listener = silent,
) -> ConvertedBack:
    """Make a plain OCI image of a Nydus image, of any version.

    The same image gives the same layers; those that are compressed, by the same compression library. Media types are
    of Docker's family if the image's are, except that Docker has none for zstd.

    Args:
        reference: the Nydus image, as `open_image` takes it; `options.platform` chooses from an index.
        target: `HOST/REPO:TAG` or `oci:DIR[:TAG]`.
        compressor: of the layers: `gzip`, `zstd` or `none`.
        level: of gzip (1 to 9) or zstd (1 to 19); None: a fast one.
        oci: media types of OCI's family, though the image's are of Docker's.
        options: how to reach the image.
        target_options: how to reach the target; None: as the image.
        work_dir: where layers lie until they are sent, in files without names; None: the system's temporary folder.
        listener: told how many bytes are written and sent.

    Raises: NoSuchCompression, UnusableLevel, UnsuitableTerms, AlreadyPlain, NoContainerImage, ConfigMissing,
        LayerTooLarge: before a layer is made; WorkFolderUnusable; what `open_target`, `open_image` and the target
        raise; RegistryFault, ImageFault: a file cannot be read. Then nothing is tagged, though layers may be there.
    Cost: all chunks that files need, fetched in plans of some MiB, and all layers, sent. Memory: bounded but for the
        tree. Disk: two layers in temporary files.
    """
    layer_compression(compressor, level)
    if reference == target:
        raise UnsuitableTerms(what=f"{reference} cannot be replaced by its own conversion; choose another tag")
    options = options or Options()
    if target_options is None:
        check_login(options, reference, target)
    with open_target(target, target_options or options, Meter()) as destination:
        looked = _refuse_others(reference, options)
        with open_image(reference, options=options, listener=listener) as image:
            done = convert_image_to_oci(
                image,
                destination.target,
                tag=destination.tag,
                compressor=compressor,
                level=level,
                oci=oci,
                platform=options.platform,
                work_dir=work_dir,
                listener=listener,
            )
    return replace(done, bytes_fetched=done.bytes_fetched + looked)


def _refuse_others(reference: str, options: Options) -> int:
    """Refuse what is no Nydus image before its layers are streamed; return the bytes that it took."""
    meter = Meter()
    cache = Cache(options.cache_dir)
    with connect(reference, options, meter) as source:
        if source.bootstrap is None:
            document = fetch_document(source.backend, source.name, cache)
            name = f"manifest of {source.name}" if source.name else ""
            conversation = resolve(document, platform=parse_platform(options.platform), name=name)
            resolved = hold(conversation, lambda digest: fetch_document(source.backend, digest, cache))
            require_nydus(reference, resolved.image)
            return meter.cost.bytes_fetched
    return 0
