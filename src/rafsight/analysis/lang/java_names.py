"""Names of Java archives: which part is the artifact, which the version; and the groups of well-known artifacts.

Maven writes `ARTIFACT-VERSION[-CLASSIFIER].jar`, with hyphens in all three. This module alone decides where one ends
and the next begins, and to which group an artifact belongs whose archive does not say so itself. Builds by Gradle, Ant
or sbt leave no `pom.properties`, so much of what everybody uses would have no full name without the table.
"""

import re
from typing import Final, NamedTuple

_VERSION: Final = re.compile(r"[vr]?[0-9][\w.+~]*\Z", re.ASCII)
_QUALIFIER: Final = re.compile(
    r"(?:alpha|beta|milestone|m|rc|cr|snapshot|final|ga|release|sp|jre|jdk|jdbc|android|incubating|incubation|preview"
    r"|pre|ea|build|b|redhat)?[.]?[0-9.]*\Z",
    re.IGNORECASE | re.ASCII,
)
_CLASSIFIERS: Final = frozenset({
    "aarch64", "aarch_64", "all", "amd64", "arm", "arm64", "bare", "bin", "boot", "bundle", "classes", "compat",
    "darwin", "dist", "exec", "fat", "internal", "jar", "javadoc", "linux", "mac", "macos", "native", "natives",
    "no", "noaop", "nodep", "nodeps", "osx", "ppc64le", "riscv64", "s390x", "shaded", "sources", "standalone",
    "test", "tests", "uber", "win", "win32", "win64", "windows", "x64", "x86", "x86_64",
})  # fmt: skip
"""Words behind a version that tell which of several archives of one artifact this is."""

_GROUPS: Final = {
    "ant": "org.apache.ant",
    "aopalliance": "aopalliance",
    "asm": "org.ow2.asm",
    "c3p0": "com.mchange",
    "cassandra-all": "org.apache.cassandra",
    "checker-qual": "org.checkerframework",
    "commons-beanutils": "commons-beanutils",
    "commons-codec": "commons-codec",
    "commons-collections": "commons-collections",
    "commons-collections4": "org.apache.commons",
    "commons-compress": "org.apache.commons",
    "commons-configuration2": "org.apache.commons",
    "commons-fileupload": "commons-fileupload",
    "commons-httpclient": "commons-httpclient",
    "commons-io": "commons-io",
    "commons-lang": "commons-lang",
    "commons-lang3": "org.apache.commons",
    "commons-logging": "commons-logging",
    "commons-text": "org.apache.commons",
    "dom4j": "org.dom4j",
    "elasticsearch-rest-client": "org.elasticsearch.client",
    "elasticsearch-rest-high-level-client": "org.elasticsearch.client",
    "elasticsearch": "org.elasticsearch",
    "fastjson": "com.alibaba",
    "graphql-java": "com.graphql-java",
    "gson": "com.google.code.gson",
    "guava": "com.google.guava",
    "guice": "com.google.inject",
    "h2": "com.h2database",
    "hibernate-core": "org.hibernate",
    "hibernate-validator": "org.hibernate.validator",
    "hsqldb": "org.hsqldb",
    "httpclient": "org.apache.httpcomponents",
    "httpcore": "org.apache.httpcomponents",
    "jackson-annotations": "com.fasterxml.jackson.core",
    "jackson-core": "com.fasterxml.jackson.core",
    "jackson-core-asl": "org.codehaus.jackson",
    "jackson-databind": "com.fasterxml.jackson.core",
    "jackson-mapper-asl": "org.codehaus.jackson",
    "jsoup": "org.jsoup",
    "junit": "junit",
    "jython": "org.python",
    "log4j": "log4j",
    "log4j-api": "org.apache.logging.log4j",
    "log4j-core": "org.apache.logging.log4j",
    "logback-classic": "ch.qos.logback",
    "logback-core": "ch.qos.logback",
    "lombok": "org.projectlombok",
    "lz4-java": "org.lz4",
    "mchange-commons-java": "com.mchange",
    "mssql-jdbc": "com.microsoft.sqlserver",
    "mysql-connector-java": "mysql",
    "mysql-connector-j": "com.mysql",
    "ognl": "ognl",
    "okhttp": "com.squareup.okhttp3",
    "okio": "com.squareup.okio",
    "opensearch": "org.opensearch",
    "opensearch-core": "org.opensearch",
    "poi": "org.apache.poi",
    "poi-ooxml": "org.apache.poi",
    "poi-ooxml-lite": "org.apache.poi",
    "poi-ooxml-schemas": "org.apache.poi",
    "poi-scratchpad": "org.apache.poi",
    "postgresql": "org.postgresql",
    "protobuf-java": "com.google.protobuf",
    "quartz": "org.quartz-scheduler",
    "reactor-core": "io.projectreactor",
    "rhino": "org.mozilla",
    "scala-compiler": "org.scala-lang",
    "scala-library": "org.scala-lang",
    "scala-reflect": "org.scala-lang",
    "snakeyaml": "org.yaml",
    "snappy-java": "org.xerial.snappy",
    "spring-amqp": "org.springframework.amqp",
    "spring-aop": "org.springframework",
    "spring-aspects": "org.springframework",
    "spring-beans": "org.springframework",
    "spring-context": "org.springframework",
    "spring-context-support": "org.springframework",
    "spring-core": "org.springframework",
    "spring-expression": "org.springframework",
    "spring-instrument": "org.springframework",
    "spring-jcl": "org.springframework",
    "spring-jdbc": "org.springframework",
    "spring-jms": "org.springframework",
    "spring-kafka": "org.springframework.kafka",
    "spring-messaging": "org.springframework",
    "spring-orm": "org.springframework",
    "spring-oxm": "org.springframework",
    "spring-rabbit": "org.springframework.amqp",
    "spring-security-oauth2": "org.springframework.security.oauth",
    "spring-test": "org.springframework",
    "spring-tx": "org.springframework",
    "spring-web": "org.springframework",
    "spring-webflux": "org.springframework",
    "spring-webmvc": "org.springframework",
    "spring-websocket": "org.springframework",
    "struts2-core": "org.apache.struts",
    "velocity": "org.apache.velocity",
    "xalan": "xalan",
    "xercesImpl": "xerces",
    "xmlsec": "org.apache.santuario",
    "xstream": "com.thoughtworks.xstream",
    "zookeeper": "org.apache.zookeeper",
    "zstd-jni": "com.github.luben",
}
_PREFIXES: Final = (
    ("akka-", "com.typesafe.akka"),
    ("asm-", "org.ow2.asm"),
    ("bcpg-jdk", "org.bouncycastle"),
    ("bcpkix-", "org.bouncycastle"),
    ("bcprov-", "org.bouncycastle"),
    ("grpc-", "io.grpc"),
    ("guice-", "com.google.inject.extensions"),
    ("jackson-dataformat-", "com.fasterxml.jackson.dataformat"),
    ("kafka-", "org.apache.kafka"),
    ("kafka_", "org.apache.kafka"),
    ("kotlin-", "org.jetbrains.kotlin"),
    ("kotlinx-coroutines-", "org.jetbrains.kotlinx"),
    ("ktor-", "io.ktor"),
    ("lucene-", "org.apache.lucene"),
    ("micrometer-", "io.micrometer"),
    ("netty-", "io.netty"),
    ("reactor-netty", "io.projectreactor.netty"),
    ("solr-", "org.apache.solr"),
    ("spring-batch-", "org.springframework.batch"),
    ("spring-boot", "org.springframework.boot"),
    ("spring-cloud-", "org.springframework.cloud"),
    ("spring-data-", "org.springframework.data"),
    ("spring-integration-", "org.springframework.integration"),
    ("spring-ldap-", "org.springframework.ldap"),
    ("spring-security-", "org.springframework.security"),
    ("spring-session-", "org.springframework.session"),
    ("tomcat-embed-", "org.apache.tomcat.embed"),
    ("tomcat-", "org.apache.tomcat"),
)
_TOMCAT_GROUP: Final = "org.apache.tomcat"
_DOMAIN: Final = re.compile(r"(?:com|org|net|io|dev|edu)\.[\w.]+\Z", re.ASCII)
_GROUP: Final = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*\Z", re.ASCII)


class ArchiveName(NamedTuple):
    """What the name of an archive says."""

    artifact: str
    version: str
    """Empty if there is none."""


def split_name(stem: str) -> ArchiveName:
    """Split the name of an archive, without its suffix, into artifact and version; a classifier is left out.

    The version begins at the last part that looks like one, or earlier where only numbers and qualifiers stand between:
    `log4j-1.2-api-2.14.1`, `x-1.0-beta-2`, `x-1.0-20240101.120000-3`.
    """
    parts = stem.split("-")
    starts = [index for index, part in enumerate(parts) if index and _VERSION.match(part)]
    if not starts:
        return ArchiveName(stem, "")
    start = starts.pop()
    while starts and all(_QUALIFIER.match(part) or _VERSION.match(part) for part in parts[starts[-1] + 1 : start]):
        start = starts.pop()
    end = next((index for index in range(start + 1, len(parts)) if parts[index].lower() in _CLASSIFIERS), len(parts))
    artifact = "-".join(parts[:start])
    return ArchiveName(artifact, "-".join(parts[start:end])) if artifact else ArchiveName(stem, "")


def known_group(artifact: str) -> str:
    """Return the group of a well-known artifact; empty for all others."""
    found = _GROUPS.get(artifact)
    return found or next((group for prefix, group in _PREFIXES if artifact.startswith(prefix)), "")


def usual_spelling(artifact: str) -> str:
    """Write a well-known artifact as its makers do, whose file was renamed to `LOG4J-CORE`; others stay as they are."""
    usual = artifact.lower()
    return usual if usual in _GROUPS else artifact


def tomcat_artifact(stem: str, bundle: str) -> str:
    """Return the artifact of one of Tomcat's own archives, which say neither group nor artifact: `catalina.jar`.

    Args:
        stem: the archive's name without its suffix.
        bundle: its symbolic name, if it has one.
    """
    own = bundle.removeprefix(f"{_TOMCAT_GROUP}-")
    return f"tomcat-{(stem if own == bundle else own).removeprefix('tomcat-')}"


def is_group(text: str) -> bool:
    """Tell whether a text may be the name of a group."""
    return _GROUP.match(text) is not None


def group_of_bundle(bundle: str, artifact: str) -> str:
    """Return the group that the symbolic name of an OSGi bundle is made of, given the artifact; empty if none fits.

    Maven's bundle plugin joins group and artifact by a dot, without what the artifact repeats of the group's last part.
    Where the last part of the group is the artifact it leaves the artifact out, so a last part without a hyphen says
    nothing.
    """
    group, _, last = bundle.rpartition(".")
    repeated = group.rpartition(".")[2] + "-" + last
    return group if group and (artifact == repeated or (artifact == last and "-" in last)) else ""


def split_dotted(artifact: str) -> tuple[str, str]:
    """Split `org.example.some-thing` into group and artifact; the group is empty where it is no such name.

    Names of OSGi bundles look alike and are artifacts as they are; but they have no hyphen.
    """
    group, _, last = artifact.rpartition(".")
    return (group, last) if "-" in last and _DOMAIN.match(group) else ("", artifact)
