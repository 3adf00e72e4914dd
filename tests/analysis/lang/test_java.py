import time
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.lang.jars import CLASSES, LOG4J, SPRING, library, manifest, pom
from tests.analysis.support import Tree, run
from tests.formats.zips import Lie, make_zip
from tests.matching.support import make_database, match_in, record

from rafsight.analysis.extractor import FileView, ReadMore, Skipped
from rafsight.analysis.inventory import Component, EvidenceClass, GapReason
from rafsight.analysis.lang.java import JAVA
from rafsight.analysis.os.dpkg import DPKG
from rafsight.analysis.os.dpkg_ownership import DPKG_OWNERSHIP

LAZY = replace(JAVA, wants=replace(JAVA.wants, whole=0, head=None, tail=100))
"""Reads small files as JAVA does large ones."""


def found(files):
    inventory = run(files, [JAVA])
    return {(item.name, item.version): item.locations for item in inventory.components}


def gaps(inventory):
    return [gap for gap in inventory.gaps if gap.reason is not GapReason.NO_PACKAGES]


def nest(depth, stored=True):
    content = LOG4J
    for level in range(depth):
        content = make_zip({f"lib/{level}.jar" if level else "log4j-core-2.14.1.jar": content}, stored=stored)
    return content


def test_libraries_and_what_they_are_called():
    inventory = run({b"opt/log4j-core-2.14.1.jar": LOG4J, b"opt/lib/spring-core-5.3.17.jar": SPRING}, [JAVA])
    log4j, spring = inventory.components
    assert (log4j.purl, log4j.found_by) == ("pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1", "lang/java")
    assert (log4j.name, log4j.locations) == ("org.apache.logging.log4j:log4j-core", (b"opt/log4j-core-2.14.1.jar",))
    assert (spring.name, spring.version) == ("org.springframework:spring-core", "5.3.17")
    assert gaps(inventory) == []


def test_suffixes_in_capitals_are_suffixes():
    """Windows takes both for the same, and so does Java: `-cp LOG4J.JAR` is loaded like any other."""
    inner = make_zip({"WEB-INF/lib/LOG4J-CORE-2.14.1.JAR": LOG4J})
    files = {b"srv/APP.WAR": inner, b"opt/Spring-Core-5.3.17.Jar": SPRING}
    assert found(files) == {
        ("org.apache.logging.log4j:log4j-core", "2.14.1"): (b"srv/APP.WAR:WEB-INF/lib/LOG4J-CORE-2.14.1.JAR",),
        ("org.springframework:spring-core", "5.3.17"): (b"opt/Spring-Core-5.3.17.Jar",),
    }


@pytest.mark.parametrize("stored", [True, False])
def test_nested_archives_say_where_they_are(stored):
    inner = make_zip({"BOOT-INF/lib/log4j-core-2.14.1.jar": LOG4J, "lib/spring-core-5.3.17.jar": SPRING} | CLASSES)
    files = {b"srv/app.ear": make_zip({"web.war": inner} | manifest(Start_Class="x"), stored=stored)}
    assert found(files) == {
        ("org.apache.logging.log4j:log4j-core", "2.14.1"): (b"srv/app.ear:web.war:BOOT-INF/lib/log4j-core-2.14.1.jar",),
        ("org.springframework:spring-core", "5.3.17"): (b"srv/app.ear:web.war:lib/spring-core-5.3.17.jar",),
    }


def test_shaded_packages_say_where_they_are():
    shaded = pom("commons-io", "commons-io", "2.7") | pom("org.example", "tool", "1.0") | pom("a.b", "c", "3")
    assert found({b"tool-1.0.jar": make_zip(shaded | CLASSES)}) == {
        ("org.example:tool", "1.0"): (b"tool-1.0.jar",),
        ("commons-io:commons-io", "2.7"): (b"tool-1.0.jar:META-INF/maven/commons-io/commons-io/pom.properties",),
        ("a.b:c", "3"): (b"tool-1.0.jar:META-INF/maven/a.b/c/pom.properties",),
    }


def test_one_package_at_many_places_is_one_component():
    fat = make_zip({"lib/log4j-core-2.14.1.jar": LOG4J, "more/log4j-core-2.14.1.jar": LOG4J}, stored=True)
    tree = Tree({b"a/fat.jar": fat, b"b/fat.jar": fat, b"log4j-core-2.14.1.jar": LOG4J}, keyed=True)
    (component,) = run(tree, [JAVA]).components
    assert component.locations == (
        b"a/fat.jar:lib/log4j-core-2.14.1.jar",
        b"a/fat.jar:more/log4j-core-2.14.1.jar",
        b"b/fat.jar:lib/log4j-core-2.14.1.jar",
        b"b/fat.jar:more/log4j-core-2.14.1.jar",
        b"log4j-core-2.14.1.jar",
    )
    assert component.member == b""
    assert {path for path, _ in tree.reads} == {b"a/fat.jar", b"log4j-core-2.14.1.jar"}  # equal contents once


def test_an_owned_file_owns_what_is_inside():
    files = {
        b"var/lib/dpkg/status": b"Package: libx-java\nStatus: install ok installed\nMaintainer: Debian Java "
        b"Maintainers <pkg-java@lists.alioth.debian.org>\nVersion: 1\n",
        b"var/lib/dpkg/info/libx-java.list": b"/usr/share/java/x.war\n",
        b"usr/share/java/x.war": make_zip({"WEB-INF/lib/log4j-core-2.14.1.jar": LOG4J}, stored=True),
        b"opt/x.war": make_zip({"WEB-INF/lib/log4j-core-2.14.1.jar": LOG4J}),
    }
    inventory = run(files, [DPKG, DPKG_OWNERSHIP, JAVA])
    assert {(item.owned_by, item.locations) for item in inventory.components if item.ecosystem == "maven"} == {
        ("libx-java", (b"usr/share/java/x.war:WEB-INF/lib/log4j-core-2.14.1.jar",)),
        ("", (b"opt/x.war:WEB-INF/lib/log4j-core-2.14.1.jar",)),
    }


def test_a_jar_of_fifty_megabytes_costs_its_directory_and_a_few_members():
    classes = {f"org/example/deep/package/Class{number}.class": b"" for number in range(20_000)}
    wanted = manifest(Implementation_Version="1.0") | pom("org.example", "large", "1.0")
    nested = {"lib/log4j-core-2.14.1.jar": LOG4J}
    filler = {"data.bin": bytes(50_000_000)}
    jar = make_zip(wanted | filler | nested | classes, stored=True)
    size = len(jar)
    tree = Tree({b"large-1.0.jar": jar})
    assert len(run(tree, [JAVA]).components) == 2
    assert size > 52_000_000
    tail, directory, members = tree.reads[:3]
    assert tail == (b"large-1.0.jar", ((0, 8192), (size - 65536, 65536)))
    ((start, length),) = directory[1]
    assert start + length == size - 65536
    assert length < 2_000_000
    assert sum(length for _, length in members[1]) < 20_000  # manifest, pom.properties, the nested one nearly whole
    assert len(members[1]) < 5
    assert sum(length for _, ranges in tree.reads for _, length in ranges) < 2_200_000


def test_small_files_are_read_whole():
    tree = Tree({b"log4j-core-2.14.1.jar": LOG4J})
    run(tree, [JAVA])
    assert tree.reads == [(b"log4j-core-2.14.1.jar", ((0, len(LOG4J)),))]


def test_of_a_usual_library_both_ends_are_read():
    """In an image of small chunks that is a tenth of it; where a chunk has a megabyte, the rest comes along."""
    content = make_zip(manifest() | {"a.bin": bytes(800_000)} | pom("a.b", "c", "3"), stored=True)
    tree = Tree({b"c-3.jar": content})
    assert [item.name for item in run(tree, [JAVA]).components] == ["a.b:c"]
    assert [len(ranges) for _, ranges in tree.reads] == [2]
    assert sum(length for _, ranges in tree.reads for _, length in ranges) < 80_000


@pytest.mark.parametrize("stored", [True, False])
def test_reading_by_ranges_finds_the_same(stored):
    libraries = {f"lib/x{n}-1.{n}.jar": library("org.example", f"x{n}", f"1.{n}") for n in range(40)}
    inner = make_zip(libraries | {"pad": bytes(100_000)}, stored=stored, local_extra=bytes(300))
    files = {b"app.ear": make_zip({"a.war": inner, "b.war": nest(3)} | CLASSES, stored=True)}
    tree = Tree(files)
    inventory = run(tree, [LAZY])
    assert inventory == run(files, [JAVA])
    assert len(inventory.components) == 41
    assert len(tree.reads) < 10


def test_stored_nests_are_read_by_ranges():
    inner = make_zip(pom("org.example", "inner", "1.0") | {"pad": bytes(3_000_000)} | CLASSES, stored=True)
    middle = make_zip({"pad": bytes(3_000_000), "inner-1.0.jar": inner, "more": bytes(3_000_000)}, stored=True)
    tree = Tree({b"outer.war": make_zip({"middle.jar": middle, "rest": bytes(3_000_000)}, stored=True)})
    assert [item.locations for item in run(tree, [JAVA]).components] == [(b"outer.war:middle.jar:inner-1.0.jar",)]
    assert sum(length for _, ranges in tree.reads for _, length in ranges) < 150_000
    assert len(tree.reads) == 4  # a round for each level, and one for what the innermost says


@pytest.mark.parametrize("stored", [True, False])
def test_a_nest_too_deep_is_said(stored):
    inventory = run({b"deep.jar": nest(100, stored)}, [JAVA])
    (gap,) = gaps(inventory)
    assert "archives inside 5 others are not read" in gap.detail
    assert gap.subject == "deep.jar"
    assert found({b"deep.jar": nest(5, stored)})[("org.apache.logging.log4j:log4j-core", "2.14.1")]


def test_of_what_is_not_read_the_name_is_kept():
    inventory = run({b"x.jar": nest(6)}, [JAVA])
    (component,) = inventory.components
    assert (component.name, component.version) == ("org.apache.logging.log4j:log4j-core", "2.14.1")
    assert component.locations[0].endswith(b"/1.jar:log4j-core-2.14.1.jar")
    assert len(gaps(inventory)) == 1


def test_a_large_deflated_archive_is_not_inflated():
    jar = make_zip(
        {"lib/log4j-core-2.14.1.jar": LOG4J, "lib/x-1.jar": bytes(1000)},
        lies={"lib/log4j-core-2.14.1.jar": Lie(size=1 << 30)},
    )
    inventory = run({b"x.war": jar}, [JAVA])
    assert [item.name for item in inventory.components] == ["org.apache.logging.log4j:log4j-core"]
    assert "would exceed" in "".join(gap.detail for gap in gaps(inventory))


def test_a_pom_without_a_version_is_said():
    jar = make_zip({"META-INF/maven/org.example/thing/pom.properties": b"artifactId=thing\n"})
    (gap,) = gaps(run({b"app.war": make_zip({"x.jar": jar})}, [JAVA]))
    assert gap.detail == ("x.jar:META-INF/maven/org.example/thing/pom.properties: it names no artifact with a version")


def test_bombs_end_soon():
    zeros = make_zip({"zeros.bin": bytes(40_000_000)})
    twice = make_zip({f"{number}.jar": make_zip({"a.jar": zeros, "b.jar": zeros}) for number in range(50)})
    lying = make_zip(
        {f"{n}.jar": bytes(20_000_000) for n in range(3)}, lies={f"{n}.jar": Lie(size=500 << 20) for n in range(3)}
    )
    names = [f"lib/{number}.jar" for number in range(3000)]
    texts = {f"{n}/META-INF/maven/a/b/pom.properties": b"version=1\n" + b"\n" * 15_000 for n in range(400)}
    large = make_zip({"META-INF/MANIFEST.MF": b"Group-Id: a\n" * 5000})
    texts |= {f"{number}-1.0.jar": large for number in range(400)}
    shared = make_zip(
        [(name, LOG4J if not index else b"") for index, name in enumerate(names)],
        lies={name: Lie(header_offset=0, size=len(LOG4J), compressed_size=len(LOG4J), method=0) for name in names[1:]},
        stored=True,
    )
    for content, is_said in ((twice, False), (lying, True), (shared, True), (make_zip(texts), False)):
        started = time.process_time()
        tracemalloc.start()
        inventory = run({b"bomb.jar": content}, [JAVA])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.process_time() - started < 5
        assert peak < 150_000_000
        assert bool(gaps(inventory)) == is_said


def test_what_is_no_archive():
    inventory = run({b"a.jar": b"no archive", b"b.war": LOG4J[:-30], b"c.jar": b""}, [JAVA])
    assert [(gap.subject, gap.detail) for gap in gaps(inventory)] == [
        ("a.jar", "this is no zip archive"),
        ("b.war", "this is no zip archive"),
    ]
    files = {b"var/log/sa.sar": b"statistics", b"song.kar": b"MThd", b"x.rar": b"Rar!", b"y.nar": b"nix-archive-1"}
    assert gaps(run(files, [JAVA])) == []
    assert found({b"x.rar": LOG4J}) != {}


def test_the_modules_of_a_platform_are_not_read():
    module = b"JM\x01\x00" + make_zip({"classes/META-INF/maven/a.b/c/pom.properties": b"version=1\n"})
    tree = Tree(
        {b"opt/jdk/jmods/java.base.jmod": module, b"opt/jdk/jmods/java.sql.jmod": module, b"app/c-1.jmod": module}
    )
    assert [item.locations for item in run(tree, [JAVA]).components] == [(b"app/c-1.jmod",)]
    assert {path for path, _ in tree.reads} == {b"app/c-1.jmod"}


def test_damaged_members_do_not_hide_the_others():
    path = "META-INF/maven/a.b/c/pom.properties"
    members = pom("a.b", "c", "1") | pom("org.example", "fine", "2") | {"lib/x-1.jar": b"no archive", "e.jar": b""}
    inventory = run({b"x.jar": make_zip(members, lies={path: Lie(crc=1)})}, [JAVA])
    assert [item.name for item in inventory.components] == ["org.example:fine"]
    assert sorted(gap.detail.partition(": ")[0] for gap in gaps(inventory)) == [path, "lib/x-1.jar"]
    assert all(gap.reason is GapReason.MALFORMED for gap in gaps(inventory))


def test_encrypted_and_foreign_members_are_said():
    jar = make_zip({"a.jar": LOG4J, "b.jar": LOG4J}, lies={"a.jar": Lie(flags=1), "b.jar": Lie(method=93)})
    details = sorted(gap.detail for gap in gaps(run({b"x.jar": jar}, [JAVA])))
    assert "a.jar: a zip archive: an encrypted member" in details[0]
    assert "method 93" in details[1]


def test_an_archive_that_says_nothing_is_listed_without_a_version():
    (component,) = run({b"opt/thing.jar": make_zip(CLASSES)}, [JAVA]).components
    assert (component.name, component.version, component.purl) == ("thing", "", "pkg:maven/thing")
    assert component.evidence is EvidenceClass.HEURISTIC
    assert found({b"opt/texts.jar": make_zip({"texts.properties": b"a=b"})}) == {}
    assert found({b"opt/app.jar": make_zip(CLASSES | {"lib/log4j-core-2.14.1.jar": LOG4J})}) == {
        ("org.apache.logging.log4j:log4j-core", "2.14.1"): (b"opt/app.jar:lib/log4j-core-2.14.1.jar",)
    }


def test_advisories_find_them(tmp_path):
    files = {
        b"opt/app.jar": make_zip({"BOOT-INF/lib/log4j-core-2.14.1.jar": LOG4J}, stored=True),
        b"opt/log4j-core-2.17.1.jar": library("org.apache.logging.log4j", "log4j-core", "2.17.1"),
        b"opt/nobody-knows-2.14.1.jar": make_zip(CLASSES),
        b"opt/thing.jar": make_zip(CLASSES),
        b"opt/log4j-core.jar": make_zip(CLASSES),
    }
    inventory = run(files, [JAVA])
    assert len(inventory.components) == 5
    events = [{"introduced": "2.13.0"}, {"fixed": "2.15.0"}]
    records = [
        record(
            "GHSA-jfh8-c2jp-5v3q", "Maven", "org.apache.logging.log4j:log4j-core", events, aliases=["CVE-2021-44228"]
        ),
        record("GHSA-none", "Maven", "nobody-knows"),
    ]
    result = match_in(make_database(tmp_path, records), *inventory.components)
    (finding,) = result.findings
    assert (finding.id, finding.fixed_versions) == ("CVE-2021-44228", ("2.15.0",))
    assert finding.component.locations == (b"opt/app.jar:BOOT-INF/lib/log4j-core-2.14.1.jar",)
    assert [(gap.reason, gap.subject) for gap in result.gaps] == [
        (GapReason.UNCOMPARABLE_VERSION, "org.apache.logging.log4j:log4j-core@"),  # its version is not known
        (GapReason.NO_FEED, "maven"),  # the groups of two are not
    ]


SAMPLES = [
    LOG4J,
    nest(3),
    nest(2, stored=False),
    make_zip({"a/log4j-core-2.14.1.jar": LOG4J, "b/spring-core-5.3.17.jar": SPRING} | pom("a", "b", "1"), stored=True),
    make_zip({"x.war": nest(1)}, zip64=True, prefix=b"#!/bin/sh\n"),
]


@given(
    sample=st.sampled_from(SAMPLES),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=8),
    keep=st.floats(0.3, 1),
    name=st.sampled_from([b"x.jar", b"x-1.0.war", b"a.b.jmod", b"-.jar", b".jar", b"\xff-1.jar"]),
)
def test_any_damage_is_said_and_ends(sample, edits, keep, name):
    content = bytearray(sample)
    for place, value in edits:
        start = int(place * len(content))
        content[start : start + len(value)] = value
    files = {name: bytes(content[: int(len(content) * keep)])}
    inventory = run(files, [JAVA])
    assert run(files, [LAZY]) == inventory
    for gap in inventory.gaps:
        assert "mistake" not in gap.detail
        assert "asked" not in gap.detail
        assert "asks" not in gap.detail
    for item in inventory.components:
        item.name.encode()
        assert item.name
        assert item.purl


@given(content=st.binary(max_size=400), more=st.integers(0, 1 << 40), tail=st.booleans())
def test_any_content_of_any_size(content, more, tail):
    size = len(content) + more
    runs = ((size - len(content) if tail else 0, content),) if content else ()
    for item in JAVA.extract(FileView(path=b"x.jar", size=size, runs=runs)):
        assert isinstance(item, Component | ReadMore | Skipped)
