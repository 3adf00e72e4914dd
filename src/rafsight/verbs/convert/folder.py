"""A folder of this machine as the one layer of an image."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from uuid import uuid4

from rafsight.access.directory_source import LeftOut, read_folder
from rafsight.access.layer_packing import PackingBase, pack_layer
from rafsight.access.target import Target
from rafsight.access.work_folder import WorkFolder
from rafsight.base.events import Advanced, Finished, Listener, Started
from rafsight.formats.oci.documents import write_json
from rafsight.formats.oci.platform import Platform
from rafsight.formats.tar import Member
from rafsight.image.overlay import LayerSource
from rafsight.verbs.convert.layers import DoneLayer, push_files, require

_STEP: Final = {"created_by": "rafsight convert"}
"""The step of the history that stands for the folder: its path is nobody's business."""


def folder_config(platform: Platform) -> bytes:
    """Write the config of an image that is made of a folder; its layers are put in later."""
    members = {"architecture": platform.architecture, "os": platform.os}
    if platform.variant:
        members["variant"] = platform.variant
    return write_json({**members, "config": {}, "history": [_STEP]})


def pack_folder(
    folder: Path, base: PackingBase, work: WorkFolder, target: Target, listener: Listener
) -> tuple[DoneLayer, tuple[tuple[str, int], ...]]:
    """Pack a folder, and push its blob.

    Returns: the layer; and what of the folder an image cannot hold, and how often it was met.
    Raises: NoSuchFile, UnreadableSource, SourceChanged, MalformedImage, RegistryFault, HostLimit.
    """
    left_out: list[LeftOut] = []
    source, key = LayerSource(digest=""), f"folder-{uuid4().hex}"
    operation = f"folder {folder}"
    listener(Started(operation=operation, title="packing files", unit="files"))
    try:
        with work.make(key) as (blob, record):
            members = _counted(read_folder(folder, left_out=left_out, limits=base.limits), listener, operation)
            pack_layer(members, base, source=source, blob=blob, record=record)
    finally:
        listener(Finished(operation=operation))
    files = require(work, key)
    pushed = push_files(target, files, listener) if files.summary.blob_digest else None
    done = DoneLayer(source=source, files=files, pushed=pushed, is_resumed=False)
    return done, tuple(Counter(one.why for one in left_out).items())


def _counted(members: Iterator[Member], listener: Listener, operation: str) -> Iterator[Member]:
    for member in members:
        yield member
        listener(Advanced(operation=operation, amount=1))
