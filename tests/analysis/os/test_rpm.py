import shutil
import sqlite3
import subprocess

import pytest
from tests.analysis.support import Tree, bdb_dump, components, extract, names, ndb, package, run

from rafsight.analysis.catalogue import CATALOGUE
from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.inventory import Component, Ecosystem, EvidenceClass, Ownership
from rafsight.analysis.os.rpm import RPM

SPEC = """
Name: {name}
Version: {version}
Release: 3.el9
{more}
Summary: A package
License: MIT AND BSD
Vendor: AlmaLinux
BuildArch: noarch
Source0: none
%description
A package.
%install
mkdir -p %{{buildroot}}/usr/lib/python3.9/site-packages/{name}-1.0.dist-info %{{buildroot}}/opt/{name}
echo x > %{{buildroot}}/usr/lib/python3.9/site-packages/{name}-1.0.dist-info/METADATA
for n in $(seq 400); do echo $n > %{{buildroot}}/opt/{name}/a-file-with-quite-a-long-name-$n; done
%files
/usr/lib/python3.9/site-packages/{name}-1.0.dist-info
/opt/{name}
"""
needs_rpm = pytest.mark.skipif(
    not (shutil.which("rpm") and shutil.which("rpmbuild")), reason="needs rpm and rpmbuild (package rpm)"
)


@pytest.fixture(scope="module")
def rpm_root(tmp_path_factory):
    """An rpm database as rpm itself writes it, with what rpm says about it."""
    top = tmp_path_factory.mktemp("rpm")
    for name, version, more in (
        ("plain", "1.0", ""),
        ("epochal", "2.5~rc1", "Epoch: 4\nModularityLabel: nodejs:18:8090:abc"),
    ):
        spec = top / f"{name}.spec"
        spec.write_text(SPEC.format(name=name, version=version, more=more).replace("Source0: none\n", ""))
        subprocess.run(
            ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", "--define", "_unpackaged_files_terminate_build 0", str(spec)],
            check=True, capture_output=True,
        )  # fmt: skip
    database = top / "db"
    subprocess.run(["rpm", "--dbpath", str(database), "--initdb"], check=True)
    files = sorted(map(str, (top / "RPMS").rglob("*.rpm")))
    subprocess.run(
        ["rpm", "--dbpath", str(database), "-i", "--justdb", "--nodeps", "--force", *files],
        check=True,
        capture_output=True,
    )
    form = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\t%{VENDOR}\\t%{LICENSE}\\n"
    said = subprocess.run(
        ["rpm", "--dbpath", str(database), "-qa", "--qf", form], check=True, capture_output=True, text=True
    ).stdout
    paths = subprocess.run(
        ["rpm", "--dbpath", str(database), "-qal"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return {path.name: path.read_bytes() for path in database.iterdir()}, said, paths


@needs_rpm
def test_as_rpm_says(rpm_root):
    files, said, paths = rpm_root
    tree = {b"var/lib/rpm/" + name.encode(): content for name, content in files.items()}
    inventory = run(Tree(tree), [RPM])
    assert not inventory.gaps
    assert sorted(line.split("\t") for line in said.splitlines()) == sorted(
        [item.name, item.version, item.arch, f"{item.source_name}-{item.source_version.partition(':')[2] or item.source_version}.src.rpm", item.maintainer, *item.licenses]
        for item in inventory.components
    )  # fmt: skip
    assert [item.modularity for item in inventory.components] == ["nodejs:18:8090:abc", ""]
    assert all(item.ecosystem is Ecosystem.RPM for item in inventory.components)
    found = extract(RPM, files["rpmdb.sqlite"])
    owned = [path for item in found if isinstance(item, Ownership) for path in item.paths]
    assert len(owned) > 800
    assert sorted(b"/" + path for path in owned) == sorted(path.encode() for path in paths)


@needs_rpm
def test_the_log_beside_the_database_is_read(rpm_root, tmp_path):
    files, _, _ = rpm_root
    (tmp_path / "rpmdb.sqlite").write_bytes(files["rpmdb.sqlite"])
    connection = sqlite3.connect(tmp_path / "rpmdb.sqlite")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("INSERT INTO Packages(blob) VALUES (?)", (package("late"),))
    connection.commit()
    tree = Tree({b"usr/lib/sysimage/rpm/" + path.name.encode(): path.read_bytes() for path in tmp_path.iterdir()})
    connection.close()
    assert b"usr/lib/sysimage/rpm/rpmdb.sqlite-wal" in tree.files
    assert ("rpm", "late", "1.0-1.el9") in names(run(tree))


BLOBS = [
    package("plain", "2.0", "1.fc40", source="src-name-2.0-1.fc40.src.rpm", vendor="Fedora Project", arch="noarch"),
    package("epochal", epoch=7, files=["/usr/bin/x"]),
    package("gpg-pubkey", "a15b79cc", "63d04c2c"),
    b"damaged",
]
EXPECTED = [
    Component(
        ecosystem=Ecosystem.RPM,
        evidence=EvidenceClass.INSTALLED,
        name="epochal",
        version="7:1.0-1.el9",
        source_name="epochal",
        source_version="7:1.0-1.el9",
    ),
    Component(
        ecosystem=Ecosystem.RPM,
        evidence=EvidenceClass.INSTALLED,
        name="plain",
        version="2.0-1.fc40",
        arch="noarch",
        source_name="src-name",
        source_version="2.0-1.fc40",
        maintainer="Fedora Project",
    ),
]


def test_headers_in_ndb():
    found = extract(RPM, ndb(BLOBS))
    assert sorted(components(found), key=lambda item: item.name) == EXPECTED
    assert [item.what for item in found if isinstance(item, Skipped)] == [
        "package 4: an rpm header is cut off (at offset 0)"
    ]
    owners = {item.package: item.official for item in found if isinstance(item, Ownership)}
    assert owners == {"epochal": False}  # no vendor: not known to be the distribution's


@pytest.mark.skipif(not shutil.which("db5.3_load"), reason="needs db5.3_load (package db5.3-util)")
def test_headers_in_berkeley_db(tmp_path):
    path = tmp_path / "Packages"
    # Only what is too large for a page lies in overflow pages, and only that is a package.
    blobs = [blob + bytes(5000) for blob in BLOBS[:3]]
    subprocess.run(["db5.3_load", str(path)], input=bdb_dump(blobs), text=True, check=True)
    found = extract(RPM, path.read_bytes())
    assert sorted(components(found), key=lambda item: item.name) == EXPECTED


def test_an_empty_database_has_nothing():
    assert extract(RPM, b"") == []


def test_damaged_containers_and_empty_names_are_skipped():
    content = bytearray(ndb([package("x"), package("y", version=" "), package("z")]))
    content[4096:4100] = b"nope"
    found = extract(RPM, bytes(content))
    assert [item.name for item in components(found)] == ["z"]
    assert [item.what for item in found if isinstance(item, Skipped)] == [
        "package 1 at offset 4096 is damaged",
        "package 2 has no usable name or version",
    ]


def test_another_kind_is_malformed():
    with pytest.raises(MalformedFile, match="no known kind"):
        extract(RPM, b"x" * 5000)


def test_the_catalogue_reads_all_places():
    files = {
        folder + b"Packages.db": ndb([package(folder.decode().replace("/", "."))])
        for folder in (b"var/lib/rpm/", b"usr/lib/sysimage/rpm/", b"usr/share/rpm/")
    }
    assert len(run(files, CATALOGUE).components) == 3
