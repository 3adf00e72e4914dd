import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.lang.jars import manifest, pom

from rafsight.analysis.inventory import Component, EvidenceClass
from rafsight.analysis.lang.java_archive import Archive
from rafsight.analysis.lang.java_identity import identify
from rafsight.analysis.lang.java_metadata import Coordinates, parse_manifest, parse_pom

POM = b"META-INF/maven/org.example/thing/pom.properties"


def archive(name, *poms, path=b"", fields=None, **more):
    members = [(member.encode(), content) for one in poms for member, content in one.items()]
    raw = manifest(**fields)["META-INF/MANIFEST.MF"] if fields else b""
    more.setdefault("has_classes", True)
    said = tuple((member, parse_pom(content, member)) for member, content in members)
    return Archive(path=path, name=name, fields=parse_manifest(raw), poms=said, **more)


def names(*args, **more):
    return [f"{item.name}@{item.version}" for item in identify(archive(*args, **more))]


def test_tomcat_is_known_though_its_archives_name_neither_group_nor_artifact():
    fields = {"Implementation_Title": "Apache Tomcat", "Implementation_Version": "9.0.50"}
    assert names(b"catalina.jar", fields=fields) == ["org.apache.tomcat:tomcat-catalina@9.0.50"]
    bundle = fields | {"Bundle_SymbolicName": "org.apache.tomcat-tribes"}
    assert names(b"catalina-tribes.jar", fields=bundle) == ["org.apache.tomcat:tomcat-tribes@9.0.50"]
    assert names(b"tomcat-coyote.jar", fields=fields) == ["org.apache.tomcat:tomcat-coyote@9.0.50"]
    assert names(b"tomcat-embed-core-9.0.50.jar", fields=fields) == ["org.apache.tomcat.embed:tomcat-embed-core@9.0.50"]


def test_the_own_pom_is_the_one_that_the_name_says():
    poms = pom("a", "other", "1.0"), pom("org.example", "thing", "2.0")
    assert names(b"thing-2.0.jar", *poms) == ["org.example:thing@2.0", "a:other@1.0"]
    own, other = identify(
        archive(b"thing-2.0.jar", *poms, path=b"x.war", fields={"Bundle_License": "MIT, Apache-2.0;link=x"})
    )
    assert (own.member, own.licenses, own.evidence) == (b"x.war", ("MIT", "Apache-2.0"), EvidenceClass.ARTIFACT)
    assert (other.member, other.licenses) == (b"x.war:META-INF/maven/a/other/pom.properties", ())


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        (b"thing.jar", {}, ["org.example:thing@2.0"]),
        (b"thing-2.0-exec.jar", {}, ["org.example:thing@2.0"]),
        (b"thing-1.9.jar", {}, ["org.example:thing@2.0"]),
        (b"maven3-thing.jar", {"Implementation_Title": "Thing", "Implementation_Version": "2"}, ["org.example:thing@2.0"]),
        (b"renamed.jar", {"Bundle_SymbolicName": "org.example.thing;singleton:=true"}, ["org.example:thing@2.0"]),
        (b"renamed.jar", {}, ["org.example:thing@2.0"]),
        (b"renamed.jar", {"Implementation_Version": "2.0"}, ["org.example:thing@2.0"]),
        (b"shading-1.0.jar", {}, ["shading@1.0", "org.example:thing@2.0"]),
        (b"shading.jar", {"Implementation_Version": "7"}, ["shading@7", "org.example:thing@2.0"]),
    ],
)  # fmt: skip
def test_a_single_pom(name, fields, expected):
    assert names(name, pom("org.example", "thing", "2.0"), fields=fields) == expected


def test_poms_that_differ_in_nothing_are_one():
    same = {f"{n}/META-INF/maven/a/b/pom.properties": b"version=1" for n in range(3)}
    assert names(b"thing-2.jar", same) == ["thing@2", "a:b@1"]


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        (b"spring-core-5.3.17.jar", {"Implementation_Title": "spring-core"}, "org.springframework:spring-core@5.3.17"),
        (b"spring.jar", {"Implementation_Title": "spring-core", "Implementation_Version": "5.3"}, "org.springframework:spring-core@5.3"),
        (b"x-1.0.jar", {"Implementation_Vendor_Id": "org.example"}, "org.example:x@1.0"),
        (b"x-1.0.jar", {"Implementation_Vendor_Id": "${project.groupId}"}, "x@1.0"),
        (b"x-1.0.jar", {"Implementation_Vendor_Id": "Example Inc."}, "x@1.0"),
        (b"micrometer.jar", {"Implementation_Title": "io.micrometer#micrometer-core;1.10.0"}, "io.micrometer:micrometer-core@1.10.0"),
        (b"jackson-core-2.9.jar", {"Bundle_SymbolicName": "com.fasterxml.jackson.core.jackson-core"}, "com.fasterxml.jackson.core:jackson-core@2.9"),
        (b"git.hpi", {"Short_Name": "git", "Group_Id": "org.jenkins-ci.plugins", "Plugin_Version": "4.11.0 (private)", "Implementation_Version": "1"},
         "org.jenkins-ci.plugins:git@4.11.0"),
        (b"x.jar", {"Implementation_Version": "%version", "Bundle_Version": "3.0"}, "x@3.0"),
        (b"x.jar", {"Implementation_Version": "unspecified", "Specification_Version": "1.1 of the draft"}, "x@1.1"),
        (b"org.example.some-thing-1.jar", {}, "org.example:some-thing@1"),
        (b"batch-1.0.jar", {"Implementation_Title": "batch", "Implementation_Version": "1.0"}, "batch@1.0"),
        (b"my app-1.0.jar", {}, "my app@1.0"),
        (b"a:b-1.0.jar", {}, "a_b@1.0"),
        (b"x-1.jar", {"Implementation_Title": "a:b#c;1"}, "x@1"),
        (b"thing.jar", {}, "thing@"),
    ],
)  # fmt: skip
def test_without_a_pom(name, fields, expected):
    assert names(name, fields=fields) == [expected]


@pytest.mark.parametrize(
    "told",
    [
        archive(b"x.jar", has_classes=False),
        archive(b"x.jar", has_archives=True),
        archive(b"\x01-1.jar"),
        archive(b".jar"),
    ],
)
def test_what_names_no_package(told):
    assert list(identify(told)) == []


@given(
    name=st.binary(max_size=60),
    content=st.lists(
        st.sampled_from(
            [b"Implementation-Version: ", b"Implementation-Title: ", b"\n", b" x", b"\xff", b"%", b"1.0", b"a#b;c"]
        )
    ).map(b"".join),
    properties=st.binary(max_size=60) | st.just(b"version=1"),
    path=st.binary(max_size=30),
)
def test_anything_is_an_identity_or_none(name, content, properties, path):
    pom = parse_pom(properties, path)
    assert pom is None or isinstance(pom, Coordinates)
    poms = ((path, pom),) if pom else ()
    for item in identify(Archive(path=path, name=name, fields=parse_manifest(content), poms=poms, has_classes=True)):
        assert isinstance(item, Component)
        assert item.name.isprintable()
        assert item.version.isascii()
        item.name.encode()
