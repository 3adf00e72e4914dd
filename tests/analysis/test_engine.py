import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import Tree, names, ndb, package, run

from rafsight.analysis import engine
from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.engine import Analysis
from rafsight.analysis.extractor import Extractor, MalformedFile, ReadMore, Skipped
from rafsight.analysis.inventory import Component, Ecosystem, GapReason
from rafsight.analysis.isolation import COMPONENT_COUNT, SKIPPED_COUNT
from rafsight.analysis.request import Outcome, Question
from rafsight.base.errors import Defect
from rafsight.image.selection import Wants

DEBIAN = {
    b"usr/lib/os-release": b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n',
    b"etc/debian_version": b"12.7\n",
    b"var/lib/dpkg/status": b"""Package: python3-requests
Status: install ok installed
Maintainer: Debian Python Team <team+python@tracker.debian.org>
Architecture: all
Source: requests
Version: 2.28.1+dfsg-1

Package: vendor-tool
Status: install ok installed
Maintainer: Docker <support@docker.com>
Version: 1.0
""",
    b"var/lib/dpkg/info/python3-requests.list": b"/.\n/usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA\n",
    b"var/lib/dpkg/info/python3-requests.md5sums": b"not read, because the list is there",
    b"var/lib/dpkg/info/vendor-tool.list": b"/usr/lib/python3/dist-packages/urllib3-1.0.dist-info/METADATA\n",
    b"var/lib/dpkg/info/removed.list": b"/usr/lib/python3/dist-packages/idna-3.0.dist-info/METADATA\n",
    b"usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA": b"Name: requests\nVersion: 2.28.1\n\n",
    b"usr/lib/python3/dist-packages/urllib3-1.0.dist-info/METADATA": b"Name: urllib3\nVersion: 1.0\n\n",
    b"usr/lib/python3/dist-packages/idna-3.0.dist-info/METADATA": b"Name: idna\nVersion: 3.0\n\n",
    b"opt/venv/requests-2.28.1.dist-info/METADATA": b"Name: requests\nVersion: 2.28.1\n\n",
}


def owners(inventory):
    return {(item.name, item.locations[0]): item.owned_by for item in inventory.components if item.ecosystem == "pypi"}


def test_a_debian_image():
    tree = Tree(DEBIAN)
    inventory = run(tree)
    assert inventory.distribution is not None
    assert (inventory.distribution.id, inventory.distribution.version) == ("debian", "12.7")
    assert names(inventory) == [
        ("deb", "python3-requests", "2.28.1+dfsg-1"),
        ("deb", "vendor-tool", "1.0"),
        ("pypi", "idna", "3.0"),
        ("pypi", "requests", "2.28.1"),
        ("pypi", "requests", "2.28.1"),
        ("pypi", "urllib3", "1.0"),
    ]
    assert owners(inventory) == {
        ("requests", b"usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA"): "python3-requests",
        ("requests", b"opt/venv/requests-2.28.1.dist-info/METADATA"): "",
        ("urllib3", b"usr/lib/python3/dist-packages/urllib3-1.0.dist-info/METADATA"): "",
        ("idna", b"usr/lib/python3/dist-packages/idna-3.0.dist-info/METADATA"): "",
    }
    assert inventory.components[0].purl == (
        "pkg:deb/debian/python3-requests@2.28.1%2Bdfsg-1?arch=all&distro=debian-12.7&upstream=requests"
    )
    assert inventory.components[0].found_by == "os/dpkg"
    assert inventory.gaps == ()
    lists = [path for path, _ in tree.reads if b"info/" in path and b"dist-info" not in path]
    assert len(lists) == 3
    assert not any(path.endswith(b".md5sums") for path in lists)


def test_lists_are_asked_for_together_with_the_database():
    first = {request.path for request in Analysis().plan_wave(Tree(DEBIAN).find)}
    assert b"var/lib/dpkg/status" in first
    assert sum(path.endswith(b".list") for path in first) == 3


def test_files_of_official_packages_are_left_out_where_an_extractor_says_so():
    owned = b"/usr/bin/python-tool\n/usr/bin/linked\n"
    files = DEBIAN | {
        b"var/lib/dpkg/info/python3-requests.list": owned,
        b"var/lib/dpkg/info/vendor-tool.list": b"/usr/bin/vendor\n",
        b"bin/python-tool": b"1", b"usr/bin/linked": b"2", b"usr/bin/vendor": b"3", b"usr/bin/own": b"4",
    }  # fmt: skip
    tree = Tree(files, links={b"usr/bin/other": b"usr/bin/linked"})
    wants = Wants(patterns=(b"**/bin/*",), max_size=10)
    probe = Extractor(
        name="toy/probe", version=1, wave=3, unowned_only=True, wants=wants, extract=lambda file: iter([found()])
    )
    inventory = run(tree, [*CATALOGUE, probe], merged_roots=frozenset({b"bin"}))
    (component,) = [item for item in inventory.components if item.found_by == "toy/probe"]
    assert component.locations == (b"usr/bin/other", b"usr/bin/own", b"usr/bin/vendor")


def test_the_order_of_feeding_does_not_matter():
    assert run(DEBIAN) == run(DEBIAN, backwards=True)
    assert run(DEBIAN) == run(DEBIAN, CATALOGUE[::-1])


def test_distroless_names_its_lists_after_the_stanza():
    inventory = run({
        b"var/lib/dpkg/status.d/python": b"Package: python3.11-minimal\nVersion: 3.11\n",
        b"var/lib/dpkg/status.d/python.md5sums": b"0123456789abcdef0123456789abcdef  usr/lib/python3/x.egg-info\n",
        b"usr/lib/python3/x.egg-info": b"Name: x\nVersion: 1\n",
    })  # fmt: skip
    assert owners(inventory) == {("x", b"usr/lib/python3/x.egg-info"): "python3.11-minimal"}


@pytest.mark.parametrize(("roots", "owner"), [(frozenset(), ""), (frozenset({b"lib"}), "x")])
def test_the_merged_usr(roots, owner):
    files = {
        b"lib/apk/db/installed": b"P:x\nV:1\nF:lib/python3\nR:y.egg-info\n",
        b"usr/lib/python3/y.egg-info": b"Name: y\nVersion: 1\n",
    }
    assert owners(run(files, merged_roots=roots)) == {("y", b"usr/lib/python3/y.egg-info"): owner}


def test_rpm_owners_are_official_by_their_vendor():
    files = {
        b"var/lib/rpm/Packages.db": ndb([
            package("python3-a", vendor="Red Hat, Inc.", files=["/usr/lib/a.egg-info"]),
            package("python3-b", vendor="NodeSource", files=["/usr/lib/b.egg-info"]),
        ]),
        b"usr/lib/a.egg-info": b"Name: a\nVersion: 1\n",
        b"usr/lib/b.egg-info": b"Name: b\nVersion: 1\n",
    }  # fmt: skip
    assert owners(run(files)) == {("a", b"usr/lib/a.egg-info"): "python3-a", ("b", b"usr/lib/b.egg-info"): ""}


def test_nothing_found_is_a_gap():
    inventory = run({b"etc/passwd": b"root"})
    assert inventory.components == ()
    assert [gap.reason for gap in inventory.gaps] == [GapReason.NO_PACKAGES]


def test_spellings_of_one_python_package_are_one_component():
    (found,) = run({
        b"a/X_y.dist-info/METADATA": b"Name: X_y\nVersion: 1\nLicense: MIT\n",
        b"b/x-y.egg-info": b"Name: x-y\nVersion: 1\n",
    }).components  # fmt: skip
    assert len(found.locations) == 2
    assert found.licenses == ("MIT",)


def toy(extract, *, name="toy/x", wave=1, size=1000, **wants):
    return Extractor(
        name=name, version=1, wave=wave, extract=extract, wants=Wants(patterns=(b"x/*",), max_size=size, **wants)
    )


def found(name="found"):
    return Component(ecosystem=Ecosystem.NPM, name=name, version="1")


def gaps(inventory):
    return [(gap.reason, gap.subject, gap.extractor) for gap in inventory.gaps]


def test_a_bug_in_an_extractor_is_a_gap():
    def broken(file):
        yield found(file.content.decode())
        yield {}[file.name]

    inventory = run({b"x/a": b"one", b"x/b": b"two"}, [toy(broken)])
    assert [item.name for item in inventory.components] == ["one", "two"]
    assert gaps(inventory) == [(GapReason.UNSUPPORTED, "x/a", "toy/x"), (GapReason.UNSUPPORTED, "x/b", "toy/x")]
    assert inventory.gaps[0].detail == "this is a mistake in the extractor: KeyError: b'a'"


def test_malformed_and_skipped_parts_are_gaps():
    def partly(file):
        for number in range(50):
            yield Skipped(what=f"part {number}")
        yield found()
        raise MalformedFile(what="it ends", where=f"offset {file.size}")

    inventory = run({b"x/a": b"123"}, [toy(partly)])
    assert [item.name for item in inventory.components] == ["found"]
    details = [gap.detail for gap in inventory.gaps]
    assert len(details) == 22
    assert "it ends (at offset 3)" in details
    assert "and 30 more like these" in details
    assert {gap.reason for gap in inventory.gaps} == {GapReason.MALFORMED}


def test_a_file_of_damage_alone_is_given_up():
    inventory = run({b"x/a": b""}, [toy(lambda file: itertools.repeat(Skipped(what="no field")))])
    assert {gap.detail for gap in inventory.gaps if gap.extractor} == {
        "no field",
        "the rest was given up",
        f"and {SKIPPED_COUNT - 20} more like these",
    }


def test_too_many_components_are_a_gap():
    inventory = run({b"x/a": b""}, [toy(lambda file: itertools.repeat(found()))])
    assert gaps(inventory) == [(GapReason.TOO_LARGE, "x/a", "toy/x")]
    assert f"{COMPONENT_COUNT}" in inventory.gaps[0].detail


def test_large_files_are_gaps_and_not_read():
    tree = Tree({b"x/a": b"1" * 1001, b"x/b": b"1"})
    inventory = run(tree, [toy(lambda file: iter([found()]))])
    assert gaps(inventory) == [(GapReason.TOO_LARGE, "x/a", "toy/x")]
    assert tree.reads == [(b"x/b", ((0, 1),))]


def test_failed_and_forgotten_files_are_gaps():
    tree = Tree({b"x/a": b"1", b"x/b": b"2", b"x/\xffc": b"3"})
    analysis = Analysis([toy(lambda file: iter([found()]))])
    requests = analysis.plan_wave(tree.find)
    assert [request.path for request in requests] == [b"x/a", b"x/b", b"x/\xffc"]
    analysis.feed(requests[0].row, [(0, b"1")])
    analysis.fail(requests[1].row, "the chunk does not verify")
    assert analysis.plan_wave(tree.find) == ()
    inventory = analysis.finish()
    assert gaps(inventory) == [(GapReason.UNREADABLE, "x/\\xffc", "toy/x"), (GapReason.UNREADABLE, "x/b", "toy/x")]
    assert [gap.detail for gap in inventory.gaps] == ["it was asked for and not delivered", "the chunk does not verify"]


def test_a_row_that_was_not_asked_for_is_a_defect():
    analysis = Analysis([toy(lambda file: iter([found()]))])
    with pytest.raises(Defect):
        analysis.feed(1, [])
    with pytest.raises(Defect):
        analysis.fail(1, "x")


def test_several_extractors_of_one_file_are_one_read():
    tree = Tree({b"x/a": bytes(range(100))})
    seen = []

    def look(file):
        seen.append(file.runs)
        return iter([])

    first, second = toy(look, name="a", head=10, tail=5), toy(look, name="b", head=20)
    run(tree, [first, second])
    assert tree.reads == [(b"x/a", ((0, 20), (95, 5)))]
    assert seen == [((0, bytes(range(20))), (95, bytes(range(95, 100))))] * 2
    tree.reads.clear()
    run(tree, [first, toy(look, name="c")])
    assert tree.reads == [(b"x/a", ((0, 100),))]


def test_more_is_read_once_and_joined():
    content = bytes(range(200))

    def steps(file):
        for end in (10, 50, 60):
            if file.slice(0, end) is None:
                yield ReadMore(ranges=((0, end),))
                return
        yield found(str(len(file.content)))

    tree = Tree({b"x/a": content})
    assert [item.name for item in run(tree, [toy(steps, head=4)]).components] == ["60"]
    assert [ranges for _, ranges in tree.reads] == [((0, 4),), ((4, 6),), ((10, 40),), ((50, 10),)]


@pytest.mark.parametrize(
    ("ranges", "detail"),
    [
        (lambda file: ((0, 2),), "its extractor asks for what it has"),
        (lambda file: ((5000, 2),), "its extractor asks for what it has"),
        (lambda file: ((0, len(file.content) + 1),), f"its extractor asked more than {engine.MORE_COUNT} times"),
    ],
)
def test_asking_in_vain_is_a_gap(ranges, detail):
    tree = Tree({b"x/a": bytes(100)})
    inventory = run(tree, [toy(lambda file: iter([ReadMore(ranges=ranges(file))]), head=4)])
    assert [(gap.reason, gap.detail) for gap in inventory.gaps if gap.extractor] == [(GapReason.UNSUPPORTED, detail)]
    assert len(tree.reads) <= engine.MORE_COUNT + 1


def test_waves_are_bounded():
    def more(file):
        yield ReadMore(ranges=((0, len(file.content) + 1),))

    tree = Tree({b"x/a": bytes(100)})
    inventory = run(tree, [toy(more, head=4, wave=engine.WAVES - 2)])
    details = [gap.detail for gap in inventory.gaps if gap.extractor]
    assert details == [f"more of it was asked for after {engine.WAVES} waves"]


def test_empty_files_cost_no_read():
    tree = Tree({b"x/a": b""})
    assert [
        item.name for item in run(tree, [toy(lambda file: iter([found(f"{file.size}{file.runs}")]))]).components
    ] == ["0()"]
    assert tree.reads == []


def test_waves_see_what_was_found_before():
    seen = []

    def needed(inventory):
        seen.append([(item.name, item.locations, item.found_by) for item in inventory.components])
        return False

    second = Extractor(
        name="b",
        version=1,
        wave=2,
        wants=Wants(patterns=(b"y/*",), max_size=9),
        extract=lambda file: iter([]),
        needed=needed,
    )
    tree = Tree({b"x/a": b"1", b"y/b": b"2"})
    run(tree, [second, toy(lambda file: iter([found()]))])
    assert seen == [[("found", (b"x/a",), "toy/x")]]
    assert [path for path, _ in tree.reads] == [b"x/a"]


def test_one_content_is_read_and_analysed_once():
    calls = []

    def count(file):
        calls.append(file.path)
        yield found(file.content.decode())

    files = {b"x/n": b"same", b"x/other": b"same"}
    tree = Tree(files, links={b"x/link": b"x/n"}, keyed=True)
    inventory = run(tree, [toy(count)])
    assert len(tree.reads) == 1
    assert len(calls) == 3  # once for each base name, which an extractor may read as well
    assert [item.locations for item in inventory.components] == [(b"x/link", b"x/n", b"x/other")]

    calls.clear()
    same_name = Extractor(name="n", version=1, wants=Wants(patterns=(b"**/n",), max_size=9), extract=count)
    tree = Tree({b"a/n": b"same", b"b/n": b"same", b"c/n": b"else"}, links={b"d/n": b"c/n"}, keyed=True)
    inventory = run(tree, [same_name])
    assert calls == [b"a/n", b"c/n"]
    assert [item.locations for item in inventory.components] == [(b"c/n", b"d/n"), (b"a/n", b"b/n")]
    assert len(tree.reads) == 2


def test_hard_links_are_read_once_without_content_keys():
    tree = Tree({b"x/n": b"1"}, links={b"x/m": b"x/n"})
    inventory = run(tree, [toy(lambda file: iter([found()]))])
    assert tree.reads == [(b"x/m", ((0, 1),))]
    assert [item.locations for item in inventory.components] == [(b"x/m", b"x/n")]


def test_companions():
    seen = []

    def look(file):
        seen.append((file.path, dict(file.companions)))
        return iter([])

    wants = Wants(patterns=(b"x/db",), max_size=10, companions=(b"-wal", b"-empty", b"-none", b"-large"))
    extractor = Extractor(name="c", version=1, wants=wants, extract=look)
    tree = Tree({b"x/db": b"1", b"x/db-wal": b"2", b"x/db-empty": b"", b"x/db-large": bytes(11)})
    inventory = run(tree, [extractor])
    assert seen == [(b"x/db", {b"-wal": b"2"})]
    assert gaps(inventory)[1:] == [(GapReason.TOO_LARGE, "x/db-large", "c")]

    analysis = Analysis([extractor])
    (request,) = analysis.plan_wave(tree.find)
    assert [(item.suffix, item.path, item.size) for item in request.companions] == [(b"-wal", b"x/db-wal", 1)]
    analysis.fail(request.companions[0].row, "it did not verify")
    analysis.feed(request.row, [(0, b"1")])
    assert (GapReason.UNREADABLE, "x/db-wal", "") in gaps(analysis.finish())
    assert seen[-1] == (b"x/db", {})


def test_a_companion_does_not_mix_with_another_file_of_the_same_content():
    seen = []

    def look(file):
        seen.append((file.path, dict(file.companions)))
        return iter([])

    extractor = Extractor(
        name="c", version=1, wants=Wants(patterns=(b"x/db", b"y/db"), max_size=10, companions=(b"-wal",)), extract=look
    )
    run(Tree({b"x/db": b"1", b"y/db": b"1", b"y/db-wal": b"2"}, keyed=True), [extractor])
    assert sorted(seen) == [(b"x/db", {}), (b"y/db", {b"-wal": b"2"})]


def test_answers_that_are_known_cost_no_read():
    tree = Tree(DEBIAN)
    kept: dict[tuple[Question, bytes], Outcome] = {}
    first = Analysis()
    while requests := first.plan_wave(tree.find):
        for request in requests:
            content = tree.content(request.row)
            for outcome in first.feed(request.row, [(0, content)]):
                kept[outcome.question, content] = outcome
    second = Analysis()
    assert second.fingerprint == first.fingerprint
    assert second.fingerprint != Analysis([]).fingerprint
    while requests := second.plan_wave(tree.find):
        for request in requests:
            content = tree.content(request.row)
            second.recall(request.row, [kept[question, content] for question in request.questions])
    assert second.finish() == first.finish() == run(DEBIAN)


def test_answers_that_are_missing_are_a_defect():
    tree = Tree({b"x/a": b"1"})
    analysis = Analysis([toy(lambda file: iter([]))])
    (request,) = analysis.plan_wave(tree.find)
    with pytest.raises(Defect):
        analysis.recall(request.row, [])


def test_wanted_patterns_are_those_of_all_waves():
    wanted = {pattern for wants in Analysis().wanted_patterns() for pattern in wants.patterns}
    assert {b"var/lib/dpkg/status", b"var/lib/dpkg/info/*.list", b"**/package.json"} <= wanted


def test_the_catalogue_is_in_order():
    assert len({extractor.name for extractor in CATALOGUE}) == len(CATALOGUE)
    for extractor in CATALOGUE:
        assert 1 <= extractor.wave <= engine.WAVES
        assert extractor.version >= 1
        assert not any(pattern.startswith(b"/") for pattern in extractor.wants.patterns)


@given(
    st.dictionaries(
        st.sampled_from([*DEBIAN, b"lib/apk/db/installed", b"var/lib/rpm/rpmdb.sqlite", b"a/package.json"]),
        st.sampled_from(sorted(DEBIAN.values())) | st.binary(max_size=60),
    )
)
def test_any_image_gives_an_inventory(files):
    inventory = run(files)
    assert inventory.components or inventory.gaps
    assert all(item.purl.startswith("pkg:") and item.locations for item in inventory.components)
    assert run(files, backwards=True) == inventory
