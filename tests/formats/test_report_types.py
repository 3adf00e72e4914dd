"""What a file says about itself: samples of each kind, our own reports, and what is none of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.formats.report_types import (
    CYCLONEDX_JSON,
    CYCLONEDX_XML,
    SARIF,
    SPDX_JSON,
    SPDX_TEXT,
    ReportType,
    recognise_report,
)

RUN = {"invocations": [{"endTimeUtc": "2024-05-06T07:08:09Z"}]}
KNOWN = {
    "sarif": ({"version": "2.1.0", "runs": [RUN]}, SARIF, "2024-05-06T07:08:09Z"),
    "sarif by its schema": ({"$schema": "https://x.example/sarif-2.2.json", "version": 3, "runs": []}, SARIF, ""),
    "sarif of two runs": (
        {"version": "2.1.0", "runs": [RUN, {"invocations": [{"endTimeUtc": "2024-05-06T09:08:09.7+01:00"}]}]},
        SARIF,
        "2024-05-06T08:08:09Z",
    ),
    "sarif that only began": (
        {"version": "2.1.0", "runs": [{"invocations": [{"startTimeUtc": "2024-05-06T07:08:09Z"}]}]},
        SARIF,
        "2024-05-06T07:08:09Z",
    ),
    "cyclonedx": (
        {"bomFormat": "CycloneDX", "metadata": {"timestamp": "2024-01-02T03:04:05.678+02:00"}},
        CYCLONEDX_JSON,
        "2024-01-02T01:04:05Z",
    ),
    "cyclonedx without a date": ({"bomFormat": "CycloneDX", "metadata": [1]}, CYCLONEDX_JSON, ""),
    "spdx 2": (
        {"spdxVersion": "SPDX-2.3", "creationInfo": {"created": "2010-01-29T18:30:22Z"}},
        SPDX_JSON,
        "2010-01-29T18:30:22Z",
    ),
    "spdx 3": ({"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}, SPDX_JSON, ""),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_kinds(name):
    document, media_type, created = KNOWN[name]
    for content in (json.dumps(document).encode(), b"\xef\xbb\xbf" + json.dumps(document, indent=3).encode()):
        assert recognise_report(content) == ReportType(media_type=media_type, created=created)


def test_texts():
    bom = b'<?xml version="1.0"?>\n<bom serialNumber="urn:x" xmlns="http://cyclonedx.org/schema/bom/1.6" version="1">'
    assert recognise_report(bom) == ReportType(media_type=CYCLONEDX_XML, created="")
    tags = b"# a comment\nSPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n"
    assert recognise_report(tags) == ReportType(media_type=SPDX_TEXT, created="")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"version":"2.1.0"}',
        b'{"version":"2.1.0","runs":{}}',
        b'{"runs":[]}',
        b'{"bomFormat":"cyclonedx"}',
        b'{"bomFormat":["CycloneDX"]}',
        b'{"bomFormat":"CycloneDX"',
        b'{"spdxVersion":2.3}',
        b'{"@context":"https://openvex.dev/ns/v0.2.0"}',
        b'{"SchemaVersion":2,"Results":[]}',
        b"<html>bom http://cyclonedx.org/schema/bom/1.6</html>",
        b"not SPDXVersion: SPDX-2.3",
        b"[" * 100_000,
        b'{"runs":' + b"[" * 100_000,
        b'{"version":"\xff"}',
    ],
    ids=range(18),
)
def test_what_is_none(content):
    assert recognise_report(content) is None


@pytest.mark.parametrize(
    "date", ["yesterday", "2024-13-01T00:00:00Z", "2024-01-01", "0001-01-01T00:00:00+14:00", 5, "2" * 5000]
)
def test_dates_that_are_none(date):
    report = recognise_report(json.dumps({"bomFormat": "CycloneDX", "metadata": {"timestamp": date}}).encode())
    assert report == ReportType(media_type=CYCLONEDX_JSON, created="")


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_borne(content):
    recognise_report(content)
    recognise_report(b'{"version":"2.1.0","runs":' + content)
