import pytest

from rafsight.analysis.inventory import Component, Ecosystem, Ownership
from rafsight.analysis.ownership import find_owners

BASH = Component(ecosystem=Ecosystem.DEB, name="bash", version="1", locations=(b"var/lib/dpkg/status",))
DOCKER = Component(ecosystem=Ecosystem.DEB, name="docker-ce", version="1", maintainer="Docker <support@docker.com>")
LIST = b"var/lib/dpkg/info/bash.list"


def owners(
    *paths, components=(BASH, DOCKER), package="bash", official=True, source=LIST, owned=(b"bin/bash",), roots=()
):
    ownership = Ownership(package=package, official=official, paths=tuple(owned))
    return find_owners(paths, components, [(source, ownership)], frozenset(roots))


def test_only_the_files_that_were_asked_for():
    assert owners(b"bin/bash", b"bin/sh", owned=(b"bin/bash", b"bin/rbash")) == {b"bin/bash": "bash"}
    assert owners() == {}


@pytest.mark.parametrize(
    "more",
    [{"package": "gone"}, {"official": False}, {"package": "docker-ce"}, {"components": ()}],
    ids=["not installed", "by nobody's list", "of a third party", "nothing installed"],
)
def test_who_owns_nothing_officially(more):
    assert owners(b"bin/bash", **more) == {}


def test_a_merged_root_is_one_place():
    assert owners(b"usr/bin/bash", b"bin/bash", roots=(b"bin",)) == {b"usr/bin/bash": "bash", b"bin/bash": "bash"}
    assert owners(b"usr/bin/bash") == {}


def test_distroless_names_the_owner_by_its_stanza():
    stanza = Component(
        ecosystem=Ecosystem.DEB, name="libssl3", version="3", locations=(b"var/lib/dpkg/status.d/libssl",)
    )
    source = b"var/lib/dpkg/status.d/libssl.md5sums"
    assert owners(b"x", components=(stanza,), package="libssl", source=source, owned=(b"x",)) == {b"x": "libssl3"}
