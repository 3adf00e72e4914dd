"""What the service counts, in the text form that Prometheus reads.

This module alone decides what is counted and how it is called. Labels take values from short lists only (routes,
states, codes), never from what strangers send, so that memory stays small.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Something that is counted."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """[s] Upper bounds of a histogram."""


REQUESTS: Final = Family(
    name="rafsight_http_requests_total",
    kind="counter",
    help="Requests that were answered.",
    labels=("method", "route", "status"),
)
SECONDS: Final = Family(
    name="rafsight_http_request_seconds",
    kind="histogram",
    help="Time until an answer was complete.",
    labels=("route",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0),  # Harbor's client waits 5 s
)
IN_FLIGHT: Final = Family(name="rafsight_http_in_flight", kind="gauge", help="Requests that are being answered.")
ACCEPTED: Final = Family(
    name="rafsight_scans_accepted_total",
    kind="counter",
    help="Orders that were taken, by who asked, and whether they joined a job that was there.",
    labels=("source", "joined"),
)
REFUSED: Final = Family(
    name="rafsight_scans_refused_total", kind="counter", help="Orders that were refused.", labels=("source", "code")
)
EVENTS: Final = Family(
    name="rafsight_events_total",
    kind="counter",
    help="Events of registries, by what became of them.",
    labels=("kind", "outcome"),
)
RENDERED: Final = Family(
    name="rafsight_reports_rendered_total", kind="counter", help="Reports that were written.", labels=("format",)
)
SCANS: Final = Family(
    name="rafsight_scans_total", kind="counter", help="Attempts to scan that ended here.", labels=("state",)
)
SCAN_SECONDS: Final = Family(
    name="rafsight_scan_seconds",
    kind="histogram",
    help="How long attempts to scan took.",
    labels=("state",),
    buckets=(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0),
)
FAMILIES: Final = (REQUESTS, SECONDS, IN_FLIGHT, ACCEPTED, REFUSED, EVENTS, RENDERED, SCANS, SCAN_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A number that somebody else knows, read at the time of asking."""

    family: Family
    values: Mapping[Labels, float]


class Metrics:
    """Counters of one process. Thread-safe."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._lock = threading.Lock()
        self._values: dict[str, dict[Labels, float]] = {family.name: {} for family in FAMILIES}
        self._buckets: dict[tuple[str, Labels], list[int]] = {}

    def count(self, family: Family, *labels: str, amount: float = 1) -> None:
        """Add to a counter or a gauge.

        Args:
            family: of `FAMILIES`.
            labels: their values, in the family's order.
            amount: how much.
        """
        assert len(labels) == len(family.labels)
        with self._lock:
            values = self._values[family.name]
            values[labels] = values.get(labels, 0) + amount

    def time(self, family: Family, seconds: float, *labels: str) -> None:
        """Add a span of time to a histogram.

        Args:
            family: of `FAMILIES`.
            seconds: how long it took.
            labels: their values, in the family's order.
        """
        with self._lock:
            buckets = self._buckets.setdefault((family.name, labels), [0] * (len(family.buckets) + 1))
            buckets[bisect_left(family.buckets, seconds)] += 1
            values = self._values[family.name]
            values[labels] = values.get(labels, 0) + seconds

    def render(self, readings: Iterable[Reading] = ()) -> str:
        """Write everything.

        Args:
            readings: what others know, in addition.
        """
        lines: list[str] = []
        with self._lock:
            for family in FAMILIES:
                lines += _head(family)
                if family.kind == "histogram":
                    lines += self._histogram(family)
                else:
                    lines += _samples(family, self._values[family.name])
        for reading in readings:
            lines += [*_head(reading.family), *_samples(reading.family, reading.values)]
        return "\n".join(lines) + "\n"

    def _histogram(self, family: Family) -> list[str]:
        lines = []
        for (name, labels), buckets in sorted(self._buckets.items()):
            if name != family.name:
                continue
            seen = 0
            for bound, amount in zip((*map(str, family.buckets), "+Inf"), buckets, strict=True):
                seen += amount
                lines.append(_sample(f"{family.name}_bucket", (*family.labels, "le"), (*labels, bound), seen))
            lines.append(_sample(f"{family.name}_sum", family.labels, labels, self._values[family.name][labels]))
            lines.append(_sample(f"{family.name}_count", family.labels, labels, seen))
        return lines


def process_readings(started: float) -> list[Reading]:
    """Read what the system says about this process.

    Args:
        started: [s since 1970]
    """
    import os
    import resource

    times = os.times()
    values = {
        "process_cpu_seconds_total": ("counter", "CPU time of this process.", times.user + times.system),
        "process_start_time_seconds": ("gauge", "When this process began, since 1970.", started),
        "process_resident_memory_bytes": ("gauge", "Memory of this process.", _resident(resource.getpagesize())),
        "process_open_fds": ("gauge", "Open files of this process.", len(os.listdir("/proc/self/fd"))),  # noqa: PTH208
    }
    return [
        Reading(family=Family(name=name, kind=kind, help=words), values={(): value})
        for name, (kind, words, value) in values.items()
    ]


def now() -> float:
    """Return a clock for spans of time [s]."""
    return time.perf_counter()


def _resident(page_size: int) -> float:
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - no path to think about
        return int(file.read().split()[1]) * page_size


def _head(family: Family) -> list[str]:
    return [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]


def _samples(family: Family, values: Mapping[Labels, float]) -> list[str]:
    found = dict(values) or ({(): 0.0} if not family.labels else {})
    return [_sample(family.name, family.labels, labels, value) for labels, value in sorted(found.items())]


def _sample(name: str, keys: tuple[str, ...], labels: Labels, value: float) -> str:
    pairs = ",".join(f'{key}="{_escaped(text)}"' for key, text in zip(keys, labels, strict=True))
    number = str(int(value)) if value == int(value) else repr(float(value))
    return f"{name}{{{pairs}}} {number}" if pairs else f"{name} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
