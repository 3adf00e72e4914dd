import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.support import extract

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.inventory import Distribution
from rafsight.analysis.os.release import PRIORITY, RELEASE

DEBIAN = b"""PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION_CODENAME=bookworm
ID=debian
# a comment
HOME_URL="https://www.debian.org/"
"""


def release(path, content):
    (found,) = extract(RELEASE, content, path)
    assert isinstance(found, Distribution)
    return found


def test_os_release():
    assert release(b"usr/lib/os-release", DEBIAN) == Distribution(
        id="debian", version="12", name="Debian GNU/Linux 12 (bookworm)", codename="bookworm"
    )


def test_os_release_is_written_for_a_shell():
    content = (
        b'ID=\'Rocky\'\nVERSION_ID=9.3\nID_LIKE="rhel CentOS fedora"\nPRETTY_NAME="Rocky \\"Blue\\" \\$9"\nID=rocky\n'
    )
    found = release(b"etc/os-release", content)
    assert (found.id, found.version, found.name) == ("rocky", "9.3", 'Rocky "Blue" $9')
    assert found.id_like == ("rhel", "centos", "fedora")


@pytest.mark.parametrize(
    ("path", "content", "identity", "version"),
    [
        (b"etc/alpine-release", b"3.20.3\n", "alpine", "3.20.3"),
        (b"etc/alpine-release", b"3.21_alpha20240807\n", "alpine", "3.21_alpha20240807"),
        (b"etc/debian_version", b"12.7\n", "debian", "12.7"),
        (b"etc/lsb-release", b"DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\n", "ubuntu", "22.04"),
        (b"etc/redhat-release", b"Red Hat Enterprise Linux release 8.9 (Ootpa)\n", "rhel", "8.9"),
        (b"etc/redhat-release", b"Red Hat Enterprise Linux Server release 7.9 (Maipo)\n", "rhel", "7.9"),
        (b"etc/centos-release", b"CentOS Linux release 7.9.2009 (Core)\n", "centos", "7.9.2009"),
        (b"etc/centos-release", b"CentOS Stream release 9\n", "centos", "9"),
        (b"etc/rocky-release", b"Rocky Linux release 9.3 (Blue Onyx)\n", "rocky", "9.3"),
        (b"etc/almalinux-release", b"AlmaLinux release 8.10 (Cerulean Leopard)\n", "almalinux", "8.10"),
        (b"etc/oracle-release", b"Oracle Linux Server release 8.9\n", "ol", "8.9"),
        (b"usr/lib/fedora-release", b"Fedora release 40 (Forty)\n", "fedora", "40"),
        (b"etc/system-release", b"Amazon Linux release 2 (Karoo)\n", "amzn", "2"),
        (b"etc/system-release", b"Amazon Linux AMI release 2018.03\n", "amzn", "2018.03"),
        (b"etc/photon-release", b"VMware Photon OS 4.0\nPHOTON_BUILD_NUMBER=2\n", "photon", "4.0"),
        (b"etc/mariner-release", b"CBL-Mariner 2.0.20240123\nMARINER_BUILD_NUMBER=1\n", "mariner", "2.0.20240123"),
        (
            b"etc/SuSE-release",
            b"SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
            "sles",
            "11.4",
        ),
        (b"etc/SuSE-release", b"openSUSE 13.1 (x86_64)\nVERSION = 13.1\n", "opensuse", "13.1"),
    ],
)
def test_files_of_the_families(path, content, identity, version):
    found = release(path, content)
    assert (found.id, found.version) == (identity, version)
    assert path in PRIORITY


def test_debian_testing_has_a_codename_and_no_version():
    found = release(b"etc/debian_version", b"trixie/sid\n")
    assert (found.id, found.version, found.codename) == ("debian", "", "trixie")


def test_an_lsb_release_without_a_name_says_nothing():
    assert extract(RELEASE, b"LSB_VERSION=base-4.0\n", b"etc/lsb-release") == []


@pytest.mark.parametrize(
    ("path", "content"),
    [(b"etc/os-release", b"NAME=x\n"), (b"etc/alpine-release", b"\n"), (b"etc/redhat-release", b"Something 9\n")],
)
def test_files_that_say_nothing_are_malformed(path, content):
    with pytest.raises(MalformedFile):
        extract(RELEASE, content, path)


def test_a_file_of_another_name_is_malformed():
    with pytest.raises(MalformedFile):
        extract(RELEASE, b"ID=x", b"etc/other-release")


@given(path=st.sampled_from(PRIORITY), content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_content_is_read_or_malformed(path, content):
    try:
        found = extract(RELEASE, content, path)
    except MalformedFile:
        return
    for item in found:
        assert isinstance(item, Distribution)
        item.name.encode()


@given(tail=st.text("\\\"' a", max_size=300))
def test_quotes_never_hang(tail):
    extract(RELEASE, f'ID=x\nNAME="{tail}\n'.encode(), b"etc/os-release")
