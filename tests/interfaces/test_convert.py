"""`rafsight convert` from the command line to an image that another command reads."""

import io
import json
import sys

import pytest
from tests.access.source_images import Entry, folder, hard_link, symlink
from tests.verbs.convert.plain_layers import (
    assert_sound,
    document,
    put_image,
    said_of,
    tags_of,
    write_index,
    write_plain,
)

from rafsight.access.options import Options
from rafsight.access.session import open_image
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli import run
from rafsight.testing.registry import PLANTED, serve_writable

LAYERS = [
    [folder(b"etc"), Entry(b"etc/name", content=b"name" * 2000), symlink(b"bin", b"etc")],
    [Entry(b"etc/more", content=b"more" * 3000), Entry(b"empty")],
]
AMD, ARM = ({"os": "linux", "architecture": name} for name in ("amd64", "arm64"))


@pytest.fixture
def source(tmp_path):
    return write_plain(tmp_path / "plain", *LAYERS)


@pytest.fixture
def convert(tmp_path, capsys, monkeypatch):
    """Run the command; return its status, output and errors."""
    monkeypatch.setenv("RAFSIGHT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))

    def go(*arguments):
        capsys.readouterr()
        status = run(["convert", *map(str, arguments)])
        output, errors = capsys.readouterr()
        return status, output, errors

    return go


def target_of(tmp_path, name="v"):
    return f"oci:{tmp_path / 'out'}:{name}"


def prefetched(reference):
    with open_image(reference) as image:
        numbers = image.tree.entries.ino.tolist()
        return [image.tree.path(numbers.index(ino)) for ino in image.tree.tables.prefetch.tolist()]


class TestHelp:
    def test_every_option_is_explained(self, convert):
        status, output, _ = convert("--help")
        assert status == 0
        for word in (
            *("--fs-version", "--compressor", "--compression-level", "--digester", "--chunk-size", "--prefetch"),
            *("--chunk-dict", "--oci-ref", "--merge-platform", "--with-referrer", "--all-platforms", "--platform"),
            *("--oci", "--separate-bootstrap", "--work-dir", "--output-json", "--to-oci", "Exit status:"),
        ):
            assert word in output

    def test_the_list_of_commands_has_it(self, capsys):
        assert run(["--help"]) == 0
        assert "convert" in capsys.readouterr().out

    def test_without_arguments(self, convert):
        status, output, errors = convert()
        assert (status, output) == (ExitStatus.USAGE, "")
        assert "SRC" in errors


class TestWhatIsWritten:
    def test_lines_for_people(self, source, convert, tmp_path):
        target = target_of(tmp_path)
        status, output, errors = convert(source, target)
        assert (status, errors) == (0, "")
        lines = dict(line.split(maxsplit=1) for line in output.splitlines())
        assert lines["Image"] == target
        assert lines["Digest"] == tags_of(tmp_path / "out")["v"]
        assert lines["Layers"] == "2: 2 sent"
        assert lines["Tree"].startswith("6 entries, 2 chunks, 20.0 kB")
        assert said_of(target) == said_of(source)

    def test_json_on_standard_output(self, source, convert, tmp_path):
        status, output, errors = convert(source, target_of(tmp_path), "--output-json", "-")
        assert (status, errors) == (0, "")
        said = json.loads(output)
        assert said["digest"] == tags_of(tmp_path / "out")["v"]
        assert said["TargetImageSize"] == said["images"][0]["target_size"] > 0

    def test_json_in_a_file(self, source, convert, tmp_path):
        status, output, _ = convert(source, target_of(tmp_path), "--output-json", tmp_path / "x.json")
        said = json.loads((tmp_path / "x.json").read_text())
        assert (status, f"Digest     {said['digest']}" in output) == (0, True)

    def test_json_that_cannot_be_written(self, source, convert, tmp_path):
        status, _, errors = convert(source, target_of(tmp_path), "--output-json", tmp_path / "no" / "x.json")
        assert status == ExitStatus.OUTPUT
        assert "there is no folder" in errors
        assert tags_of(tmp_path / "out") == {}  # said before the work, not behind it

    def test_quiet(self, source, convert, tmp_path):
        source = write_plain(tmp_path / "odd", [hard_link(b"a\x1b", b"nowhere")])
        status, _, errors = convert("-q", source, target_of(tmp_path))
        assert (status, errors) == (ExitStatus.INCOMPLETE, "")

    def test_what_is_not_in_the_image(self, convert, tmp_path):
        odd = [hard_link(b"a\x1b", b"nowhere"), Entry(b"f", xattrs={b"odd.name": b"1"})]
        status, output, errors = convert(write_plain(tmp_path / "odd", odd), target_of(tmp_path))
        assert status == ExitStatus.INCOMPLETE
        assert "Digest" in output
        assert "a\\x1b: a hard link to something that is not there" in errors
        assert "extended attributes of names or sizes that RAFS cannot hold (1)" in errors


class TestOptions:
    def test_version_5_and_the_others(self, source, convert, tmp_path):
        more = ["--fs-version", "5", "--compressor", "lz4_block", "--digester", "sha256", "--chunk-size", "4KiB"]
        assert convert(source, target_of(tmp_path), *more)[0] == 0
        with open_image(target_of(tmp_path)) as image:
            head = image.head.superblock
        assert (head.format, head.chunk_size) == ("RAFS v5", 4096)
        assert {"COMPRESSION_LZ4", "HASH_SHA256"} <= set(head.flag_names)
        assert_sound(target_of(tmp_path), source=source)

    @pytest.mark.parametrize("text", ["0x1000", "4096", "4KiB"])
    def test_ways_to_say_a_size(self, source, convert, tmp_path, text):
        assert convert(source, target_of(tmp_path), "--chunk-size", text)[0] == 0
        with open_image(target_of(tmp_path)) as image:
            assert image.head.superblock.chunk_size == 4096

    def test_separate_bootstraps(self, source, convert, tmp_path):
        assert convert(source, target_of(tmp_path), "--separate-bootstrap")[0] == 0
        with open_image(target_of(tmp_path)) as image:
            assert not any("HAS_TOC" in blob.feature_names for blob in image.head.blobs)

    def test_a_chunk_dictionary(self, source, convert, tmp_path):
        convert(source, target_of(tmp_path, "dict"))
        more = write_plain(tmp_path / "more", [Entry(b"copy", content=b"name" * 2000)])
        status, output, _ = convert(more, target_of(tmp_path), "--chunk-dict", target_of(tmp_path, "dict"))
        assert status == 0
        assert "1 blob of the chunk dictionary came along" in output

    def test_a_merged_index_with_a_subject(self, convert, tmp_path):
        source = write_plain(tmp_path / "one", *LAYERS, platform=AMD)
        assert convert(source, target_of(tmp_path), "--merge-platform", "--with-referrer")[0] == 0
        index = document(tmp_path / "out", tags_of(tmp_path / "out")["v"])
        assert len(index["manifests"]) == 2

    def test_oci_types_of_a_docker_image(self, convert, tmp_path):
        source = write_plain(tmp_path / "docker", *LAYERS, docker=True)
        assert convert(source, target_of(tmp_path), "--oci")[0] == 0
        manifest = document(tmp_path / "out", tags_of(tmp_path / "out")["v"])
        assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"

    @pytest.mark.parametrize("more", [["--all-platforms"], ["--platform", "linux/amd64,linux/arm64"]])
    def test_platforms(self, convert, tmp_path, more):
        plain = tmp_path / "two"
        plain.mkdir()
        source = write_index(plain, *(put_image(plain, *LAYERS, platform=one) for one in (AMD, ARM)))
        status, output, _ = convert(source, target_of(tmp_path), *more)
        assert status == 0
        assert [line.split()[1] for line in output.splitlines() if line.startswith("Platform")] == [
            "linux/amd64,",
            "linux/arm64,",
        ]
        assert said_of(target_of(tmp_path), options=Options(platform="linux/arm64")) == said_of(
            source, options=Options(platform="linux/arm64")
        )

    def test_a_folder(self, convert, tmp_path):
        (tmp_path / "tree/d").mkdir(parents=True)
        (tmp_path / "tree/d/f").write_bytes(b"content")
        assert convert(f"dir:{tmp_path / 'tree'}", target_of(tmp_path), "--platform", "linux/arm64")[0] == 0
        with open_image(target_of(tmp_path)) as image:
            assert image.identity.platform == "linux/arm64"
            assert b"".join(image.read_file(image.tree.lookup(b"d/f"))) == b"content"

    def test_a_registry(self, source, convert, tmp_path):
        with serve_writable(tmp_path / "registry") as registry:
            status, _, errors = convert(source, registry.reference("v1"))
            assert (status, errors) == (0, "")
            assert said_of(registry.reference("v1")) == said_of(source)


class TestPrefetch:
    def test_all_and_none(self, source, convert, tmp_path):
        convert(source, target_of(tmp_path))
        assert prefetched(target_of(tmp_path)) == [b""]
        convert(source, target_of(tmp_path), "--prefetch", "none")
        assert prefetched(target_of(tmp_path)) == []

    LIST = b"# what was read\n/etc/more\n\n  /etc/name  \n/etc/more\n/nowhere\n"

    def test_a_file(self, source, convert, tmp_path):
        (tmp_path / "list").write_bytes(self.LIST)
        status, _, errors = convert(source, target_of(tmp_path), "--prefetch", tmp_path / "list")
        assert status == 0
        assert prefetched(target_of(tmp_path)) == [b"etc/more", b"etc/name"]
        assert "nothing to prefetch at /nowhere: the image has no such path" in errors

    def test_standard_input(self, source, convert, tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(self.LIST)))
        assert convert(source, target_of(tmp_path), "--prefetch", "-")[0] == 0
        assert prefetched(target_of(tmp_path)) == [b"etc/more", b"etc/name"]

    def test_one_that_is_none(self, source, convert, tmp_path):
        for path in (tmp_path, tmp_path / "nowhere"):
            status, _, errors = convert(source, target_of(tmp_path), "--prefetch", path)
            assert status == ExitStatus.USAGE
            assert "--prefetch: " in errors
        assert not (tmp_path / "out").exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--fs-version", "4"], "'4' is not one of"),
            (["--compressor", "gzip"], "gzip is for --to-oci"),
            (["--compressor", "lz4_block", "--compression-level", "3"], "lz4_block has no --compression-level"),
            (["--compression-level", "99"], "zstd has no level 99"),
            (["--chunk-size", "some"], "no number of bytes"),
            (["--chunk-size", "-1"], "no number of bytes"),
            (["--chunk-size", "3MiB"], "no power of two from 4 KiB to 16 MiB"),
            (["--platform", ","], "an empty name in the list"),
            (["--platform", "linux/amd64,"], "an empty name in the list"),
            (["--platform", "linux/amd64,linux/arm64"], "no platforms to choose from"),
            (["--all-platforms"], "no platforms to choose from"),
            (["--all-platforms", "--platform", "linux/amd64,linux/arm64"], "some platforms and all platforms"),
            (["--oci-ref", "--fs-version", "5"], "RAFS v6 only"),
            (["--prefetch", "-", "--username", "u", "--password-stdin"], "cannot both read standard input"),
        ],
        ids=str,
    )
    def test_options_that_cannot_be(self, source, convert, tmp_path, monkeypatch, arguments, said):
        monkeypatch.setattr(sys, "stdin", io.StringIO("secret"))
        status, output, errors = convert(source, target_of(tmp_path), *arguments)
        assert (status, output) == (ExitStatus.USAGE, "")
        assert said in " ".join(errors.split())
        assert not (tmp_path / "out").exists()

    def test_its_own_source(self, source, convert):
        status, _, errors = convert(source, source)
        assert status == ExitStatus.USAGE
        assert "choose another tag" in errors

    def test_a_nydus_image(self, convert, tmp_path):
        status, _, errors = convert(f"oci:{PLANTED}:v6", target_of(tmp_path))
        assert status == ExitStatus.UNSUPPORTED
        assert "is a Nydus image already" in errors
        assert "--to-oci" in errors

    @pytest.mark.parametrize("target", ["dir:x", "docker-archive:x.tar", "boot:x"])
    def test_targets_that_are_none(self, source, convert, target):
        status, _, errors = convert(source, target)
        assert status == ExitStatus.REFERENCE
        assert "no image can be written" in errors

    def test_a_source_that_is_not_there(self, convert, tmp_path):
        assert convert(f"oci:{tmp_path / 'none'}", target_of(tmp_path))[0] == ExitStatus.NOT_FOUND
        assert convert(f"dir:{tmp_path / 'none'}", target_of(tmp_path))[0] == ExitStatus.NOT_FOUND

    def test_offline(self, source, convert):
        assert convert(source, "127.0.0.1:1/app:v", "--offline")[0] == ExitStatus.REFERENCE


class TestWorkFolder:
    def test_by_default_it_is_in_the_cache_and_empty_in_the_end(self, source, convert, tmp_path):
        assert convert(source, target_of(tmp_path))[0] == 0
        assert [path.name for path in (tmp_path / "cache/convert").iterdir()] == ["lock"]

    def test_a_place_that_cannot_be(self, source, convert, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        status, _, errors = convert(source, target_of(tmp_path), "--work-dir", tmp_path / "file" / "x")
        assert status == ExitStatus.HOST
        assert "--work-dir" in errors
