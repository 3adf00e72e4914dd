import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import Tree, extract, run

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.inventory import Component
from rafsight.analysis.lang.java_runtime import JAVA_RUNTIME

TEMURIN = b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_RUNTIME_VERSION="25.0.3+9-LTS"\nJAVA_VERSION="25.0.3"\nMODULES="java.base java.sql"\n'


@pytest.mark.parametrize(
    ("content", "name", "version"),
    [
        (TEMURIN, "openjdk", "25.0.3+9-LTS"),
        (b'IMPLEMENTOR="Azul Systems, Inc."\nJAVA_RUNTIME_VERSION="17.0.13+11-LTS"\n', "zulu", "17.0.13+11-LTS"),
        (b'IMPLEMENTOR="Oracle Corporation"\nJAVA_VERSION="17.0.13"\n', "jdk", "17.0.13"),
        (b'IMPLEMENTOR="Oracle Corporation"\nJAVA_VERSION="17"\nIMAGE_TYPE="JRE"\n', "jre", "17"),
        (b'JAVA_VERSION="1.8.0_202"\nBUILD_TYPE="commercial"\n', "jdk", "1.8.0_202"),
        (b'IMPLEMENTOR="Temurin"\nBUILD_TYPE="commercial"\nJAVA_VERSION="1.8.0_432"\n', "openjdk", "1.8.0_432"),
        (b"JAVA_VERSION=9\r\n", "openjdk", "9"),
    ],
)
def test_runtimes(content, name, version):
    (item,) = extract(JAVA_RUNTIME, content)
    assert (item.name, item.version) == (name, version)


@pytest.mark.parametrize(
    "content", [b"", b'IMPLEMENTOR="x"\n', b'JAVA_VERSION="\x01"\n', b"JAVA_VERSION=" + b"1" * 5000]
)
def test_a_runtime_without_a_version_is_said(content):
    (item,) = extract(JAVA_RUNTIME, content)
    assert isinstance(item, Skipped)


def test_only_what_lies_beside_the_program():
    tree = Tree({
        b"opt/java/openjdk/release": TEMURIN,
        b"opt/java/openjdk/bin/java": b"\x7fELF",
        b"usr/share/doc/release": b"notes",
        b"srv/other/bin/java": b"\x7fELF",
        b"opt/java/openjdk/xrelease": b"no",
    })  # fmt: skip
    (component,) = run(tree, [JAVA_RUNTIME]).components
    assert component.purl == "pkg:generic/openjdk@25.0.3%2B9-LTS"
    assert component.locations == (b"opt/java/openjdk/release",)
    assert [path for path, _ in tree.reads] == [b"opt/java/openjdk/release"]


@given(content=st.binary(max_size=200))
def test_any_content(content):
    (item,) = extract(JAVA_RUNTIME, content)
    assert isinstance(item, Component | Skipped)
