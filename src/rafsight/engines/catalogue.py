"""The list of engines. To add one: a module like its siblings here, and a line below."""

from collections.abc import Sequence
from typing import Final

from rafsight.engines.engine import Engine
from rafsight.engines.faults import UnknownEngine
from rafsight.engines.grype import Grype
from rafsight.engines.osv_scanner import OsvScanner
from rafsight.engines.syft import Syft
from rafsight.engines.trivy import Trivy

ENGINES: Final[Sequence[Engine]] = (Trivy(), Grype(), Syft(), OsvScanner())


def engine_named(name: str) -> Engine:
    """Return an engine.

    Raises: UnknownEngine.
    """
    for engine in ENGINES:
        if engine.traits.name == name:
            return engine
    raise UnknownEngine(name=name, known=", ".join(engine.traits.name for engine in ENGINES))
