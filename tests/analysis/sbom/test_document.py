import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports import samples
from tests.reports.every_report import TERMS

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import GapReason
from rafsight.analysis.sbom.document import read_document
from rafsight.reports.formats import render

LIBSSL = "pkg:deb/debian/libssl3@3.0.14-1~deb12u1?arch=amd64"


def cyclonedx(*components, **more):
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "components": list(components), **more}


def library(purl, **more):
    return {"type": "library", "name": "x", "purl": purl, **more}


def package(purl, **more):
    return {"SPDXID": "SPDXRef-1", "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}], **more}


def read(document):
    return read_document(json.dumps(document).encode(), b"bom.json")


def system_of(document):
    found = read(document).inventory.distribution
    return (found.id, found.version) if found else None


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_our_own_bills_say_what_the_inventory_said(form):
    bill = read_document(render(samples.FULL, form, TERMS).encode(), b"bom.json")
    assert bill.subject == "127.0.0.1:5000/planted:v6"
    assert bill.form == {"cyclonedx": "CycloneDX 1.6", "spdx": "SPDX-2.3"}[form]
    assert (bill.inventory.distribution.id, bill.inventory.distribution.version) == ("debian", "12.7")
    assert bill.inventory.gaps == ()
    wanted = {
        (one.ecosystem, one.name.lower(), one.version, one.source_name or "", one.source_version or "")
        for one in samples.FULL.inventory.components
    }
    found = {
        (one.ecosystem, one.name.lower(), one.version, one.source_name, one.source_version)
        for one in bill.inventory.components
    }
    assert found == wanted
    assert {one.locations for one in bill.inventory.components} == {(b"bom.json",)}
    assert {one.found_by for one in bill.inventory.components} == {"sbom/document"}


OWNED = {"properties": [{"name": "rafsight:ownedBy", "value": "node-undici"}]}
LODASH, UNDICI = "pkg:npm/lodash@1.0.0", "pkg:npm/undici@5.15.0"


@pytest.mark.parametrize(
    ("document", "owners"),
    [
        (cyclonedx(library(UNDICI, **OWNED), library(LODASH)), ["", "node-undici"]),
        (cyclonedx(library(UNDICI, **OWNED), library(UNDICI)), [""]),
        (cyclonedx(library(UNDICI), library(UNDICI, **OWNED)), [""]),
        (cyclonedx(library(LIBSSL, **OWNED)), [""]),
        (
            {
                "spdxVersion": "SPDX-2.3",
                "packages": [
                    package(LODASH, sourceInfo="found in: /a; owned by: x"),
                    package(UNDICI, sourceInfo="owned by: node-undici; found in: /b"),
                ],
            },
            ["", "node-undici"],
        ),
    ],
)
def test_what_the_distribution_brought_is_its_own_affair(document, owners):
    assert [one.owned_by for one in read(document).inventory.components] == owners


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_our_own_bills_say_what_the_distribution_brought(form):
    owned = replace(samples.FULL.inventory.components[-1], owned_by="python3-x")
    report = replace(
        samples.FULL, inventory=replace(samples.FULL.inventory, components=(owned,)), findings=(), suppressed=()
    )
    bill = read_document(render(report, form, TERMS).encode(), b"bom.json")
    assert "python3-x" in {one.owned_by for one in bill.inventory.components}


def test_the_source_package_stands_in_trivys_properties():
    source = {"SrcName": "openssl", "SrcVersion": "3.0.14", "SrcRelease": "1~deb12u1", "SrcEpoch": "2"}
    told = [{"name": f"aquasecurity:trivy:{name}", "value": value} for name, value in source.items()]
    (found,) = read(cyclonedx(library(LIBSSL, properties=told))).inventory.components
    assert (found.source_name, found.source_version) == ("openssl", "2:3.0.14-1~deb12u1")


def test_the_source_package_stands_in_spdx_words():
    spdx = {
        "spdxVersion": "SPDX-2.3",
        "name": "image",
        "packages": [package(LIBSSL, sourceInfo="built package from: openssl 3.0.14-1~deb12u1")],
    }
    bill = read(spdx)
    (found,) = bill.inventory.components
    assert (found.source_name, found.source_version) == ("openssl", "3.0.14-1~deb12u1")
    assert bill.subject == "image"


def test_the_source_package_of_an_rpm_stands_in_its_url():
    (found,) = read(
        cyclonedx(library("pkg:rpm/sles/libopenssl3@3.0.8-1.1?upstream=openssl-3-3.0.8-1.1.src.rpm"))
    ).inventory.components
    assert (found.source_name, found.source_version) == ("openssl-3", "3.0.8-1.1")


@pytest.mark.parametrize(
    ("document", "system"),
    [
        (cyclonedx({"type": "operating-system", "name": "alma", "version": "9.4"}), ("almalinux", "9.4")),
        (cyclonedx({"type": "operating-system", "name": "redhat", "version": "9"}), ("rhel", "9")),
        (cyclonedx(library(f"{LIBSSL}&distro=debian-12.7")), ("debian", "12.7")),
        (cyclonedx(library("pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=3.20.3")), ("alpine", "3.20.3")),
        (cyclonedx(library("pkg:rpm/opensuse/x@1-1?distro=opensuse-leap-15.5")), ("opensuse-leap", "15.5")),
        (cyclonedx(library("pkg:apk/wolfi/x@1-r0?distro=wolfi")), ("wolfi", "")),
        (cyclonedx(library("pkg:npm/x@1?distro=debian-12")), None),
        (cyclonedx(library(LIBSSL)), None),
        (
            {
                "spdxVersion": "SPDX-2.2",
                "packages": [{"name": "ubuntu", "versionInfo": "22.04", "primaryPackagePurpose": "OPERATING-SYSTEM"}],
            },
            ("ubuntu", "22.04"),
        ),
        ({"artifacts": [{"purl": LIBSSL}], "distro": {"id": "debian", "versionID": "12"}}, ("debian", "12")),
    ],
)
def test_the_distribution_is_found(document, system):
    assert system_of(document) == system


def test_the_image_itself_is_no_package():
    spdx = {
        "spdxVersion": "SPDX-2.3",
        "packages": [package("pkg:oci/app@sha256:00?arch=amd64"), package("pkg:npm/x@1")],
    }
    assert [one.name for one in read(spdx).inventory.components] == ["x"]


def test_what_has_no_package_url_is_a_gap_and_the_system_is_none():
    bill = read(
        cyclonedx(
            {"type": "library", "name": "a"},
            {"type": "operating-system", "name": "debian", "version": "12"},
            library("pkg:npm/x@1"),
        )
    )
    (gap,) = bill.inventory.gaps
    assert gap.detail.startswith("1 entries")
    assert gap.subject == "CycloneDX 1.5"


def test_a_bill_of_nothing_is_a_gap():
    (gap,) = read(cyclonedx()).inventory.gaps
    assert (gap.reason, gap.subject) == (GapReason.NO_PACKAGES, "bill of materials")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"\xff", b'{"spdxVersion": "SPDX-3.0"}', b'{"bomFormat": "x"}', b"[" * 100_000],
)
def test_what_is_no_bill_is_refused(content):
    with pytest.raises(MalformedFile):
        read_document(content, b"x")


JSON = st.recursive(
    st.none() | st.integers(-3, 3) | st.sampled_from(["", LIBSSL, "pkg:npm/a@1", "operating-system", "library"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "purl", "name", "properties", "components", "externalRefs"]), inner, max_size=4
        )
    ),
    max_leaves=10,
)


@given(key=st.sampled_from(["components", "packages", "artifacts", "metadata", "distro", "name"]), value=JSON)
def test_any_json_is_a_bill_or_refused(key, value):
    with suppress(MalformedFile):
        read(cyclonedx() | {key: value})
    with suppress(MalformedFile):
        read({"spdxVersion": "SPDX-2.3"} | {key: value})
