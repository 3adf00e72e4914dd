"""Images under `rafs://`, as programs that take fsspec URLs see them."""

import gc
import hashlib
import threading

import pytest
from tests.views.export import golden

fsspec = pytest.importorskip("fsspec", reason="needs fsspec (pip install rafsight[fsspec])")

import rafsight  # noqa: E402
from rafsight.testing.registry import PLANTED, serve_layout  # noqa: E402
from rafsight.views.fsspec_adapter import RafsFileSystem  # noqa: E402

REFERENCE = f"oci:{PLANTED}:v6"


@pytest.fixture(scope="module", autouse=True)
def registered():
    fsspec.register_implementation("rafs", RafsFileSystem, clobber=True)
    yield
    RafsFileSystem.clear_instance_cache()
    gc.collect()


@pytest.fixture
def files():
    system = RafsFileSystem(REFERENCE, skip_instance_cache=True)
    yield system
    system.close()


@pytest.fixture(scope="module")
def image():
    with rafsight.open_image(REFERENCE) as opened:
        yield opened


def content_of(image, path):
    return b"".join(rafsight.read_file(image, path))


def test_a_url_has_an_image_and_a_path(image):
    for path in ("etc/os-release", "bin/busybox", "opt/current/one"):
        with fsspec.open(f"rafs://{REFERENCE}!/{path}") as file:
            assert file.read() == content_of(image, path.encode())
    with fsspec.open(f"rafs://{REFERENCE}!/etc/os-release", "rt") as file:
        assert file.read() == content_of(image, b"etc/os-release").decode()


def test_a_registry_is_reached_with_storage_options():
    with serve_layout(PLANTED) as registry:
        url = f"rafs://{registry.reference('v6')}!/etc/os-release"
        with fsspec.open(url, plain_http=True, timeout=5.0) as file:
            assert b"ID=" in file.read()
        system, path = fsspec.core.url_to_fs(url, plain_http=True, timeout=5.0)
        assert (system.reference, path) == (registry.reference("v6"), "etc/os-release")
        assert system.unstrip_protocol(path) == url
        system.close()


def test_options_that_nobody_knows_are_refused():
    with pytest.raises(TypeError, match="colour"):
        RafsFileSystem(REFERENCE, colour="red")
    with pytest.raises(ValueError, match="needs an image"):
        fsspec.filesystem("rafs")


def test_every_file_is_found_and_links_lead_in_no_circle(files, image):
    tree = image.tree
    expected = set()
    for row in tree.walk():
        if not tree.is_directory(row):
            expected.add(tree.path(row).decode())
    assert set(files.find("/")) == expected
    assert set(files.find("", withdirs=True)) == {tree.path(row).decode() for row in tree.walk() if row}
    assert sorted(files.glob("/etc/os-*")) == sorted(path for path in expected if path.startswith("etc/os-"))
    assert "etc/os-release" in expected


def test_attributes_are_those_of_the_image(files, image):
    for one in files.ls("/etc"):
        row = image.tree.lookup(one["name"].encode(), follow=False)
        about = image.tree.attributes(row)
        assert (one["mode"], one["uid"], one["gid"], one["nlink"]) == (about.mode, about.uid, about.gid, about.nlink)
        assert one["islink"] == (about.kind == "symlink")
    assert files.info("/")["type"] == "directory"
    assert files.info("opt/current")["type"] == "directory"
    assert files.info("opt/current")["destination"] == "data"
    assert {one["name"]: one["type"] for one in files.ls("/opt")}["opt/current"] == "other"
    assert files.isfile("/bin/busybox")
    assert files.isdir("/usr/lib/")
    assert files.size("/bin/busybox") == len(content_of(image, b"bin/busybox"))
    assert files.modified("/bin/busybox").timestamp() == image.tree.attributes(image.tree.lookup(b"bin/busybox")).mtime
    assert files.ls("/opt/data", detail=False) == ["opt/data/deep", "opt/data/one", "opt/data/two"]


@pytest.mark.parametrize("path", ["/nope", "etc/passwd/nope", "/opt/loop", "/opt/outside/x"])
def test_what_is_not_there_is_the_error_that_python_has(files, path):
    for call in (files.info, files.ls, files.cat_file, files.open):
        with pytest.raises(FileNotFoundError):
            call(path)
    assert not files.exists(path)


def test_folders_are_not_read_and_nothing_is_written(files):
    with pytest.raises(IsADirectoryError):
        files.cat_file("/etc")
    with pytest.raises(OSError, match="read-only"):
        files.open("/etc/new", "wb")


@pytest.mark.parametrize(
    ("start", "end"), [(None, None), (10, 20), (None, 5), (-7, None), (-10, -2), (5, 10**12), (9, 3)]
)
def test_a_part_is_what_a_slice_is(files, image, start, end):
    whole = content_of(image, b"bin/busybox")
    assert files.cat_file("/bin/busybox", start, end) == whole[slice(start, end)]


def test_reading_a_part_costs_a_part(tmp_path):
    name = "v6-lz4-sha256-4k-fs"
    system = RafsFileSystem(golden.reference_of(name), blob_dir=str(golden.GOLDEN / name), skip_instance_cache=True)
    size = system.size("/big")
    before = system.image.cost.bytes_fetched
    with system.open("/big", block_size=4096, cache_type="none") as file:
        file.seek(size // 2)
        part = file.read(100)
    paid = system.image.cost.bytes_fetched - before
    whole = system.cat_file("/big")
    assert part == whole[size // 2 : size // 2 + 100]
    assert 0 < paid < 20_000 < size
    assert hashlib.sha256(whole).hexdigest() == golden.entries_of(name)[b"big"]["sha256"]
    system.close()


def test_names_that_are_no_text_can_be_asked_for():
    name = "v6-lz4-sha256-4k-fs"
    system = RafsFileSystem(golden.reference_of(name), blob_dir=str(golden.GOLDEN / name), skip_instance_cache=True)
    odd = [p for p, one in golden.entries_of(name).items() if "path_b64" in one and "sha256" in one]
    assert odd
    for path in odd:
        content = system.cat_file(path.decode("utf-8", "surrogateescape"))
        assert hashlib.sha256(content).hexdigest() == golden.entries_of(name)[path]["sha256"]
    system.close()


def test_an_image_that_nobody_holds_is_closed():
    system = RafsFileSystem(REFERENCE, skip_instance_cache=True)
    system.cat_file("/etc/passwd")
    assert any("rafsight-fetch" in thread.name for thread in threading.enumerate())
    before = sum("rafsight-fetch" in thread.name for thread in threading.enumerate())
    del system
    gc.collect()
    assert sum("rafsight-fetch" in thread.name for thread in threading.enumerate()) < before
