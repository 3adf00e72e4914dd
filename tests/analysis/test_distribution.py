import itertools

import pytest

from rafsight.analysis.distribution import merge_distributions
from rafsight.analysis.inventory import Distribution


def said(identity, version, codename=""):
    return Distribution(id=identity, version=version, name=identity, codename=codename)


OS_RELEASE, VERSION = b"usr/lib/os-release", b"etc/debian_version"


@pytest.mark.parametrize(
    ("found", "identity", "version"),
    [
        ([(OS_RELEASE, said("debian", "12")), (VERSION, said("debian", "12.7"))], "debian", "12.7"),
        ([(OS_RELEASE, said("debian", "12")), (VERSION, said("debian", "13.1"))], "debian", "12"),
        ([(OS_RELEASE, said("debian", "1")), (VERSION, said("debian", "12.7"))], "debian", "1"),
        ([(OS_RELEASE, said("ubuntu", "22.04")), (VERSION, said("debian", ""))], "ubuntu", "22.04"),
        ([(VERSION, said("debian", "12.7"))], "debian", "12.7"),
        (
            [(OS_RELEASE, said("centos", "7")), (b"etc/centos-release", said("centos", "7.9.2009"))],
            "centos",
            "7.9.2009",
        ),
        ([(OS_RELEASE, said("rocky", "9.3")), (b"etc/redhat-release", said("rhel", "9.3"))], "rocky", "9.3"),
        ([(OS_RELEASE, said("a", "1")), (b"etc/os-release", said("b", "2"))], "b", "2"),
        ([(b"elsewhere/debian_version", said("debian", "1")), (OS_RELEASE, said("b", "2"))], "b", "2"),
    ],
)
def test_the_first_file_names_it_and_others_refine(found, identity, version):
    for order in itertools.permutations(found):
        merged = merge_distributions(order)
        assert merged is not None
        assert (merged.id, merged.version) == (identity, version)


def test_a_codename_is_taken_where_there_was_none():
    merged = merge_distributions([(OS_RELEASE, said("debian", "")), (VERSION, said("debian", "", "trixie"))])
    assert merged is not None
    assert merged.codename == "trixie"


def test_nothing_said_is_nothing_known():
    assert merge_distributions([]) is None
