"""See into Nydus images by their registry reference, fetching only the bytes that answer the question.

    import rafsight

    with rafsight.open_image("registry.example.com/app:v6") as image:
        for entry in rafsight.list_files(image, b"/etc"):
            print(entry.path)

This module is the whole public API; what it names is imported when it is first used, so that `import rafsight` is
cheap.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

from rafsight._version import __version__

if TYPE_CHECKING:
    from rafsight.access.options import Options
    from rafsight.access.session import Image, open_image
    from rafsight.base.errors import (
        CallerError,
        Defect,
        ExitStatus,
        HostLimit,
        ImageFault,
        RafsightError,
        RegistryFault,
    )
    from rafsight.hunt.cluster import Cluster
    from rafsight.hunt.hunts import Hunts
    from rafsight.hunt.index.fleet_index import FleetIndex
    from rafsight.reports.document import ScanReport
    from rafsight.verbs.advisories import Advisories
    from rafsight.verbs.attach import Attachments
    from rafsight.verbs.caches import Caches
    from rafsight.verbs.check.checking import check_reference
    from rafsight.verbs.convert.conversions import Conversions
    from rafsight.verbs.convert.terms import ConvertTerms
    from rafsight.verbs.engines import Engines
    from rafsight.verbs.export import export_files, export_reference, export_slim
    from rafsight.verbs.inspect.inspector import Inspector
    from rafsight.verbs.present.presenter import Presenter
    from rafsight.verbs.repair.repairs import Repairs
    from rafsight.verbs.rules import Rules
    from rafsight.verbs.scan.scanner import Scanner
    from rafsight.verbs.scan.scanning import scan_reference
    from rafsight.verbs.view import Views
    from rafsight.views.mount.statistics import ViewStatistics
    from rafsight.views.mount.view import View, ViewFacts, ViewTerms
    from rafsight.views.vfs import FileEntry, find_files, list_files, read_file

_HOMES: Final = {
    "Advisories": "verbs.advisories",
    "Attachments": "verbs.attach",
    "Caches": "verbs.caches",
    "CallerError": "base.errors",
    "Cluster": "hunt.cluster",
    "Defect": "base.errors",
    "Conversions": "verbs.convert.conversions",
    "ConvertTerms": "verbs.convert.terms",
    "Engines": "verbs.engines",
    "ExitStatus": "base.errors",
    "FileEntry": "views.vfs",
    "FleetIndex": "hunt.index.fleet_index",
    "HostLimit": "base.errors",
    "Hunts": "hunt.hunts",
    "Image": "access.session",
    "ImageFault": "base.errors",
    "Inspector": "verbs.inspect.inspector",
    "Options": "access.options",
    "Presenter": "verbs.present.presenter",
    "RafsightError": "base.errors",
    "RegistryFault": "base.errors",
    "Repairs": "verbs.repair.repairs",
    "Rules": "verbs.rules",
    "ScanReport": "reports.document",
    "Scanner": "verbs.scan.scanner",
    "View": "views.mount.view",
    "ViewFacts": "views.mount.view",
    "ViewStatistics": "views.mount.statistics",
    "ViewTerms": "views.mount.view",
    "Views": "verbs.view",
    "check_reference": "verbs.check.checking",
    "export_files": "verbs.export",
    "export_reference": "verbs.export",
    "export_slim": "verbs.export",
    "find_files": "views.vfs",
    "list_files": "views.vfs",
    "open_image": "access.session",
    "read_file": "views.vfs",
    "scan_reference": "verbs.scan.scanning",
}

__all__ = [
    "Advisories",
    "Attachments",
    "Caches",
    "CallerError",
    "Cluster",
    "Conversions",
    "ConvertTerms",
    "Defect",
    "Engines",
    "ExitStatus",
    "FileEntry",
    "FleetIndex",
    "HostLimit",
    "Hunts",
    "Image",
    "ImageFault",
    "Inspector",
    "Options",
    "Presenter",
    "RafsightError",
    "RegistryFault",
    "Repairs",
    "Rules",
    "ScanReport",
    "Scanner",
    "View",
    "ViewFacts",
    "ViewStatistics",
    "ViewTerms",
    "Views",
    "__version__",
    "check_reference",
    "export_files",
    "export_reference",
    "export_slim",
    "find_files",
    "list_files",
    "open_image",
    "read_file",
    "scan_reference",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        message = f"module 'rafsight' has no attribute '{name}'"
        raise AttributeError(message)
    return getattr(import_module(f"rafsight.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
