from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, run

from rafsight.analysis.lang.opam import OPAM


def test_folders_say_what_was_installed():
    files = {
        b"root/.opam/default/.opam-switch/packages/dune.3.14.0/opam": kinds.OPAM_FILE,
        b"root/.opam/default/.opam-switch/packages/ocaml-base-compiler.4.14.1/opam": kinds.OPAM_FILE,
        b"root/.opam/default/.opam-switch/packages/odd/opam": kinds.OPAM_FILE,
    }
    tree = Tree(files, keyed=True)
    inventory = run(tree, [OPAM])
    assert [item.purl for item in inventory.components] == [
        "pkg:opam/dune@3.14.0",
        "pkg:opam/ocaml-base-compiler@4.14.1",
    ]
    assert [gap.detail for gap in inventory.gaps] == ["no NAME.VERSION (at its folder)"]
    assert tree.reads == []


def test_any_damage_is_borne():
    check_damage(OPAM, kinds.OPAM_FILE, b".opam-switch/packages/dune.3.14.0/opam")
