import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.inventory import EvidenceClass
from rafsight.analysis.locks.opam_file import OPAM_FILE

SAMPLES = [
    (kinds.OPAM_FILE, b"a/dune.opam", [("dune", "3.14.0")]),
]


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_samples(content, path, expected):
    found = extract(OPAM_FILE, content, path)
    assert [(item.name, item.version) for item in components(found)] == expected
    assert {item.evidence for item in components(found)} == {EvidenceClass.DECLARED}
    assert OPAM_FILE.declared


@pytest.mark.parametrize(("content", "path", "expected"), SAMPLES)
def test_any_damage_is_borne(content, path, expected):
    check_damage(OPAM_FILE, content, path)


def test_the_file_may_name_it_and_no_version_is_no_package():
    (found,) = components(extract(OPAM_FILE, b'opam-version: "2.0"\nversion: "1.0"\n', b"a/lwt.opam"))
    assert (found.name, found.version) == ("lwt", "1.0")
    assert extract(OPAM_FILE, b'opam-version: "2.0"\nname: "x"\n') == []
