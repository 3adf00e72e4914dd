"""Check an image by its reference: every step that applies, whatever the steps before found.

This module alone ties the steps together. Nothing is taken from the cache: what is to be checked is what the place has.
"""

import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from rafsight.access.backend import Backend
from rafsight.access.bootstrap import BootstrapParts
from rafsight.access.cache import Cache
from rafsight.access.connect import Source, connect
from rafsight.access.contents import Contents
from rafsight.access.counting import Cost, Meter
from rafsight.access.home_blob import find_home, names_itself
from rafsight.access.objects import fetch_document
from rafsight.access.options import Offline, Options
from rafsight.access.patience import PatientBackend
from rafsight.access.source_layers import compare_with_source
from rafsight.access.threads import threads
from rafsight.base.errors import CallerError, HostLimit, ImageFault, RegistryFault
from rafsight.base.events import Listener, silent
from rafsight.base.limits import Limits
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.reference import RegistryReference, parse_reference
from rafsight.formats.oci.soundness import check_runtime
from rafsight.image.tree import ImageTree
from rafsight.reports.check_summary import verdict_of
from rafsight.reports.soundness import Checked, CheckReport, Step, Unchecked
from rafsight.verbs.check.nydus import NO_TABLES, NydusCheck, raise_refusal
from rafsight.verbs.check.objects import Surroundings
from rafsight.verbs.check.plain import PlainCheck
from rafsight.verbs.check.selection import Chosen, Selection, Selector
from rafsight.verbs.check.steps import TITLES, Log, only_fault

_NYDUS: Final = "Nydus image"
_BARE: Final = "RAFS bootstrap"
_PLAIN: Final = "OCI half"
_NO_SOURCE: Final = "not asked for: --source names what the image was made from"
_NO_MANIFEST: Final = "there is no manifest to go on from"
_ALL: Final = tuple(TITLES)
_PLAIN_STEPS: Final = ("config", "blobs", "chunks")
_HEX_SIZE: Final = 64


def check_reference(
    reference: str,
    *,
    chunks: bool = False,
    source: str | None = None,
    options: Options | None = None,
    listener: Listener = silent,
) -> CheckReport:
    """Check whether an image is sound, and go on after whatever is not.

    Args:
        reference: of a Nydus image, as `open_image` takes it; of a merged index both halves are checked.
        chunks: fetch every blob and verify every chunk.
        source: the image that it was converted from, to be compared with.
        options: how to reach both.
        listener: told about long work.
    Raises: CallerError; RegistryFault: the place cannot be reached, or has nothing of that name; NotNydus, NotAnImage,
        NoMatchingPlatform, UnsupportedFormat, EncryptedLayer, and of a file NotABootstrap, UnsupportedImage: there is
        nothing to check.
    Cost: manifest, config, bootstrap, a request for each blob and its chunk-info; with `chunks` all blobs, with
        `source` all layers of that.
    """
    options = options or Options()
    if source is not None:  # before anything is fetched
        parsed = parse_reference(source)
        if options.offline and isinstance(parsed, RegistryReference):
            raise Offline(reference=source)
    began, clock = datetime.now(UTC), time.monotonic()
    meter = Meter()
    with connect(reference, options, meter) as place:
        check = _Check(
            reference=reference,
            place=place,
            backend=PatientBackend(place.backend),
            options=options,
            listener=listener,
            with_chunks=chunks,
            source=source,
        )
        images, index_digest = check.run()
    return CheckReport(
        reference=reference,
        index_digest=index_digest,
        images=images,
        verdict=verdict_of(images),
        cost=_sum(meter.cost, check.source_cost),
        started=began.isoformat(timespec="seconds").replace("+00:00", "Z"),
        seconds=time.monotonic() - clock,
    )


@dataclass(slots=True, kw_only=True)
class _Check:
    """One check of one reference."""

    reference: str
    place: Source
    backend: Backend
    """Of the place."""
    options: Options
    listener: Listener
    with_chunks: bool
    source: str | None
    source_cost: Cost = field(default_factory=Cost)

    def run(self) -> tuple[tuple[Checked, ...], str]:
        """Check all there is; return the images, and the digest of the index that was named."""
        limits = Limits()
        around = Surroundings(
            backend=self.backend,
            limits=limits,
            connections=self.options.connections,
            listener=self.listener,
            with_chunks=self.with_chunks,
        )
        nydus = NydusCheck(around=around)
        if self.place.bootstrap is not None:
            self._bare(nydus, self.place.bootstrap)
            return (_checked(_BARE, nydus, None),), ""
        cache = Cache(None)
        selector = Selector(
            reference=self.reference,
            fetch=lambda name: fetch_document(self.backend, name, cache),
            platform=parse_platform(self.options.platform),
            limits=limits,
        )
        selection = selector.select(self.place.name)
        images = [self._nydus(selection, nydus)]
        if selection.plain is not None and selection.index is not None:
            plain = PlainCheck(around=around)
            plain.check(selection.plain, selection.index, selection.nydus, nydus.config)
            images.append(replace(_checked(_PLAIN, None, selection.plain), steps=tuple(plain.steps.done)))
        elif selection.plain_fault is not None:
            step = only_fault("manifest", selection.plain_fault)
            images.append(_unreadable(_PLAIN, step, _PLAIN_STEPS))
        elif selection.plain_unchecked:
            left = Unchecked(subject="manifest of the OCI half", why=selection.plain_unchecked)
            step = Step(name="manifest", title=TITLES["manifest"], unchecked=(left,))
            images.append(_unreadable(_PLAIN, step, _PLAIN_STEPS))
        return tuple(images), selection.index.digest if selection.index else ""

    def _bare(self, nydus: NydusCheck, bootstrap: bytes) -> None:
        """Check a bootstrap that is a file.

        Raises: NotABootstrap, UnsupportedImage: nothing can be said of it.
        """
        self.backend.meter.count(needed=len(bootstrap))
        name, folder = self.place.bootstrap_name, self.options.blob_dir
        nameless, limits = "", nydus.around.limits
        is_absent = folder is not None and len(name) != _HEX_SIZE and not (folder / name).exists()
        if folder is not None and is_absent and names_itself(bootstrap, name, limits):
            home = find_home(bootstrap, folder, limits, self.backend.meter)
            name, nameless = (home, "") if home else (name, name)
        nydus.check_file(bootstrap, name)
        if nydus.tables is None:
            raise_refusal(nydus.steps.done[-1])
        nydus.check_blobs_of_file(with_blobs=folder is not None, nameless=nameless)
        self._compare(nydus)

    def _nydus(self, selection: Selection, nydus: NydusCheck) -> Checked:
        if selection.nydus is None:
            assert selection.nydus_fault is not None
            return _unreadable(_NYDUS, only_fault("manifest", selection.nydus_fault), _ALL[1:])
        nydus.check(selection.nydus)
        self._compare(nydus)
        return _checked(_NYDUS, nydus, selection.nydus)

    def _compare(self, nydus: NydusCheck) -> None:
        """Take the last step: compare with the source."""
        if self.source is None:
            nydus.steps.skip(("source",), _NO_SOURCE)
        elif nydus.tables is None:
            nydus.steps.skip(("source",), NO_TABLES)
        else:
            with nydus.steps.step("source") as log:
                self._compare_trees(nydus, self.source, log)

    def _compare_trees(self, nydus: NydusCheck, source: str, log: Log) -> None:
        assert nydus.tables is not None
        limits = Limits()
        tree = ImageTree(nydus.tables, limits)
        parts = BootstrapParts(bootstrap=b"", metas=nydus.metas)
        with threads(self.options.connections, name="rafsight-fetch") as pool:
            contents = Contents(tree, self.backend, parts, pool, limits)
            try:
                found = compare_with_source(
                    tree, source, options=self.options, listener=self.listener, judge=log.judge, read=contents.read
                )
            except (CallerError, RegistryFault, ImageFault, HostLimit) as error:  # of the source, not of the image
                log.leave("the source", str(error))
                return
        log.facts += found.facts
        log.remark = found.remark
        for subject, why in found.unchecked:
            log.leave(subject, why)
        self.source_cost = found.cost
        if nydus.config is not None and found.config is not None:
            check_runtime(nydus.config, found.config, log.judge)


def _checked(title: str, nydus: NydusCheck | None, chosen: Chosen | None) -> Checked:
    tables = nydus.tables if nydus else None
    return Checked(
        title=title,
        format=tables.superblock.format if tables else "OCI layers" if nydus is None else "",
        manifest_digest=chosen.document.digest if chosen else "",
        platform=_platform(chosen, nydus),
        steps=tuple(nydus.steps.done) if nydus else (),
    )


def _platform(chosen: Chosen | None, nydus: NydusCheck | None) -> str:
    if chosen is not None and chosen.platform is not None:
        return str(chosen.platform)
    config = nydus.config if nydus else None
    if config is None or not config.os:
        return ""
    return "/".join(part for part in (config.os, config.architecture, config.variant) if part)


def _unreadable(title: str, manifest: Step, others: tuple[str, ...]) -> Checked:
    """Tell of an image that has no manifest to go on from."""
    skipped = tuple(Step(name=name, title=TITLES[name], skipped=_NO_MANIFEST) for name in others)
    return Checked(title=title, format="", manifest_digest="", platform="", steps=(manifest, *skipped))


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(
        requests=one.requests + other.requests,
        bytes_fetched=one.bytes_fetched + other.bytes_fetched,
        bytes_needed=one.bytes_needed + other.bytes_needed,
    )
