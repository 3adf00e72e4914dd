import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.maven_pom import MAVEN_POM

SAMPLES = [
    (kinds.POM, b"a/pom.xml", [("org.apache.commons:commons-text", "1.9"), ("org.slf4j:slf4j-api", "1.7.30")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(MAVEN_POM, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert MAVEN_POM.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(MAVEN_POM, content, path)


DEPENDENCY = "<dependency><groupId>g</groupId><artifactId>a</artifactId><version>{}</version></dependency>"


@pytest.mark.parametrize("version", ["", "${nowhere}", "[1,2)", "${a}"])
def test_versions_that_are_said_elsewhere(version):
    content = f"<project><properties><a>${{a}}</a></properties><dependencies>{DEPENDENCY.format(version)}</dependencies></project>"
    assert extract(MAVEN_POM, content.encode()) == [Skipped(what="the versions of 1 dependencies are said elsewhere")]


def test_managed_versions_and_the_parents():
    content = """<project><parent><groupId>p</groupId><version>7</version></parent>
      <dependencyManagement><dependencies>{}</dependencies></dependencyManagement>
      <dependencies><dependency><groupId>g</groupId><artifactId>a</artifactId></dependency></dependencies></project>"""
    (found,) = components(extract(MAVEN_POM, content.format(DEPENDENCY.format("${project.version}")).encode()))
    assert (found.name, found.version) == ("g:a", "7")


def test_properties_inside_each_other_stay_short():
    lines = "".join(f"<p{i}>${{p{i + 1}}}${{p{i + 1}}}</p{i}>" for i in range(60))
    content = f"<project><properties>{lines}</properties><dependencies>{DEPENDENCY.format('${p0}' * 300)}</dependencies></project>"
    assert len(extract(MAVEN_POM, content.encode())) == 1


def test_a_document_type_is_malformed():
    with pytest.raises(MalformedFile, match="document type"):
        extract(MAVEN_POM, b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><project/>')
