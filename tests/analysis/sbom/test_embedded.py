import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract, run

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass, GapReason
from rafsight.analysis.lang.node import NODE
from rafsight.analysis.sbom.embedded import EMBEDDED

TAGGED = b"SPDXVersion: SPDX-2.3\nPackageName: x\nExternalRef: PACKAGE-MANAGER purl pkg:npm/x@1\n"
SYFT = b'{"artifacts": [{"name": "x", "version": "1", "purl": "pkg:npm/x@1"}, {"purl": ""}], "source": {}}'


@pytest.mark.parametrize(
    ("content", "purls"),
    [
        (kinds.BITNAMI_SPDX, ["pkg:bitnami/redis@7.2.4-3?arch=amd64&distro=debian-12"]),
        (
            kinds.EMBEDDED_CYCLONEDX,
            ["pkg:maven/org.apache/commons-text@1.9", "pkg:npm/%40a/inner@2", "pkg:npm/lodash@4.17.20"],
        ),
        (TAGGED, ["pkg:npm/x@1"]),
        (SYFT, ["pkg:npm/x@1"]),
    ],
)
def test_forms(content, purls):
    inventory = run({b"opt/bitnami/x/.spdx-x.spdx": content}, [EMBEDDED])
    assert [item.purl for item in inventory.components] == purls
    assert {item.evidence for item in inventory.components} == {EvidenceClass.DECLARED}


def test_what_was_found_otherwise_is_surer():
    files = {
        b"app/bom.json": kinds.EMBEDDED_CYCLONEDX,
        b"app/node_modules/lodash/package.json": b'{"name":"lodash","version":"4.17.20"}',
    }
    (found,) = [item for item in run(files, [EMBEDDED, NODE]).components if item.name == "lodash"]
    assert found.evidence is EvidenceClass.ARTIFACT
    assert len(found.locations) == 2


def test_what_has_no_package_url_is_counted():
    content = b'{"bomFormat": "CycloneDX", "components": [{"type": "library", "name": "a"}, {"type": "file", "name": "b"}, 7]}'
    assert extract(EMBEDDED, content) == [Skipped(what="2 entries of this bill have no package URL with a version")]


def test_licences():
    content = kinds.EMBEDDED_CYCLONEDX.replace(
        b'{"license": {"id": "MIT"}}', b'{"expression": "MIT OR ISC"}, {"license": {"name": "Own"}}'
    )
    (found,) = [item for item in components(extract(EMBEDDED, content)) if item.name == "lodash"]
    assert found.licenses == ("MIT OR ISC", "Own")


def test_other_json_names_nothing_and_a_newer_form_is_said():
    assert extract(EMBEDDED, b'{"name": "demo"}') == []
    (gap,) = extract(EMBEDDED, b'{"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}')
    assert gap.reason is GapReason.UNSUPPORTED


@pytest.mark.parametrize("content", [b"", b"<bom/>", b"{", b"text", b'{"components": ' * 50_000])
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(EMBEDDED, content)


def test_nests_of_components_are_bounded():
    content = (
        b'{"bomFormat": "CycloneDX", "components": '
        + b'[{"purl": "pkg:npm/x@1", "components": ' * 200
        + b"[]"
        + b"}]" * 200
        + b"}"
    )
    assert len(extract(EMBEDDED, content)) == 16


@pytest.mark.parametrize("content", [kinds.BITNAMI_SPDX, kinds.EMBEDDED_CYCLONEDX, TAGGED, SYFT])
def test_any_damage_is_borne(content):
    check_damage(EMBEDDED, content, b"a/bom.json")
