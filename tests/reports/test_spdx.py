import re
from dataclasses import replace

import pytest
from tests.reports import samples
from tests.reports.every_report import CREATED, REPORTS, TERMS, document

from rafsight.reports.formats import render
from rafsight.reports.licenses import spdx_expression


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_the_reference_library_reads_it_and_has_nothing_to_say(report, tmp_path):
    anything = pytest.importorskip("spdx_tools.spdx.parser.parse_anything", reason="needs spdx-tools")
    validation = pytest.importorskip("spdx_tools.spdx.validation.document_validator", reason="needs spdx-tools")
    path = tmp_path / "image.spdx.json"
    path.write_text(render(report, "spdx", TERMS))
    read = anything.parse_file(str(path))
    assert [one.validation_message for one in validation.validate_full_spdx_document(read)] == []
    purls = {ref.locator for package in read.packages for ref in package.external_references}
    assert {component.purl for component in report.inventory.components} <= purls


@pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)
def test_every_element_is_related_and_alone(report):
    told = document(report, "spdx")
    ids = [package["SPDXID"] for package in told["packages"]]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", one) for one in ids)
    assert sorted(one["relatedSpdxElement"] for one in told["relationships"]) == sorted(ids)
    known = {one["licenseId"] for one in told.get("hasExtractedLicensingInfos", ())}
    used = {ref for package in told["packages"] for ref in re.findall(r"LicenseRef-\w+", package["licenseDeclared"])}
    assert used == known


def test_a_package():
    told = document(samples.FULL, "spdx")
    assert told["creationInfo"]["created"] == CREATED
    package = next(one for one in told["packages"] if one["name"] == "libssl3")
    assert package["versionInfo"] == "3.0.14-1~deb12u1"
    assert package["licenseDeclared"] == "Apache-2.0"
    assert package["supplier"] == "Organization: Debian OpenSSL Team (pkg-openssl-devel@alioth-lists.debian.net)"
    assert package["sourceInfo"] == ("built package from: openssl 3.0.14-1~deb12u1; found in: /var/lib/dpkg/status")
    assert package["externalRefs"][0]["referenceLocator"] == samples.LIBSSL.purl
    image = told["packages"][0]
    assert image["checksums"] == [{"algorithm": "SHA256", "checksumValue": "a" * 64}]


def test_licences_of_their_own_are_kept():
    component = replace(samples.OPENSSL, licenses=("GPL-2+", "MIT", "MIT AND BSD-3-Clause"))
    report = replace(samples.CLEAN, inventory=replace(samples.CLEAN.inventory, components=(component,)))
    told = document(report, "spdx")
    (extracted,) = told["hasExtractedLicensingInfos"]
    assert extracted["extractedText"] == "GPL-2+"
    declared = told["packages"][-1]["licenseDeclared"]
    assert declared == f"{extracted['licenseId']} AND MIT AND (MIT AND BSD-3-Clause)"


def test_gaps_are_annotations():
    assert len(document(samples.FULL, "spdx")["annotations"]) == 4
    assert "annotations" not in document(samples.CLEAN, "spdx")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("mit", "MIT"),
        ("Apache-2.0 or MIT", "Apache-2.0 OR MIT"),
        ("GPL-2+", ""),
        ("", ""),
        ("LicenseRef-mine", ""),
        ("DocumentRef-a:LicenseRef-b", ""),
        ("(" * 5000, ""),
        ("MIT AND " * 5000 + "MIT", ""),
        ("MIT and __import__('os')", ""),
    ],
)
def test_what_is_an_expression(text, expression):
    assert spdx_expression(text) == expression
