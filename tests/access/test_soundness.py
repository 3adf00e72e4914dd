"""The steps of a check that need blobs: over folders, memory and a registry that misbehaves."""

import shutil
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.formats.rafs import images

import rafsight
from rafsight.access.bootstrap import load_bootstrap
from rafsight.access.cache import Cache
from rafsight.access.counting import Meter
from rafsight.access.fetch import MAX_REQUEST
from rafsight.access.localfs import FolderBackend
from rafsight.access.memory import MemoryBackend
from rafsight.access.options import Options
from rafsight.access.soundness import Examined, check_chunk_info, check_chunks, check_presence
from rafsight.access.verify import rules
from rafsight.access.verify.ranges import cut_file
from rafsight.base.events import Advanced, Event, Finished, Started
from rafsight.base.limits import Limits
from rafsight.base.units import MiB
from rafsight.formats.judge import Collector, rules_of
from rafsight.formats.rafs import blob_rules
from rafsight.formats.rafs import shared_layout as shared
from rafsight.formats.rafs.blob_meta import HEADER_SIZE
from rafsight.formats.tables import ChunkFlag, TreeTables, UnitTable
from rafsight.image.chunk_users import ChunkUsers
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.testing.trees import build_image

LIMITS = Limits()


class Case:
    """A golden image in a folder of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        self.image = images.open_golden(name)
        self.tables: TreeTables = self.image.tables
        self.folder = folder
        for path in self.image.directory.iterdir():
            if path.is_file():
                shutil.copy(path, folder)
        self.judge = Collector()
        self.backend = FolderBackend(folder, meter=Meter())

    @property
    def data(self) -> Path:
        return self.folder / self.tables.blobs[0].data_id

    def edit(self, change: Callable[[bytearray], None], name: str = "") -> None:
        path = self.folder / name if name else self.data
        content = bytearray(path.read_bytes())
        change(content)
        path.write_bytes(content)

    def presence(self) -> Examined:
        return check_presence(self.backend, self.tables.blobs, None, self.judge)

    def chunk_info(self, bundled=None) -> Examined:
        return check_chunk_info(self.backend, self.tables, bundled or {}, self.judge, limits=LIMITS)

    def chunks(self, metas=None, *, is_bare: bool = True, **options) -> Examined:
        metas = self.image.metas if metas is None else metas
        return check_chunks(self.backend, self.tables, metas, self.judge, limits=LIMITS, is_bare=is_bare, **options)

    @property
    def codes(self) -> set[str]:
        return set(self.judge.counts)

    def place(self, chunk: int) -> tuple[int, int]:
        """(offset, size) of the stored bytes of a chunk's unit."""
        unit = int(self.image.placement.unit_index[chunk])
        units = self.image.placement.units
        return int(units.offset[unit]), int(units.stored_size[unit])


@pytest.fixture
def case(tmp_path: Path) -> Callable[[str], Case]:
    return lambda name: Case(name, tmp_path)


def flip(offset: int) -> Callable[[bytearray], None]:
    def change(content: bytearray) -> None:
        content[offset] ^= 0x10

    return change


@pytest.mark.parametrize("name", images.NAMES)
def test_sound_images(case, name):
    one = case(name)
    present, arrays = one.presence(), one.chunk_info()
    done = one.chunks(arrays.metas)
    assert one.judge.faults == []
    assert present.unchecked + arrays.unchecked + done.unchecked == ()
    assert dict(done.facts) == {
        "chunks": len(one.tables.chunks.size),
        "unverifiable chunks": 0,
        "bytes": dict(present.facts)["bytes"],
    }


# presence


def test_a_missing_blob(case):
    one = case("v6-zstd")
    one.data.unlink()
    facts = dict(one.presence().facts)
    assert one.judge.counts == {rules.BLOB_MISSING.code: 1}
    assert facts == {"blobs": 0, "bytes": 0}


def test_a_missing_archive_of_a_zran_image(case):
    one = case("targz-ref")
    one.data.unlink()
    one.presence()
    (fault,) = one.judge.faults
    assert fault.rule is rules.BLOB_MISSING
    assert one.tables.blobs[0].blob_id in fault.where


@pytest.mark.parametrize("name", ["v5-zstd", "v6-zstd", "targz-ref", "tar-tarfs"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_blob_of_another_size(case, name, by):
    one = case(name)
    one.edit(lambda content: content.extend(b"x") if by > 0 else content.pop())
    one.presence()
    assert one.judge.counts == {rules.BLOB_SIZE.code: 1}


def test_the_other_file_of_a_zran_image_of_another_size(case):
    one = case("targz-ref")
    one.edit(lambda content: content.pop(), one.tables.blobs[0].meta_id)
    one.presence()
    assert one.judge.counts == {rules.BLOB_SIZE.code: 1}


def test_a_blob_with_its_bootstrap_may_be_larger_and_not_smaller(case):
    one = case("v6-inline")
    one.edit(lambda content: content.extend(b"more"))
    one.presence()
    assert one.codes == set()
    one.edit(lambda content: content.__delitem__(slice(one.tables.blobs[0].compressed_size - 1, None)))
    one.presence()
    assert one.codes == {rules.BLOB_SIZE.code}


def test_an_external_blob_is_not_looked_for(case):
    one = case("v6-zstd")
    blob = one.tables.blobs[0]
    one.tables = replace(one.tables, blobs=(replace(blob, features=blob.features | shared.EXTERNAL),))
    assert one.presence().unchecked == ((f"blob {blob.blob_id}", "its data lie in an external backend"),)
    assert one.judge.faults == []
    (unchecked,) = one.chunks().unchecked
    assert unchecked == (f"chunks of blob {blob.blob_id}", "its data lie in an external backend")


@contextmanager
def served(tag: str, *mischief: Mischief):
    """An image in a registry that behaves while the image is opened."""
    with serve_layout(PLANTED, mischief=mischief) as registry:
        options = Options(plain_http=True, environment={})
        with rafsight.open_image(registry.reference(tag), options=options) as image:
            yield image


def largest(image) -> str:
    return max(image.identity.classified.blob_layers, key=lambda layer: layer.size).digest


@pytest.mark.parametrize("tag", ["v5", "v6"])
def test_a_sound_image_in_a_registry(tag):
    judge = Collector()
    with served(tag) as image:
        found, tables = image.identity.classified, image.tree.tables
        bundled = load_bootstrap(image.backend, found.bootstrap_layer, Cache(None), LIMITS).metas
        present = check_presence(image.backend, tables.blobs, found, judge)
        arrays = check_chunk_info(image.backend, tables, bundled, judge, limits=LIMITS)
        done = check_chunks(image.backend, tables, arrays.metas, judge, limits=LIMITS)
        assert judge.faults == []
        assert present.unchecked + arrays.unchecked + done.unchecked == ()
        assert dict(present.facts)["blobs"] == len(found.manifest.layers) + 1
        assert dict(done.facts)["chunks"] == len(tables.chunks.size)
        assert dict(done.facts)["bytes"] == sum(layer.size for layer in found.blob_layers)


def presence_in_registry(*mischief: Mischief) -> tuple[Collector, Examined, str]:
    judge = Collector()
    with served("v6", *mischief) as image:
        found = image.identity.classified
        return judge, check_presence(image.backend, image.tree.tables.blobs, found, judge), largest(image)


def test_a_blob_that_the_registry_lost():
    judge, examined, _ = presence_in_registry(Mischief(method="HEAD", status=404, times=1))
    assert judge.counts == {rules.BLOB_MISSING.code: 1}
    assert examined.unchecked == ()


def test_a_registry_that_denies_is_no_fault_of_the_image():
    judge, examined, _ = presence_in_registry(Mischief(method="", status=403, after=2))
    assert judge.faults == []
    assert examined.unchecked
    assert all("denies" in why for _, why in examined.unchecked)


def test_a_blob_of_another_size_than_its_descriptor(case):
    with served("v6") as image:
        found = image.identity.classified
        backend, judge = MemoryBackend(), Collector()
        backend.put_blob(b"short", digest=found.blob_layers[0].digest)
        check_presence(backend, (), found, judge)
    others = len(found.manifest.layers)
    assert judge.counts == {rules.BLOB_SIZE.code: 1, rules.BLOB_MISSING.code: others}


def test_an_id_that_no_registry_can_have():
    judge = Collector()
    with served("v6") as image:
        blob = replace(image.tree.tables.blobs[0], data_id="no-digest", meta_id="")
        check_presence(image.backend, (blob,), None, judge)
    assert judge.counts == {rules.BLOB_MISSING.code: 1}


def test_what_is_known_is_not_asked_for():
    with served("v6") as image:
        found = image.identity.classified
        known = frozenset(layer.digest for layer in found.manifest.layers) | {found.manifest.config.digest}
        before = image.cost.requests
        examined = check_presence(image.backend, image.tree.tables.blobs, found, Collector(), known=known)
        assert image.cost.requests == before
        assert dict(examined.facts) == {"blobs": 0, "bytes": 0}


# chunk-info arrays, tables of contents


def bundled_of(one: Case) -> dict[str, bytes]:
    """The array as bootstrap layers hold it: expanded, padded to 4096, then its header."""
    expanded = one.image.metas[0]
    table = expanded[:-HEADER_SIZE]
    padded = table.ljust(-(-len(table) // HEADER_SIZE) * HEADER_SIZE, b"\0")
    return {one.tables.blobs[0].meta_id: padded + expanded[-HEADER_SIZE:]}


@pytest.mark.parametrize("name", ["v6-zstd", "v6-batch", "v6-enc", "targz-ref"])
def test_a_copy_in_the_bootstrap_layer_has_to_be_the_same(case, name):
    one = case(name)
    bundled = bundled_of(one)
    one.chunk_info(bundled)
    assert one.judge.faults == []
    ((meta_id, copy),) = bundled.items()
    one.chunk_info({meta_id: copy[:9] + bytes([copy[9] ^ 1]) + copy[10:]})
    assert one.codes == {blob_rules.META_COPIES.code}


def test_a_copy_of_the_header_alone(case):
    """What nydusify bundles where arrays are compressed by lz4."""
    one = case("v6-lz4-sha256-4k-fs")
    header = one.image.metas[0][-HEADER_SIZE:]
    examined = one.chunk_info({one.tables.blobs[0].meta_id: header})
    assert one.judge.faults == []
    assert ("arrays", 1) in examined.facts
    one.chunk_info({one.tables.blobs[0].meta_id: bytes(HEADER_SIZE)})
    assert one.codes == {blob_rules.META_COPIES.code}


def test_a_copy_stands_in_for_a_blob_that_is_not_there(case):
    one = case("v6-batch")
    one.data.unlink()
    examined = one.chunk_info(bundled_of(one))
    assert one.judge.faults == []
    ((subject, _),) = examined.unchecked
    assert subject == f"chunk-info array of blob {one.tables.blobs[0].blob_id}"
    assert list(examined.metas) == [0]


def test_a_damaged_copy_does_not_spoil_the_array_of_the_blob(case):
    one = case("v6-batch")
    examined = one.chunk_info({one.tables.blobs[0].meta_id: bytes(3 * HEADER_SIZE)})
    assert one.codes == {blob_rules.META_LENGTH.code, blob_rules.META_COPIES.code}
    assert list(examined.metas) == [0]


@pytest.mark.parametrize("name", ["v6-zstd", "v6-lz4-sha256-4k-fs", "v6-enc", "targz-ref-tar"])
def test_a_damaged_array_in_the_blob(case, name):
    one = case(name)
    entry = one.tables.blobs[0]
    one.edit(flip(entry.meta_offset + 20), entry.meta_id)
    examined = one.chunk_info()
    assert one.judge.faults
    assert examined.unchecked == ()


def test_an_array_of_absurd_size_is_not_fetched(case):
    one = case("v6-zstd")
    huge = {"meta_compressed_size": 1 << 39, "meta_uncompressed_size": 1 << 30}
    one.tables = replace(one.tables, blobs=(replace(one.tables.blobs[0], **huge),))
    one.chunk_info()
    assert one.codes == {blob_rules.META_ROOM.code}
    assert one.backend.meter.cost.requests == 0


def test_arrays_that_are_too_large_together(case):
    one = case("v6-zstd")
    blob = replace(one.tables.blobs[0], meta_uncompressed_size=LIMITS.bootstrap_size)
    one.tables = replace(one.tables, blobs=(blob,) * 40)
    one.chunk_info()
    assert blob_rules.META_ROOM.code in one.codes


@pytest.mark.parametrize("place", ["toc", "digests", "header"])
def test_a_damaged_end_of_a_blob(case, place):
    one = case("v6-toc")
    entry = one.tables.blobs[0]
    header = entry.meta_offset + entry.meta_compressed_size
    digests = header + HEADER_SIZE + 512
    offset = {"toc": entry.compressed_size - 512 - 100, "digests": digests + 5, "header": header + 200}[place]
    one.edit(flip(offset))
    one.chunk_info()
    expected = {
        "toc": blob_rules.TOC_DIGEST,
        "digests": blob_rules.DIGESTS_OTHER,
        "header": blob_rules.META_RESERVED,
    }[place]
    assert expected.code in one.codes


def test_a_blob_without_its_table_of_contents(case):
    one = case("v6-toc")
    one.edit(lambda content: content.__delitem__(slice(-512, None)))
    one.chunk_info()
    assert blob_rules.TOC_ABSENT.code in one.codes
    assert all("blob 0" in fault.where for fault in one.judge.faults), one.judge.faults


# chunks

FLIPPED = [
    ("v5-none", {rules.CHUNK_DIGEST}),
    ("v5-zstd", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("v5-lz4-sha256-fs", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("v6-none", {rules.CHUNK_DIGEST}),
    ("v6-zstd", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("v6-lz4-sha256-4k-fs", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("v6-batch", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("v6-enc", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("v6-enc-batch-inline", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("targz-ref", {rules.CHUNK_UNDECODABLE, rules.CHUNK_DIGEST}),
    ("targz-ref-tar", {rules.CHUNK_DIGEST}),
]


@pytest.mark.parametrize(("name", "expected"), FLIPPED, ids=lambda one: one if isinstance(one, str) else None)
def test_a_flipped_bit_in_every_form(case, name, expected):
    one = case(name)
    largest = int(np.argmax(one.image.placement.units.stored_size[one.image.placement.unit_index]))
    offset, size = one.place(largest)
    one.edit(flip(offset + size // 2))
    done = one.chunks()
    of_chunks = {fault.rule for fault in one.judge.faults} - {rules.BLOB_NAME}
    assert of_chunks
    assert of_chunks <= expected
    assert rules.BLOB_NAME.code in one.codes
    damaged = sum(fault.rule in expected for fault in one.judge.faults)
    assert dict(done.facts)["chunks"] == len(one.tables.chunks.size) - damaged


@pytest.mark.parametrize("name", ["v5-zstd", "v5-lz4-sha256-fs", "v6-zstd", "v6-lz4-sha256-4k-fs", "targz-ref"])
def test_stored_bytes_that_decode_to_nothing(case, name):
    one = case(name)
    chunk = int(np.flatnonzero(one.tables.chunks.flags & ChunkFlag.COMPRESSED)[0])
    offset, size = one.place(chunk)
    one.edit(lambda content: content.__setitem__(slice(offset, offset + size), b"\xff" * size))
    one.chunks()
    faults = [fault for fault in one.judge.faults if fault.rule is rules.CHUNK_UNDECODABLE]
    number = one.tables.chunks.number[chunk]
    assert any(fault.detail.startswith(f"chunk {number},") for fault in faults)
    assert one.codes == {rules.CHUNK_UNDECODABLE.code, rules.BLOB_NAME.code}


def test_a_fault_names_chunk_place_and_files(case):
    one = case("v6-none")
    chunk = 5
    offset, _ = one.place(chunk)
    one.edit(flip(offset))
    one.chunks()
    (fault,) = (fault for fault in one.judge.faults if fault.rule is rules.CHUNK_DIGEST)
    users = ChunkUsers(one.tables).rows(chunk).tolist()
    assert fault.where == f"blob {one.tables.blobs[0].blob_id}"
    assert fault.offset == offset
    assert b"/" + fault.path == one.image.paths()[users[0]]
    plural = "" if len(users) == 1 else "s"
    assert fault.detail == f"chunk {one.tables.chunks.number[chunk]}, used by {len(users)} file{plural}"


def test_swapped_chunks(case):
    one = case("v6-none")
    sizes = one.tables.chunks.size
    same = np.flatnonzero(sizes == 4096)[:2].tolist()
    (first, size), (second, _) = (one.place(chunk) for chunk in same)

    def swap(content: bytearray) -> None:
        content[first : first + size], content[second : second + size] = (
            content[second : second + size],
            content[first : first + size],
        )

    one.edit(swap)
    one.chunks()
    assert one.judge.counts[rules.CHUNK_DIGEST.code] == 2


@pytest.mark.parametrize("name", ["v6-zstd", "v5-zstd", "v6-batch"])
def test_a_wrong_crc(case, name):
    one = case(name)
    crc = one.tables.chunks.crc32.copy()
    crc[7] ^= 1
    one.tables = replace(one.tables, chunks=replace(one.tables.chunks, crc32=crc))
    one.chunks()
    assert one.judge.counts == {rules.CHUNK_CHECKSUM.code: 1}


def test_a_cut_blob(case):
    one = case("v5-zstd")
    offset, size = one.place(len(one.tables.chunks.size) // 2)
    one.edit(lambda content: content.__delitem__(slice(offset + size - 1, None)))
    done = one.chunks()
    ends = one.tables.chunks.compressed_offset + one.tables.chunks.compressed_size
    lost = int((ends > offset + size - 1).sum())
    assert one.judge.counts == {rules.CHUNK_LOST.code: lost, rules.BLOB_NAME.code: 1}
    assert dict(done.facts)["chunks"] == len(ends) - lost


def test_an_empty_blob(case):
    one = case("v6-zstd")
    one.edit(bytearray.clear)
    one.chunks()
    assert one.judge.counts == {rules.CHUNK_LOST.code: len(one.tables.chunks.size), rules.BLOB_NAME.code: 1}


def test_bytes_between_chunks_are_covered_by_the_name(case):
    one = case("v6-zstd")
    one.edit(flip(one.tables.blobs[0].meta_offset + 3))
    one.chunks(is_bare=False)
    assert one.judge.counts == {rules.BLOB_DIGEST.code: 1}


def test_the_name_of_a_blob_with_contents_covers_all_but_its_digests(case):
    one = case("v6-toc")
    entry = one.tables.blobs[0]
    digests = entry.meta_offset + entry.meta_compressed_size + HEADER_SIZE + 512
    one.edit(flip(digests + 5))
    one.chunks()
    assert one.judge.faults == []
    one.edit(flip(digests - 5))
    one.chunks()
    assert one.codes == {rules.BLOB_NAME.code}


def test_chunks_without_digests_are_verified_by_the_name_of_their_blob(case):
    one = case("tar-tarfs")
    assert dict(one.chunks().facts)["unverifiable chunks"] == 0
    one.edit(flip(1000))
    done = one.chunks()
    assert one.codes == {rules.BLOB_NAME.code}
    assert dict(done.facts)["unverifiable chunks"] == len(one.tables.chunks.size)
    ((subject, why),) = done.unchecked
    assert subject == f"chunks of blob {one.tables.blobs[0].blob_id}"
    assert "no digest" in why


def test_a_blob_that_is_not_there_is_unchecked(case):
    one = case("v6-zstd")
    one.data.unlink()
    done = one.chunks()
    assert one.judge.faults == []
    assert [subject for subject, _ in done.unchecked] == [f"blob {one.tables.blobs[0].data_id}"]


def test_chunks_that_need_an_array_wait_for_it(case):
    one = case("v6-batch")
    done = one.chunks(metas={})
    assert one.judge.faults == []
    blob = one.tables.blobs[0].blob_id
    assert done.unchecked == ((f"chunks of blob {blob}", "its chunk-info array could not be read"),)


def test_chunks_without_a_possible_place(case):
    one = case("v6-zstd")
    sizes = one.tables.chunks.compressed_size.copy()
    sizes[3] = 0
    one.tables = replace(one.tables, chunks=replace(one.tables.chunks, compressed_size=sizes))
    done = one.chunks()
    assert blob_rules.UNIT_STORED.code in one.codes
    assert done.unchecked[0][1] == "1 of them have no place that can be"
    assert dict(done.facts)["chunks"] == len(sizes) - 1


def chunks_in_registry(*mischief: Mischief) -> tuple[Collector, Examined]:
    judge = Collector()
    with served("v6", *mischief) as image:
        return judge, check_chunks(image.backend, image.tree.tables, {}, judge, limits=LIMITS)


def test_a_registry_that_damages_bytes():
    judge, done = chunks_in_registry(Mischief(method="GET", flip=True, after=2))
    found = {fault.rule for fault in judge.faults}
    assert rules.BLOB_DIGEST in found
    assert found & {rules.CHUNK_DIGEST, rules.CHUNK_UNDECODABLE}
    assert done.unchecked == ()


def test_a_registry_that_loses_a_blob_between_two_requests():
    judge, done = chunks_in_registry(Mischief(method="GET", status=404, after=2, times=1))
    assert judge.faults == []
    assert len(done.unchecked) == 1
    assert dict(done.facts)["chunks"] > 0


def test_a_registry_that_denies_chunks():
    judge, done = chunks_in_registry(Mischief(method="", status=403, after=2))
    assert judge.faults == []
    assert dict(done.facts) == {"chunks": 0, "unverifiable chunks": 0, "bytes": 0}
    assert len(done.unchecked) == 6


def test_a_registry_without_ranges_still_gives_the_right_bytes():
    judge, done = chunks_in_registry(Mischief(method="GET", ignore_range=True, after=2))
    assert judge.faults == []
    assert dict(done.facts)["chunks"] == 1286


def test_layers_of_plain_images_are_streams():
    """Their chunks have no place in the blob: only the layers themselves are verified."""
    small = build_image({b"a": b"content" * 100})
    backend, judge = MemoryBackend(), Collector()
    backend.put_blob(small.blob)
    tables = replace(
        small.tables,
        superblock=replace(small.tables.superblock, chunk_size=0),
        blobs=(replace(small.tables.blobs[0], chunk_size=0),),
    )
    done = check_chunks(backend, tables, {}, judge, limits=LIMITS)
    assert judge.faults == []
    assert dict(done.facts) == {"chunks": 0, "unverifiable chunks": 0, "bytes": len(small.blob)}


def test_progress_is_told(case):
    one = case("v6-lz4-sha256-4k-fs")
    events: list[Event] = []
    one.chunks(listener=events.append)
    (started,) = (event for event in events if isinstance(event, Started))
    advanced = sum(event.amount for event in events if isinstance(event, Advanced))
    assert (started.operation, started.unit, started.total) == ("chunks", "bytes", advanced)
    assert isinstance(events[-1], Finished)


def test_an_interrupt_ends_it_at_once(case):
    one = case("v6-zstd")

    def interrupt(event: Event) -> None:
        if isinstance(event, Advanced):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        one.chunks(listener=interrupt)


def test_a_large_blob_is_read_in_pieces():
    rng = np.random.default_rng(7)
    content = rng.bytes(11 * MiB)
    small = build_image({b"large": content}, chunk_size=1 * MiB)
    backend, judge = MemoryBackend(), Collector()
    backend.put_blob(small.blob)
    done = check_chunks(backend, small.tables, {}, judge, limits=LIMITS)
    assert judge.faults == []
    assert dict(done.facts) == {"chunks": 11, "unverifiable chunks": 0, "bytes": len(small.blob)}
    assert backend.meter.cost.requests == 3


@settings(deadline=None, max_examples=200)
@given(
    spans=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 120)), max_size=30),
    extra=st.integers(0, 50),
    request=st.integers(1, 100),
)
def test_pieces_cover_the_file_and_every_unit(spans, extra, request):
    count = len(spans)
    starts = np.array([start for start, _ in spans], np.int64)
    sizes = np.array([size for _, size in spans], np.int64)
    zeros = np.zeros(count, np.int32)
    table = UnitTable(
        blob_index=zeros, form=zeros, offset=starts, stored_size=sizes, decoded_size=2 * sizes,
        dictionary_offset=starts, dictionary_size=zeros, bits=zeros,
    )  # fmt: skip
    file_size = int((starts + sizes).max(initial=0)) + extra
    pieces = list(cut_file(table, np.arange(count), file_size, max_request=request))
    assert [piece.offset for piece in pieces] == np.cumsum([0, *(p.own_size for p in pieces)])[:-1].tolist()
    assert sum(piece.own_size for piece in pieces) == file_size
    assert sorted(unit for piece in pieces for unit in piece.units.tolist()) == list(range(count))
    for piece in pieces:
        assert piece.own_size <= request
        for unit in piece.units.tolist():
            assert piece.offset <= starts[unit]
            assert starts[unit] + sizes[unit] <= piece.offset + piece.size
            assert piece.largest >= 2 * sizes[unit]
    assert len(pieces) <= 2 * file_size // request + 2 or request == 1


def test_requests_are_of_the_size_that_fetches_have():
    assert 4 * MiB == MAX_REQUEST


def test_users_of_chunks():
    image = images.open_golden("v6-lz4-sha256-4k-fs")
    users, entries = ChunkUsers(image.tables), image.tables.entries
    for chunk in range(0, len(image.tables.chunks.size), 37):
        expected = [
            row
            for row in range(len(entries.mode))
            if entries.link_row[row] == row
            and chunk in image.tables.extents.chunk[entries.extent_start[row] :][: entries.extent_count[row]]
        ]
        assert users.rows(chunk).tolist() == expected
        assert users.first(chunk) == expected[0]
    assert users.first(10**6) is None


BROKEN_BY = {
    rules.BLOB_MISSING: test_a_missing_blob,
    rules.BLOB_SIZE: test_a_blob_of_another_size,
    rules.BLOB_DIGEST: test_bytes_between_chunks_are_covered_by_the_name,
    rules.BLOB_NAME: test_an_empty_blob,
    rules.CHUNK_DIGEST: test_swapped_chunks,
    rules.CHUNK_CHECKSUM: test_a_wrong_crc,
    rules.CHUNK_UNDECODABLE: test_stored_bytes_that_decode_to_nothing,
    rules.CHUNK_LOST: test_a_cut_blob,
}


def test_every_rule_has_a_test_that_breaks_it():
    assert set(BROKEN_BY) == set(rules_of(rules))
