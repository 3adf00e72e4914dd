import time

import pytest
from tests.analysis.lang.jars import CLASSES, LOG4J, manifest, pom
from tests.formats.zips import Lie, make_zip

from rafsight.analysis.extractor import FileView
from rafsight.analysis.isolation import SKIPPED_COUNT
from rafsight.analysis.lang.java_metadata import Coordinates
from rafsight.analysis.lang.java_walk import ARCHIVE_COUNT, POM_COUNT, STORED_SIZE, walk


def walked(content, name=b"x.jar"):
    return walk(FileView(path=name, size=len(content), runs=((0, content),)))


def whys(result):
    return [skipped.what for skipped in result.skipped]


def test_an_archive_and_what_it_says():
    content = make_zip(manifest(Group_Id="b") | CLASSES | pom("a", "b", "1") | {"lib/x.jar": LOG4J, "doc.txt": b"text"})
    outer, inner = walked(content).archives
    assert (outer.path, outer.name, outer.has_classes, outer.has_archives) == (b"", b"x.jar", True, True)
    assert outer.fields == {"group-id": "b"}
    assert outer.poms == ((b"META-INF/maven/a/b/pom.properties", Coordinates("a", "b", "1")),)
    assert (inner.path, inner.name, inner.has_archives) == (b"lib/x.jar", b"x.jar", False)


def test_members_in_odd_places():
    content = make_zip(
        {"meta-inf/manifest.mf": b"Group-Id: a", "pom.properties": b"", "a/META-INF/MANIFEST.MF": b"", "X.JAR": LOG4J}
    )
    outer, inner = walked(content).archives
    assert (outer.fields, outer.poms) == ({"group-id": "a"}, ())
    assert inner.path == b"X.JAR"


def test_of_a_large_manifest_the_beginning_is_read():
    lines = b"".join(b"Name: %d.class\r\nSHA-256-Digest: abc\r\n\r\n" % number for number in range(100_000))
    (outer,) = walked(make_zip({"META-INF/MANIFEST.MF": b"Group-Id: a\r\n\r\n" + lines})).archives
    assert outer.fields == {"group-id": "a"}


def test_too_many_of_everything_is_said():
    poms = walked(
        make_zip({f"{n}/META-INF/maven/a/b/pom.properties": b"version=1" for n in range(POM_COUNT + 5)}, stored=True)
    )
    assert whys(poms) == [f"more than {POM_COUNT} pom.properties"]
    assert len(poms.archives[0].poms) == POM_COUNT
    jars = walked(make_zip({f"{number}.jar": b"x" for number in range(ARCHIVE_COUNT + 5)}, stored=True))
    assert len(whys(jars)) == ARCHIVE_COUNT + 1
    more = walked(make_zip({f"{number}.jar": b"" for number in range(ARCHIVE_COUNT + POM_COUNT + 5)}, stored=True))
    assert any("members that could say something" in what for what in whys(more))
    poms = {f"{n}/META-INF/maven/a/b/pom.properties": b"" for n in range(POM_COUNT)}
    both = [make_zip(poms, stored=True) for _ in range(3)]
    assert len(whys(walked(make_zip({f"{n}.jar": jar for n, jar in enumerate(both)})))) <= SKIPPED_COUNT


def test_deflated_archives_are_fetched_up_to_a_bound():
    large = STORED_SIZE // 2 + 1
    lies = {f"{n}.jar": Lie(size=1 << 31, compressed_size=large, header_offset=n * (large + 100)) for n in range(3)}
    content = make_zip({f"{n}.jar": b"x" for n in range(3)}, lies=lies)
    size = 3 * (large + 200)
    tail = content[content.index(b"PK\x01\x02") :]
    offset = size - len(tail)
    tail = tail[:-6] + offset.to_bytes(4, "little") + tail[-2:]
    run = bytes(60_000) + tail
    result = walk(FileView(path=b"x.war", size=size, runs=((size - len(run), run),)))
    assert sum(size for _, size in result.missing) < STORED_SIZE
    assert [what.partition(":")[0] for what in whys(result)] == ["1.jar", "2.jar"]
    assert [archive.name for archive in result.archives] == [b"1.jar", b"2.jar", b"x.war"]


def test_an_archive_that_grows_when_deflated_is_read():
    packed = LOG4J  # deflated already: a second time makes it no smaller
    content = make_zip({"x.jar": packed}, lies={"x.jar": Lie()})
    assert [archive.path for archive in walked(content).archives] == [b"", b"x.jar"]
    assert whys(walked(content)) == []


@pytest.mark.parametrize("depth", [3, 4])
def test_wide_and_deep_nests_end(depth):
    content = LOG4J
    for _ in range(depth):
        content = make_zip({f"{number}.jar": content for number in range(8)})
    started = time.process_time()
    result = walked(content)
    assert time.process_time() - started < 5
    assert len(result.archives) == sum(8**level for level in range(depth + 1))
    assert whys(result) == []
