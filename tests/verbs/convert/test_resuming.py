"""Conversions with a registry in between that fail on the way, and go on where they stopped."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from tests.access.source_images import Entry, folder
from tests.verbs.convert.plain_layers import assert_sound, document, put, raw, said_of, tag, tags_of, write_plain
from tests.views.mount.places import wait_until

from rafsight.access.backend import DigestMismatch
from rafsight.access.outgoing import WrongContent
from rafsight.access.registry.errors import RegistryDenied
from rafsight.base.errors import ExitStatus
from rafsight.base.events import Advanced
from rafsight.testing.registry import Mischief, serve_writable
from rafsight.verbs.convert.converting import convert_image
from rafsight.verbs.convert.terms import ConvertTerms

UPLOADS = "/blobs/uploads/"
RANDOM = np.random.default_rng(11)
LAYERS = [[Entry(b"f%d" % row, content=RANDOM.bytes(40_000 * (row + 1)))] for row in range(4)] + [[folder(b"last")]]


class Place:
    """A source, a registry's folder and a work folder."""

    def __init__(self, folder):
        self.plain, self.registry, self.work = folder / "plain", folder / "registry", folder / "work"
        self.source = write_plain(self.plain, *LAYERS)
        self.layout = self.registry / "team+app"

    @contextmanager
    def serve(self, *mischief, **more):
        with serve_writable(self.registry, repository="team/app", mischief=mischief, **more) as registry:
            yield registry

    def convert(self, *mischief, source=None, **terms):
        """Convert; return what became of it, and what was pushed: digests of blobs."""
        with self.serve(*mischief) as registry:
            try:
                done = convert_image(
                    source or self.source,
                    registry.reference("v"),
                    terms=ConvertTerms(**{"work_dir": self.work, **terms}),
                )
            finally:
                self.log = registry.log
            self.reference = registry.reference("v")
        return done

    def kept(self):
        """Whole layers in the work folder; nothing else may be there."""
        names = {path.name for path in self.work.iterdir()} - {"lock"}
        keys = {name.partition(".")[0] for name in names}
        assert names == {f"{key}.{end}" for key in keys for end in ("blob", "layer")}
        return keys

    def pushed(self):
        """Uploads that succeeded."""
        return sum(
            one.call.method in ("PUT", "POST") and UPLOADS in one.call.path and one.status == 201 for one in self.log
        )


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def hows(done):
    return [layer.how for layer in done.images[0].layers]


def resumed(done):
    return [layer.is_resumed for layer in done.images[0].layers]


def nothing_is_half(layout):
    return not [path for path in layout.rglob("*") if path.is_file() and path.name.endswith(".part")]


def test_the_image_in_a_registry_is_that_of_a_layout(place, tmp_path):
    place.convert()
    assert place.kept() == set()
    convert_image(place.source, f"oci:{tmp_path / 'out'}:v", terms=ConvertTerms())
    assert tags_of(place.layout) == tags_of(tmp_path / "out")
    reference = f"oci:{place.layout}:v"
    assert_sound(reference, source=place.source)
    assert said_of(reference) == said_of(place.source)


def test_from_a_registry_too(place, tmp_path):
    """The source lies in one repository of the registry, the image comes into another; layers are mounted."""
    layouts = {"team/plain": place.plain}
    with place.serve(layouts=layouts) as registry:
        done = convert_image(
            f"{registry.host}/team/plain:app", registry.reference("v"), terms=ConvertTerms(merge_platform=True)
        )
        mounts = [one.call.path for one in registry.log if "mount=" in one.call.path and one.status == 201]
    assert len(mounts) == len(LAYERS)
    assert hows(done) == ["sent"] * len(LAYERS)
    index = document(place.layout, tags_of(place.layout)["v"])
    original = tags_of(place.plain)["app"]
    assert index["manifests"][0]["digest"] == original
    assert raw(place.layout, original) == raw(place.plain, original)


def test_the_tag_comes_last(place):
    place.convert()
    assert [one.call.path for one in place.log if one.call.method == "PUT"][-1].endswith("/manifests/v")
    assert [one.call.path for one in place.log if "/manifests/" in one.call.path and one.call.method == "PUT"] == [
        "/v2/team/app/manifests/v"
    ]


def test_what_is_there_is_not_sent_again(place):
    place.convert()
    first = place.pushed()
    done = place.convert()
    assert first == len(LAYERS) + 2
    assert (place.pushed(), done.bytes_sent) == (0, len(raw(place.layout, done.digest)))
    assert hows(done) == ["present"] * len(LAYERS)
    assert not any(resumed(done))


@pytest.mark.parametrize("after", [0, 2])
def test_a_registry_that_refuses_a_blob(place, after):
    refusal = Mischief(only=UPLOADS, method="POST", status=403, after=after)
    with pytest.raises(RegistryDenied):
        place.convert(refusal)
    assert tags_of(place.layout) == {}
    assert place.pushed() == after
    kept = place.kept()
    assert kept
    done = place.convert()
    assert sum(resumed(done)) == len(kept)
    assert hows(done).count("present") == after
    assert place.pushed() == len(LAYERS) - after + 2
    assert place.kept() == set()
    assert_sound(f"oci:{place.layout}:v", source=place.source)


def test_a_registry_that_refuses_the_manifest(place):
    with pytest.raises(RegistryDenied):
        place.convert(Mischief(only="/manifests/", method="PUT", status=403))
    assert tags_of(place.layout) == {}
    assert len(place.kept()) == len(LAYERS)
    done = place.convert()
    assert resumed(done) == [True] * len(LAYERS)
    assert hows(done) == ["present"] * len(LAYERS)
    assert place.pushed() == 0
    assert done.bytes_fetched < 3000  # manifest and config


def test_the_bytes_are_the_same_resumed_or_not(place, tmp_path):
    with pytest.raises(RegistryDenied):
        place.convert(Mischief(only=UPLOADS, method="POST", status=403, after=3))
    again = place.convert()
    fresh = convert_image(place.source, f"oci:{tmp_path / 'out'}:v", terms=ConvertTerms())
    assert again.digest == fresh.digest


def test_a_damaged_layer(place, tmp_path):
    manifest = document(place.plain, tags_of(place.plain)["app"])
    path = place.plain / "blobs" / manifest["layers"][0]["digest"].replace(":", "/")
    content = path.read_bytes()
    path.write_bytes(content[:-20] + b"x" + content[-19:])
    with pytest.raises(Exception, match="layer") as caught:
        place.convert()
    assert caught.value.exit_status == ExitStatus.DAMAGED
    assert tags_of(place.layout) == {}
    kept = place.kept()
    path.write_bytes(content)
    done = place.convert()
    assert resumed(done)[0] is False
    assert sum(resumed(done)) == len(kept)


def test_a_layer_that_is_not_what_the_config_says(place):
    layer = document(place.plain, tags_of(place.plain)["app"])["layers"][1]
    other = place.plain.parent / "other"
    write_plain(other, *LAYERS)
    manifest = document(other, tags_of(other)["app"])
    config = raw(other, manifest["config"]["digest"])
    wrong = config.replace(
        document(other, manifest["config"]["digest"])["rootfs"]["diff_ids"][1].encode(), b"sha256:" + b"0" * 64
    )
    manifest["config"] |= put(other, wrong)
    source = tag(other, {"mediaType": manifest["mediaType"]} | put(other, json.dumps(manifest).encode()))
    with pytest.raises(DigestMismatch, match="0000"):
        place.convert(source=source)
    assert layer["digest"] in {one["digest"] for one in manifest["layers"]}
    assert len(place.kept()) < len(LAYERS)


class TestTheWorkFolder:
    def interrupted(self, place):
        with pytest.raises(RegistryDenied):
            place.convert(Mischief(only="/manifests/", method="PUT", status=403))

    def test_other_terms_have_other_layers(self, place):
        self.interrupted(place)
        kept = place.kept()
        for terms in (
            {"fs_version": 5},
            {"chunk_size": 4096},
            {"compressor": "none"},
            {"level": 4},
            {"digester": "sha256"},
            {"inlined": False},
        ):
            assert not any(resumed(place.convert(**terms))), terms
        assert place.kept() == kept

    def test_a_damaged_blob_is_packed_anew(self, place, tmp_path):
        """It has its size, so that nobody knows before it is sent."""
        with pytest.raises(RegistryDenied):
            place.convert(Mischief(only=UPLOADS, method="POST", status=403))
        blobs = sorted(place.work.glob("*.blob"))
        for path in blobs:
            path.write_bytes(bytes(path.stat().st_size))
        done = place.convert()
        assert not any(resumed(done))
        assert done.digest == convert_image(place.source, f"oci:{tmp_path / 'out'}").digest
        assert place.kept() == set()

    def test_damaged_records_are_packed_anew(self, place):
        self.interrupted(place)
        for number, path in enumerate(sorted(place.work.glob("*.layer"))):
            content = bytearray(path.read_bytes())
            content[(30, 100, -5, -1, 60)[number]] ^= 0x10
            path.write_bytes(content)
        done = place.convert()
        assert not any(resumed(done))
        assert hows(done) == ["present"] * len(LAYERS)

    def test_what_a_fresh_packing_says_is_not_tried_twice(self, place, monkeypatch):
        """Content that is wrong although it was packed just now is a fault, not a reason to begin again."""
        from rafsight.access.layout_target import LayoutTarget

        calls = []

        def refuse(self, digest, size, content, *, neighbour=""):
            calls.append(digest)
            raise WrongContent(what="x", place="y", expected="a", actual="b")

        monkeypatch.setattr(LayoutTarget, "push_blob", refuse)
        with pytest.raises(WrongContent):
            convert_image(place.source, f"oci:{place.plain.parent / 'out'}", terms=ConvertTerms(work_dir=place.work))
        assert len(calls) == len(set(calls))

    def test_two_at_a_time(self, place, tmp_path):
        """The second has a folder of its own, and both give the same."""
        from rafsight.access.work_folder import open_work_folder

        with open_work_folder(place.work):
            done = place.convert()
        assert {path.name for path in place.work.iterdir()} == {"lock"}
        assert place.convert().digest == done.digest

    def test_one_that_cannot_be_used_is_said_before_anything_is_sent(self, place, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match="work folder"):
            place.convert(work_dir=tmp_path / "file")
        assert place.log == ()


class TestSignals:
    def start(self, place, registry, *more):
        command = [sys.executable, "-m", "rafsight", "convert", place.source, registry.reference("v")]
        environment = {
            **os.environ,
            "RAFSIGHT_CACHE_DIR": str(place.work.parent / "cache"),
            "HOME": str(place.work.parent),
        }
        return subprocess.Popen(
            [*command, "--work-dir", str(place.work), "--no-progress", *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )

    @pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
    def test_one_ends_it_at_once_and_leaves_what_is_whole(self, place, number, status):
        hang = Mischief(only=UPLOADS, method="POST", hang=60, after=2)
        with place.serve(hang) as registry:
            with self.start(place, registry) as process:
                try:
                    assert registry.wait_for_hang()
                    sent = time.monotonic()
                    process.send_signal(number)
                    _, errors = process.communicate(timeout=50)
                finally:
                    process.kill()
            assert (process.returncode, b"Traceback" in errors) == (status, False), errors
            assert time.monotonic() - sent < 40
        assert tags_of(place.layout) == {}
        assert nothing_is_half(place.work)
        kept = place.kept()
        assert kept
        done = place.convert()
        assert sum(resumed(done)) == len(kept)
        assert_sound(f"oci:{place.layout}:v", source=place.source)


def has_stopped():
    """Tell whether the main thread has heard of an interruption and told the others to stop."""
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None:
        if frame.f_code.co_name == "_run_all":
            return frame.f_locals["self"]._stop.is_set()
        frame = frame.f_back
    return False


def test_ctrl_c_leaves_no_half_blob_in_a_layout(tmp_path):
    """Threads that are in the middle of a blob take away what they have of it."""
    source = write_plain(tmp_path / "plain", [Entry(b"large", content=RANDOM.bytes(9 << 20))], compression="none")
    out, work, told = tmp_path / "out", tmp_path / "work", []

    def interrupt(event):
        if isinstance(event, Advanced) and event.operation.startswith("push") and not told:
            told.append(event)
            os.kill(os.getpid(), signal.SIGINT)
            wait_until(has_stopped)

    with pytest.raises(KeyboardInterrupt):
        convert_image(source, f"oci:{out}:v", terms=ConvertTerms(work_dir=work), listener=interrupt)
    assert told
    assert [path for path in out.rglob("*") if path.is_file() and path.parent.name == "sha256"] == []
    assert tags_of(out) == {}
    assert len(list(work.glob("*.layer"))) == 1
    done = convert_image(source, f"oci:{out}:v", terms=ConvertTerms(work_dir=work))
    assert resumed(done) == [True]


@pytest.mark.registry
def test_docker_registry(place, tmp_path):
    """The real thing: pushed, read back, and pushed again for nothing."""
    from tests.access.registry.conftest import PROGRAM, run_registry

    if PROGRAM is None:
        pytest.skip("docker-registry is not installed")
    with run_registry(tmp_path, tmp_path / "storage", "") as host:
        target = f"{host}/team/app:v"
        done = convert_image(place.source, target, terms=ConvertTerms(work_dir=place.work))
        assert hows(done) == ["sent"] * len(LAYERS)
        assert said_of(target) == said_of(place.source)
        assert_sound(target, source=place.source)
        again = convert_image(place.source, target, terms=ConvertTerms(work_dir=place.work))
        assert hows(again) == ["present"] * len(LAYERS)
        merged = convert_image(place.source, f"{host}/team/app:m", terms=ConvertTerms(merge_platform=True))
        assert merged.media_type == "application/vnd.oci.image.index.v1+json"
