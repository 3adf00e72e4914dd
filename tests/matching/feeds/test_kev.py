import json

import pytest

from rafsight.matching.feeds.kev import MalformedCatalogue, looks_like_catalogue, parse_catalogue

CATALOGUE = {
    "title": "CISA Catalog of Known Exploited Vulnerabilities",
    "catalogVersion": "2026.01.27",
    "dateReleased": "2026-01-27T20:51:50Z",
    "count": 2,
    "vulnerabilities": [
        {
            "cveID": "CVE-2021-44228",
            "dateAdded": "2021-12-10",
            "dueDate": "2021-12-24",
            "knownRansomwareCampaignUse": "Known",
        },
        {
            "cveID": "CVE-2014-0160",
            "dateAdded": "2022-05-04",
            "dueDate": "2022-05-25",
            "knownRansomwareCampaignUse": "Unknown",
        },
    ],
}


def test_reads_the_catalogue():
    content = json.dumps(CATALOGUE).encode()
    assert looks_like_catalogue(content[:200])
    catalogue = parse_catalogue(content, "kev.json")
    assert catalogue.released == "2026-01-27T20:51:50Z"
    assert [(entry.id, entry.ransomware) for entry in catalogue.entries] == [
        ("CVE-2014-0160", False),
        ("CVE-2021-44228", True),
    ]


def test_an_advisory_does_not_look_like_the_catalogue():
    assert not looks_like_catalogue(b'{"id": "GHSA-x", "modified": "2020", "affected": []}')


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"vulnerabilities": [{}]}', b'{"vulnerabilities": [{"cveID": 1}]}', b"\xff"]
)
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedCatalogue, match=r"kev\.json"):
        parse_catalogue(content, "kev.json")
