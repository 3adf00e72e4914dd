import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.lang.java_names import (
    group_of_bundle,
    is_group,
    known_group,
    split_dotted,
    split_name,
    tomcat_artifact,
    usual_spelling,
)


@pytest.mark.parametrize(
    ("stem", "artifact", "version"),
    [
        ("log4j-core-2.14.1", "log4j-core", "2.14.1"),
        ("log4j-1.2-api-2.14.1", "log4j-1.2-api", "2.14.1"),
        ("guava-31.1-jre", "guava", "31.1-jre"),
        ("guava-31.1-android", "guava", "31.1-android"),
        ("guava-r09", "guava", "r09"),
        ("x-1.0-beta-2", "x", "1.0-beta-2"),
        ("x-1.0-SNAPSHOT", "x", "1.0-SNAPSHOT"),
        ("x-1.0-SNAPSHOT-exec", "x", "1.0-SNAPSHOT"),
        ("x-1.0-20240101.120000-3", "x", "1.0-20240101.120000-3"),
        ("x-1.0-sources", "x", "1.0"),
        ("netty-tcnative-boringssl-static-2.0.36.Final-linux-x86_64", "netty-tcnative-boringssl-static", "2.0.36.Final"),
        ("postgresql-9.4-1201-jdbc41", "postgresql", "9.4-1201-jdbc41"),
        ("jboss-servlet-api_3.0_spec-1.0.2.Final-redhat-00001", "jboss-servlet-api_3.0_spec", "1.0.2.Final-redhat-00001"),
        ("spark-core_2.12-3.1.1", "spark-core_2.12", "3.1.1"),
        ("bcprov-jdk15on-1.60", "bcprov-jdk15on", "1.60"),
        ("jsr305-0.1~+svn49", "jsr305", "0.1~+svn49"),
        ("app", "app", ""),
        ("x-y", "x-y", ""),
        ("-1", "-1", ""),
        ("1.0", "1.0", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_names(stem, artifact, version):
    assert split_name(stem) == (artifact, version)


@given(stem=st.text("ab1.-_v", max_size=40))
def test_a_name_is_never_lost(stem):
    artifact, version = split_name(stem)
    assert stem.startswith(f"{artifact}-{version}" if version else artifact)
    assert bool(artifact) == bool(stem)


def test_long_names_take_no_time():
    assert split_name("-".join(["1"] * 20_000))[0] == "1"
    assert split_name("a-" * 20_000 + "1")[1] == "1"


@pytest.mark.parametrize(
    ("artifact", "group"),
    [
        ("spring-core", "org.springframework"),
        ("spring-boot-starter-web", "org.springframework.boot"),
        ("spring-security-web", "org.springframework.security"),
        ("spring-security-oauth2", "org.springframework.security.oauth"),
        ("spring-of-mine", ""),
        ("tomcat-embed-core", "org.apache.tomcat.embed"),
        ("tomcat-jdbc", "org.apache.tomcat"),
        ("tomcat10-jdbc", ""),
        ("kafka_2.13", "org.apache.kafka"),
        ("solr-core", "org.apache.solr"),
        ("poi-ooxml", "org.apache.poi"),
        ("poi-tl", ""),
        ("", ""),
    ],
)
def test_known_groups(artifact, group):
    assert known_group(artifact) == group
    assert not group or is_group(group)


@pytest.mark.parametrize(
    ("bundle", "artifact", "group"),
    [
        ("com.fasterxml.jackson.core.jackson-databind", "jackson-databind", "com.fasterxml.jackson.core"),
        ("org.apache.commons.lang3", "commons-lang3", "org.apache.commons"),
        ("org.objectweb.asm", "asm", ""),
        ("org.apache.tomcat-catalina", "tomcat10-catalina", ""),
        ("checker-qual", "checker-qual", ""),
        ("", "", ""),
    ],
)
def test_groups_of_bundles(bundle, artifact, group):
    assert group_of_bundle(bundle, artifact) == group


@pytest.mark.parametrize(
    ("stem", "bundle", "artifact"),
    [
        ("catalina", "org.apache.tomcat-catalina", "tomcat-catalina"),
        ("catalina-tribes", "org.apache.tomcat-tribes", "tomcat-tribes"),
        ("catalina", "", "tomcat-catalina"),
        ("tomcat-coyote", "", "tomcat-coyote"),
    ],
)
def test_archives_of_tomcat(stem, bundle, artifact):
    assert tomcat_artifact(stem, bundle) == artifact
    assert known_group(artifact) == "org.apache.tomcat"


@pytest.mark.parametrize(
    ("artifact", "usual"),
    [("LOG4J-CORE", "log4j-core"), ("Guava", "guava"), ("xercesImpl", "xercesImpl"), ("MyApp", "MyApp")],
)
def test_well_known_names_in_capitals(artifact, usual):
    assert usual_spelling(artifact) == usual


def test_dotted_names():
    assert split_dotted("org.mortbay.jasper.apache-el") == ("org.mortbay.jasper", "apache-el")
    assert split_dotted("org.eclipse.jdt.ecj") == ("", "org.eclipse.jdt.ecj")
    assert split_dotted("log4j-1.2-api") == ("", "log4j-1.2-api")


@pytest.mark.parametrize("text", ["", "My Company", "org..x", "1.2", "%vendor", "a/b", "ü.b"])
def test_what_is_no_group(text):
    assert not is_group(text)
