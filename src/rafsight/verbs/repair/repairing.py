"""Repair an image: open it, work out the changes, build the new objects, look at them, push them.

This module alone knows the order of the steps; nothing is pushed before the repaired image was found to be sound.
"""

import time
from contextlib import closing
from dataclasses import replace

from rafsight.access.backend import NotFound
from rafsight.access.connect import Destination, open_target
from rafsight.access.counting import Meter
from rafsight.access.options import Options
from rafsight.access.spool import Spool
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.events import Listener, silent
from rafsight.reports.repair import Repaired
from rafsight.verbs.repair.building import build_image
from rafsight.verbs.repair.checking import check_built
from rafsight.verbs.repair.delivering import deliver, is_at_home, old_blobs_to_move
from rafsight.verbs.repair.opening import Original, open_original
from rafsight.verbs.repair.planning import plan_changes
from rafsight.verbs.repair.telling import Telling
from rafsight.verbs.repair.wishes import Wishes


class SameTag(CallerError):
    """The repaired image would take the tag of the one that is repaired."""

    code = "same-tag"
    template = "{reference} is the image that is to be repaired, and keeps its tag"
    remedy = "Choose another tag by --target; move the old one when the new image has proved itself."
    exit_status = ExitStatus.USAGE


def repair_image(
    reference: str,
    target: str,
    wishes: Wishes,
    *,
    dry_run: bool = False,
    options: Options | None = None,
    target_options: Options | None = None,
    listener: Listener = silent,
) -> Repaired:
    """Make a new image of an old one in which some files are different.

    All blobs of the old image stay as they are; a small one with what is new is added. Of an index the image of the
    options' platform is repaired, and the target's tag names an index with it in the place of the old one.

    Args:
        reference: the image, as `open_image` takes it.
        target: `HOST/REPO:TAG` or `oci:DIR[:TAG]`; may be empty for a dry run.
        wishes: what shall be different.
        dry_run: push nothing, ask nothing of the target.
        options: how to reach the image.
        target_options: how to reach the target; None: as the image.
        listener: told about long work.
    Returns: what became different, and what it took.
    Raises: NotRepairable, SameTag, NothingWanted, NoSuchPath, WrongKind, AlreadyThere, ImpossibleChange,
        ConflictingChanges, UnusableLocalFile, NoRoomForBlob and what package files raise; UnsoundImage, RegistryFault,
        ImageFault, HostLimit. The target's tag is as it was then, whatever has been pushed already.
    Cost: manifest, config and bootstrap, fetched; the new blob, the bootstrap's layer, config and manifest, pushed; of
        another repository a request or two for each old blob. Memory: the tables of the tree twice.
    """
    options, began, sent = options or Options(), time.monotonic(), Meter()
    with open_original(reference, options) as original, closing(Spool()) as blob:
        moving = _look_at_target(original, target, target_options or options)
        planned = plan_changes(original.image, wishes)
        telling = Telling(original=original, planned=planned)
        built = build_image(original, planned.changes, telling.comment, blob, listener)
        check_built(original, built)
        delivered = None
        if not dry_run:
            with open_target(target, target_options or options, sent) as destination:
                delivered = deliver(original, built, destination, connections=options.connections, listener=listener)
        done = telling.result(target, built, delivered, moving)
        pushed = done.bytes_sent if dry_run else sent.cost.bytes_sent
        return replace(done, bytes_sent=pushed, elapsed=time.monotonic() - began)


def _look_at_target(original: Original, target: str, options: Options) -> tuple[int, int]:
    """Refuse a target that cannot be, before any work is done for it.

    Returns: how many old blobs have to be brought there, and their [bytes].
    Raises: SameTag; what `open_target` raises.
    """
    if not target:
        return 0, 0
    with open_target(target, options, Meter()) as destination:
        if is_at_home(original, destination) and _names_original(original, destination):
            raise SameTag(reference=target)
        return old_blobs_to_move(original, destination)


def _names_original(original: Original, destination: Destination) -> bool:
    """Tell whether a tag at home is that of the image: of a layout's only image the name may be left out."""
    name = original.source.tag if destination.repository else original.source.name
    if name or destination.repository:
        return name == destination.tag
    try:
        return original.backend.fetch_manifest(destination.tag).digest == original.document.digest
    except NotFound:
        return False
