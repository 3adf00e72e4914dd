"""The law of indexes: asked by metadata, they say what the trees say."""

import hashlib
import random

import pytest
from tests.hunt.fleets import make_layout, named
from tests.hunt.index.trees import random_files, variant

from rafsight.access.session import open_image
from rafsight.hunt.corpus import Corpus
from rafsight.hunt.files import describe_file, make_file_asker
from rafsight.hunt.hunts import Hunts
from rafsight.hunt.index.answering import Answering
from rafsight.hunt.index.fleet_index import FleetIndex
from rafsight.hunt.index.places import find_place
from rafsight.hunt.index.reading import open_index
from rafsight.hunt.question import FileQuestion, ModeTest, PackageQuestion, SizeRange, make_question
from rafsight.testing.trees import Link

QUESTIONS = (
    {"paths": (b"/lib/*",)},
    {"paths": (b"lib/x.so*",)},
    {"paths": (b"**/x.so",)},
    {"paths": (b"a/**",)},
    {"paths": (b"**",)},
    {"paths": (b"/a/lib/b/*", b"lib64/a/*")},
    {"paths": (b"*/*/[ab]",)},
    {"paths": (b"**/[al]*/**/x*",)},
    {"paths": (b"**/\xffraw/*",)},
    {"paths": (b"\xffraw/*",)},
    {"paths": ("é/**".encode(),)},
    {"paths": (b"/a/b",)},
    {"names": (b"x.*", b"*\xff*")},
    {"names": (b"?",), "kinds": ("file",)},
    {"kinds": ("symlink",)},
    {"kinds": ("directory",), "paths": (b"**/lib*",)},
    {"size": SizeRange(least=1, most=100)},
    {"size": SizeRange(most=0), "names": (b"own-*",)},
    {"mode": ModeTest(bits=0o400, how="-"), "kinds": ("file",), "names": (b"new*",)},
    {"mode": ModeTest(bits=0o111, how="/")},
    {"mode": ModeTest(bits=0o644, how="")},
)


ALL = Corpus()


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """Twelve images of four kinds, as a layout and as trees."""
    chance = random.Random(11)
    bases = [random_files(chance, 40) for _ in range(4)]
    bases[0] = {path: content for path, content in bases[0].items() if path.partition(b"/")[0] != b"lib"}
    bases[0] |= {b"lib": Link(b"usr/lib"), b"usr/lib/x.so": b"one", b"usr/lib/x.so.1": Link(b"x.so")}
    images = {f"v{n}": variant(chance, bases[n % 4]) for n in range(12)}
    layout = make_layout(tmp_path_factory.mktemp("trees") / "layout", images, chunk_size=4096)
    trees = {}
    for tag in images:
        with open_image(f"oci:{layout}:{tag}") as image:
            trees[f"oci:{layout}:{tag}"] = image.tree
    return layout, trees


@pytest.fixture(scope="module")
def opened(fleet, tmp_path_factory):
    """An index of two parts, so that what is told apart by parts is told apart."""
    pytest.importorskip("duckdb", reason="needs the extra `fleet`")
    url = str(tmp_path_factory.mktemp("index") / "[here]*")
    _, trees = fleet
    first, *others = trees
    index = FleetIndex(url)
    index.build(named(first))
    index.update(named(*others))
    with open_index(find_place(url), cache_dir=None) as opened:
        assert len(opened.snapshot.trees) == 2
        yield opened


def ask(opened, corpus=ALL, **question):
    files = FileQuestion(**question)
    answering = Answering(make_question(files, PackageQuestion()), corpus)
    return list(answering.answers(opened)), answering


@pytest.mark.parametrize("question", QUESTIONS, ids=str)
def test_an_index_says_what_the_trees_say(fleet, opened, question):
    _, trees = fleet
    asker = make_file_asker(FileQuestion(**question))
    expected = {
        name: sorted((describe_file(tree, row) for row in asker.select(tree).tolist()), key=lambda file: file.path)
        for name, tree in trees.items()
    }
    answers, answering = ask(opened, **question)
    assert {name: list(answer.files) for answer in answers for name in answer.names} == expected
    assert any(expected.values())
    assert answering.tally.matches == sum(bool(answer.files) for answer in answers)
    assert not answering.failures


def test_digests_that_the_index_knows_and_files_that_it_does_not(fleet, opened):
    _, trees = fleet
    empty = hashlib.sha256().hexdigest()
    answers, _ = ask(opened, digests=(empty,))
    for answer in answers:
        tree = trees[answer.names[0]]
        files = [row for row in range(len(tree)) if tree.is_file(row)]
        nothing = {tree.path(row) for row in files if tree.attributes(row).size == 0}
        assert {file.path for file in answer.files} == nothing
        assert {(one.kind, one.text) for file in answer.files for one in file.evidence} == {("sha256", empty)}
        assert [one.subject for one in answer.unseen] == [f"{len(files) - len(nothing)} files"]
    answers, answering = ask(opened, digests=(empty,), size=SizeRange(most=0))
    assert answering.tally.unseen == 0
    assert answering.tally.matches == 12


def test_only_the_named_images_are_asked(fleet, opened):
    layout, _ = fleet
    wanted = Corpus(references=(f"oci:{layout}:v3", "registry.example/none:1"))
    answers, answering = ask(opened, wanted, kinds=("file",))
    assert [answer.names for answer in answers] == [(f"oci:{layout}:v3",)]
    assert [(one.names, one.code) for one in answering.failures] == [(("registry.example/none:1",), "not-indexed")]


def test_a_hunt_over_images_gives_the_same_answers(fleet, opened):
    layout, _ = fleet
    hunts = Hunts()
    hunts.add(f"oci:{layout}")
    expected = {answer.digest: answer for answer in hunts.ask(paths=[b"/lib/*"])}
    answers, _ = ask(opened, paths=(b"/lib/*",))
    assert {answer.digest: answer for answer in answers} == expected
