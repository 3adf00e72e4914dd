import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract, run

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.os.pacman import PACMAN
from rafsight.analysis.os.release import RELEASE

PATH = b"var/lib/pacman/local/openssl-1:3.2.1-1/desc"


def test_a_package():
    (found,) = components(extract(PACMAN, kinds.PACMAN_DESC))
    assert (found.name, found.version, found.arch, found.licenses) == ("openssl", "1:3.2.1-1", "x86_64", ("Apache",))
    assert (found.source_name, found.evidence) == ("openssl", EvidenceClass.INSTALLED)
    assert found.maintainer == "Pierre Schmitz <pierre@archlinux.de>"


def test_in_an_image():
    (found,) = run({PATH: kinds.PACMAN_DESC, b"etc/os-release": b"ID=arch\nNAME=Arch\n"}, [RELEASE, PACMAN]).components
    assert found.purl == "pkg:alpm/arch/openssl@1:3.2.1-1?arch=x86_64&distro=arch"


@pytest.mark.parametrize("content", [b"", b"%NAME%\nx\n", b"%VERSION%\n1\n", b"x\n%NAME%\n\n"])
def test_no_name_or_no_version_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(PACMAN, content)


def test_any_damage_is_borne():
    check_damage(PACMAN, kinds.PACMAN_DESC, PATH)
