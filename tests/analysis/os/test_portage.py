import pytest
from tests.analysis.damage import check_damage
from tests.analysis.support import Tree, extract, names, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.os.portage import PORTAGE


@pytest.mark.parametrize(
    ("folder", "name", "version"),
    [
        (b"app-containers/skopeo-1.5.1-r1", "app-containers/skopeo", "1.5.1-r1"),
        (b"dev-libs/openssl-3.0.13", "dev-libs/openssl", "3.0.13"),
        (b"media-fonts/font-adobe-100dpi-1.0.4", "media-fonts/font-adobe-100dpi", "1.0.4"),
        (b"x11-libs/gtk+-3.24.41_p1", "x11-libs/gtk+", "3.24.41_p1"),
        (b"a/b-1.2c_rc2", "a/b", "1.2c_rc2"),
    ],
)
def test_folders(folder, name, version):
    tree = Tree({b"var/db/pkg/" + folder + b"/CONTENTS": b"obj /usr/bin/x 0 1\n"})
    inventory = run(tree, [PORTAGE])
    assert names(inventory) == [("portage", name, version)]
    assert inventory.components[0].purl.startswith(f"pkg:ebuild/{name.replace('+', '%2B')}@")
    assert tree.reads == []


@pytest.mark.parametrize("folder", [b"a/b", b"a/-1", b"a/1.0", b"a/b-x", b"a/b-r1"])
def test_folders_of_another_form_are_malformed(folder):
    with pytest.raises(MalformedFile):
        extract(PORTAGE, b"", b"var/db/pkg/" + folder + b"/CONTENTS")


def test_any_damage_is_borne():
    check_damage(PORTAGE, b"obj /x\n", b"var/db/pkg/a/b-1/CONTENTS", examples=10)
