"""Julia's manifest: `Manifest.toml`, of both forms.

This module alone decides what a package of the standard library is worth: it has no version of its own, and Julia's
then counts where the file says it.
"""

from collections.abc import Iterator
from typing import Final

from rafsight.analysis.extractor import Extractor, FileView, Found
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.json_text import text_in
from rafsight.analysis.lang.julia import julia_component
from rafsight.analysis.toml_text import TOML_SIZE, read_toml, table_in
from rafsight.image.selection import Wants


def read_manifest(file: FileView) -> Iterator[Found]:
    """Read one manifest; folders of the project are passed over.

    Raises: MalformedFile.
    """
    document = read_toml(file.content)
    julia = text_in(document.get("julia_version"))
    for name, entries in (table_in(document, "deps") or document).items():
        for entry in entries if isinstance(entries, list) else ():
            uuid = text_in(entry.get("uuid")) if isinstance(entry, dict) else ""
            if not uuid or "path" in entry:
                continue
            version = text_in(entry.get("version")) or julia
            if text_in(name) and version:
                yield julia_component(text_in(name), version, uuid, EvidenceClass.DECLARED)


JULIA_MANIFEST: Final = Extractor(
    name="locks/julia-manifest",
    version=1,
    wants=Wants(patterns=(b"**/Manifest.toml", b"**/JuliaManifest.toml"), max_size=TOML_SIZE),
    extract=read_manifest,
    declared=True,
)
