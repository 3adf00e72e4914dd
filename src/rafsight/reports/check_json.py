"""A check for programs: one JSON document, whose keys stay.

Everything is ASCII, so that no foreign text reaches a terminal as an escape sequence. Paths that are not UTF-8 stand in
`path_b64`, too.
"""

import json
from typing import Any, Final

from rafsight._version import __version__
from rafsight.formats.judge import Fault, Weight
from rafsight.reports.check_summary import all_steps, count_places, outcome_of
from rafsight.reports.names import named
from rafsight.reports.soundness import Checked, CheckReport, Step

SCHEMA_VERSION: Final = 1

Json = dict[str, Any]


def render_json(report: CheckReport, *, exit_status: int) -> str:
    """Write a check as JSON.

    Args:
        report: the check.
        exit_status: that the process will end with.
    """
    steps = list(all_steps(report.images))
    document = {
        "schema_version": SCHEMA_VERSION,
        "rafsight_version": __version__,
        "reference": report.reference,
        "index_digest": report.index_digest,
        "verdict": report.verdict.name.lower(),
        "exit_status": int(exit_status),
        "errors": count_places(steps, Weight.BROKEN),
        "unknown": count_places(steps, Weight.UNKNOWN),
        "warnings": count_places(steps, Weight.ODD),
        "unchecked": sum(len(step.unchecked) for step in steps),
        "started": report.started,
        "seconds": round(report.seconds, 6),
        "cost": {
            "requests": report.cost.requests,
            "bytes_fetched": report.cost.bytes_fetched,
            "bytes_needed": report.cost.bytes_needed,
        },
        "images": [_image(image) for image in report.images],
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _image(image: Checked) -> Json:
    return {
        "title": image.title,
        "format": image.format,
        "manifest_digest": image.manifest_digest,
        "platform": image.platform,
        "steps": [_step(step) for step in image.steps],
    }


def _step(step: Step) -> Json:
    return {
        "name": step.name,
        "title": step.title,
        "outcome": outcome_of(step).value,
        "skipped": step.skipped,
        "seconds": round(step.seconds, 6),
        "facts": {name.replace(" ", "_").replace("-", "_"): value for name, value in step.facts},
        "counts": dict(step.counts),
        "faults": [_fault(fault) for fault in step.faults],
        "unchecked": [{"subject": one.subject, "why": one.why} for one in step.unchecked],
    }


def _fault(fault: Fault) -> Json:
    """Spell one fault; a path and an offset are null where there is none."""
    path = {"path": None} if fault.path is None else named("path", b"/" + fault.path)
    return {
        "rule": fault.rule.code,
        "severity": fault.rule.weight.value,
        "says": fault.rule.says,
        "where": fault.where,
        **path,
        "offset": fault.offset if fault.offset >= 0 else None,
        "detail": fault.detail,
    }
