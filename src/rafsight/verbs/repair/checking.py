"""The repaired image is looked at before anybody can pull it: all rules of documents and metadata that `check` knows.

This module alone decides whose fault it is if one is broken: the image's, if it was broken before, else ours. What has
to be fetched to be known is left to `check`: the blobs of the image are not touched.
"""

from typing import Final

from rafsight.base.errors import Defect, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.judge import Collector, Fault, Weight
from rafsight.formats.oci import rules, soundness
from rafsight.formats.oci.classify import NydusManifest, classify
from rafsight.formats.oci.config import parse_config
from rafsight.formats.oci.manifest import Manifest, parse_document
from rafsight.formats.rafs.blob_sizes import expected_files, is_archive
from rafsight.formats.rafs.codec import check_bootstrap
from rafsight.formats.records import Buffer
from rafsight.image.validate import check_tables
from rafsight.verbs.repair.building import Built
from rafsight.verbs.repair.opening import Original

_SHOWN: Final = 3


class UnsoundImage(ImageFault):
    """The image has a fault that a repaired one would have, too."""

    code = "unsound-image"
    template = "{reference} is unsound, and would be so when repaired: {what}"
    remedy = "`rafsight check {reference}` says all that is wrong; convert the image again."


def check_built(original: Original, built: Built) -> None:
    """Look at the repaired image.

    Args:
        original: what it was made of.
        built: its objects.
    Raises: UnsoundImage: it breaks a rule that the original breaks. Defect: it breaks another one.
    Cost: linear in entries and chunks; the same again for the original if something is wrong.
    """
    faults = _faults(built.manifest, built.config, built.bootstrap, original.limits)
    if not faults:
        return
    before = _faults(original.manifest, original.config.raw, original.parts.bootstrap, original.limits)
    known = {fault.rule.code for fault in before}
    ours = [fault for fault in faults if fault.rule.code not in known]
    if ours:
        raise Defect(what=f"the repaired image would be unsound: {_told(ours)}")
    raise UnsoundImage(reference=original.image.identity.reference, what=_told(faults))


def _faults(manifest: bytes, config: bytes, bootstrap: Buffer, limits: Limits) -> list[Fault]:
    """Return what makes an image unsound."""
    judge = Collector()
    with judge.part("manifest"):
        parsed = parse_document(manifest, limits=limits)
        assert isinstance(parsed, Manifest)
        found = classify(parsed, limits=limits)
        assert isinstance(found, NydusManifest)
        soundness.check_document(manifest, parsed.media_type, parsed, judge)
        soundness.check_layers(found, judge, limits)
        soundness.check_config_descriptor(found, judge, is_marked=False)
        with judge.part("config"):
            soundness.check_config(parse_config(config, digest=parsed.config.digest, limits=limits), found, judge)
        _check_bootstrap(found, bootstrap, judge, limits)
    return [fault for fault in judge.faults if fault.rule.weight is Weight.BROKEN]


def _check_bootstrap(found: NydusManifest, bootstrap: Buffer, judge: Collector, limits: Limits) -> None:
    tables = check_bootstrap(bootstrap, name="", limits=limits, judge=judge)
    if tables is None:
        return
    check_tables(tables, judge)
    soundness.check_fs_version(found, tables.superblock.version, judge)
    listed = {layer.digest for layer in found.manifest.layers}
    originals = {reference.original for reference in found.references}
    for blob in tables.blobs if found.blob_layers else ():
        for file in expected_files(blob):
            name = f"sha256:{file.name}"
            is_listed = name in listed or (is_archive(blob) and name in originals)
            judge.holds(is_listed, rules.BLOB_UNLISTED, f"blob {name}", detail=f"row {blob.index} of the blob table")


def _told(faults: list[Fault]) -> str:
    told = [f"{fault.where} {fault.rule.says}" for fault in faults[:_SHOWN]]
    more = len(faults) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
