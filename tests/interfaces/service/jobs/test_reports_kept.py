"""Reports in the store: what goes in comes out, whatever strangers wrote into it, and damage is said."""

import random
from dataclasses import replace

import msgspec
import pytest
import zstandard
from tests.reports import samples
from tests.reports.every_report import REPORTS

from rafsight.base.errors import Defect
from rafsight.interfaces.service.jobs.reports_kept import (
    ReportTooLarge,
    ReportUnreadable,
    pack_report,
    summarize,
    unpack_report,
)

UNFILTERED = {
    name: replace(report, suppressed=(), policies=(), hidden_count=0, hidden_exploited=(), lists_unimportant=False)
    for name, report in REPORTS.items()
}


@pytest.mark.parametrize("name", UNFILTERED)
def test_what_goes_in_comes_out(name):
    report = UNFILTERED[name]
    kept = pack_report(report, version="1.2")
    assert unpack_report(kept.content) == report
    assert kept.read_digest == report.image.manifest_digest
    assert kept.digest == (report.image.index_digest or report.image.manifest_digest)
    assert kept.database_digest == (report.database.digest if report.database else "")
    assert pack_report(report, digest="sha256:asked").digest == "sha256:asked"


def test_the_summary_counts():
    report = UNFILTERED["full"]
    summary = summarize(report)
    assert summary.total == len(report.findings) > 0
    assert summary.negligible == len(report.unimportant)
    assert summary.exploited == sum(finding.known_exploited for finding in report.findings)
    assert summary.fixable == sum(bool(finding.fixed_versions) for finding in report.findings)
    assert summary.components == len(report.inventory.components)
    assert summary.worst == "critical"
    assert summarize(UNFILTERED["clean"]).worst == ""
    assert summarize(UNFILTERED["clean"]).is_complete
    assert not summarize(UNFILTERED["gaps"]).is_complete


def test_a_filtered_report_is_not_kept():
    with pytest.raises(Defect):
        pack_report(replace(samples.CLEAN, hidden_count=1))


def test_a_report_that_is_too_large_is_not_kept():
    with pytest.raises(ReportTooLarge):
        pack_report(samples.CLEAN, limit=100)


def test_damage_is_said_and_nothing_else_happens():
    content = pack_report(UNFILTERED["full"]).content
    dice = random.Random(4)
    unpack_report(content)
    for bad in (b"", b"\x01", b"\x02" + content[1:], content[:-1], content[:40]):
        with pytest.raises(ReportUnreadable):
            unpack_report(bad)
    for _ in range(200):
        damaged = bytearray(content)
        damaged[dice.randrange(1, len(content))] ^= 1 << dice.randrange(8)
        with pytest.raises(ReportUnreadable):
            unpack_report(bytes(damaged))


def test_bombs_and_other_values_are_refused():
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (300 << 20))
    with pytest.raises(ReportUnreadable, match="size"):
        unpack_report(b"\x01" + bomb)
    endless = zstandard.ZstdCompressor(write_content_size=False).compress(b"x")
    with pytest.raises(ReportUnreadable):
        unpack_report(b"\x01" + endless)
    deep = b"\x91" * 100_000 + b"\xc0"
    for plain in (msgspec.msgpack.encode({"image": 1}), msgspec.msgpack.encode([]), deep):
        with pytest.raises(ReportUnreadable):
            unpack_report(b"\x01" + zstandard.ZstdCompressor().compress(plain))


def test_a_report_of_an_earlier_release_is_read():
    """One whose values had fewer fields, and one with fields that are no more."""
    content = pack_report(UNFILTERED["clean"]).content
    plain = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(content[1:]))
    del plain["check_count"], plain["image"]["notes"]
    plain["gone"] = [1, 2]
    older = b"\x01" + zstandard.ZstdCompressor().compress(msgspec.msgpack.encode(plain))
    assert unpack_report(older) == UNFILTERED["clean"]
