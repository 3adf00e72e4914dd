"""Views as a library: what is mounted, what it costs, and what the cache makes of it."""

import errno
import json
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.views.mount.places import (
    LARGE,
    SMALL,
    clean_spot,
    contents_of,
    make_layout,
    mounts_below,
    needs_engine,
    processes_naming,
    sha256,
    tmpfs,
    view_folders,
    wait_until,
)

import rafsight
from rafsight.base.events import Finished, Noticed
from rafsight.base.path_list import UnreadablePathList
from rafsight.base.units import MiB
from rafsight.formats.tables import Compressor
from rafsight.testing.registry import Mischief, serve_layout
from rafsight.views.mount.access_log import AccessLogNotWritten
from rafsight.views.mount.kernel import mount_at, unmount
from rafsight.views.mount.place import UnusablePlace
from rafsight.views.mount.records import AlreadyAView
from rafsight.views.mount.running import NoSuchView
from rafsight.views.mount.supervisor import Ending

ENGINES = ("fuse", "erofs", "erofs-fanotify")
ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.root


@pytest.fixture
def spot(tmp_path):
    with clean_spot(tmp_path) as folder:
        yield folder


@pytest.fixture(params=ENGINES)
def engine(request, tmp_path):
    needs_engine(request.param, tmp_path)
    return request.param


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("images") / "small", SMALL)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return make_layout(tmp_path_factory.mktemp("images") / "large", LARGE)


class Heard:
    """A listener that can be waited for."""

    def __init__(self):
        self.messages = []
        self.has_prefetched = threading.Event()

    def __call__(self, event):
        if isinstance(event, Noticed):
            self.messages.append(event.message)
        elif isinstance(event, Finished) and event.operation == "prefetch":
            self.has_prefetched.set()


def read(*paths):
    """Read files in another process: the one that serves has to answer meanwhile."""
    done = subprocess.run(["cat", "--", *paths], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def sums_below(directory):
    done = subprocess.run(
        ["find", ".", "-type", "f", "-exec", "sha256sum", "{}", "+"],
        cwd=directory, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    lines = (line.split(b"  ./") for line in done.stdout.splitlines())
    return {path: digest.decode() for digest, path in lines}


def sums_of(sizes):
    return {path: sha256(content) for path, content in contents_of(sizes).items()}


def blob_of(layout):
    return max((layout / "blobs/sha256").iterdir(), key=lambda path: path.stat().st_size).name


def data_requests(registry, layout):
    """Return the requests for content: for the largest blob."""
    return [one for one in registry.log if blob_of(layout) in one.call.path]


def terms(engine="auto", **more):
    return rafsight.ViewTerms(engine=engine, **more)


@pytest.mark.parametrize("version", [5, 6])
def test_an_image_is_there_inside_the_block(spot, engine, version):
    layout = make_layout(spot / "layout", SMALL, version=version, compressor=Compressor.LZ4_BLOCK, chunk_size=1 << 16)
    views = rafsight.Views(spot / "cache")
    with views.mount(f"oci:{layout}", spot / "place", terms=terms(engine)) as view:
        assert view.is_mounted
        assert (view.directory, view.facts.engine, view.facts.pid) == (spot / "place", engine, os.getpid())
        assert view.facts.is_ready
        assert views.running() == [view.facts]
        assert sums_below(spot / "place") == sums_of(SMALL)
        with pytest.raises(OSError, match="Read-only"):
            (spot / "place/new").touch()
    assert not view.is_mounted
    assert not (spot / "place").exists()
    assert views.running() == []


def test_without_a_folder_one_is_made_in_the_cache(spot, engine, small):
    with rafsight.Views(spot / "cache").mount(f"oci:{small}", terms=terms(engine)) as view:
        assert view.directory.is_relative_to(spot / "cache/views")
        assert read(view.directory / "srv/page") == contents_of(SMALL)[b"srv/page"]
    assert view_folders(spot) == []


def test_a_folder_that_was_there_stays(spot, engine, small):
    (spot / "place").mkdir()
    (spot / "place/hidden").write_bytes(b"x")
    with rafsight.Views(spot / "cache").mount(f"oci:{small}", spot / "place", terms=terms(engine)):
        assert not (spot / "place/hidden").exists()
    assert (spot / "place/hidden").read_bytes() == b"x"


def test_everything_is_counted(spot, engine, small):
    content = contents_of(SMALL)
    with (
        serve_layout(small) as registry,
        rafsight.Views(spot / "cache").mount(registry.reference("latest"), spot / "place", terms=terms(engine)) as view,
    ):
        opened = view.statistics
        assert (opened.files_opened, opened.bytes_served, opened.chunk_hits, opened.chunk_misses) == (0, 0, 0, 0)
        assert (opened.requests, opened.bytes_fetched) == (len(registry.log), sum(one.sent for one in registry.log))
        assert data_requests(registry, small) == []
        for path in (b"etc/hosts", b"usr/lib/data", b"srv/page", b"etc/hosts"):
            assert read(spot / "place" / os.fsdecode(path)) == content[path]
        wait_until(lambda: view.statistics.files_opened == 3)
        done = view.statistics
        assert (done.requests, done.bytes_fetched) == (len(registry.log), sum(one.sent for one in registry.log))
        assert len(data_requests(registry, small)) == 1, "the first miss brings its neighbours"
        assert done.chunk_misses == 1
        assert done.failed == 0
        assert done.seconds > 0
        wanted = sum(len(content[path]) for path in (b"usr/lib/data", b"srv/page", b"etc/hosts"))
        if engine == "fuse":  # what the kernel has is not asked for again; of the largest file two pieces or three
            assert done.bytes_served == wanted
            assert 2 <= done.chunk_hits <= 4
        elif engine == "erofs":  # in whole blocks, and some of what lies near
            assert wanted <= done.bytes_served <= sum(-(-size // 4096) * 4096 for size in SMALL.values())
            assert 2 <= done.chunk_hits <= 12
        else:  # the kernel reads the files itself
            assert done.bytes_served == 0


def test_opening_alone_costs_no_content(spot, engine, large):
    with (
        serve_layout(large) as registry,
        rafsight.Views(spot / "cache").mount(registry.reference("latest"), spot / "place", terms=terms(engine)),
    ):
        done = subprocess.run(["ls", "-lR", spot / "place"], capture_output=True, check=True, timeout=60)
        assert str(LARGE[b"large"]).encode() in done.stdout
        assert data_requests(registry, large) == []


def test_what_was_read_is_a_list_of_what_to_fetch_ahead(spot, engine, large):
    """The second run, with a cache of its own, has everything before anybody asks."""
    heard = Heard()
    with serve_layout(large) as registry:
        reference = registry.reference("latest")
        with rafsight.Views(spot / "one").mount(
            reference, spot / "place", terms=terms(engine, access_log=spot / "log")
        ) as view:
            for name in ("tail", "head", "tail"):
                read(spot / "place" / name)
            wait_until(lambda: (spot / "log").read_bytes().count(b"\n") == 2)
            cost = view.statistics.bytes_fetched
        assert (spot / "log").read_bytes() == b"/tail\n/head\n"
        with rafsight.Views(spot / "two").mount(
            reference, spot / "place", terms=terms(engine, prefetch=spot / "log"), listener=heard
        ) as view:
            assert heard.has_prefetched.wait(60)
            assert view.statistics.bytes_fetched <= cost
            registry.forget()
            assert sha256(read(spot / "place/tail")) == sums_of(LARGE)[b"tail"]
            assert sha256(read(spot / "place/head")) == sums_of(LARGE)[b"head"]
            for one in registry.log:  # the kernel may read on into what lies behind, and nothing else
                assert LARGE[b"head"] <= int(one.range.removeprefix("bytes=").partition("-")[0]) < LARGE[b"large"]
            assert engine == "erofs" or registry.log == ()
            read(spot / "place/large")
            assert data_requests(registry, large) != []
    assert heard.messages == []


def test_a_complete_cache_needs_nobody(spot, engine, large):
    """Fetched whole once, it is read by the kernel alone, without a request for content, and without a registry."""
    heard = Heard()
    views = rafsight.Views(spot / "cache")
    with serve_layout(large) as registry:
        reference = registry.reference("latest")
        with views.mount(reference, spot / "place", terms=terms(engine, prefetch="all"), listener=heard) as view:
            assert heard.has_prefetched.wait(60)
            whole = view.statistics
        registry.forget()
        with views.mount(reference, spot / "place", terms=terms(engine)) as view:
            if engine == "erofs":
                assert view.how == "the kernel alone, from the cache"
            assert sums_below(spot / "place") == sums_of(LARGE)
            assert view.statistics.chunk_misses == 0
            assert data_requests(registry, large) == []
            assert view.statistics.bytes_fetched < whole.bytes_fetched / 100
        digest = rafsight.open_image(reference, options=rafsight.Options(cache_dir=spot / "cache"))
        with digest as image:
            pinned = registry.reference(image.identity.classified.manifest.digest)
    with views.mount(pinned, spot / "place", terms=terms(engine)) as view:
        assert sums_below(spot / "place") == sums_of(LARGE)
        assert (view.statistics.requests, view.statistics.bytes_fetched) == (0, 0)


def test_a_view_goes_on_when_the_registry_is_gone_and_the_cache_complete(spot, engine, large):
    heard = Heard()
    with ExitStack() as stack:
        with serve_layout(large) as registry:
            view = stack.enter_context(
                rafsight.Views(spot / "cache").mount(
                    registry.reference("latest"), spot / "place", terms=terms(engine, prefetch="all"), listener=heard
                )
            )
            assert heard.has_prefetched.wait(60)
        assert sums_below(spot / "place") == sums_of(LARGE)
        assert view.statistics.failed == 0


def test_two_views_share_what_one_has_fetched(spot, engine, large):
    views = rafsight.Views(spot / "cache")
    with (
        serve_layout(large) as registry,
        views.mount(registry.reference("latest"), spot / "one", terms=terms(engine)) as first,
        views.mount(registry.reference("latest"), spot / "two", terms=terms(engine)) as second,
    ):
        assert sums_below(spot / "one") == sums_of(LARGE)
        registry.forget()
        assert sums_below(spot / "two") == sums_of(LARGE)
        assert data_requests(registry, large) == []
        # with marks on the files both are asked when one of them is read, and one of them brings
        assert first.statistics.chunk_misses + second.statistics.chunk_misses > 0
        assert {facts.directory for facts in views.running()} == {first.directory, second.directory}


OTHER = """
import subprocess, sys
from pathlib import Path
import rafsight
reference, cache, directory, engine = sys.argv[1:]
with rafsight.Views(Path(cache)).mount(reference, Path(directory), terms=rafsight.ViewTerms(engine=engine)) as view:
    print("ready", flush=True)
    for line in sys.stdin:
        path = Path(directory) / line.strip()
        print(subprocess.run(["sha256sum", path], capture_output=True, text=True).stdout.split()[0], flush=True)
    """


@pytest.fixture
def other(spot):
    """Another process with a view."""
    started = []

    def start(reference, directory, engine, cache="cache"):
        command = [sys.executable, "-c", OTHER, reference, spot / cache, directory, engine]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.communicate(timeout=30)


def test_two_processes_share_what_one_has_fetched(spot, engine, large, other):
    with serve_layout(large) as registry:
        reference = registry.reference("latest")
        process = other(reference, spot / "theirs", engine)
        with rafsight.Views(spot / "cache").mount(reference, spot / "ours", terms=terms(engine)):
            assert sums_below(spot / "ours") == sums_of(LARGE)
            registry.forget()
            for name in LARGE:
                process.stdin.write(os.fsdecode(name) + "\n")
                process.stdin.flush()
                assert process.stdout.readline().strip() == sums_of(LARGE)[name]
            assert data_requests(registry, large) == []


@pytest.mark.parametrize("engine", ["fuse", "erofs"])
def test_the_cache_keeps_its_bound(spot, engine, large):
    needs_engine(engine, spot)
    with rafsight.Views(spot / "cache").mount(
        f"oci:{large}", spot / "place", terms=terms(engine, cache_size=3 * MiB)
    ) as view:
        assert sums_below(spot / "place") == sums_of(LARGE)
        assert size_on_disk(spot / "cache/chunks") <= 3 * MiB + 64 * 1024
        assert view.statistics.failed == 0
    assert MiB < size_on_disk(spot / "cache/chunks") <= 3 * MiB + 64 * 1024


def size_on_disk(folder):
    return sum(file.lstat().st_blocks * 512 for file in folder.glob("**/*"))


def test_where_nothing_can_be_kept_content_comes_from_memory(spot, small):
    """The folder of chunks is none: the kernel's engine works over the files that we serve."""
    heard = Heard()
    (spot / "cache").mkdir()
    (spot / "cache/chunks").write_bytes(b"")
    needs_engine("erofs", spot)
    with rafsight.Views(spot / "cache").mount(
        f"oci:{small}", spot / "place", terms=terms("erofs", cache_size=MiB), listener=heard
    ) as view:
        assert view.facts.engine == "erofs"
        assert sums_below(spot / "place") == sums_of(SMALL)
    assert len([message for message in heard.messages if "served from memory" in message]) >= 1


def test_the_automatic_choice_is_the_kernels_for_root(spot, small):
    needs_engine("erofs", spot)
    heard = Heard()
    with rafsight.Views(spot / "cache").mount(f"oci:{small}", spot / "place", listener=heard) as view:
        assert view.facts.engine == "erofs"
        assert heard.messages == []


def test_a_wrong_wish_is_refused_before_anything_is_done(spot, small):
    views = rafsight.Views(spot / "cache")
    with serve_layout(small) as registry:
        for wish, error in (
            (terms("ntfs"), ValueError),
            (terms("fuse", prefetch=spot / "nowhere"), UnreadablePathList),
        ):
            with pytest.raises(error), views.mount(registry.reference("latest"), spot / "place", terms=wish):
                pass
        (spot / "file").write_bytes(b"")
        with pytest.raises(UnusablePlace), views.mount(registry.reference("latest"), spot / "file"):
            pass
        assert registry.log == ()
        with (
            pytest.raises(AccessLogNotWritten),
            views.mount(registry.reference("latest"), spot / "place", terms=terms(access_log=spot)),
        ):
            pass
    assert not (spot / "place").exists()


def test_a_folder_shows_one_view(spot, small):
    views = rafsight.Views(spot / "cache")
    (spot / "link").symlink_to("place")
    with (
        views.mount(f"oci:{small}", spot / "place", terms=terms("fuse")),
        pytest.raises(AlreadyAView),
        views.mount(f"oci:{small}", spot / "link", terms=terms("fuse")),
    ):
        pass


def test_somebody_else_may_end_it(spot, engine, small):
    """By umount(8), while the program waits."""
    with rafsight.Views(spot / "cache").mount(f"oci:{small}", spot / "place", terms=terms(engine)) as view:
        assert view.wait(0) is None
        timer = threading.Timer(0.05, unmount, [spot / "place"])
        timer.start()
        assert view.wait(60) is Ending.UNMOUNTED
        timer.join()
        assert not view.is_mounted
    assert mounts_below(spot) == []


def test_a_view_of_a_program_is_ended_without_its_help(spot, engine, small, other):
    """The tree goes at once; the program goes on, and finds an empty folder."""
    process = other(f"oci:{small}", spot / "place", engine)
    views = rafsight.Views(spot / "cache")
    (facts,) = views.running()
    assert facts.pid == process.pid
    assert views.stop(spot / "place") == [facts]
    assert not os.path.ismount(spot / "place")
    assert process.poll() is None
    with pytest.raises(NoSuchView):
        views.stop(spot / "elsewhere")


def test_what_is_said_to_nobody_hurts_no_reader(spot, engine, small):
    """A listener whose terminal is gone."""

    def hear(event):
        raise BrokenPipeError(errno.EPIPE, "gone")

    with (
        serve_layout(small, mischief=(Mischief(only=blob_of(small), flip=True),)) as registry,
        rafsight.Views(spot / "cache").mount(
            registry.reference("latest"), spot / "place", terms=terms(engine), listener=hear
        ) as view,
    ):
        for _ in range(3):
            done = subprocess.run(["cat", spot / "place/etc/motd"], capture_output=True, check=False, timeout=30)
            assert (done.returncode, done.stdout) == (1, b"")
            assert b"Input/output error" in done.stderr
        assert view.statistics.failed >= 1


def test_what_somebody_mounted_over_it_stays(spot, engine, small):
    with ExitStack() as stack:
        with rafsight.Views(spot / "cache").mount(f"oci:{small}", spot / "place", terms=terms(engine)):
            stack.enter_context(tmpfs(spot / "place", source="foreign"))
        assert mount_at(spot / "place").source == "foreign"
    rafsight.Views(spot / "cache").running()
    assert mounts_below(spot) == []


def test_an_error_inside_takes_it_away(spot, engine, small):
    with pytest.raises(ZeroDivisionError), rafsight.Views(spot / "cache").mount(f"oci:{small}", spot / "place"):
        raise ZeroDivisionError
    views = rafsight.Views(spot / "cache")
    with pytest.raises(ZeroDivisionError):
        views.serve(f"oci:{small}", spot / "place", on_ready=lambda view: 1 / 0, terms=terms(engine))
    assert mounts_below(spot) == []


def test_serving_ends_when_it_is_told_to_by_any_thread(spot, engine, small):
    seen = []

    def on_ready(view):
        seen.append(view)
        read(view.directory / "srv/page")
        threading.Thread(target=view.end).start()

    done = rafsight.Views(spot / "cache").serve(f"oci:{small}", spot / "place", on_ready=on_ready, terms=terms(engine))
    assert done.files_opened == 1
    assert not seen[0].is_mounted
    seen[0].end()  # late, and no harm


def test_numbers_are_written_for_others(spot, small):
    views = rafsight.Views(spot / "cache")
    assert views.statistics() == []
    with views.mount(f"oci:{small}", spot / "place", terms=terms("fuse")) as view:
        read(view.directory / "etc/motd")
        view.wait(0)  # which writes them down
        ((facts, numbers),) = views.statistics(spot / "place")
        assert facts == view.facts
        assert (numbers.bytes_served, numbers.files_opened) == (SMALL[b"etc/motd"], 1)
        (folder,) = (path for path in (spot / "cache/views").iterdir() if path.is_dir())
        (folder / "stats.json").write_text(json.dumps({"bytes_served": "many"}))
        assert views.statistics() == []
        with pytest.raises(NoSuchView):
            views.statistics(spot)
    assert processes_naming(spot) == []
