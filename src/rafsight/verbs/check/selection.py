"""Which manifests a check looks at: the Nydus image that a reference means, and the OCI half of a merged index.

This module alone decides that, and tells what keeps an image from being checked at all (nothing of that name, no
Nydus image) from what is wrong with it (a manifest that is damaged, or named by the index and gone).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from rafsight.access.backend import DigestMismatch, Document, NotFound
from rafsight.base.errors import ExitStatus, ImageFault, RegistryFault
from rafsight.base.limits import Limits
from rafsight.formats.judge import Fault, Rule
from rafsight.formats.oci import media_types, rules
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest, OciManifest, survey
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor, Index, parse_document
from rafsight.formats.oci.platform import Platform
from rafsight.formats.oci.resolve import Candidate, Preference, Resolved, hold, resolve

_KINDS: Final = ("", "Nydus", "OCI layers")
"""Outcomes of candidates that are no faults."""


class NotNydus(ImageFault):
    """What was named is an image, and not one of Nydus."""

    code = "not-a-nydus-image"
    template = "{reference} is {what}, not a Nydus image"
    remedy = "Name the Nydus form of it; `rafsight scan` reads plain images, too."
    exit_status = ExitStatus.NOT_AN_IMAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One manifest to be checked."""

    found: ClassifiedManifest
    document: Document
    descriptor: Descriptor | None
    """In the index; None if the manifest was named directly."""
    platform: Platform | None

    @property
    def is_marked(self) -> bool:
        """Tell whether the index calls it the Nydus half of a merged index."""
        return self.descriptor is not None and self.descriptor.artifact_type == media_types.NYDUS_MANIFEST


@dataclass(slots=True, kw_only=True)
class Selection:
    """What a reference led to."""

    index: Index | None = None
    nydus: Chosen | None = None
    nydus_fault: Fault | None = None
    """Why there is no Nydus image to look into, where that is a fault."""
    plain: Chosen | None = None
    """The OCI half of a merged index."""
    plain_fault: Fault | None = None
    plain_unchecked: str = ""
    """Why nobody could look for the OCI half."""


@dataclass(slots=True)
class Selector:
    """Finds the manifests. Fetches each document once."""

    reference: str
    """As the user typed it."""
    fetch: Callable[[str], Document]
    platform: Platform
    limits: Limits
    _documents: dict[str, Document] = field(default_factory=dict)
    _asked: str = ""

    def select(self, name: str) -> Selection:
        """Find what there is to check.

        Args:
            name: tag or digest, as the backend takes it.
        Raises: NotNydus, NotAnImage, NoMatchingPlatform, UnsupportedFormat, EncryptedLayer; RegistryFault: the document
            that was named cannot be had.
        """
        try:
            document = self._fetch(name)
            parsed = parse_document(document.content, media_type=document.media_type, digest=document.digest)
        except (DigestMismatch, MalformedDocument) as error:
            return Selection(nydus_fault=_fault(error, "manifest"))
        if isinstance(parsed, Index):
            return self._from_index(document, parsed)
        try:
            found = survey(parsed)
        except MalformedDocument as error:
            fault = Fault(rule=rules.BOOTSTRAP_MISSING, where="manifest", detail=str(error.details["what"]))
            return Selection(nydus_fault=fault)
        if isinstance(found, OciManifest):
            raise NotNydus(reference=self.reference, what="a plain OCI image")
        return Selection(nydus=Chosen(found=found, document=document, descriptor=None, platform=None))

    def _from_index(self, document: Document, index: Index) -> Selection:
        selection = Selection(index=index)
        resolved, fault = self._resolve(document, "nydus")
        if resolved is not None and isinstance(resolved.image, NydusManifest):
            selection.nydus = self._chosen(resolved)
        elif resolved is not None:
            broken = next((one for one in resolved.candidates if one.says_nydus and one.outcome not in _KINDS), None)
            if broken is None:
                raise NotNydus(reference=self.reference, what="an index of plain OCI images")
            fault = _half(broken, rules.NYDUS_HALF)
        selection.nydus_fault = fault
        self._add_plain(document, selection)
        return selection

    def _add_plain(self, document: Document, selection: Selection) -> None:
        """Look for the OCI half; what else the index holds is nobody's half."""
        try:
            resolved, fault = self._resolve(document, "oci")
        except RegistryFault as error:
            selection.plain_unchecked = str(error)
            return
        is_merged = selection.nydus is None or selection.nydus.is_marked
        if resolved is not None and isinstance(resolved.image, OciManifest):
            selection.plain = self._chosen(resolved)
        elif resolved is not None and is_merged:
            broken = next(
                (one for one in resolved.candidates if not one.says_nydus and one.outcome not in _KINDS), None
            )
            selection.plain_fault = _half(broken, rules.OCI_HALF) if broken else None
        elif selection.nydus is not None:
            selection.plain_fault = fault

    def _resolve(self, document: Document, prefer: Preference) -> tuple[Resolved | None, Fault | None]:
        """Choose a manifest; None and a fault if the documents that had to be looked at are damaged or gone."""
        conversation = resolve(document, platform=self.platform, prefer=prefer, limits=self.limits, classifier=survey)
        try:
            return hold(conversation, self._fetch), None
        except NotFound as error:
            return None, Fault(rule=rules.DOCUMENT_MISSING, where=f"manifest {self._asked}", detail=str(error))
        except DigestMismatch as error:
            return None, _fault(error, f"manifest {self._asked}")
        except MalformedDocument as error:
            half = rules.NYDUS_HALF if prefer == "nydus" else rules.OCI_HALF
            return None, Fault(rule=half, where=f"manifest {self._asked}", detail=str(error))

    def _chosen(self, resolved: Resolved) -> Chosen:
        digest = resolved.image.manifest.digest
        return Chosen(
            found=resolved.image,
            document=self._fetch(digest),
            descriptor=next((one.descriptor for one in resolved.candidates if one.descriptor.digest == digest), None),
            platform=resolved.platform,
        )

    def _fetch(self, name: str) -> Document:
        self._asked = name
        if name not in self._documents:
            document = self.fetch(name)
            self._documents |= {name: document, document.digest: document}
        return self._documents[name]


def _fault(error: ImageFault, where: str) -> Fault:
    rule = rules.DOCUMENT_DIGEST if isinstance(error, DigestMismatch) else rules.DOCUMENT_FORM
    return Fault(rule=rule, where=where, detail=str(error))


def _half(candidate: Candidate, rule: Rule) -> Fault:
    return Fault(rule=rule, where=f"manifest {candidate.descriptor.digest}", detail=candidate.outcome)
