"""An image beside the layers that it was converted from: one pass over the layers, no byte of the image is fetched.

This module alone decides how the source is brought here: its layers stream by once, each verified against its digest,
and leave a tree, some memory of what their archives said, and 32 bytes for each piece of content that may be wanted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.access.backend import Document
from rafsight.access.connect import Source, connect
from rafsight.access.counting import Cost, Meter
from rafsight.access.fetch import FileContent
from rafsight.access.layers import LayerProgress, verified_stream
from rafsight.access.objects import fetch_verified
from rafsight.access.options import Options
from rafsight.base.errors import CallerError, ExitStatus, RegistryFault
from rafsight.base.events import Finished, Listener, Started, silent
from rafsight.base.limits import Limits
from rafsight.base.text import escape
from rafsight.formats.checksum import digest
from rafsight.formats.judge import Collector
from rafsight.formats.oci.classify import OciManifest
from rafsight.formats.oci.config import ImageConfig, parse_config
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.resolve import hold, resolve
from rafsight.formats.tables import Digester, Rows
from rafsight.formats.tar import Member, read_members
from rafsight.image import source_rules as rules
from rafsight.image.misplacement import Misplacer
from rafsight.image.overlay import LayerMerger, LayerSource, MergedLayers
from rafsight.image.pairing import pair_trees
from rafsight.image.plan import FileRange
from rafsight.image.source_causes import Causes, Model
from rafsight.image.source_comparer import ContentComparer
from rafsight.image.source_content import DIGEST_SIZE, SourceDigests, plan_content
from rafsight.image.source_difference import (
    Difference,
    attribute_differences,
    entry_differences,
    same_content_wanted,
    same_kind,
)
from rafsight.image.source_history import LayerHistory, PathRoom
from rafsight.image.tree import ImageTree

Read = Callable[[Sequence[FileRange]], Iterator[FileContent]]
"""Fetches ranges of files of the image by row: `Image.read`."""

_RANGES_AT_ONCE: Final = 4096


class SourceNotLayers(CallerError):
    """The source of a comparison is no image of plain layers."""

    code = "source-not-layers"
    template = "{reference} is no OCI image of plain layers, so that nothing can be compared with it"
    remedy = "Name the image that was converted; `rafsight inspect REF` says what a reference is."
    exit_status = ExitStatus.NOT_AN_IMAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceComparison:
    """What was compared with the source; the differences were told to the judge."""

    reference: str
    """Of the source, as the user typed it."""
    manifest_digest: str
    """Of the source."""
    facts: tuple[tuple[str, int], ...]
    """What was looked at: `layers`, `layer-bytes` (stored), `entries` (of the source), `files` (whose content was
    compared), `bytes` (of that content), `files-fetched` (of the image, for want of digests)."""
    unchecked: tuple[tuple[str, str], ...]
    """(subject, why) of what could not be compared."""
    remark: str
    """What many of the differences follow from, as a sentence; empty if nothing of the kind is known."""
    cost: Cost
    """Of the source alone."""
    config: ImageConfig | None = None
    """Of the source; None if it could not be had."""


def compare_with_source(
    tree: ImageTree,
    source_reference: str,
    *,
    options: Options,
    listener: Listener = silent,
    judge: Collector,
    read: Read | None = None,
) -> SourceComparison:
    """Compare the tree of an image with the layers that it was converted from.

    Args:
        tree: the image's.
        source_reference: an image of plain layers; of an index that has both kinds the OCI half is taken.
        options: how to reach it.
        listener: told about the progress (operation `source`, unit `bytes`).
        judge: told every difference, with its path; rules of `image.source_rules`. What explains others comes first.
        read: fetches content of the image where its chunks have no digests (tarfs, external blobs); None: such files
            are said to be unchecked.
    Raises: CallerError, RegistryFault, ImageFault: the source cannot be had, or is damaged. Nothing was told then.
    Cost: all bytes of the source's layers, one request each, and hashing what is in them. Memory: columns of two or
        three trees, names and digests; no content.
    """
    meter = Meter()
    with connect(source_reference, options, meter) as place:
        manifest = _resolve(place, source_reference, options)
        config, unchecked = _config(place, manifest)
        diff_ids = config.diff_ids if config is not None and not unchecked else ()
        reading = _Reading(tree)
        reading.stream(place, manifest, diff_ids, listener)
    merged, model = reading.finish()
    comparison = _Comparison(tree, merged, model, reading)
    comparison.run(judge, read)
    unchecked += tuple((f"/{escape(one.path)} of the source", one.why) for one in merged.unread)
    if merged.unread_count > len(merged.unread):
        hidden = merged.unread_count - len(merged.unread)
        unchecked += ((f"{hidden} more entries of the source", "see those before"),)
    return SourceComparison(
        reference=source_reference,
        manifest_digest=manifest.manifest.digest,
        facts=(
            ("layers", len(manifest.layers)),
            ("layer-bytes", sum(layer.size for layer in manifest.layers)),
            ("entries", len(merged.tables.entries.mode)),
            *comparison.facts,
        ),
        unchecked=unchecked + tuple(comparison.unchecked),
        remark=comparison.remark,
        cost=meter.cost,
        config=config,
    )


def _resolve(place: Source, reference: str, options: Options) -> OciManifest:
    """Find the manifest of plain layers that a reference names.

    Raises: SourceNotLayers; what fetching and parsing raise.
    """
    if place.bootstrap is not None:
        raise SourceNotLayers(reference=reference)

    def fetch(name: str) -> Document:
        document = place.backend.fetch_manifest(name)
        place.backend.meter.count(needed=len(document.content))
        return document

    conversation = resolve(
        fetch(place.name), platform=parse_platform(options.platform), prefer="oci", name=f"manifest of {reference}"
    )
    image = hold(conversation, fetch).image
    if not isinstance(image, OciManifest):
        raise SourceNotLayers(reference=reference)
    return image


def _config(place: Source, image: OciManifest) -> tuple[ImageConfig | None, tuple[tuple[str, str], ...]]:
    """Return the config, and what is unchecked for want of it, or of a digest for each uncompressed layer in it."""
    config = image.manifest.config
    try:
        content = fetch_verified(place.backend, config.digest, config.size)
    except RegistryFault as error:
        return None, (("digests of the source's uncompressed layers", str(error)),)
    parsed = parse_config(content, digest=config.digest, limits=Limits())
    if len(parsed.diff_ids) != len(image.layers):
        return parsed, (("digests of the source's uncompressed layers", "its config does not list one a layer"),)
    return parsed, ()


class _Reading:
    """One pass over the layers, and what it leaves."""

    def __init__(self, tree: ImageTree) -> None:
        self._limits = Limits()
        self.digests = SourceDigests(plan_content(tree))
        room = PathRoom()
        self.history = LayerHistory(room)
        self._misplacer = Misplacer(room)
        self._merger = LayerMerger(self._limits)
        self._model = LayerMerger(self._limits)

    def stream(self, place: Source, image: OciManifest, diff_ids: tuple[str, ...], listener: Listener) -> None:
        """Read all layers, from the lowest to the highest.

        Raises: RegistryFault, ImageFault.
        """
        total = sum(layer.size for layer in image.layers)
        listener(Started(operation="source", title="streaming the layers of the source", total=total, unit="bytes"))
        progress = LayerProgress(listener=listener, operation="source")
        try:
            for index, layer in enumerate(image.layers):
                diff_id = diff_ids[index] if diff_ids else None
                with verified_stream(place.backend, layer, diff_id, progress) as pieces:
                    members = read_members(pieces, self._limits, where=f"layer {layer.digest}")
                    source = LayerSource(digest=layer.digest, size=layer.size)
                    self._model.begin_layer(source)
                    self._merger.add_layer(self._watch(members), source, self.digests.take)
                place.backend.meter.count(needed=layer.size)
        finally:
            listener(Finished(operation="source"))

    def _watch(self, members: Iterator[Member]) -> Iterator[Member]:
        """Pass the members of one layer on to all that want to know of them."""
        self.history.begin_layer()
        self._misplacer.begin_layer()
        for member in members:
            self.history.note(member)
            for placed in self._misplacer.place(member):
                self._model.add(placed)
            yield member

    def finish(self) -> tuple[MergedLayers, Model | None]:
        """Give the tree of the layers, and the one that the converter's mistake makes of them, if it can make one."""
        self.history.finish()
        merged = self._merger.finish()
        if not self._misplacer.implied:
            return merged, None
        model = self._model.finish()
        return merged, Model(
            tree=ImageTree(model.tables, self._limits),
            placement=model.placement,
            layer=model.layer,
            misplacer=self._misplacer,
        )


class _Comparison:
    """Compares two trees, and tells a judge what differs."""

    def __init__(self, tree: ImageTree, merged: MergedLayers, model: Model | None, reading: _Reading) -> None:
        self._tree = tree
        self._source = ImageTree(merged.tables, Limits())
        self._comparer = ContentComparer(tree, self._source, merged.placement, reading.digests)
        self._cell_size = reading.digests.plan.cell_size
        self._causes = Causes(
            tree=tree,
            source=self._source,
            layer=merged.layer,
            history=reading.history,
            model=model,
            comparer=self._comparer,
        )
        self._held = Collector()
        """Explained differences; the explanations are told before them."""
        self.facts: tuple[tuple[str, int], ...] = ()
        self.unchecked: list[tuple[str, str]] = []
        self.remark = ""

    def run(self, judge: Collector, read: Read | None) -> None:
        """Do all comparisons."""
        pairs = pair_trees(self._tree, self._source)
        self._tell(entry_differences(self._tree, self._source, pairs))
        left, right = same_kind(self._tree, self._source, pairs)
        self._tell(attribute_differences(self._tree, self._source, left, right))
        wanted = same_content_wanted(self._tree, self._source, left, right)
        self._compare_content(left[wanted], right[wanted], read)
        for fault in self._causes.explanations():
            judge.add(fault)
        if self._causes.implied_count:
            self.remark = _summary(len(self._causes.implied_directories), self._causes.implied_count)
        _hand_over(self._held, judge)

    def _tell(self, differences: Iterator[Difference]) -> None:
        for difference in differences:
            self._held.add(self._causes.fault_of(difference))

    def _compare_content(self, left: Rows, right: Rows, read: Read | None) -> None:
        found = self._comparer.compare(left, right)
        self._tell(
            self._content_difference(int(left[index]), int(right[index]), cell) for index, cell in found.different
        )
        if found.unhashed:
            why = "the source has more content than is kept digests of"
            self.unchecked.append((self._some_files(left, found.unhashed), why))
        count, size = found.compared_count, found.compared_size
        fetched = 0
        if found.to_read and read is None:
            why = "their chunks have no digests that the source's content could be compared with"
            self.unchecked.append((self._some_files(left, found.to_read), why))
        elif found.to_read and read is not None:
            for index in found.to_read:
                row, other = int(left[index]), int(right[index])
                if self._compare_by_reading(row, other, read):
                    fetched += 1
                    size += int(self._tree.entries.size[row])
        self.facts = (("files", count + fetched), ("bytes", size), ("files-fetched", fetched))

    def _compare_by_reading(self, row: int, other: int, read: Read) -> bool:
        """Compare a file by fetching what the image has; tell whether that was possible."""
        size, cell = int(self._tree.entries.size[row]), self._cell_size
        expected = self._comparer.expected(other, size)
        if expected is None:
            self.unchecked.append((self._content_of(row), "the source's content was not hashed"))
            return False
        different = []
        for start in range(0, size, cell * _RANGES_AT_ONCE):
            end = min(start + cell * _RANGES_AT_ONCE, size)
            wanted = [FileRange(row=row, offset=at, size=min(cell, end - at)) for at in range(start, end, cell)]
            for part in read(wanted):
                if part.error is not None:
                    self.unchecked.append((self._content_of(row), str(part.error)))
                    return False
                number = part.wanted.offset // cell
                if digest(Digester.SHA256, part.content) != expected[number * DIGEST_SIZE : (number + 1) * DIGEST_SIZE]:
                    different.append(number)
        if different:
            self._tell(iter([self._content_difference(row, other, min(different))]))
        return True

    def _content_difference(self, row: int, other: int, cell: int) -> Difference:
        size = int(self._tree.entries.size[row])
        start = cell * self._cell_size
        end = min(start + self._cell_size, size)
        detail = f"content: bytes {start} to {end - 1} of {size} are the first that differ"
        return Difference(rule=rules.CONTENT, row=row, source_row=other, detail=detail)

    def _some_files(self, rows: Rows, indexes: tuple[int, ...]) -> str:
        first = self._content_of(int(rows[indexes[0]]))
        return first if len(indexes) == 1 else f"{first} and of {len(indexes) - 1} more files"

    def _content_of(self, row: int) -> str:
        return f"content of /{escape(self._tree.path(row))}"


def _summary(directories: int, differences: int) -> str:
    """Say that many differences have one cause, and whose fault it is."""
    wanting = "a directory" if directories == 1 else f"{directories} directories"
    count = "1 difference" if differences == 1 else f"{differences} differences"
    follow = "follows" if differences == 1 else "follow"
    return (
        f"{count} from the source {follow} from one cause: its archives have no entries for {wanting}, and "
        "the converter that made the image lost or misplaced what belongs there."
    )


def _hand_over(held: Collector, judge: Collector) -> None:
    """Tell a judge what another collector was told."""
    kept: dict[str, int] = {}
    for fault in held.faults:
        judge.add(fault)
        kept[fault.rule.code] = kept.get(fault.rule.code, 0) + 1
    for code, count in held.counts.items():
        judge.counts[code] += count - kept.get(code, 0)
