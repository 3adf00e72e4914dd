"""Every rule of RAFS v6 metadata, broken on purpose; and hostile shapes, which cost no more than their bytes."""

import struct
import tarfile
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images, v6_damages
from tests.formats.rafs.damage import damages
from tests.formats.rafs.handmade import DIRECTORY, REGULAR, Bootstrap, dirents
from tests.formats.rafs.laws import _check_contents
from tests.formats.rafs.v6_damages import KINDS, NOTHING, TREE
from tests.formats.rafs.v6_surgery import Patient

from rafsight.base.errors import CallerError, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.judge import EXAMPLES, Collector, Weight, rules_of
from rafsight.formats.rafs import shared_rules, v6, v6_rules
from rafsight.formats.rafs.codec import check_bootstrap, read_bootstrap
from rafsight.image.tree import ImageTree
from rafsight.testing.bootstraps import synthetic_bootstrap
from rafsight.testing.registry import PLANTED

GOLDEN = [name for name in images.NAMES if v6.probe(images.bootstrap(name))]
TOLD_ONLY = {shared_rules.NAME_ORDER.code, v6_rules.DEVICE_COUNT.code}
"""Rules that readers mend: told in passing to judges that go on."""
NOT_OF_V6 = {"name-dots"}
"""`.` and `..` are what they are in v6."""


def check(content, **limits):
    judge = Collector()
    tables = check_bootstrap(content, name="name", limits=Limits(**limits), judge=judge)
    return judge, tables


def path_of(tables, inode):
    if inode < 0:
        return None
    (rows,) = np.nonzero(tables.entries.inode_offset == inode)
    return images.paths(tables)[int(rows[0])].removeprefix(b"/")


@pytest.mark.parametrize("name", GOLDEN)
def test_nothing_is_wrong_with_a_golden_image(name):
    judge, tables = check(images.bootstrap(name))
    assert judge.faults == []
    assert images.paths(tables) == images.paths(images.open_golden(name).tables)


def bundled():
    """The v6 bootstraps of the image that travels with the package."""
    for path in sorted((PLANTED / "blobs" / "sha256").iterdir()):
        with suppress(tarfile.ReadError), tarfile.open(path) as layer:
            for member in layer:
                if member.name.endswith("image.boot"):
                    content = layer.extractfile(member).read()
                    if v6.probe(content):
                        yield content


def test_nothing_is_wrong_with_bundled_and_made_up_images():
    contents = [*bundled(), synthetic_bootstrap(3000), synthetic_bootstrap(3000, seed=1, chunk_size=4096)]
    assert len(contents) >= 3
    for content in contents:
        assert check(content)[0].faults == []


def test_devices_need_not_be_mapped():
    """Builders before 2.2 left the addresses of a flat disk at 0."""
    patient = Patient(images.bootstrap("merge-oci-v6"))
    for row in range(patient.volume.blob_count):
        patient.slot(row, "mapped_blkaddr", 0)
    assert check(bytes(patient.content))[0].faults == []


def read_strictly(content, limits):
    """What a strict reader makes of a bootstrap: tables, or the code of the rule that it refuses it for."""
    try:
        return read_bootstrap(content, name="name", limits=limits), ""
    except ImageFault as error:
        return None, error.details["rule"].code


def harmed(damage):
    """A patient after the damage; [bytes] of the fault."""
    patient = Patient(images.bootstrap(v6_damages.SMALL) if callable(damage.image) else damage.content())
    if callable(damage.image):
        patient.content = bytearray(damage.content())
    return patient, damage.harm(patient)


def walk(tables):
    """Look at everything that a tree has: nothing may lead outside."""
    _check_contents(tables)
    tree = ImageTree(tables)
    assert len(list(tree.walk())) == len(tree)
    for row, path in enumerate(tree.paths()):
        tree.attributes(row)
        assert tree.path(row) == path
        with suppress(ImageFault):
            tree.xattrs(row)
        assert len(tree.names(tree.children(row))) == len(tree.children(row))
        assert all(tables.entries.parent[child] == row for child in tree.children(row))
        if tree.is_symlink(row):
            assert b"\0" not in tree.target(row)
        tree.content_key(row)
        with suppress(CallerError):
            tree.lookup(path)
        tree.extent_rows(row)


@pytest.mark.parametrize("damage", KINDS, ids=lambda damage: damage.name)
def test_damage_is_told_with_its_rule_and_place(damage):
    patient, place = harmed(damage)
    judge, tables = check(bytes(patient.content), **dict(damage.limits))
    found = [fault for fault in judge.faults if fault.rule is damage.rule]
    assert found, judge.counts
    assert place is None or place in [fault.offset for fault in found]
    if damage.path is not None:
        assert damage.path in [path_of(tables, fault.inode) for fault in found]
    assert judge.counts.keys() == {damage.rule.code, *damage.also.split()}
    assert (tables is None) == (damage.left == NOTHING)
    if tables is not None:
        walk(tables)


@pytest.mark.parametrize("damage", KINDS, ids=lambda damage: damage.name)
def test_strict_reader_refuses_what_is_broken_for_it(damage):
    """Whoever reads strictly sees the same rules; those of the audit are for other readers."""
    content, limits = bytes(harmed(damage)[0].content), Limits(**dict(damage.limits))
    told = Collector()
    with told.part("bootstrap"):
        v6.read(content, "name", limits, told)
    broken = {fault.rule.code for fault in told.faults} - TOLD_ONLY
    _, refused = read_strictly(content, limits)
    assert refused in broken if refused else not broken


SECOND = {v6_damages.SMALL: b"d/s11", v6_damages.TAR: b"d/s11", v6_damages.LARGE: b"mtneg", v6_damages.BARE: b"d/empty"}
SECOND |= {"merge-oci-v6": b"mod", "v6-enc": b"d/s11", "v6-toc": b"d/s11"}


@pytest.mark.parametrize(
    "damage",
    [damage for damage in KINDS if damage.left != NOTHING and not callable(damage.image)],
    ids=lambda damage: damage.name,
)
def test_second_fault_is_told_too(damage):
    """One more fault far away: in an inode, or in the device table where the tree is lost."""
    patient, _ = harmed(damage)
    if damage.left == TREE:
        rule, path = shared_rules.NO_LINKS, SECOND[damage.image]
        patient.inode(path, "nlink", 0)
        place = patient.places[path]
    else:
        rule, path = v6_rules.DEVICE_BLOCKS, None
        place = patient.slot(0, "blocks", 7)
    judge, tables = check(bytes(patient.content), **dict(damage.limits))
    assert place in [fault.offset for fault in judge.faults if fault.rule is rule]
    if path is not None:  # the damage may have renamed a directory above
        name = path.rpartition(b"/")[2]
        assert name in [
            path_of(tables, fault.inode).rpartition(b"/")[2] for fault in judge.faults if fault.rule is rule
        ]
    assert damage.rule in [fault.rule for fault in judge.faults]


def test_every_rule_is_broken_once():
    broken = {damage.rule.code for damage in KINDS}
    assert [rule.code for rule in rules_of(v6_rules) if rule.code not in broken] == []
    assert [rule.code for rule in rules_of(shared_rules) if rule.code not in broken | NOT_OF_V6] == []
    assert len(KINDS) >= 75
    assert len({damage.name for damage in KINDS}) == len(KINDS)


# any damage


@pytest.mark.parametrize("name", ["v6-none", "v6-lz4-sha256-4k-fs", "merge-oci-v6", "tar-tarfs", "v6-nodata", "v6-enc"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_strict_and_collecting_judge_agree(name, data):
    """What the strict reader refuses breaks a rule; what it takes breaks none that a reader needs."""
    content = data.draw(damages(images.bootstrap(name)))
    agree(content)


@pytest.mark.parametrize("name", ["v6-none", "tar-tarfs", "merge-oci-v6"])
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_they_agree_on_flipped_bits(name, data):
    content = bytearray(images.bootstrap(name))
    said = [place for place in range(1028, len(content)) if content[place]]
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.sampled_from(said))] ^= 1 << data.draw(st.integers(0, 7))
    agree(bytes(content))


def agree(content):
    limits = Limits()
    if not v6.probe(content):
        with pytest.raises(ImageFault):
            read_bootstrap(content, name="name", limits=limits)
        return
    told, judge = Collector(), Collector()
    with told.part("bootstrap"):
        v6.read(content, "name", limits, told)
    broken = {fault.rule.code for fault in told.faults if fault.rule.weight is not Weight.ODD} - TOLD_ONLY
    strict, refused = read_strictly(content, limits)
    assert refused in broken if refused else not broken
    tables = check_bootstrap(content, name="name", limits=limits, judge=judge)
    assert set(told.counts) <= set(judge.counts)
    if strict is not None:
        assert images.paths(strict) == images.paths(tables)
        assert strict.extents.chunk.tolist() == tables.extents.chunk.tolist()
    if tables is not None:
        walk(tables)


# hostile shapes: the number of array elements is bounded by the file


def cost(content, **limits):
    """Most memory that a check takes, as a multiple of the file."""
    check(content[:4096] + bytes(16384))  # imports and first use
    tracemalloc.start()
    try:
        judge, tables = check(content, **limits)
        return judge, tables, tracemalloc.get_traced_memory()[1] / len(content)
    finally:
        tracemalloc.stop()


def staggered():
    """Files of 2^40 bytes and wide xattrs, one every 32 bytes: each claims what the others claim."""
    boot = Bootstrap()
    head = struct.pack("<4HIIIIHHI", 8, 0x4000, REGULAR, 1, 0xFFFFFFFF, 0, 0x20, 1, 0, 0, 0)
    first = boot.next_nid
    boot.content += bytes(-len(boot.content) % 32) + head * 20000
    root = boot.directory([(b"%03d" % n, first + n * 60, 1) for n in range(200)])
    boot.content += bytes(70000)
    return boot.finish(root)


def long_chain():
    boot = Bootstrap()
    first = boot.next_nid
    for _ in range(3000):
        nid = boot.next_nid
        size = len(dirents([(b".", 0, 2), (b"..", 0, 2), (b"d", 0, 2)]))
        boot.directory([(b"d", nid + -(-(64 + size) // 32), 2)], parent=max(first, nid - (64 + size + 31) // 32))
    boot.directory([])
    return boot.finish(first)


def wide_directory():
    """Blocks whose first name offset says 341 entries with the same names, all leading to one directory."""
    boot = Bootstrap()
    inner = boot.inode(DIRECTORY, size=0, nlink=2)
    block = len(boot.content) // 4096 + 1
    root = boot.inode(DIRECTORY, kind=0, size=4096 * 50, union=block, nlink=2)
    boot.content += bytes(block * 4096 - len(boot.content))
    entry = dirents([(b"x", inner, 2)] * 300).ljust(4096, b"\0")
    boot.content += entry * 50
    return boot.finish(root)


@pytest.mark.parametrize(
    ("make", "codes"),
    [
        (staggered, {"inode-overlap"}),
        (long_chain, {"directory-depth"}),
        (wide_directory, {"directory-reached-twice", "name-twice"}),
        (v6_damages.shared_indexes, {"chunk-indexes-shared"}),
        (v6_damages.shared_targets, {"symlink-shared"}),
        (v6_damages.shared_blocks, {"directory-size"}),
    ],
)
def test_hostile_shapes_cost_what_their_bytes_cost(make, codes):
    judge, tables, memory = cost(make(), path_size=600)
    assert codes <= judge.counts.keys()
    assert len(judge.faults) <= EXAMPLES * len(judge.counts)
    assert memory < 40
    walk(tables)


def test_rows_never_outnumber_the_bytes_of_dirents():
    content = wide_directory()
    _, tables = check(content)
    assert len(tables.entries.mode) == 2
    assert len(check(v6_damages.shared_blocks())[1].entries.mode) < len(content)


def test_order_of_faults_follows_the_reader():
    """The head first, then blobs, then the tree, then what others insist on."""
    patient = Patient(images.bootstrap(v6_damages.SMALL))
    patient.erofs("checksum", 1)
    patient.inode(b"one", "nlink", 0)
    patient.blob(0, "compressor", 9)
    patient.rafs("flags", patient.tables.superblock.flags | 1 << 50)
    judge, _ = check(bytes(patient.content))
    assert list(judge.counts) == ["superblock-flags", "blob-compressor", "no-links", "superblock-checksum"]
