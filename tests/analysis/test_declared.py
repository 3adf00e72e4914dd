"""What the engine makes of evidence, of lock files that are not wanted, and of names of folders."""

import json

import pytest
from tests.analysis import kinds
from tests.analysis.support import Tree, names, run
from tests.analysis.test_planted import merged_files
from tests.shared import SHARED, needs_shared

from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.engine import Analysis
from rafsight.analysis.extractor import Extractor
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass
from rafsight.analysis.lang.node import NODE
from rafsight.analysis.locks.npm_lock import NPM_LOCK
from rafsight.image.selection import Wants


def inventory_of(files, *, declared):
    tree = Tree({path.encode(): content for path, content in files.items()})
    analysis = Analysis(declared=declared)
    while requests := analysis.plan_wave(tree.find):
        for request in requests:
            content = tree.content(request.row)
            analysis.feed(request.row, [(offset, content[offset : offset + size]) for offset, size in request.ranges])
    return analysis.finish()


def test_lock_files_are_read_only_where_that_is_wanted():
    assert inventory_of(kinds.DECLARED, declared=False).components == ()
    inventory = inventory_of(kinds.DECLARED, declared=True)
    assert {item.evidence for item in inventory.components} == {EvidenceClass.DECLARED}
    assert inventory.gaps == ()
    assert {path.decode() for item in inventory.components for path in item.locations} == set(kinds.DECLARED)


def test_every_kind_of_installed_package_is_found_and_nothing_of_it_is_a_gap():
    inventory = inventory_of(kinds.INSTALLED, declared=True)
    assert inventory.gaps == ()
    parts = {"class.akismet.php", "history", "files", "LICENSE"}
    read = {path.decode() for item in inventory.components for path in item.locations}
    assert {path for path in kinds.INSTALLED if path.rpartition("/")[2] not in parts} == read


def test_the_surest_evidence_counts_and_all_places_are_kept():
    files = {
        b"app/package-lock.json": b'{"packages": {"node_modules/x": {"version": "1"}, "node_modules/y": {"version": "2"}}}',
        b"app/node_modules/x/package.json": b'{"name": "x", "version": "1"}',
    }
    found = {item.name: item for item in _run_all(files, [NODE, NPM_LOCK]).components}
    assert found["x"].evidence is EvidenceClass.ARTIFACT
    assert found["x"].locations == (b"app/node_modules/x/package.json", b"app/package-lock.json")
    assert found["y"].evidence is EvidenceClass.DECLARED


def _run_all(files, catalogue):
    analysis = Analysis(catalogue, declared=True)
    tree = Tree(files)
    while requests := analysis.plan_wave(tree.find):
        for request in requests:
            analysis.feed(request.row, [(0, tree.content(request.row))])
    return analysis.finish()


def folder(path):
    return path.split(b"/")[-2]


def named(**more):
    return Extractor(
        name="toy/folder",
        version=1,
        extract=lambda file: iter(
            [
                Component(
                    ecosystem=Ecosystem.GENERIC, name=folder(file.path).decode(), version=file.content.decode() or "0"
                )
            ]
        ),
        name_of=folder,
        **more,
    )


def test_equal_files_in_other_folders_are_other_answers():
    files = {b"a/x": b"1", b"b/x": b"1", b"c/d/x": b"1", b"c/d/y": b"1"}
    tree = Tree(files, keyed=True)
    inventory = run(tree, [named(wants=Wants(patterns=(b"**/x", b"**/y"), max_size=9))])
    assert names(inventory) == [("generic", "a", "1"), ("generic", "b", "1"), ("generic", "d", "1")]
    assert len(tree.reads) == 1  # one content is read once, whatever is asked of it
    assert inventory.components[2].locations == (b"c/d/x", b"c/d/y")


def test_names_alone_cost_no_byte():
    tree = Tree({b"a/x": b"1", b"b/x": b"22"})
    extractor = named(wants=Wants(patterns=(b"**/x",), max_size=9, head=0))
    assert names(run(tree, [extractor])) == [("generic", "a", "0"), ("generic", "b", "0")]
    assert tree.reads == []
    assert Analysis([extractor]).wanted_patterns() == ()


def test_names_of_extractors_and_what_they_declare():
    assert len({extractor.name for extractor in CATALOGUE}) == len(CATALOGUE)
    assert all(extractor.declared == extractor.name.startswith("locks/") for extractor in CATALOGUE)
    assert Analysis().wanted_patterns() != Analysis(declared=True).wanted_patterns()


@needs_shared
@pytest.mark.shared
def test_the_planted_lock_file():
    (planted,) = json.loads((SHARED / "fixtures/images/planted.expected.json").read_bytes())["lockfiles"]
    path = planted["path"].encode()
    found = _run_all({path: merged_files()[path]}, CATALOGUE).components
    assert {item.name: item.version for item in found} == planted["packages"]
