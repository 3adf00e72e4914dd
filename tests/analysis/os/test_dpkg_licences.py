from dataclasses import replace

import pytest
from tests.analysis.support import Tree, extract

from rafsight.analysis.engine import Analysis
from rafsight.analysis.inventory import Licensed
from rafsight.analysis.keeping import read_outcome, write_outcome
from rafsight.analysis.os.dpkg import DPKG
from rafsight.analysis.os.dpkg_licences import DPKG_LICENCES

DEP5 = b"""Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: x

Files: *
Copyright: somebody
License: GPL-2+ or Artistic

Files: b
license:Expat
 Permission is hereby granted, free of charge, to any person
 License: not one
License: GPL-2+ or Artistic
 see /usr/share/common-licenses/GPL-3
License:
 Redistribution and use in source and binary forms
"""
PROSE = b"""This package was debianized by somebody.

On Debian systems, the text is in `/usr/share/common-licenses/GPL-2', and
/usr/share/common-licenses/LGPL-2.1. Parts: /usr/share/common-licenses/GPL-2.
"""
STATUS = b"""Package: libx1
Source: x (1.0)
Status: install ok installed
Version: 1.0-1+b1

Package: x-bin
Source: x (1.0)
Status: install ok installed
Version: 1.0-1

Package: y
Status: install ok installed
Version: 3
"""


def licences(content):
    return [name for one in extract(DPKG_LICENCES, content) for name in one.licenses]


def test_fields_of_the_machine_readable_form():
    assert licences(DEP5) == ["GPL-2+ or Artistic", "Expat"]
    assert licences(b"\nFormat-Specification: http://dep.debian.net/deps/dep5/\nLicense: MIT\n") == ["MIT"]


def test_prose_names_licences_by_reference_and_by_sentence():
    assert licences(PROSE) == ["GPL-2", "LGPL-2.1"]
    assert licences(b"License: MIT\nNobody said that this is machine-readable.") == []
    assert licences(b"under the terms of the GNU\n Affero  General Public License as") == ["AGPL-3"]
    assert licences(b"Use with the GNU Affero General Public License.") == []  # the thirteenth section of the GPL
    assert licences(b"The overall license is the GNU Lesser General Public\nLicense, version 2.1") == ["LGPL"]
    assert licences(PROSE + b"It is compatible with the GNU General Public License.") == ["GPL-2", "LGPL-2.1"]
    assert licences(b"All rights reserved.") == []


@pytest.mark.parametrize(
    "piece", [b"License: a\n", b"License:" + b" " * 99, b"/usr/share/common-licenses/", b"terms of the "]
)
def test_long_files_take_no_time(piece):
    for start in (b"", b"Format: copyright-format\n"):
        assert len(licences(start + piece * 100_000)) <= 64


def looked_at(files, **more):
    tree, analysis = Tree(files, **more), Analysis((DPKG, DPKG_LICENCES), licenses=True)
    while requests := analysis.plan_wave(tree.find):
        for request in requests:
            tree.reads.append(request.path)
            analysis.feed(request.row, [(0, tree.content(request.row))])
    return {one.name: one.licenses for one in analysis.finish().components}, tree.reads


def test_packages_get_the_licences_of_their_folder_or_of_their_source():
    files = {
        b"var/lib/dpkg/status": STATUS,
        b"usr/share/doc/libx1/copyright": DEP5,
        b"usr/share/doc/gone/copyright": PROSE,
    }
    found, reads = looked_at(files)
    assert found == {"libx1": ("GPL-2+ or Artistic", "Expat"), "x-bin": ("GPL-2+ or Artistic", "Expat"), "y": ()}
    assert reads == [b"var/lib/dpkg/status", b"usr/share/doc/libx1/copyright"]


def test_one_text_of_many_packages_is_read_once():
    files = {b"var/lib/dpkg/status": STATUS}
    files |= {b"usr/share/doc/" + name + b"/copyright": PROSE for name in (b"libx1", b"y")}
    found, reads = looked_at(files, keyed=True)
    assert found["libx1"] == found["y"] == ("GPL-2", "LGPL-2.1")
    assert len(reads) == 2


def test_nothing_is_read_that_nobody_asked_for():
    tree = Tree({b"var/lib/dpkg/status": STATUS, b"usr/share/doc/libx1/copyright": DEP5})
    analysis = Analysis((DPKG, DPKG_LICENCES))
    assert b"usr/share/doc/*/copyright" not in [one for wants in analysis.wanted_patterns() for one in wants.patterns]
    assert [request.path for request in analysis.plan_wave(tree.find)] == [b"var/lib/dpkg/status"]


def test_answers_are_kept():
    tree, analysis = Tree({b"var/lib/dpkg/status": STATUS, b"usr/share/doc/y/copyright": PROSE}), None
    analysis = Analysis((DPKG, replace(DPKG_LICENCES, wave=2)), licenses=True)
    for request in analysis.plan_wave(tree.find):
        analysis.feed(request.row, [(0, tree.content(request.row))])
    (request,) = analysis.plan_wave(tree.find)
    (outcome,) = analysis.feed(request.row, [(0, tree.content(request.row))])
    assert outcome.found == (Licensed(licenses=("GPL-2", "LGPL-2.1")),)
    assert read_outcome(outcome.question, write_outcome(outcome)) == outcome
