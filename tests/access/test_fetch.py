"""Plans become content: the order, the memory, the price, and what is refused."""

import hashlib
import threading
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import zstandard

from rafsight.access.backend import NotFound
from rafsight.access.fetch import BATCH, MAX_WASTE, WINDOW, Fetcher, RangeTooLarge
from rafsight.access.held import HELD_SIZE
from rafsight.access.memory import MemoryBackend
from rafsight.access.threads import threads
from rafsight.base.errors import Defect
from rafsight.base.limits import Limits
from rafsight.base.units import GiB, KiB, MiB
from rafsight.formats.tables import Compressor, UnitForm
from rafsight.image.plan import FileRange, wanted_extents
from rafsight.image.tree import ImageTree
from rafsight.testing.trees import build_image


@pytest.fixture
def fetcher_of():
    with threads(4, name="rafsight-fetch") as pool:
        yield lambda tables, backend: Fetcher(ImageTree(tables), backend, pool, Limits())


def read(fetcher, placement, wanted):
    tree = fetcher._tree
    extents = wanted_extents(tree, wanted)
    return fetcher.read(placement, wanted, extents, lambda chunk: Defect(what=f"chunk {chunk}"), None)


def backend_of(image):
    backend = MemoryBackend()
    backend.put_blob(image.blob)
    return backend


def zeros_image(sizes, *, chunk_size):
    """Files of zeros: each chunk compressed to almost nothing, and stored anew, one after the other."""
    names = [b"f%04d" % number for number in range(len(sizes))]
    image = build_image(dict.fromkeys(names, b"x"))  # its entries; the rest is made here
    unit = zstandard.ZstdCompressor().compress(bytes(chunk_size))
    counts = np.array([size // chunk_size for size in sizes])
    total = int(counts.sum())
    digest = np.frombuffer(hashlib.sha256(bytes(chunk_size)).digest(), np.uint8)
    places = np.arange(total, dtype=np.int64) * len(unit)
    full, stored = np.full(total, chunk_size, np.int64), np.full(total, len(unit), np.int64)
    zeros, words = np.zeros(total, np.int32), np.zeros(total, np.uint32)
    starts = np.cumsum([0, *counts])
    tables = image.tables
    units = replace(
        image.placement.units, blob_index=zeros, form=np.full(total, UnitForm.COMPRESSED, np.int32), offset=places,
        stored_size=stored, decoded_size=full, dictionary_offset=places * 0, dictionary_size=zeros, bits=zeros,
    )  # fmt: skip
    placement = replace(image.placement, unit_index=np.arange(total), unit_offset=places * 0, units=units)
    blob = unit * total
    blob_id = hashlib.sha256(blob).hexdigest()
    return replace(
        image,
        blob=blob,
        placement=placement,
        tables=replace(
            tables,
            entries=replace(
                tables.entries,
                size=np.array([0, *sizes], np.int64),
                extent_start=np.array([0, *starts[:-1]], np.int64),
                extent_count=np.array([0, *counts], np.int32),
            ),
            extents=replace(
                tables.extents,
                chunk=np.arange(total, dtype=np.int32),
                file_offset=np.concatenate([np.arange(count, dtype=np.int64) * chunk_size for count in counts]),
                size=full,
            ),
            chunks=replace(
                tables.chunks,
                blob_index=zeros,
                number=np.arange(total, dtype=np.uint32),
                digest=np.tile(digest, (total, 1)),
                crc32=words,
                flags=words,
                size=full,
                compressed_size=stored,
                compressed_offset=places,
                uncompressed_offset=places,
            ),
            blobs=(replace(tables.blobs[0], data_id=blob_id, compressor=Compressor.ZSTD),),
        ),
    )


def peak_of(work):
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sizes", [[4 * MiB] * 96, [384 * MiB]], ids=["many files", "pieces of one file"])
def test_memory_is_bounded_however_much_a_range_becomes(sizes, fetcher_of):
    image = zeros_image(sizes, chunk_size=4 * MiB)  # all of it is a few kilobytes in the blob, so one request
    fetcher = fetcher_of(image.tables, backend_of(image))
    tree = ImageTree(image.tables)
    row = tree.lookup(b"f0000")
    wanted = [FileRange(row=row + index) for index in range(len(sizes))]
    if len(sizes) == 1:
        wanted = [FileRange(row=row, offset=offset, size=MiB) for offset in range(0, sizes[0], MiB)]
    lengths = []
    peak = peak_of(lambda: lengths.extend(len(c.content) for c in read(fetcher, image.placement, wanted)))
    assert sum(lengths) == 384 * MiB
    assert peak < WINDOW + BATCH + 32 * MiB


def test_a_slow_first_range_holds_the_window_not_the_image(fetcher_of):
    image = zeros_image([4 * MiB] * 64, chunk_size=4 * MiB)
    first_asked, go_on = threading.Event(), threading.Event()
    asked = []

    class Slow(MemoryBackend):
        def fetch_range(self, digest, offset, size):
            asked.append(offset)
            if not offset:
                first_asked.set()
                assert go_on.wait(60)
            return super().fetch_range(digest, offset, size)

    backend = Slow()
    backend.put_blob(image.blob)
    fetcher = fetcher_of(image.tables, backend)
    found = read(fetcher, image.placement, [FileRange(row=row) for row in range(1, 65)])
    taken = []
    consumer = threading.Thread(target=lambda: taken.extend(c.index for c in found))
    consumer.start()
    assert first_asked.wait(60)
    threading.Event().wait(0.3)
    ahead = len(asked)
    go_on.set()
    consumer.join(60)
    assert taken == list(range(64))
    assert ahead <= WINDOW // (16 * MiB)


def test_a_piece_that_nobody_should_hold_is_refused_and_the_others_come(fetcher_of):
    image = build_image({b"a": b"content", b"huge": b"x"})
    tree = ImageTree(image.tables)
    image.tables.entries.size[tree.lookup(b"huge")] = 1 << 60
    fetcher = fetcher_of(image.tables, backend_of(image))
    wanted = [
        FileRange(row=tree.lookup(b"huge")),
        FileRange(row=tree.lookup(b"a")),
        FileRange(row=tree.lookup(b"huge"), offset=(1 << 60) - 10),
        FileRange(row=tree.lookup(b"huge"), size=3),
    ]
    found = {content.index: content for content in read(fetcher, image.placement, wanted)}
    assert isinstance(found[0].error, RangeTooLarge)
    assert [found[index].content for index in (1, 2, 3)] == [b"content", bytes(10), b"x\0\0"]


def test_what_was_fetched_a_moment_ago_is_not_fetched_again(fetcher_of):
    image = build_image({b"a": b"0123456789" * 1000}, chunk_size=KiB)
    backend = backend_of(image)
    fetcher = fetcher_of(image.tables, backend)
    row = ImageTree(image.tables).lookup(b"a")
    wanted = (FileRange(row=row, size=5), FileRange(row=row, size=2 * KiB), FileRange(row=row, offset=10, size=5))
    contents = [next(iter(read(fetcher, image.placement, [part]))).content for part in wanted]
    assert contents == [b"01234", (b"0123456789" * 1000)[: 2 * KiB], b"01234"]
    assert backend.meter.cost.bytes_needed == 2 * KiB
    assert backend.meter.cost.bytes_fetched == 2 * KiB


def test_what_is_fetched_twice_is_needed_once(fetcher_of):
    image = build_image({b"a": b"".join(bytes([n]) * MiB for n in range(3))}, chunk_size=MiB)
    backend = backend_of(image)
    fetcher = fetcher_of(image.tables, backend)
    for _ in range(2):  # who had all of a large file will not ask again: it is not held
        list(read(fetcher, image.placement, [FileRange(row=1)]))
    assert backend.meter.cost.bytes_needed == len(image.blob)
    assert backend.meter.cost.bytes_fetched == 2 * len(image.blob)


def test_what_was_read_in_part_is_held_whatever_came_after_it(fetcher_of):
    large = b"".join(bytes([n + 1]) * MiB for n in range(HELD_SIZE // MiB + 2))
    image = build_image({b"a": b"0" * (MiB - 1), b"b": large, b"c": b"small"}, chunk_size=MiB)
    backend = backend_of(image)
    fetcher = fetcher_of(image.tables, backend)
    for part in (FileRange(row=3), FileRange(row=1, size=5), FileRange(row=2)):
        list(read(fetcher, image.placement, [part]))
    assert backend.meter.cost.bytes_fetched == len(image.blob)
    again = list(read(fetcher, image.placement, [FileRange(row=1, offset=7), FileRange(row=3)]))
    assert sorted(len(one.content) for one in again) == [5, MiB - 8]
    assert backend.meter.cost.bytes_fetched == len(image.blob)


def test_what_the_image_cost_before_buys_gaps(fetcher_of):
    files = {b"f%02d" % number: bytes([number]) * 100 for number in range(9)}
    image = build_image(files, gap=40)
    wanted = [FileRange(row=1 + number) for number in range(9)]

    def cost_after(needed):
        backend = backend_of(image)
        backend.meter.count(needed=needed, received=needed)  # a bootstrap
        list(read(fetcher_of(image.tables, backend), image.placement, wanted))
        cost = backend.meter.cost
        assert cost.bytes_needed == needed + 900
        assert cost.bytes_fetched <= (1 + MAX_WASTE) * cost.bytes_needed
        return cost.requests

    assert [cost_after(needed) for needed in (0, 600, 1000, 5000)] == [6, 4, 2, 1]


def test_a_budget_is_spent_once(fetcher_of):
    files = {b"f%02d" % number: bytes([number]) * 100 for number in range(30)}
    image = build_image(files, gap=40)
    backend = backend_of(image)
    backend.meter.count(needed=1000, received=1000)
    fetcher = fetcher_of(image.tables, backend)
    for start in (1, 11, 21):
        list(read(fetcher, image.placement, [FileRange(row=start + number) for number in range(10)]))
    cost = backend.meter.cost
    assert cost.bytes_needed == 4000
    assert 1.1 * cost.bytes_needed < cost.bytes_fetched <= (1 + MAX_WASTE) * cost.bytes_needed


def test_a_damaged_unit_is_not_held(fetcher_of):
    image = build_image({b"a": b"content"})
    backend = MemoryBackend()
    backend.put_blob(b"c0ntent", digest=f"sha256:{image.blob_id}")
    fetcher = fetcher_of(image.tables, backend)
    assert next(iter(read(fetcher, image.placement, [FileRange(row=1)]))).error is not None
    backend.put_blob(image.blob)
    assert next(iter(read(fetcher, image.placement, [FileRange(row=1)]))).content == b"content"


def test_an_empty_range_inside_a_chunk_costs_nothing(fetcher_of):
    image = build_image({b"a": b"0123456789"})
    backend = backend_of(image)
    fetcher = fetcher_of(image.tables, backend)
    row = ImageTree(image.tables).lookup(b"a")
    wanted = [
        FileRange(row=row, offset=5, size=0),
        FileRange(row=row, offset=99),
        FileRange(row=row, offset=99, size=4),
    ]
    assert [content.content for content in read(fetcher, image.placement, wanted)] == [b"", b"", b""]
    assert backend.meter.cost.requests == 0


def test_a_chunk_that_a_file_names_a_thousand_times_is_fetched_once(fetcher_of):
    image = build_image({b"a": b"same" * 1000, b"b": b"same"}, chunk_size=4)
    backend = backend_of(image)
    fetcher = fetcher_of(image.tables, backend)
    found = {c.wanted.row: c.content for c in read(fetcher, image.placement, [FileRange(row=1), FileRange(row=2)])}
    assert found == {1: b"same" * 1000, 2: b"same"}
    assert backend.meter.cost.bytes_fetched == 4


def test_a_missing_blob_fails_each_range_once(fetcher_of):
    image = build_image({b"a": b"1" * 100 + b"2" * 100, b"b": b"1" * 100, b"e": b""}, chunk_size=100)
    fetcher = fetcher_of(image.tables, MemoryBackend())
    found = [
        (c.index, type(c.error)) for c in read(fetcher, image.placement, [FileRange(row=row) for row in (1, 2, 3)])
    ]
    assert sorted(found, key=lambda pair: pair[0]) == [(0, NotFound), (1, NotFound), (2, type(None))]


def test_reading_from_several_threads_uses_one_pool(fetcher_of):
    image = build_image({b"f%02d" % number: b"%d" % number * 5000 for number in range(40)})
    fetcher = fetcher_of(image.tables, backend_of(image))
    gate = threading.Barrier(8)
    results = []

    def work():
        gate.wait()
        results.append(
            {c.index: c.content for c in read(fetcher, image.placement, [FileRange(row=1), FileRange(row=9)])}
        )

    workers = [threading.Thread(target=work) for _ in range(8)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert results == [{0: b"0" * 5000, 1: b"8" * 5000}] * 8


def test_the_pieces_of_a_huge_hole_cost_nothing_each():
    image = build_image({b"a": b"x" * 100}, chunk_size=1)
    tree = ImageTree(image.tables)
    image.tables.entries.size[1] = 64 * GiB
    wanted = [FileRange(row=1, offset=offset * MiB, size=MiB) for offset in range(1, 20_000)]
    assert not any(len(rows) for rows in wanted_extents(tree, wanted))


@pytest.mark.parametrize(("error", "waits"), [(None, True), (ValueError, True), (KeyboardInterrupt, False)])
def test_only_the_end_of_the_process_does_not_wait_for_requests(error, waits):
    go_on, ended = threading.Event(), threading.Event()

    def work():
        go_on.wait(60)
        ended.set()

    def block():
        with threads(1, name="slow") as pool:
            pool.submit(work)
            if waits:
                threading.Timer(0.2, go_on.set).start()
            if error:
                raise error

    if error:
        with pytest.raises(error):
            block()
    else:
        block()
    assert ended.is_set() == waits
    go_on.set()
    assert ended.wait(60)
