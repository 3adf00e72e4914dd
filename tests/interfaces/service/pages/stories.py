"""A store as it is after some weeks: images that were scanned again, news, a queue, failures, and hostile names."""

import hashlib
from dataclasses import replace

from tests.reports import samples

from rafsight.interfaces.service.jobs.model import (
    DeliveryKind,
    DeliveryWish,
    Failure,
    NewFinding,
    NewNews,
    Order,
    Paging,
    Place,
)
from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.jobs.reports_kept import pack_report, unpack_report

REGISTRY = "127.0.0.1:5000"
OTHER = "registry.example.com"
NOW = 1_796_000_000.0
HOUR = 3600.0
_DATABASE = samples.DATABASE
PLAIN = replace(samples.FULL, suppressed=())
HOSTILE = replace(samples.hostile_everywhere(), suppressed=())
LONG = "x" * 10_000


def digest(number):
    return f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"


class Clock:
    """A clock that stands still until somebody moves it."""

    def __init__(self, now):
        self.now = now

    def __call__(self):
        return self.now


class Stories:
    """A store, and ways to fill it."""

    def __init__(self, folder, now=NOW):
        self.clock = Clock(now)
        self.store = open_store(str(folder / "jobs.sqlite"), clock=self.clock)
        self._number = 0

    def scan(self, repository, report, *, tag="", number=None, registry=REGISTRY, scanners=("vuln",), source="push"):
        """Ask for a scan, and do it; return the head of its report."""
        self._number += 1
        number = self._number if number is None else number
        place = Place(registry=registry, repository=repository, digest=digest(number), tag=tag)
        self.order(place, scanners=scanners, source=source)
        self.clock.now += 40
        claim = self.store.claim(worker="1", replica="here", lease=60_000)
        self.clock.now += 1.7
        image = replace(report.image, name=place.reference, index_digest="", manifest_digest=place.digest)
        packed = pack_report(replace(report, image=image, scanners=scanners), digest=place.digest, version="0.1.0")
        return self.store.finish(claim.job.id, claim.ticket, packed)

    def order(self, place, **more):
        return self.store.accept(Order(place=place, **more), replica="here", queue_limit=1000)

    def news(self, head, added, removed=()):
        """Say that a newer database knows more about a report."""
        self.clock.now += HOUR
        stored = self.store.report(head.id)
        packed = pack_report(unpack_report(stored.content), digest=head.place.digest, version="0.1.0")
        news = NewNews(added=added, removed=removed, added_count=len(added), removed_count=len(removed))
        return self.store.revise(head.id, packed, seen_matched=stored.head.matched, news=news, wishes=())


def without(report, *names):
    """Return a report without some findings."""
    findings = tuple(one for one in report.findings if one.id not in names)
    return replace(report, findings=findings)


def new_finding(name="CVE-2024-2961", **more):
    fields = {"component": "libc6", "version": "2.36-9+deb12u8", "severity": "high", "fixed_version": "2.36-9+deb12u9"}
    return NewFinding(id=name, **{**fields, **more})


def fill(folder):
    """Make the store that most tests look at."""
    stories = Stories(folder, NOW - 20 * 24 * HOUR)
    everything = ("vuln", "secret", "misconfig")
    less = replace(
        without(PLAIN, "CVE-2024-2961", "CVE-2018-18074"),
        secrets=PLAIN.secrets[1:],
        inventory=replace(
            PLAIN.inventory, components=(*PLAIN.inventory.components[3:], samples.node("left-pad", "1.3.0"))
        ),
    )
    stories.scan("team/shop/frontend", less, tag="v6", scanners=everything)
    stories.clock.now += 9 * 24 * HOUR
    frontend = stories.scan(
        "team/shop/frontend", without(PLAIN, "CVE-2019-10744"), tag="v6", scanners=everything, source="harbor"
    )
    stories.scan("team/shop/backend", samples.PLANTED, tag="2026.11", source="api")
    stories.scan("team/base/debian-slim", samples.CLEAN, tag="12", source="api")
    stories.scan("library/quiet", samples.CLEAN_WITH_GAPS, tag="latest", registry=OTHER)
    stories.scan("tools/unnamed", without(samples.PLANTED, "CVE-2024-5535"), source="api")
    stories.scan("team/hostile", samples.CLEAN, tag="edge", scanners=everything)
    hostile = stories.scan("team/hostile", HOSTILE, tag="edge", scanners=everything)
    for number in range(4):
        stories.scan(f"team/batch-job-{number}", without(samples.PLANTED, "CVE-2019-10744"), tag="stable")
    stories.clock.now += 24 * HOUR
    stories.news(
        frontend,
        (
            new_finding(),
            new_finding(
                "CVE-2018-18074", component="requests", version="2.19.1", severity="critical", fixed_version="2.20.0"
            ),
        ),
    )
    stories.news(
        hostile,
        (new_finding(f"CVE-{samples.MARKUP}", component=f"{samples.ESCAPES}{LONG}", version=samples.MARKUP),),
        (new_finding("CVE-2020-1", severity="low"),),
    )
    _queue(stories)
    stories.clock.now = NOW
    stories.frontend, stories.hostile = frontend, hostile
    return stories


def _queue(stories):
    """Leave scans in each state."""
    store = stories.store
    wish = DeliveryWish(kind=DeliveryKind.WEBHOOK, target="security-team", tells_failures=True)
    stories.clock.now = NOW - HOUR
    for number, repository in enumerate(("team/gone", "team/slow", "team/next", "team/later", "team/never"), 900):
        place = Place(registry=REGISTRY, repository=repository, digest=digest(number), tag="v1")
        accepted = stories.order(place, source="page", wishes=(wish,))
        if repository == "team/slow":
            stories.slow = accepted.request.id
        stories.clock.now += 60
    failure = Failure(
        code="not-found",
        message=f"there is no manifest {samples.MARKUP} {samples.ESCAPES}",
        remedy="Push the image, or name another tag.",
    )
    claim = store.claim(worker="1", replica="here", lease=60_000)
    stories.clock.now += 3
    store.fail(claim.job.id, claim.ticket, failure, retry_in=None)
    store.claim(worker="2", replica="here", lease=10 * 24 * 3_600_000)
    never = next(job for job in store.jobs(Paging(limit=200)).items if job.place.repository == "team/never")
    store.cancel(never.id)
    due = store.claim_delivery(lease=60_000)
    why = Failure(code="no-answer", message="the receiver answered 503", is_permanent=False)
    store.delivery_failed(due.id, due.ticket, why, retry_in=600_000)
