import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.matching.suppression.reading import parse_vex
from rafsight.matching.suppression.rule import MalformedRules

IMAGE = "pkg:oci/app@sha256%3A" + "a" * 64

OPENVEX = {
    "@context": "https://openvex.dev/ns/v0.2.0",
    "@id": "https://openvex.dev/docs/example/vex-9fb3463de1b57",
    "author": "Wolfi J Inkinson",
    "timestamp": "2023-01-08T18:02:03.647787998-06:00",
    "version": 1,
    "statements": [
        {
            "vulnerability": {
                "@id": "https://nvd.nist.gov/vuln/detail/CVE-2023-1",
                "name": "CVE-2023-1",
                "aliases": ["GHSA-x"],
            },
            "products": [
                {"@id": "pkg:npm/lodash@4.17.11"},
                {
                    "@id": IMAGE,
                    "subcomponents": [{"@id": "pkg:deb/debian/openssl"}, {"identifiers": {"purl": "pkg:npm/ms"}}],
                },
                {"@id": "registry.example/app:1"},
            ],
            "status": "not_affected",
            "justification": "vulnerable_code_not_in_execute_path",
            "impact_statement": "never called",
        },
        {
            "vulnerability": {"name": "CVE-2023-2"},
            "products": [{"@id": "pkg:npm/a"}],
            "status": "under_investigation",
            "timestamp": "2024-01-01T00:00:00Z",
        },
        {"vulnerability": {"name": "CVE-2023-3"}, "products": [], "status": "fixed"},
        {"vulnerability": {"name": "CVE-2023-4"}, "products": [{"@id": "pkg:npm/a"}], "status": "certainly"},
        {
            "vulnerability": {"name": "CVE-2023-5"},
            "products": [{"@id": "pkg:npm/outer", "subcomponents": [{"@id": "pkg:npm/inner"}]}],
            "status": "not_affected",
        },
    ],
}
OLD_OPENVEX = {
    "@context": "https://openvex.dev/ns",
    "timestamp": "2023-01-16T20:41:55Z",
    "statements": [
        {
            "vulnerability": "CVE-2022-39046",
            "products": [IMAGE],
            "subcomponents": ["pkg:apk/wolfi/bash@1.0.0"],
            "status": "fixed",
        }
    ],
}
CYCLONEDX = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "metadata": {"timestamp": "2024-05-01T00:00:00Z", "component": {"bom-ref": "root", "purl": IMAGE}},
    "components": [
        {"bom-ref": "one", "purl": "pkg:npm/one@1", "components": [{"bom-ref": "two", "purl": "pkg:npm/two@2"}]}
    ],
    "vulnerabilities": [
        {
            "id": "CVE-1",
            "references": [{"id": "GHSA-1", "source": {"name": "x"}}],
            "analysis": {"state": "false_positive", "justification": "code_not_reachable", "detail": "really"},
            "affects": [
                {"ref": "two"},
                {"ref": "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg:pypi/three%403"},
                {"ref": "root"},
                {"ref": "nowhere"},
            ],
        },
        {"id": "CVE-2", "analysis": {"state": "resolved", "lastUpdated": "2025-01-01"}, "affects": [{"ref": "one"}]},
        {"id": "CVE-3", "analysis": {"state": "exploitable"}, "affects": [{"ref": "one"}]},
        {"id": "CVE-4", "analysis": {"state": "not_affected"}},
        {"id": "CVE-5", "affects": [{"ref": "one"}]},
    ],
}


def csaf_product(name, purl):
    return {"product_id": name, "name": name, "product_identification_helper": {"purl": purl} if purl else {}}


CSAF = {
    "document": {
        "category": "csaf_vex",
        "csaf_version": "2.0",
        "tracking": {"current_release_date": "2024-01-02T00:00:00+02:00"},
    },
    "product_tree": {
        "branches": [
            {
                "category": "vendor",
                "name": "x",
                "branches": [
                    {"category": "product_name", "name": "rhel", "product": csaf_product("rhel-9", "")},
                    {
                        "category": "product_version",
                        "name": "o",
                        "product": csaf_product("openssl", "pkg:rpm/redhat/openssl"),
                    },
                    {
                        "category": "product_version",
                        "name": "o1",
                        "product": csaf_product("openssl-1", "pkg:rpm/redhat/openssl@1-1.el9"),
                    },
                    {"category": "product_name", "name": "i", "product": csaf_product("image", IMAGE)},
                ],
            }
        ],
        "full_product_names": [csaf_product("lib", "pkg:npm/lib@1")],
        "relationships": [
            {
                "category": "default_component_of",
                "product_reference": inner,
                "relates_to_product_reference": outer,
                "full_product_name": {"product_id": f"{outer}:{inner}", "name": "x"},
            }
            for inner in ("openssl", "openssl-1", "lib")
            for outer in ("rhel-9", "image")
        ],
    },
    "vulnerabilities": [
        {
            "cve": "CVE-2024-1",
            "ids": [{"system_name": "x", "text": "X-1"}],
            "product_status": {
                "known_not_affected": ["lib", "image:openssl", "rhel-9:openssl", "nobody"],
                "fixed": ["rhel-9:openssl-1"],
                "known_affected": ["image:lib"],
                "recommended": ["lib"],
            },
            "flags": [{"label": "vulnerable_code_not_present", "product_ids": ["lib"]}],
            "threats": [
                {"category": "impact", "details": "it is compiled out", "product_ids": ["lib", "image:openssl"]}
            ],
        }
    ],
}


def read(document):
    return parse_vex(json.dumps(document).encode(), "app.vex.json")


def told(rule):
    return [(target.image, target.package and (target.package.name, target.package.version)) for target in rule.targets]


def test_openvex():
    first, second = read(OPENVEX)
    assert first.names == {"cve-2023-1", "ghsa-x"}
    assert (first.status, first.source) == ("not_affected", "app.vex.json")
    assert first.statement == "vulnerable_code_not_in_execute_path: never called"
    assert told(first) == [
        ("", ("lodash", "4.17.11")),
        (IMAGE, ("openssl", "")),
        (IMAGE, ("ms", "")),
        ("registry.example/app:1", None),
    ]
    assert (second.status, told(second)) == ("under_investigation", [("", ("a", ""))])
    assert first.said < second.said
    assert first.said.startswith("2023-01-09T00:02:03.647787")


def test_openvex_of_old():
    (rule,) = read(OLD_OPENVEX)
    assert (rule.names, rule.status) == ({"cve-2022-39046"}, "fixed")
    assert told(rule) == [(IMAGE, ("bash", "1.0.0"))]


def test_cyclonedx():
    first, second, third = read(CYCLONEDX)
    assert first.names == {"cve-1", "ghsa-1"}
    assert (first.status, first.statement) == ("not_affected", "code_not_reachable: really")
    assert told(first) == [("", ("two", "2")), ("", ("three", "3")), (IMAGE, None)]
    assert (second.status, third.status) == ("fixed", "affected")
    assert second.said > third.said


def test_csaf():
    rules = read(CSAF)
    assert all(rule.names == {"cve-2024-1", "x-1"} for rule in rules)
    assert [(rule.status, told(rule), rule.statement) for rule in rules] == [
        ("not_affected", [("", ("lib", "1"))], "vulnerable_code_not_present: it is compiled out"),
        ("not_affected", [(IMAGE, ("openssl", ""))], "it is compiled out"),
        ("fixed", [("", ("openssl", "1-1.el9"))], ""),
        ("affected", [(IMAGE, ("lib", "1"))], ""),
    ]
    assert rules[0].said.startswith("2024-01-01T22:00:00")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"bomFormat": "CycloneDX", "vulnerabilities": 3}',
        b'{"@context": "https://openvex.dev/ns", "statements": [{"products": 1}]}',
        b'{"document": {"csaf_version": "2.0"}, "vulnerabilities": [7]}',
        b'{"bomFormat": "SPDX"}',
        b"\xff\xfe{}",
        b'{"document":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"bomFormat": "CycloneDX", "components": [' + b'{"components": [' * 20_000,
    ],
)
def test_what_is_no_vex_is_refused(content):
    with pytest.raises(MalformedRules):
        parse_vex(content, "f")


def test_branches_may_be_as_deep_as_json():
    tree = {"product": csaf_product("deep", "pkg:npm/deep")}
    for _ in range(200):
        tree = {"branches": [tree]}
    document = CSAF | {
        "product_tree": {"branches": [tree]},
        "vulnerabilities": [{"cve": "CVE-1", "product_status": {"fixed": ["deep"]}}],
    }
    assert told(read(document)[0]) == [("", ("deep", ""))]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(["", "pkg:npm/a", "CVE-1", "fixed", "not_affected"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["@id", "name", "products", "vulnerability", "status", "branches", "product", "affects", "ref"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(
    base=st.sampled_from([OPENVEX, CYCLONEDX, CSAF]),
    key=st.sampled_from(["statements", "vulnerabilities", "product_tree", "components"]),
    value=JSON,
)
def test_any_json_is_rules_or_refused(base, key, value):
    with suppress(MalformedRules):
        read(base | {key: value})
