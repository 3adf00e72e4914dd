import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import Inventory, Ownership
from rafsight.analysis.os.dpkg import DPKG
from rafsight.analysis.os.dpkg_ownership import DPKG_OWNERSHIP

NOTHING = Inventory(distribution=None, components=(), gaps=())


def test_a_list_names_its_package_in_its_name():
    content = b"/.\n/usr\n/usr/lib/x86_64-linux-gnu/libc.so.6\n"
    (found,) = extract(DPKG_OWNERSHIP, content, b"var/lib/dpkg/info/libc6:amd64.list")
    assert found == Ownership(
        package="libc6", official=True, paths=(b".", b"usr", b"usr/lib/x86_64-linux-gnu/libc.so.6")
    )


def test_check_sums_have_paths_without_a_slash():
    content = b"0123456789abcdef0123456789abcdef  usr/share/a b\n\n0123456789abcdef0123456789abcdef  etc/x\n"
    (found,) = extract(DPKG_OWNERSHIP, content, b"var/lib/dpkg/status.d/tzdata.md5sums")
    assert found == Ownership(package="tzdata", official=True, paths=(b"usr/share/a b", b"etc/x"))


def test_check_sums_of_another_shape_are_malformed():
    with pytest.raises(MalformedFile, match="line 1"):
        extract(DPKG_OWNERSHIP, b"0123 usr/x\n", b"var/lib/dpkg/info/x.md5sums")


def test_long_lists_come_in_parts():
    content = b"".join(b"/usr/share/%d\n" % number for number in range(20_000))
    found = extract(DPKG_OWNERSHIP, content, b"var/lib/dpkg/info/x.list")
    assert len(found) == 3
    assert sum(len(item.paths) for item in found if isinstance(item, Ownership)) == 20_000


def test_they_are_read_with_the_database_itself():
    assert DPKG_OWNERSHIP.wave == DPKG.wave
    assert DPKG_OWNERSHIP.needed(NOTHING)


def test_check_sums_are_read_only_where_there_is_no_list():
    info, stanzas = b"var/lib/dpkg/info/", b"var/lib/dpkg/status.d/"
    paths = [info + b"a.list", info + b"a.md5sums", info + b"b.md5sums", stanzas + b"a.md5sums"]
    assert list(DPKG_OWNERSHIP.choose(paths, NOTHING)) == [paths[0], *paths[2:]]


@given(
    content=st.binary(max_size=200)
    | st.lists(st.sampled_from([b"/", b"\n", b"a", b" " * 32]), max_size=50).map(b"".join),
    name=st.sampled_from([b"a.list", b"a.md5sums", b".list", b":.md5sums"]),
)
def test_any_content_is_read_or_malformed(content, name):
    try:
        found = extract(DPKG_OWNERSHIP, content, b"var/lib/dpkg/info/" + name)
    except MalformedFile:
        return
    assert all(isinstance(item, Ownership) and item.package == "a" for item in found)
