"""What scanners print, in numbers: `python -m bench.documents TOOL FILE`.

A process of its own, as documents are large, and a child's peak of memory begins at that of its parent.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from bench.measure import python, run


def numbers_of(tool: str, file: Path) -> dict[str, int]:
    """Read a document: `components`, and of ours `needed` [bytes] and `image` [bytes]; nothing if it is none."""
    sample = run(python("-m", "bench.documents", tool, str(file)))
    return json.loads(sample.output) if sample.status == 0 else {}


def read_ours(document: dict) -> dict[str, int]:
    """Read our report."""
    cost = document["Rafsight"]["Cost"]
    return {**read_trivy(document), "needed": cost["BytesNeeded"], "image": cost["ImageBytes"]}


def read_trivy(document: dict) -> dict[str, int]:
    """Read a report in Trivy's form."""
    return {"components": sum(len(result.get("Packages") or []) for result in document.get("Results") or [])}


def read_syft(document: dict) -> dict[str, int]:
    """Read Syft's own form."""
    return {"components": len(document["artifacts"])}


def read_osv(document: dict) -> dict[str, int]:
    """Read OSV-Scanner's report."""
    return {"components": sum(len(result.get("packages") or []) for result in document.get("results") or [])}


def read_cyclonedx(document: dict) -> dict[str, int]:
    """Read a bill of materials of Grype: files and the distribution are in it, too."""
    packages = [one for one in document.get("components") or [] if one["type"] not in ("file", "operating-system")]
    return {"components": len(packages)}


READERS: dict[str, Callable[[dict], dict[str, int]]] = {
    "rafsight": read_ours,
    "trivy": read_trivy,
    "syft": read_syft,
    "osv-scanner": read_osv,
    "cyclonedx": read_cyclonedx,
}

if __name__ == "__main__":
    print(json.dumps(READERS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_bytes()))))
