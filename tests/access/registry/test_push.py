"""The target against the stand-in registry: what is sent, how often, and what it makes of refusals."""

import hashlib
import json
import time as clock
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from tests.access.registry.helpers import Content, Time, largest_layer, planted_blob, planted_manifest, target_for

from rafsight.access.backend import NotFound
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.outgoing import WrongContent
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.errors import (
    PushRefused,
    PushTooLarge,
    RateLimited,
    RegistryBusy,
    RegistryDenied,
    RegistryFull,
    RegistryMisbehaves,
    RegistryReadOnly,
    RegistryUnreachable,
    UntrustedRedirect,
    UnusableEndpoint,
)
from rafsight.access.target import Pushed
from rafsight.base.digest import MalformedDigest, digest_of
from rafsight.base.errors import ExitStatus, ImageFault, RegistryFault
from rafsight.base.units import MiB
from rafsight.formats.oci.media_types import OCI_INDEX, OCI_MANIFEST
from rafsight.testing.registry import PLANTED, Mischief, serve_layout, serve_writable
from rafsight.testing.registry_pages import Answer, error_answer

CONTENT = bytes(range(256)) * 2000
DIGEST = digest_of(CONTENT)
UPLOADS = "/blobs/uploads/"
ALICE = Credentials(source="the test", username="alice", password="wonderland")


def calls(registry):
    """What was asked for: method, end of the path without secrets, status, bytes of the request."""
    found = []
    for served in registry.log:
        path, _, query = served.call.path.partition("?")
        short = "upload" if UPLOADS in path and not path.endswith(UPLOADS) else path.rpartition("/v2/")[2]
        short = "mount" if "mount=" in query else short
        found.append((served.call.method, short.replace(DIGEST, "D"), served.status, served.received))
    return found


def methods(registry):
    return " ".join(f"{served.call.method}:{served.status}" for served in registry.log)


def stored(registry, repository="app", digest=DIGEST):
    return (registry.layout(repository) / "blobs" / digest.replace(":", "/")).read_bytes()


@contextmanager
def served(tmp_path, *mischief, time=None, credentials=None, **more):
    with serve_writable(tmp_path / "registry", mischief=mischief, **more) as registry:
        target = target_for(registry, time=time, credentials=credentials)
        try:
            yield registry, target
        finally:
            target.close()


def test_a_blob_is_sent_once(tmp_path):
    with served(tmp_path) as (registry, target):
        content = Content(CONTENT)
        assert not target.has_blob(DIGEST)
        registry.forget()
        assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=len(CONTENT), how="sent")
        assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=0, how="present")
        assert target.has_blob(DIGEST)
        assert stored(registry) == CONTENT
        assert (content.opened, content.closed) == (1, 1)
        assert calls(registry) == [
            ("HEAD", "app/blobs/D", 404, 0),
            ("POST", "app/blobs/uploads/", 202, 0),
            ("PUT", "upload", 201, len(CONTENT)),
            ("HEAD", "app/blobs/D", 200, 0),
            ("HEAD", "app/blobs/D", 200, 0),
        ]
        cost = target.meter.cost
        assert (cost.requests, cost.bytes_sent) == (6, len(CONTENT))
        assert target.place == f"{registry.host}/app"
        put = registry.log[2].call
        assert put.header("content-length") == str(len(CONTENT))
        assert put.header("transfer-encoding") is None


@pytest.mark.parametrize("content", [b"", b"x", bytes(64 * 1024), bytes(64 * 1024 + 1)])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_sizes_and_algorithms(tmp_path, content, algorithm):
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    with served(tmp_path) as (registry, target):
        assert target.push_blob(digest, len(content), Content(content, piece=1000)).how == "sent"
        assert stored(registry, digest=digest) == content


def test_what_is_no_digest_is_not_asked_for(tmp_path):
    with served(tmp_path) as (registry, target):
        for call in (target.has_blob, lambda name: target.push_blob(name, 1, Content(b"x"))):
            with pytest.raises(MalformedDigest):
                call("sha256:../../x")
        assert registry.log == ()


class TestBrokenUploads:
    """What is tried again, and what it costs."""

    def test_a_registry_that_fails_twice(self, tmp_path):
        time, content = Time(), Content(CONTENT)
        busy = Mischief(only=UPLOADS, method="PUT", status=500, times=2)
        with served(tmp_path, busy, time=time) as (registry, target):
            assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=3 * len(CONTENT), how="sent")
            assert methods(registry) == " ".join(["HEAD:404 POST:202 PUT:500"] * 2 + ["HEAD:404 POST:202 PUT:201"])
            assert stored(registry) == CONTENT
            assert (content.opened, content.closed) == (3, 3)
            assert target.meter.cost.bytes_sent == 3 * len(CONTENT)
            assert len(time.slept) == 2

    def test_a_session_that_cannot_be_begun_costs_no_bytes(self, tmp_path):
        content = Content(CONTENT)
        with served(tmp_path, Mischief(only=UPLOADS, method="POST", status=503, times=2)) as (_, target):
            assert target.push_blob(DIGEST, len(CONTENT), content).sent == len(CONTENT)
            assert content.opened == 1
            assert target.meter.cost.bytes_sent == len(CONTENT)

    @pytest.mark.parametrize("taken", [0, 100_000, len(CONTENT) - 1])
    def test_a_connection_that_breaks_in_the_middle(self, tmp_path, taken):
        content = Content(CONTENT)
        with served(tmp_path, Mischief(only=UPLOADS, method="PUT", take_only=taken, times=1)) as (registry, target):
            assert target.push_blob(DIGEST, len(CONTENT), content).how == "sent"
            assert stored(registry) == CONTENT
            assert content.opened == content.closed == 2
            assert methods(registry) == "HEAD:404 POST:202 PUT:0 HEAD:404 POST:202 PUT:201"

    def test_an_answer_that_is_lost_is_not_paid_twice(self, tmp_path):
        content = Content(CONTENT)
        with served(tmp_path, Mischief(only=UPLOADS, method="PUT", unanswered=True)) as (registry, target):
            assert target.push_blob(DIGEST, len(CONTENT), content) == Pushed(sent=len(CONTENT), how="sent")
            assert content.opened == 1
            assert [one.received for one in registry.log if one.call.method == "PUT"] == [len(CONTENT)]

    def test_a_busy_registry_is_waited_for_as_it_wishes(self, tmp_path):
        time = Time()
        limit = Mischief(only=UPLOADS, method="PUT", status=429, headers=(("Retry-After", "7"),), times=1)
        with served(tmp_path, limit, time=time) as (_, target):
            assert target.push_blob(DIGEST, len(CONTENT), Content(CONTENT)).how == "sent"
            assert time.slept == [7]

    @pytest.mark.parametrize(
        ("mischief", "error"),
        [
            (Mischief(only=UPLOADS, method="PUT", status=503), RegistryBusy),
            (Mischief(only=UPLOADS, method="PUT", hang_up=True), RegistryUnreachable),
            (Mischief(only=UPLOADS, method="POST", status=429), RateLimited),
            (Mischief(only=UPLOADS, method="PUT", take_only=1000), RegistryUnreachable),
        ],
    )
    def test_patience_ends(self, tmp_path, mischief, error):
        time = Time()
        with served(tmp_path, mischief, time=time) as (registry, target):
            with pytest.raises(error):
                target.push_blob(DIGEST, len(CONTENT), Content(CONTENT))
            assert len(time.slept) == 4
            assert not any(served.status == 201 for served in registry.log)

    def test_a_lost_upload_begins_anew(self, tmp_path):
        lost = iter([error_answer(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")])

        def gate(call):
            return next(lost, None) if call.method == "PUT" else None

        with served(tmp_path, gate=gate) as (registry, target):
            assert target.push_blob(DIGEST, len(CONTENT), Content(CONTENT)).how == "sent"
            assert methods(registry) == "HEAD:404 POST:202 PUT:404 HEAD:404 POST:202 PUT:201"

    def test_a_manifest_is_put_again(self, tmp_path):
        document = b'{"schemaVersion":2,"manifests":[]}'
        with served(tmp_path, Mischief(only="/manifests/", method="PUT", status=502, times=2)) as (registry, target):
            assert target.push_manifest(document, OCI_INDEX, tag="v1") == digest_of(document)
            assert methods(registry) == "PUT:502 PUT:502 PUT:201"
            assert target.meter.cost.bytes_sent == 3 * len(document)

    def test_an_upload_that_is_taken_before_it_came_is_not_believed(self, tmp_path):
        large = bytes(24 * MiB)
        early = Mischief(only=UPLOADS, method="PUT", raw=b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n")
        with served(tmp_path, early) as (_, target), pytest.raises((RegistryMisbehaves, RegistryUnreachable)):
            target.push_blob(digest_of(large), len(large), Content(large, piece=MiB))


class TestContent:
    """The bytes themselves fail, or are others than was said."""

    @pytest.mark.parametrize(
        "fault",
        [
            NotFound(place="source", what="blob"),
            RegistryUnreachable(host="source", why="it broke"),
            RegistryBusy(host="source", status=503, because="", retry_after=None),
            PermissionError(13, "Permission denied"),
            ValueError("a mistake"),
            KeyboardInterrupt(),
            SystemExit(3),
        ],
        ids=lambda fault: type(fault).__name__,
    )
    def test_its_fault_is_its_own(self, tmp_path, fault):
        time, content = Time(), Content(CONTENT, fault=fault)
        with served(tmp_path, time=time) as (registry, target):
            with pytest.raises(type(fault)) as caught:
                target.push_blob(DIGEST, len(CONTENT), content)
            assert caught.value is fault
            assert (content.opened, content.closed) == (1, 1)
            assert time.slept == []
            # the server may see the end of the broken upload after we have taken it back
            until = clock.monotonic() + 30
            while "PUT:" not in methods(registry) and clock.monotonic() < until:
                clock.sleep(0.005)
            assert sorted(methods(registry).split()) == ["DELETE:204", "HEAD:404", "POST:202", "PUT:0"]
            assert not target.has_blob(DIGEST)
            content.fault = None
            assert target.push_blob(DIGEST, len(CONTENT), content).how == "sent"

    def test_one_that_cannot_be_opened(self, tmp_path):
        fault = NotFound(place="source", what="blob")

        @contextmanager
        def content():
            raise fault
            yield

        with served(tmp_path) as (_, target), pytest.raises(NotFound) as caught:
            target.push_blob(DIGEST, len(CONTENT), content)
        assert caught.value is fault

    def test_one_that_fails_at_its_end(self, tmp_path):
        fault = RegistryUnreachable(host="source", why="it broke at the end")

        @contextmanager
        def content():
            yield iter([CONTENT])
            raise fault

        with served(tmp_path) as (_, target):
            with pytest.raises(RegistryUnreachable) as caught:
                target.push_blob(DIGEST, len(CONTENT), content)
            assert caught.value is fault
            assert not target.has_blob(DIGEST)

    @pytest.mark.parametrize(
        ("content", "size", "said"),
        [
            (CONTENT, len(CONTENT) - 1, "the bytes are more"),
            (CONTENT, len(CONTENT) + 1, f"the bytes are {len(CONTENT)} bytes"),
            (CONTENT[:-1], len(CONTENT), f"the bytes are {len(CONTENT) - 1} bytes"),
            (b"", len(CONTENT), "the bytes are 0 bytes"),
            (CONTENT[:-1] + b"x", len(CONTENT), "the bytes are sha256:"),
            (b"x", 0, "the bytes are more"),
            (b"", 0, "the bytes are sha256:e3b0"),
        ],
    )
    def test_other_bytes_never_arrive(self, tmp_path, content, size, said):
        with served(tmp_path) as (registry, target):
            with pytest.raises(WrongContent, match=said) as caught:
                target.push_blob(DIGEST, size, Content(content))
            assert caught.value.exit_status is ExitStatus.DAMAGED
            assert isinstance(caught.value, ImageFault)
            assert [one.call.method for one in registry.log if one.status == 201] == []
            if size:  # else the upload is whole before its content was asked for, and the registry refuses it
                assert sorted(methods(registry).split()) == ["DELETE:204", "HEAD:404", "POST:202", "PUT:0"]
            assert not target.has_blob(DIGEST)

    def test_memory_is_bounded(self, tmp_path):
        size, piece = 48 * MiB, bytes(MiB)
        digest = hashlib.sha256()
        for _ in range(size // MiB):
            digest.update(piece)

        @contextmanager
        def content():
            yield (piece for _ in range(size // MiB))

        with served(tmp_path) as (_, target):
            target.has_blob(DIGEST)
            tracemalloc.start()
            target.push_blob(f"sha256:{digest.hexdigest()}", size, content)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 8 * MiB
            assert target.meter.cost.bytes_sent == size

    def test_many_at_once(self, tmp_path):
        blobs = [bytes([number]) * 50_000 for number in range(16)]
        with served(tmp_path) as (registry, target), ThreadPoolExecutor(8) as threads:
            pushed = list(threads.map(lambda one: target.push_blob(digest_of(one), len(one), Content(one)), blobs))
            assert {one.how for one in pushed} == {"sent"}
            assert all(stored(registry, digest=digest_of(one)) == one for one in blobs)
            assert target.meter.cost.bytes_sent == 16 * 50_000


class TestMounts:
    """Blobs that another repository has."""

    def test_nothing_is_sent(self, tmp_path):
        layer, content = largest_layer()
        with served(tmp_path, layouts={"team/base": PLANTED}) as (registry, target):
            untouched = Content(content)
            assert target.push_blob(layer, len(content), untouched, neighbour=f"{registry.host}/team/base") == Pushed(
                sent=0, how="mounted"
            )
            assert untouched.opened == 0
            assert stored(registry, digest=layer) == content
            assert methods(registry) == "HEAD:404 POST:201"
            assert target.meter.cost.bytes_sent == 0

    def test_a_refused_mount_is_an_upload_that_has_begun(self, tmp_path):
        with served(tmp_path, layouts={"base": PLANTED}) as (registry, target):
            pushed = target.push_blob(DIGEST, len(CONTENT), Content(CONTENT), neighbour=f"{registry.host}/base")
            assert pushed == Pushed(sent=len(CONTENT), how="sent")
            assert methods(registry) == "HEAD:404 POST:202 PUT:201"

    @pytest.mark.parametrize("status", [400, 403, 404, 405])
    def test_a_mount_that_is_not_allowed_is_sent(self, tmp_path, status):
        layer, content = largest_layer()
        no = Mischief(only="mount=", method="POST", status=status)
        with served(tmp_path, no, layouts={"base": PLANTED}) as (registry, target):
            assert target.push_blob(layer, len(content), Content(content), neighbour=f"{registry.host}/base") == Pushed(
                sent=len(content), how="sent"
            )
            assert methods(registry) == f"HEAD:404 POST:{status} POST:202 PUT:201"

    @pytest.mark.parametrize("neighbour", ["", "elsewhere.test/base", "{host}/app", "{host}", "{host}/", "oci:base"])
    def test_other_neighbours_do_not_count(self, tmp_path, neighbour):
        layer, content = largest_layer()
        with served(tmp_path, layouts={"base": PLANTED}) as (registry, target):
            neighbour = neighbour.replace("{host}", registry.host)
            assert target.push_blob(layer, len(content), Content(content), neighbour=neighbour).how == "sent"
            assert methods(registry) == "HEAD:404 POST:202 PUT:201"


class TestManifests:
    """Documents."""

    def push_parts(self, target):
        digest, manifest = planted_manifest()
        for one in (manifest["config"], *manifest["layers"]):
            target.push_blob(one["digest"], one["size"], Content(planted_blob(one["digest"])))
        return digest, planted_blob(digest)

    def test_a_whole_image(self, tmp_path):
        with served(tmp_path) as (registry, target):
            digest, content = self.push_parts(target)
            registry.forget()
            assert target.push_manifest(content, OCI_MANIFEST, tag="v1") == digest
            layout = LayoutBackend(registry.layout("app"))
            assert layout.tags() == ("v1",)
            assert layout.fetch_manifest("v1").content == content
            assert target.push_manifest(content, OCI_MANIFEST) == digest
            assert [one.call.path for one in registry.log] == ["/v2/app/manifests/v1", f"/v2/app/manifests/{digest}"]
            assert registry.log[0].call.header("content-type") == OCI_MANIFEST
            assert layout.tags() == ("v1",)

    def test_blobs_come_first(self, tmp_path):
        digest, _ = planted_manifest()
        with served(tmp_path) as (registry, target):
            with pytest.raises(PushRefused, match=r"does not take manifest v1 \(blob unknown to registry"):
                target.push_manifest(planted_blob(digest), OCI_MANIFEST, tag="v1")
            assert len(registry.log) == 1

    @pytest.mark.parametrize("tag", [".hidden", "a/b", "a b", "x" * 129, "a?b", "ä", "v1\n"])
    def test_a_tag_that_cannot_be(self, tmp_path, tag):
        with served(tmp_path) as (registry, target):
            with pytest.raises(UnusableEndpoint, match="the tag"):
                target.push_manifest(b"{}", OCI_INDEX, tag=tag)
            assert registry.log == ()

    @pytest.mark.parametrize(("said", "believed"), [("sha256:" + "0" * 64, False), ("", True), ("nonsense", True)])
    def test_what_the_registry_calls_it(self, tmp_path, said, believed):
        other = Mischief(only="/manifests/", method="PUT", headers=(("Docker-Content-Digest", said),))
        document = b'{"schemaVersion":2,"manifests":[]}'
        with served(tmp_path, other) as (_, target):
            if believed:
                assert target.push_manifest(document, OCI_INDEX, tag="v1") == digest_of(document)
            else:
                with pytest.raises(RegistryMisbehaves, match="it calls manifest sha256:"):
                    target.push_manifest(document, OCI_INDEX, tag="v1")


class TestReferrers:
    """Documents that refer to an image."""

    SUBJECT = planted_manifest()[0]
    TAG = SUBJECT.replace(":", "-")

    def artifact(self, target, name="one", **more):
        config = b"{}"
        target.push_blob(digest_of(config), 2, Content(config))
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/x-kind", "digest": digest_of(config), "size": 2},
            "layers": [],
            "subject": {"mediaType": OCI_MANIFEST, "digest": self.SUBJECT, "size": 1},
            "annotations": {"name": name},
            **more,
        }
        return json.dumps(document).encode()

    def listed(self, registry):
        document = LayoutBackend(registry.layout("app")).fetch_manifest(self.TAG)
        assert document.media_type == OCI_INDEX
        return json.loads(document.content)["manifests"]

    def test_a_registry_that_keeps_account_itself(self, tmp_path):
        with served(tmp_path) as (registry, target):
            digest = target.push_manifest(self.artifact(target), OCI_MANIFEST)
            assert LayoutBackend(registry.layout("app")).tags() == ()
            registry.forget()
            target.push_manifest(self.artifact(target), OCI_MANIFEST)
            assert methods(registry) == "HEAD:200 PUT:201"
            assert digest.startswith("sha256:")

    def test_one_that_does_not(self, tmp_path):
        with served(tmp_path, referrers=False) as (registry, target):
            one = self.artifact(target)
            two = self.artifact(target, "two", artifactType="application/x-mine", annotations={})
            for content in (one, two, one):
                target.push_manifest(content, OCI_MANIFEST)
            assert self.listed(registry) == [
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": digest_of(one),
                    "size": len(one),
                    "artifactType": "application/x-kind",
                    "annotations": {"name": "one"},
                },
                {
                    "mediaType": OCI_MANIFEST,
                    "digest": digest_of(two),
                    "size": len(two),
                    "artifactType": "application/x-mine",
                },
            ]
            assert methods(registry).endswith("PUT:201 GET:200")  # the last is listed already

    def test_threads_do_not_lose_each_other(self, tmp_path):
        with served(tmp_path, referrers=False) as (registry, target), ThreadPoolExecutor(4) as threads:
            contents = [self.artifact(target, str(number)) for number in range(8)]
            list(threads.map(lambda content: target.push_manifest(content, OCI_MANIFEST), contents))
            assert {one["digest"] for one in self.listed(registry)} == set(map(digest_of, contents))

    def test_a_tag_that_is_something_else_is_left_alone(self, tmp_path):
        with served(tmp_path, referrers=False) as (registry, target):
            image = self.artifact(target)
            del (other := json.loads(image))["subject"]
            target.push_manifest(json.dumps(other).encode(), OCI_MANIFEST, tag=self.TAG)
            with pytest.raises(ImageFault, match=f"its tag {self.TAG} is no index of referrers"):
                target.push_manifest(image, OCI_MANIFEST)
            held = LayoutBackend(registry.layout("app")).fetch_manifest(self.TAG)
            assert json.loads(held.content) == other


class TestRefusals:
    """What people are told."""

    def push(self, target):
        return target.push_blob(DIGEST, len(CONTENT), Content(CONTENT))

    @pytest.mark.parametrize("status", [401, 403])
    def test_without_the_right_to_push(self, tmp_path, status):
        with served(tmp_path, Mischief(only=UPLOADS, method="", status=status), credentials=ALICE) as (
            registry,
            target,
        ):
            with pytest.raises(RegistryDenied, match="denies blob") as caught:
                self.push(target)
            assert f"docker login {registry.host}" in caught.value.advice
            assert "may push" in caught.value.advice
            assert caught.value.exit_status is ExitStatus.DENIED

    def test_who_may_not_even_look_is_told_by_the_push(self, tmp_path):
        with served(tmp_path, Mischief(only="", method="", status=403)) as (_, target):
            with pytest.raises(RegistryDenied) as caught:
                self.push(target)
            assert "may push" in caught.value.advice
            with pytest.raises(RegistryDenied):
                target.has_blob(DIGEST)

    @pytest.mark.parametrize(
        ("status", "message", "error"),
        [
            (405, "The operation is unsupported.", RegistryReadOnly),
            (403, "The system is in read only mode. Any modification is prohibited.", RegistryReadOnly),
            (413, "Request Entity Too Large", PushTooLarge),
            (507, "Insufficient Storage", RegistryFull),
            (403, "adding 1 MiB will exceed the configured upper limit of 1 MiB", RegistryFull),
            (403, "Quota has been exceeded on namespace", RegistryFull),
            (412, "configured as immutable", PushRefused),
            (400, "provided digest did not match uploaded content", PushRefused),
            (418, "I'm a teapot", RegistryMisbehaves),
        ],
    )
    def test_each_has_its_name(self, tmp_path, status, message, error):
        def gate(call):
            return error_answer(status, "SOME_CODE", message) if call.method == "PUT" else None

        time = Time()
        with served(tmp_path, gate=gate, time=time) as (_, target):
            with pytest.raises(RegistryFault) as caught:
                self.push(target)
            assert type(caught.value) is error
            assert message in str(caught.value)
            assert caught.value.advice
            assert time.slept == []

    def test_a_repository_that_has_to_be_made(self, tmp_path):
        missing = error_answer(404, "NAME_UNKNOWN", "repository name not known to registry")
        with served(tmp_path, gate=lambda call: missing if call.method == "POST" else None) as (_, target):
            with pytest.raises(NotFound, match="no such repository") as caught:
                self.push(target)
            assert "Create the repository" in caught.value.advice

    def test_the_stand_in_that_can_only_be_read(self):
        with serve_layout(PLANTED) as registry:
            target = target_for(registry)
            with pytest.raises(RegistryReadOnly, match="can only be read") as caught:
                self.push(target)
            assert "Push to another registry" in caught.value.advice
            target.close()


class TestLocations:
    """Where uploads go."""

    def test_another_host_gets_the_bytes_and_no_secret(self, tmp_path):
        seen = []

        def keep(call):
            seen.append(call)
            return Answer(status=201)

        def gate(call):
            if call.header("authorization") is None:
                return Answer(status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))
            if call.method == "POST":
                return Answer(status=202, headers=(("Location", f"{storage.url}/put?signature=1#part"),))
            return None

        with (
            serve_layout({}, gate=keep) as storage,
            served(tmp_path, gate=gate, credentials=ALICE) as (_, target),
        ):
            assert target.push_blob(DIGEST, len(CONTENT), Content(CONTENT)).how == "sent"
        assert [call.header("authorization") for call in seen] == [None]
        assert seen[0].body == CONTENT
        assert seen[0].path == f"/put?signature=1&digest={DIGEST.replace(':', '%3A')}"

    def test_a_redirected_upload_opens_its_content_again(self, tmp_path):
        content = Content(CONTENT)
        with serve_layout({}, gate=lambda call: Answer(status=201)) as storage:
            elsewhere = Mischief(only=UPLOADS, method="PUT", redirect_to=storage.url)
            with served(tmp_path, elsewhere, credentials=ALICE) as (registry, target):
                assert target.push_blob(DIGEST, len(CONTENT), content).how == "sent", calls(registry)
            assert [one.call.body for one in storage.log] == [CONTENT]
            assert storage.log[0].call.header("authorization") is None
        assert content.opened == content.closed == 2

    @pytest.mark.parametrize(
        ("location", "error"),
        [
            (None, RegistryMisbehaves),
            ("", RegistryMisbehaves),
            ("http://alice@elsewhere.test/x", UntrustedRedirect),
            ("ftp://elsewhere.test/x", UntrustedRedirect),
            ("http://", UntrustedRedirect),
            ("/" + "x" * 20_000, UntrustedRedirect),
        ],
    )
    def test_one_that_is_none(self, tmp_path, location, error):
        headers = () if location is None else (("Location", location),)

        def gate(call):
            return Answer(status=202, headers=headers) if call.method == "POST" else None

        with served(tmp_path, gate=gate) as (registry, target):
            with pytest.raises(error):
                target.push_blob(DIGEST, len(CONTENT), Content(CONTENT))
            assert methods(registry) == "HEAD:404 POST:202"
