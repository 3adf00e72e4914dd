"""Every rule of RAFS v5 is broken at least once; a check names the place, nothing unrelated, and goes on."""

import json
import re
import struct
import tarfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images
from tests.formats.rafs.damage import damages
from tests.formats.rafs.v5_damages import BASE, DAMAGES, Damage
from tests.formats.rafs.v5_patch import Patch, check_index_safe

from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.judge import EXAMPLES, Collector, Weight, rules_of
from rafsight.formats.rafs import shared_rules, v5, v5_rules
from rafsight.formats.rafs import v5_layout as layout
from rafsight.formats.rafs.codec import check_bootstrap, read_bootstrap
from rafsight.testing.bootstraps_v5 import synthetic_bootstrap_v5
from rafsight.testing.registry import PLANTED

GOLDEN = [name for name in images.NAMES if v5.probe(images.bootstrap(name)[:4])]
GOING_ON = [damage for damage in DAMAGES if not damage.ends]


def check(content, limits=images.LIMITS):
    """Check a bootstrap; return the tables, and the faults."""
    judge = Collector()
    tables = check_bootstrap(bytes(content), name="name", limits=limits, judge=judge)
    if tables is not None:
        check_index_safe(tables)
    return tables, judge.faults


def is_at(fault, damage: Damage, patch: Patch) -> bool:
    at = damage.at(patch) if callable(damage.at) else damage.at
    if isinstance(at, bytes):
        return fault.inode == patch.record(at)
    return at is None or fault.offset == at


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_images_are_sound(name):
    tables, faults = check(images.bootstrap(name))
    assert faults == []
    assert tables is not None


def test_the_planted_image_is_sound():
    blobs = PLANTED / "blobs" / "sha256"
    index = json.loads((PLANTED / "index.json").read_text())
    digests = {
        entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in index["manifests"]
    }
    manifest = json.loads((blobs / digests["v5"].removeprefix("sha256:")).read_text())
    layer = blobs / manifest["layers"][-1]["digest"].removeprefix("sha256:")
    with tarfile.open(layer) as archive:
        content = archive.extractfile("image/image.boot").read()
    tables, faults = check(content)
    assert len(tables.entries.mode) == 1466
    assert faults == []


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_damage_is_named(damage):
    patch = damage.make()
    tables, faults = check(patch.content, damage.limits)
    assert (tables is None) == damage.ends
    found = [fault for fault in faults if fault.rule is damage.rule]
    assert any(is_at(fault, damage, patch) for fault in found), faults
    assert {fault.rule.code for fault in faults} <= {damage.rule.code} | damage.also, faults


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_strict_readers_refuse_what_the_reader_needs(damage):
    """A rule is the reader's if the strict one refuses; those of the audit let it pass."""
    content = bytes(damage.make().content)
    try:
        tables = read_bootstrap(content, name="name", limits=damage.limits)
    except ImageFault as error:
        assert damage.rule.weight is not Weight.ODD
        assert error.details["rule"].code in {damage.rule.code} | damage.also  # noqa: PT017 - the other branch passes
    else:
        judge = Collector()
        v5.read(content, "name", damage.limits, judge)
        judge.faults = [fault for fault in judge.faults if fault.rule is not shared_rules.NAME_ORDER]  # it sorts them
        assert judge.faults == []
        check_index_safe(tables)


@pytest.mark.parametrize(
    "damage", [damage for damage in GOING_ON if damage.base == BASE], ids=lambda damage: damage.name
)
def test_a_second_damage_is_named_too(damage):
    """In other files: one fault that the reader finds, one of the audit, and a digest."""
    patch = damage.make()
    other = "child_count" if damage.rule is shared_rules.NO_LINKS else "nlink"
    spots = {name: patch.record(b"/big-dir/entry-00" + name) for name in (b"0-", b"3-nnn", b"9-nnnnnnnnn")}
    for path in patch.index_of:
        if path == b"/big-dir/entry-000-":
            patch.set(path, **{other: 0})
        if path == b"/big-dir/entry-003-nnn":
            patch.flip(patch.record(path) + 122)
        if path == b"/big-dir/entry-009-nnnnnnnnn":
            patch.flip(patch.set_chunk(path))
    _, faults = check(patch.content, damage.limits)
    found = {(fault.rule.code, fault.inode) for fault in faults}
    wanted = v5_rules.CHUNK_COUNT if other == "child_count" else shared_rules.NO_LINKS
    assert (wanted.code, spots[b"0-"]) in found
    assert (shared_rules.RESERVED.code, spots[b"3-nnn"]) in found
    assert (v5_rules.INODE_DIGEST.code, spots[b"9-nnnnnnnnn"]) in found
    assert any(fault.rule is damage.rule and is_at(fault, damage, patch) for fault in faults)


def test_every_rule_is_broken_here():
    folder = Path(v5.__file__).parent
    used = set(rules_of(v5_rules))
    for path in [*folder.glob("v5*.py"), folder / "names.py", folder / "chunk_records.py"]:
        for name in re.findall(r"(?<!v5_)rules\.([A-Z_]{2,})", path.read_text()):
            used.add(getattr(shared_rules, name, None) or getattr(v5_rules, name))
    used |= {shared_rules.UNKNOWN_FLAGS, shared_rules.CHUNK_SIZE, shared_rules.BLOB_ID}  # through `words`
    assert used == {damage.rule for damage in DAMAGES}
    assert len(DAMAGES) >= 65
    assert len({damage.name for damage in DAMAGES}) == len(DAMAGES)


def test_codes_are_unique():
    rules = (*rules_of(v5_rules), *rules_of(shared_rules))
    assert len({rule.code for rule in rules}) == len(rules)


# how much is left


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("loop to the root", 215),
        ("endless directory", 215),
        ("endless root", 215),
        ("child index 0", 215),
        ("root past the end", 215),
        ("one child more", 215),
        ("record in the superblock", 214),
        ("directory past the end", 215 - 9),
        ("one child less", 214),
        ("one subtree less", 215 - 4),
        ("chunk size 0", 215),
        ("blob table on the inode table", 215),
    ],
)
def test_everything_else_is_read(name, kept):
    (damage,) = (damage for damage in DAMAGES if damage.name == name)
    patch = damage.make()
    tables, _ = check(patch.content)
    assert len(tables.entries.mode) == kept
    assert {path for path in images.paths(tables) if path in patch.index_of} == set(images.paths(tables))


def test_content_without_a_chunk_size_is_read_by_its_own_offsets():
    (damage,) = (damage for damage in DAMAGES if damage.name == "chunk size 0")
    tables, _ = check(damage.make().content)
    sound = images.open_golden(BASE).tables
    assert (tables.extents.file_offset == sound.extents.file_offset).all()
    assert (tables.extents.chunk == sound.extents.chunk).all()


def test_one_patched_digest_names_the_file_and_its_directory_only():
    (damage,) = (damage for damage in DAMAGES if damage.name == "digest of a file")
    patch = damage.make()
    _, faults = check(patch.content)
    assert {fault.inode for fault in faults} == {patch.record(b"/a/dup1"), patch.record(b"/a")}
    (damage,) = (damage for damage in DAMAGES if damage.name == "digest of a chunk")
    patch = damage.make()
    assert [fault.inode for fault in check(patch.content)[1]] == [patch.record(b"/a/dup1")]


# hostile images


def everywhere(content: bytes, change) -> bytes:
    """Change the records of a made-up image: `change` is given the rows, and which are directories."""
    octets = bytearray(content)
    patch = Patch(content)
    table = np.frombuffer(content, "<u4", patch.count, 8192).astype(np.int64) * 8
    rows = np.array([np.frombuffer(content, layout.INODE.dtype, 1, int(place))[0] for place in table])
    change(rows, rows["mode"] >> 12 == 4)
    for place, row in zip(table.tolist(), rows, strict=True):
        octets[place : place + 128] = row.tobytes()
    return bytes(octets)


def claim_all(rows, is_directory):
    rows["child_index"][is_directory], rows["child_count"][is_directory] = 2, len(rows) - 1


def claim_all_behind(rows, is_directory):
    index = np.flatnonzero(is_directory)
    rows["child_index"][index], rows["child_count"][index] = index + 2, len(rows) - index - 1


def claim_each_other(rows, is_directory):
    rows["child_index"][is_directory] = np.flatnonzero(is_directory)[::-1] + 1
    rows["child_count"][is_directory] = 1


def name_no_parent(rows, is_directory):
    claim_all_behind(rows, is_directory)
    rows["parent"] = 0


def all_directories(rows, is_directory):
    rows["mode"], rows["child_index"], rows["child_count"] = 0o040755, np.arange(2, len(rows) + 2), 1
    rows["parent"] = np.arange(len(rows))


def all_huge(rows, is_directory):
    rows["size"], rows["child_count"], rows["name_size"] = 1 << 61, 0xFFFFFFFF, 0xFFFF


def all_symlinks_over_each_other(rows, is_directory):
    rows["mode"][1:], rows["target_size"][1:] = 0o120777, 0xFFFF


def all_one_inode(rows, is_directory):
    rows["ino"] = 2


@pytest.mark.parametrize(
    "change",
    [
        claim_all, claim_all_behind, claim_each_other, name_no_parent, all_directories, all_huge,
        all_symlinks_over_each_other, all_one_inode,
    ],
)  # fmt: skip
def test_hostile_trees_are_bounded(change):
    tables, faults = check(everywhere(synthetic_bootstrap_v5(6000), change))
    assert tables is not None
    assert len(tables.entries.mode) <= 6000
    assert len(tables.extents.size) <= 12000
    assert faults
    assert len(faults) <= EXAMPLES * len({(fault.rule.code, fault.where) for fault in faults})


def test_all_entries_name_one_record():
    content = bytearray(synthetic_bootstrap_v5(6000))
    entries = np.frombuffer(content, "<u4", 6000, 8192)
    entries[1:] = entries[5]
    del entries
    tables, faults = check(content)
    assert len(tables.entries.mode) <= 2
    assert {fault.rule.code for fault in faults} >= {v5_rules.RECORD_OVERLAP.code}


def test_many_empty_pairs_are_bounded():
    patch = Patch(images.bootstrap(BASE))
    place = patch.xattr_place(patch.index_of[b"/xa-empty"])
    patch.put(place + 8, bytes(1512))
    _, faults = check(patch.content)
    assert {fault.rule.code for fault in faults} == {v5_rules.XATTR_NAMELESS.code, shared_rules.XATTRS.code}
    assert len(faults) == 1514 // 4 + 1


# any damage


def hold_together(content: bytes) -> None:
    """What the strict reader refuses has a fault, and what it reads is read alike."""
    judge = Collector()
    tables = None
    with suppress(ImageFault):  # no bootstrap at all, or too large
        tables = check_bootstrap(content, name="name", limits=images.LIMITS, judge=judge)
    if tables is not None:
        check_index_safe(tables)
    try:
        sound = read_bootstrap(content, name="name", limits=images.LIMITS)
    except ImageFault:
        assert not v5.probe(content[:4]) or any(fault.rule.weight is not Weight.ODD for fault in judge.faults)
    else:
        assert tables is not None
        for column in sound.entries.__slots__:
            mine, theirs = getattr(tables.entries, column), getattr(sound.entries, column)
            assert (mine is None and theirs is None) or (mine == theirs).all(), column
        assert (tables.extents.chunk == sound.extents.chunk).all()


@pytest.mark.parametrize("name", ["v5-none", BASE, "merge-oci-v5", "parent-ovl-v5", "v5-nodata"])
@settings(max_examples=75)
@given(data=st.data())
def test_any_damage(name, data):
    hold_together(data.draw(damages(images.bootstrap(name))))


@settings(max_examples=100)
@given(data=st.data())
def test_any_damage_behind_right_digests(data):
    """With digests that fit, so that nothing is left to them."""
    patch = Patch(images.bootstrap("merge-oci-v5"))
    patch.content = bytearray(data.draw(damages(bytes(patch.content))))
    with suppress(AssertionError, struct.error):
        patch.seal()
    hold_together(bytes(patch.content))


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_fields(data):
    """Most bytes of a bootstrap are digests and zeros: here only numbers of inodes and of their table are damaged."""
    patch = Patch(images.bootstrap("merge-oci-v5"))
    paths, fields = st.sampled_from(sorted(patch.index_of)), st.sampled_from(layout.INODE.dtype.names[1:-1])
    for _ in range(data.draw(st.integers(1, 4))):
        path, field = data.draw(paths), data.draw(fields)
        if data.draw(st.integers(0, 4)) == 0:
            patch.set_entry(path, patch.record(data.draw(paths)) // 8 + data.draw(st.integers(-20, 20)))
            continue
        dtype, offset = layout.INODE.dtype.fields[field]
        start, size = patch.record(path) + offset, dtype.itemsize
        if 0 <= start <= len(patch.content) - size:
            number = int.from_bytes(patch.content[start : start + size], "little")
            number = data.draw(st.sampled_from([number + 1, number - 1, number + 8, 0, 1, 24, 0xFFFFFFFF, 1 << 62, -1]))
            patch.put(start, (number & ((1 << 8 * size) - 1)).to_bytes(size, "little"))
    hold_together(bytes(patch.content))


@pytest.mark.parametrize("limits", [Limits(entry_count=3), Limits(blob_count=1)])
def test_limits_bound_what_is_kept(limits):
    tables, faults = check(images.bootstrap("merge-oci-v5"), limits)
    assert faults
    assert len(tables.entries.mode) <= 23
