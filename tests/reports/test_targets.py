from dataclasses import replace

import pytest
from tests.reports import samples

from rafsight.analysis.inventory import OS_ECOSYSTEMS, Ecosystem
from rafsight.reports.targets import _LANGUAGES, family_of, targets_of


def test_os_first_then_languages():
    targets = targets_of(samples.PLANTED)
    assert [(target.title, target.result_class, target.type) for target in targets] == [
        ("127.0.0.1:5000/planted:v6 (debian 12.7)", "os-pkgs", "debian"),
        ("Python", "lang-pkgs", "python-pkg"),
        ("Node.js", "lang-pkgs", "node-pkg"),
    ]


def test_nothing_is_lost():
    targets = targets_of(samples.PLANTED)
    assert sum(len(target.components) for target in targets) == len(samples.PLANTED.inventory.components)
    assert sum(len(target.findings) for target in targets) == len(samples.PLANTED.findings)


def test_a_distribution_without_packages_is_a_target():
    inventory = replace(samples.PLANTED.inventory, components=())
    assert [target.label for target in targets_of(replace(samples.CLEAN, inventory=inventory))] == ["debian 12.7"]


def test_packages_without_a_distribution_are_a_target():
    inventory = replace(samples.PLANTED.inventory, distribution=None)
    first = targets_of(replace(samples.PLANTED, inventory=inventory))[0]
    assert (first.label, first.type) == ("unknown distribution, deb packages", "deb")
    assert len(first.findings) == 7


def test_an_empty_image_has_no_target():
    inventory = replace(samples.PLANTED.inventory, distribution=None, components=())
    assert targets_of(replace(samples.CLEAN, inventory=inventory)) == ()


def test_every_language_has_a_title():
    assert set(_LANGUAGES) == set(Ecosystem) - OS_ECOSYSTEMS


@pytest.mark.parametrize(
    ("identity", "family"),
    [("almalinux", "alma"), ("rhel", "redhat"), ("ol", "oracle"), ("amzn", "amazon"), ("alpine", "alpine")],
)
def test_families_are_trivys(identity, family):
    assert family_of(replace(samples.DEBIAN_12, id=identity)) == family


def test_a_rolling_release_has_no_trailing_space():
    rolling = replace(samples.DEBIAN_12, id="wolfi", version="")
    inventory = replace(samples.PLANTED.inventory, distribution=rolling)
    assert targets_of(replace(samples.PLANTED, inventory=inventory))[0].label == "wolfi"
