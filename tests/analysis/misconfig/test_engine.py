"""All checks together: what is made, counted, cut and said; and that nothing ends it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from tests.analysis.misconfig.support import TODAY, Spec, contents_of, judge_spec, said, tree_of
from tests.image.small_trees import flat, nested
from tests.image.small_trees import tree_of as plain_tree

from rafsight.analysis.inventory import GapReason
from rafsight.analysis.misconfig.catalogue import CATALOGUE
from rafsight.analysis.misconfig.check import Need
from rafsight.analysis.misconfig.configuration import MisconfigSettings
from rafsight.analysis.misconfig.engine import EVIDENCE_COUNT, Contents, judge, plan
from rafsight.analysis.misconfig.small_files import FILE_COUNT, FILE_SIZE
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.formats.oci.config import ImageConfig, parse_config
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.image.tree import ImageTree

NOTHING = MisconfigSettings()


def test_an_empty_image_has_little_to_say():
    found = judge_spec(Spec(created=""))
    assert [one.id for one in found.misconfigurations] == ["RS-CFG-001", "RS-CFG-003", "RS-CFG-028"]
    assert found.check_count == len(CATALOGUE)
    assert found.gaps == ()


def test_without_a_config_only_the_tree_is_judged():
    found = judge_spec(Spec(config=None))
    assert found.check_count == sum(check.need is Need.TREE for check in CATALOGUE)
    assert found.misconfigurations == ()


def test_findings_come_worst_first_and_places_in_the_order_of_a_walk():
    names = [f"srv/{n:03}" for n in range(EVIDENCE_COUNT + 50)]
    spec = Spec(
        files=dict.fromkeys(names, b"") | {"bin/sh": b""}, modes=dict.fromkeys(names, 0o666) | {"bin/sh": 0o4755}
    )
    found = judge_spec(spec)
    levels = [one.severity for one in found.misconfigurations]
    assert levels == sorted(levels, reverse=True)
    writable = next(one for one in found.misconfigurations if one.id == "RS-FS-011")
    assert (writable.count, len(writable.evidence)) == (EVIDENCE_COUNT + 50, EVIDENCE_COUNT)
    assert [one.path.decode() for one in writable.evidence] == names[:EVIDENCE_COUNT]
    assert writable.message == f"{EVIDENCE_COUNT + 50} files are writable by everybody"


def test_a_check_that_breaks_is_a_gap_and_no_end():
    def broken(subject):
        message = "oops"
        raise KeyError(message)

    checks = [replace(CATALOGUE[0], find=broken), CATALOGUE[2]]
    tree = tree_of(Spec())
    found = judge(tree, plan(tree, NOTHING), contents_of(Spec(), tree), NOTHING, today=TODAY, catalogue=checks)
    assert [one.id for one in found.misconfigurations] == [CATALOGUE[2].id]
    assert [(gap.subject, gap.reason) for gap in found.gaps] == [(CATALOGUE[0].id, GapReason.UNSUPPORTED)]
    assert "KeyError" in found.gaps[0].detail


def test_what_is_read_is_little_and_bounded():
    files = {f"etc/pam.d/{n}": b"" for n in range(FILE_COUNT + 5)}
    tree = tree_of(Spec(files=files | {"etc/passwd": b"", "srv/app.py": b"x"}, sizes={"etc/passwd": FILE_SIZE + 1}))
    planned = plan(tree, NOTHING)
    assert len(planned.rows) < FILE_COUNT
    assert {gap.subject for gap in planned.gaps} == {"etc/passwd", "settings"}
    assert tree.file(b"srv/app.py") not in planned.rows


def test_members_of_another_type_are_gaps():
    found = judge_spec(Spec(config={"Env": 1, "User": ["x"]}))
    assert [gap.subject for gap in found.gaps] == ["image config, config.User", "image config, config.Env"]


def test_a_release_that_nobody_knows_is_a_gap():
    found = judge_spec(Spec(files={"etc/os-release": b"ID=debian\nVERSION_ID=99\nPRETTY_NAME=Future\n"}))
    assert [(gap.subject, gap.reason) for gap in found.gaps] == [("end of life", GapReason.UNSUPPORTED)]


def test_the_root_folder_has_a_path():
    assert said(Spec(modes={"": 0o777}), "RS-FS-010") == ["/.: mode 0777, owner 0:0"]


@settings(max_examples=40)
@given(nested, some.data())
def test_any_tree_is_judged(files, data):
    tree = plain_tree(flat(files))
    count = len(tree)
    words = some.lists(some.integers(0, 0o177777), min_size=count, max_size=count)
    columns = {
        "mode": np.array(data.draw(words), dtype=np.uint32),
        "uid": np.array(data.draw(words), dtype=np.uint32),
        "rdev": np.array(data.draw(words), dtype=np.uint32),
    }
    types = tree.entries.mode & 0o170000  # the tables' law: folders stay folders
    columns["mode"] = np.where(types == 0o100000, columns["mode"], (columns["mode"] & 0o7777) | types).astype(np.uint32)
    columns["mode"] = np.where(
        (types == 0o100000) & np.isin(columns["mode"] & 0o170000, (0o040000, 0o120000)), columns["mode"] & 0o7777 | 0o100000,
        columns["mode"],
    ).astype(np.uint32)  # fmt: skip
    facts = TreeFacts(ImageTree(replace(tree.tables, entries=replace(tree.entries, **columns))))
    found = judge(facts, plan(facts, NOTHING), Contents(), NOTHING, today=TODAY)
    assert not [gap for gap in found.gaps if "mistake" in gap.detail]
    for one in found.misconfigurations:
        assert one.count >= len(one.evidence) > 0


_odd = some.text(max_size=30) | some.sampled_from(
    ["|9 ", "/bin/sh -c #(nop) ", "RUN ", "ADD a in ", "curl | sh", "chmod ", "\x00", "|1 A=", "sudo ", "/bin/sh -c "]
)


@settings(max_examples=50)
@given(
    some.lists(some.lists(_odd, max_size=4).map("".join), max_size=5),
    some.dictionaries(
        some.sampled_from(["User", "Env", "Cmd", "WorkingDir", "Volumes", "ExposedPorts", "Labels", "StopSignal"]),
        some.text(max_size=9) | some.lists(_odd, max_size=3) | some.dictionaries(_odd, _odd, max_size=3) | some.none(),
    ),
)
def test_any_config_is_judged(steps, members):
    raw = {"config": members, "history": [{"created_by": one} for one in steps], "created": "".join(steps)[:20]}
    try:
        config = parse_config(json.dumps(raw).encode(), digest="x")
    except MalformedDocument:
        return
    tree = tree_of(Spec(files={"etc/passwd": b"a:x:1:1::/:/\n"}))
    found = judge(tree, plan(tree, NOTHING), Contents(config=config), NOTHING, today=TODAY)
    assert not [gap for gap in found.gaps if "mistake" in gap.detail]


@settings(max_examples=50)
@given(some.dictionaries(some.sampled_from(["etc/passwd", "etc/shadow", "etc/sudoers", "etc/ssh/sshd_config", "etc/os-release",
       "etc/ld.so.conf", "etc/apt/sources.list", "etc/yum.repos.d/a.repo", "etc/pam.d/sshd", "root/.npmrc", "etc/php.ini"]),
       some.binary(max_size=60)))  # fmt: skip
def test_any_small_file_is_judged(files):
    found = judge_spec(Spec(files=files))
    assert found.check_count == len(CATALOGUE)


@pytest.mark.parametrize("line", [b"deb [" + b"x" * 100_000, b"host" + b" a" * 50_000, b"auth " * 20_000, b"a=" * 50_000,
                                  b"umask 0" + b"0" * 90_000, b"NOPASSWD" * 10_000, b":" * 100_000, b"\n" * 120_000])  # fmt: skip
def test_long_lines_cost_little(line):
    import time

    files = dict.fromkeys(
        ("etc/sudoers", "etc/ssh/sshd_config", "etc/apt/sources.list", "etc/pam.d/sshd", "etc/pip.conf", "etc/php.ini",
         "etc/postgresql/1/main/pg_hba.conf", "etc/profile", "etc/yum.repos.d/a.repo", "etc/passwd", "etc/shadow"), line
    )  # fmt: skip
    started = time.process_time()
    judge_spec(Spec(files=files))
    assert time.process_time() - started < 3


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"config":' + b"[" * 9000, b'{"config": {"Env": [' + b"{" * 9000])
def test_a_config_that_cannot_be_read_is_a_gap(raw):
    config = ImageConfig(architecture="", os="", variant="", created="", diff_ids=(), history=(), raw=raw)
    tree = tree_of(Spec())
    found = judge(tree, plan(tree, NOTHING), Contents(config=config), NOTHING, today=TODAY)
    assert [gap.subject for gap in found.gaps] == ["image config"]
