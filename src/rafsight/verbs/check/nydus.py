"""The steps of a Nydus image: its manifest, its config, its bootstrap, and all that the bootstrap promises.

This module alone decides in which order they are taken, and which of them have to be left out when one has failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from rafsight.access.backend import NotFound
from rafsight.access.bootstrap import BOOTSTRAP, UnpackedLayer, unpack_bootstrap
from rafsight.access.fetch import blob_name
from rafsight.access.layers import LayerProgress
from rafsight.access.soundness import check_chunk_info, check_chunks, check_presence
from rafsight.base.events import Finished, Started
from rafsight.formats.judge import Collector, Fault, Weight
from rafsight.formats.oci import rules, soundness
from rafsight.formats.oci.classify import NydusManifest
from rafsight.formats.oci.config import ImageConfig
from rafsight.formats.rafs.blob_sizes import expected_files, is_archive
from rafsight.formats.rafs.codec import check_bootstrap
from rafsight.formats.records import Buffer
from rafsight.formats.tables import BlobEntry, TreeTables
from rafsight.image.tree import ImageTree
from rafsight.image.validate import check_tables
from rafsight.reports.soundness import Step
from rafsight.verbs.check.objects import Surroundings, check_config, check_manifest
from rafsight.verbs.check.selection import Chosen
from rafsight.verbs.check.steps import Log, Steps

NOT_ASKED: Final = "not asked for: --chunks reads and verifies every byte"
NO_TABLES: Final = "the metadata could not be read"
NO_BOOTSTRAP: Final = "there is no bootstrap to look at"
_NAMELESS: Final = (
    "the bootstrap was taken out of its blob, whose name it does not know: check boot:BLOBFILE, the blob itself"
)
_NONE: Final = "this kind of image has none"
_NO_BLOBS: Final = "the image has no blobs"
_OPERATION: Final = "bootstrap"


@dataclass(slots=True)
class NydusCheck:
    """What is known of a Nydus image while it is checked."""

    around: Surroundings
    steps: Steps = field(default_factory=Steps)
    config: ImageConfig | None = None
    tables: TreeTables | None = None
    metas: Mapping[str, Buffer] = field(default_factory=dict)
    """Bundled chunk-info arrays, by the hex digest of their blob."""
    _nameless: str = ""

    def check(self, chosen: Chosen) -> None:
        """Take all steps of an image that has a manifest."""
        found = chosen.found
        assert isinstance(found, NydusManifest)
        with self.steps.step("manifest") as log:
            check_manifest(chosen, log, self.around.limits)
        with self.steps.step("config") as log:
            self.config = check_config(chosen, log, self.around)
        unpacked: UnpackedLayer | None = None
        with self.steps.step("bootstrap") as log:
            unpacked = self._bootstrap(found, log)
        bootstrap = unpacked.parts.get(BOOTSTRAP) if unpacked else None
        self.metas = unpacked.metas if unpacked else {}
        self._metadata(bootstrap, "", found)
        self._content(found)

    def check_file(self, bootstrap: bytes, name: str) -> None:
        """Take the steps that a bootstrap without a manifest has, up to its metadata.

        Args:
            bootstrap: the file.
            name: blob id that stands for the placeholder of inlined bootstraps.
        """
        why = "a bootstrap alone has none"
        self.steps.skip(("manifest", "config", "bootstrap"), why)
        self._metadata(bootstrap, name, None)

    def check_blobs_of_file(self, *, with_blobs: bool, nameless: str) -> None:
        """Look at the blobs of a bootstrap without a manifest.

        Args:
            with_blobs: they lie in a folder that was named.
            nameless: what the blob table calls the blob that the bootstrap was taken out of, if nobody knows which file
                that is; else empty.
        """
        self._nameless = nameless
        if with_blobs:
            self._content(None)
        else:
            why = "no --blob-dir was given: where its blobs lie is not known"
            self.steps.skip(("blobs", "chunk-info", "chunks"), why)

    def _bootstrap(self, found: NydusManifest, log: Log) -> UnpackedLayer | None:
        """Unpack the bootstrap layer, whatever bytes come, and compare it with manifest and config."""
        layer, judge, limits = found.bootstrap_layer, log.judge, self.around.limits
        where = f"layers[{soundness.bootstrap_row(found)}]"
        listener, most = self.around.listener, limits.bootstrap_size + limits.blob_meta_size
        listener(Started(operation=_OPERATION, title="reading the bootstrap", total=layer.size, unit="bytes"))
        try:
            report = LayerProgress(listener=listener, operation=_OPERATION).report
            unpacked = unpack_bootstrap(self.around.backend, layer, limits, judge, max_size=most, report=report)
        except NotFound as error:
            judge.holds(False, rules.BOOTSTRAP_LOST, where, detail=str(error))
            return None
        finally:
            listener(Finished(operation=_OPERATION))
        sums = unpacked.sums
        log.facts += [("files", len(unpacked.parts)), ("bytes", sums.size)]
        judge.holds(
            sums.size == layer.size, rules.BOOTSTRAP_STORED, where, detail=f"{sums.size} bytes, not {layer.size}"
        )
        judge.holds(
            sums.digest == layer.digest, rules.BOOTSTRAP_DIGEST, where, detail=f"{sums.digest}, not {layer.digest}"
        )
        soundness.check_compression(layer, sums.head, soundness.bootstrap_row(found), judge)
        soundness.check_members(unpacked.members, found, judge)
        if sums.content_digest:
            self._compare_diff_id(found, sums.content_digest, log)
            judge.holds(BOOTSTRAP in unpacked.parts, rules.BOOTSTRAP_FILE, where)
        return unpacked

    def _compare_diff_id(self, found: NydusManifest, actual: str, log: Log) -> None:
        """Compare the uncompressed layer with the config, if that has a diff id for each layer."""
        if self.config is None or len(self.config.diff_ids) != len(found.manifest.layers):
            return
        row = soundness.bootstrap_row(found)
        promised = self.config.diff_ids[row]
        if promised.startswith("sha256:"):
            where = f"rootfs.diff_ids[{row}]"
            log.judge.holds(promised == actual, rules.BOOTSTRAP_DIFF_ID, where, detail=f"{actual}, not {promised}")

    def _metadata(self, bootstrap: Buffer | None, name: str, found: NydusManifest | None) -> None:
        if bootstrap is None:
            self.steps.skip(("metadata",), NO_BOOTSTRAP)
            return
        with self.steps.step("metadata") as log:
            self.tables = tables = check_bootstrap(bootstrap, name=name, limits=self.around.limits, judge=log.judge)
            log.facts.append(("bytes", len(bootstrap)))
            if tables is not None:
                check_tables(tables, log.judge)
                if found is not None:
                    soundness.check_fs_version(found, tables.superblock.version, log.judge)
                log.facts[:0] = _counts(tables)
                find_paths(log.judge, ImageTree(tables, self.around.limits))

    def _content(self, found: NydusManifest | None) -> None:
        """Take the steps that ask the place for more than the bootstrap."""
        tables = self.tables
        if found is None and tables is not None and not tables.blobs:
            self.steps.skip(("blobs", "chunk-info", "chunks"), _NO_BLOBS)
            return
        with self.steps.step("blobs") as log:
            self._blobs(found, log)
        if tables is None:
            self.steps.skip(("chunk-info", "chunks"), NO_TABLES)
            return
        outside = found is not None and _is_outside(found, tables)
        arrays: Mapping[int, Buffer] = {}
        if outside:
            self.steps.skip(("chunk-info", "chunks"), "the blobs lie outside the registry")
            return
        if self._nameless:
            self.steps.skip(("chunk-info", "chunks"), "the name of a blob is not known")
            return
        if not any(blob.meta_id for blob in tables.blobs):
            self.steps.skip(("chunk-info",), _NONE if tables.blobs else _NO_BLOBS)
        else:
            arrays = self._chunk_info(tables)
        self._chunks(tables, arrays, is_bare=found is None)

    def _chunk_info(self, tables: TreeTables) -> Mapping[int, Buffer]:
        """Compare what blobs say about themselves with the bootstrap; return the arrays that could be read."""
        around, arrays = self.around, dict[int, Buffer]()
        with self.steps.step("chunk-info") as log:
            examined = check_chunk_info(
                around.backend,
                tables,
                self.metas,
                log.judge,
                limits=around.limits,
                connections=around.connections,
                listener=around.listener,
            )
            log.take(examined)
            arrays |= examined.metas
        return arrays

    def _chunks(self, tables: TreeTables, arrays: Mapping[int, Buffer], *, is_bare: bool) -> None:
        around = self.around
        if not around.with_chunks:
            self.steps.skip(("chunks",), NOT_ASKED)
            return
        if not tables.blobs:
            self.steps.skip(("chunks",), _NO_BLOBS)
            return
        with self.steps.step("chunks") as log:
            examined = check_chunks(
                around.backend,
                tables,
                arrays,
                log.judge,
                limits=around.limits,
                is_bare=is_bare,
                connections=around.connections,
                listener=around.listener,
            )
            log.take(examined)

    def _blobs(self, found: NydusManifest | None, log: Log) -> None:
        """Compare the blob table with the layers, and ask for the sizes of both."""
        blobs = self.tables.blobs if self.tables else ()
        if found is not None and self.tables is not None and _is_outside(found, self.tables):
            log.leave("blobs", "the manifest lists none: they lie outside the registry, where nobody looked")
            return
        if found is not None:
            _check_listed(found, blobs, log)
        known = {found.manifest.config.digest, found.bootstrap_layer.digest} if found else set()
        if self._nameless:
            log.leave("the blob that holds the bootstrap", _NAMELESS)
            known = {blob_name(self._nameless)}
        examined = check_presence(
            self.around.backend,
            blobs,
            found,
            log.judge,
            known=frozenset(known),
            connections=self.around.connections,
            listener=self.around.listener,
        )
        log.take(examined)


def raise_refusal(metadata: Step) -> None:
    """Refuse a file of which nothing could be read, if nothing is wrong with it but that it is not known here.

    Args:
        metadata: the step that could not read it.
    Raises: NotABootstrap: it is no RAFS. UnsupportedImage: it is of a kind that this release does not read.
    """
    faults = metadata.faults
    if not faults or any(fault.rule.weight is not Weight.UNKNOWN for fault in faults):
        return
    fault = faults[0]
    raise fault.rule.broken(fault.where, fault.offset, fault.detail)


def _check_listed(found: NydusManifest, blobs: tuple[BlobEntry, ...], log: Log) -> None:
    """Compare the blob table with the layers: what no manifest lists, a registry may clean away.

    The original archives of a zran image are named by annotations, not by layers.
    """
    layers = {layer.digest for layer in found.manifest.layers}
    originals = {reference.original for reference in found.references}
    for blob in blobs:
        for file in expected_files(blob):
            name = blob_name(file.name)
            is_original = is_archive(blob) and file.name == blob.data_id and name in originals
            where = f"blob {name}"
            log.judge.holds(
                name in layers or is_original, rules.BLOB_UNLISTED, where, detail=f"row {blob.index} of the blob table"
            )


def _is_outside(found: NydusManifest, tables: TreeTables) -> bool:
    """Tell whether an image's blobs lie in another kind of storage: its manifest lists none."""
    return bool(tables.blobs) and not found.blob_layers and not found.other_layers


def _counts(tables: TreeTables) -> list[tuple[str, int]]:
    """Count what the tables hold, for people."""
    rows = np.arange(len(tables.entries.parent))
    inodes = int((tables.entries.link_row == rows).sum())
    return [("inodes", inodes), ("chunks", len(tables.chunks.number)), ("blobs", len(tables.blobs))]


def find_paths(judge: Collector, tree: ImageTree) -> None:
    """Add paths to faults that belong to an inode which entered the tree.

    Cost: sorts the inodes once, if any fault belongs to one.
    """
    offsets = tree.entries.inode_offset
    if offsets is None or not len(offsets) or all(fault.inode < 0 for fault in judge.faults):
        return
    order = np.argsort(offsets, kind="stable")
    sorted_offsets = offsets[order]

    def path_of(fault: Fault) -> bytes | None:
        place = int(np.searchsorted(sorted_offsets, fault.inode))
        if fault.inode < 0 or place == len(order) or sorted_offsets[place] != fault.inode:
            return None
        return tree.path(int(order[place]))

    judge.find_paths(path_of)
