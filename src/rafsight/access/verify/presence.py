"""Whether the blobs of an image are there, in the right size.

This module alone decides which blobs an image needs, and where their sizes are stated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from rafsight.access.backend import Backend, NotFound
from rafsight.access.fetch import blob_name
from rafsight.access.threads import threads
from rafsight.access.verify import rules
from rafsight.access.verify.examined import FAULTS, Examined, is_absence
from rafsight.base.digest import is_digest
from rafsight.base.errors import RafsightError
from rafsight.base.events import Advanced, Finished, Listener, Started, silent
from rafsight.formats.judge import Collector
from rafsight.formats.oci.classify import ClassifiedManifest, NydusManifest
from rafsight.formats.rafs.blob_sizes import expected_files, is_foreign
from rafsight.formats.tables import BlobEntry

OPERATION = "presence"


@dataclass(slots=True, kw_only=True)
class _Wanted:
    """One blob that has to be there."""

    name: str
    sizes: list[tuple[str, int | None, int]] = field(default_factory=list)
    """(who says so, [bytes] exactly, [bytes] at least)."""

    @property
    def where(self) -> str:
        """Call it by its digest; blobs of a folder may be called by anything else."""
        return f"blob {self.name if is_digest(self.name) else self.name.removeprefix('sha256:')}"


def check_presence(
    backend: Backend,
    blobs: tuple[BlobEntry, ...],
    manifest: ClassifiedManifest | None,
    judge: Collector,
    *,
    known: frozenset[str] = frozenset(),
    connections: int = 8,
    listener: Listener = silent,
) -> Examined:
    """Ask for the size of every blob that the manifest or the blob table names, and compare.

    Args:
        backend: where the image lies.
        blobs: the blob table; empty for plain OCI layers and if it could not be read.
        manifest: what the reference led to; None for a bare bootstrap.
        judge: told about blobs that are missing (`blob-missing`) or of another size (`blob-size`).
        known: digests that the caller has looked at; they are not asked for.
        connections: how many requests at a time.
        listener: told about progress (operation `presence`, unit `blobs`).
    Returns: facts `blobs` (how many are there) and `bytes` (their sizes together).
    Cost: one HEAD request a blob.
    """
    unchecked = [(f"blob {blob.blob_id}", "its data lie in an external backend") for blob in blobs if is_foreign(blob)]
    wanted = [one for one in _wanted(blobs, manifest) if one.name not in known]
    listener(Started(operation=OPERATION, title="looking for the blobs", total=len(wanted), unit="blobs"))
    count = total = 0
    try:
        with threads(connections, name="rafsight-presence") as pool:
            for one, size in zip(wanted, pool.map(partial(_size_of, backend), wanted), strict=True):
                listener(Advanced(operation=OPERATION, amount=1))
                if isinstance(size, int):
                    count, total = count + 1, total + size
                    _check_size(one, size, judge)
                elif is_absence(size):
                    says = " and ".join(dict.fromkeys(who for who, _, _ in one.sizes))
                    why = f"{backend.place} does not have it" if isinstance(size, NotFound) else str(size)
                    judge.holds(False, rules.BLOB_MISSING, one.where, detail=f"named by {says}; {why}")
                else:
                    unchecked.append((one.where, str(size)))
    finally:
        listener(Finished(operation=OPERATION))
    return Examined(unchecked=tuple(unchecked), facts=(("blobs", count), ("bytes", total)))


def _size_of(backend: Backend, one: _Wanted) -> int | RafsightError:
    try:
        return backend.blob_size(one.name)
    except FAULTS as error:
        return error


def _check_size(one: _Wanted, size: int, judge: Collector) -> None:
    for who, exact, least in one.sizes:
        said = f"{size} bytes; {who} says {least if exact is None else exact}" + (" at least" if exact is None else "")
        judge.holds(size == exact if exact is not None else size >= least, rules.BLOB_SIZE, one.where, detail=said)


def _wanted(blobs: tuple[BlobEntry, ...], manifest: ClassifiedManifest | None) -> list[_Wanted]:
    """Collect every blob once, in the order in which they are named."""
    found: dict[str, _Wanted] = {}
    for name, who, exact, least in (*_of_manifest(manifest), *_of_table(blobs)):
        sizes = found.setdefault(name, _Wanted(name=name)).sizes
        if (who, exact, least) not in sizes:
            sizes.append((who, exact, least))
    return list(found.values())


def _of_manifest(manifest: ClassifiedManifest | None) -> Iterator[tuple[str, str, int | None, int]]:
    if manifest is None:
        return
    for descriptor in (manifest.manifest.config, *manifest.manifest.layers):
        yield descriptor.digest, "the manifest", descriptor.size, descriptor.size
    for reference in manifest.references if isinstance(manifest, NydusManifest) else ():
        yield reference.original, "an annotation of the manifest", None, 0


def _of_table(blobs: tuple[BlobEntry, ...]) -> Iterator[tuple[str, str, int | None, int]]:
    for blob in blobs:
        for file in expected_files(blob):
            yield blob_name(file.name), "the blob table", file.size, file.least
