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


@pytest.mark.parametrize("path", [b"opt/acme/node_modules/x/package.json", b"usr/local/bin/x", b"srv/x", b"app/x"])
def test_a_deb_with_files_where_no_distribution_puts_any_is_somebody_elses_there(path):
    assert owners(path, b"bin/bash", owned=(path, b"bin/bash")) == {b"bin/bash": "bash"}


def test_software_collections_of_rpms_lie_in_opt():
    rpm = Component(ecosystem=Ecosystem.RPM, name="rh-python36", version="1", locations=(b"var/lib/rpm/Packages",))
    path = b"opt/rh/rh-python36/root/usr/bin/python3"
    assert owners(path, components=(rpm,), package="rh-python36", owned=(path,)) == {path: "rh-python36"}
