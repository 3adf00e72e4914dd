"""Lists of referrers: as registries answer them, and as we keep them where they do not."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from tests.access.registry.helpers import NOWHERE, Content, Time, target_for

from rafsight.access.counting import Meter
from rafsight.access.layout_target import LayoutTarget
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.registry.credentials import no_credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import PushRefused, RegistryDenied, RegistryFull, RegistryMisbehaves
from rafsight.access.registry.referrer_lists import RegistrySource
from rafsight.access.registry.referrers import (
    ArtifactRefused,
    ReferrersContested,
    ReferrersNotListed,
    ReferrersUnusable,
    referrers_tag,
)
from rafsight.access.retry import Retrier
from rafsight.base.digest import digest_of
from rafsight.base.errors import ExitStatus
from rafsight.formats.oci.annotations import NO_ANNOTATIONS, Annotations
from rafsight.formats.oci.artifact import EMPTY_CONFIG, write_artifact
from rafsight.formats.oci.errors import MalformedDocument
from rafsight.formats.oci.manifest import Descriptor
from rafsight.formats.oci.media_types import DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST
from rafsight.testing.registry import Mischief, serve_writable
from rafsight.testing.registry_pages import Answer, error_answer

SUBJECT = Descriptor(media_type=OCI_MANIFEST, digest="sha256:" + "5" * 64, size=7)
TAG = referrers_tag(SUBJECT.digest)
SARIF = "application/sarif+json"


def artifact(target, number=0, *, kind=SARIF):
    content = f"report {number}".encode()
    for one in (EMPTY_CONFIG, content):
        target.push_blob(digest_of(one), len(one), Content(one))
    layer = Descriptor(media_type=kind, digest=digest_of(content), size=len(content))
    pairs = (("number", str(number)),)
    return write_artifact(artifact_type=kind, layer=layer, subject=SUBJECT, annotations=Annotations(pairs))


@contextmanager
def asking(registry):
    endpoint = Endpoint(host=registry.host, repository="app", certificate_folders=(NOWHERE,), read_timeout=5.0)
    with closing(RegistrySource(endpoint, no_credentials, Meter())) as source:
        yield source


@contextmanager
def served(tmp_path, *mischief, **more):
    with (
        serve_writable(tmp_path / "registry", mischief=mischief, **more) as registry,
        closing(target_for(registry)) as target,
        asking(registry) as source,
    ):
        yield registry, target, source


def methods(registry):
    return " ".join(f"{served.call.method}:{served.status}" for served in registry.log)


@pytest.mark.parametrize("referrers", [True, False], ids=["api", "tag"])
def test_what_was_put_is_listed(tmp_path, referrers):
    with served(tmp_path, referrers=referrers) as (registry, target, source):
        assert source.list_referrers(SUBJECT.digest) == ()
        first, second = artifact(target, 1), artifact(target, 2, kind="application/x-mine")
        for content in (first, second, first):
            referred = target.push_referrer(content, OCI_MANIFEST)
            assert referred.digest == digest_of(content)
            assert referred.tag == ("" if referrers else TAG)
        found = {one.digest: one for one in source.list_referrers(SUBJECT.digest)}
        assert set(found) == {digest_of(first), digest_of(second)}
        one = found[digest_of(second)]
        assert (one.media_type, one.size, one.artifact_type) == (OCI_MANIFEST, len(second), "application/x-mine")
        assert one.annotations.get("number") == "2"
        assert target.has_manifest(one.digest)
        assert target.fetch_manifest(one.digest).content == second
        assert LayoutBackend(registry.layout("app")).tags() == (() if referrers else (TAG,))


def test_what_a_list_costs(tmp_path):
    with served(tmp_path) as (registry, target, source):
        target.push_referrer(artifact(target), OCI_MANIFEST)
        registry.forget()
        assert len(source.list_referrers(SUBJECT.digest)) == 1
        assert methods(registry) == "GET:200"
        assert "authorization" not in dict(registry.log[0].call.headers)
    with served(tmp_path / "2", referrers=False) as (registry, target, source):
        target.push_referrer(artifact(target), OCI_MANIFEST)
        registry.forget()
        assert len(source.list_referrers(SUBJECT.digest)) == 1
        assert methods(registry) == "GET:404 GET:200"


def entries(*numbers):
    return [{"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:064x}", "size": 1} for number in numbers]


def page(*numbers, link="", kind=OCI_INDEX):
    headers = (("Content-Type", kind), *([("Link", f'<{link}>; rel="next"')] if link else []))
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries(*numbers)})
    return Answer(headers=headers, content=content.encode())


def answers(table):
    """A gate that answers lists of referrers by the query of the path."""

    def gate(call):
        path, _, query = call.path.partition("?")
        return table.get(query) if "/referrers/" in path else None

    return gate


class TestPages:
    """The API as it can be answered."""

    PATH = f"/v2/app/referrers/{SUBJECT.digest}"

    def test_every_page_is_read_and_nothing_twice(self, tmp_path):
        table = {"": page(1, 2, link=f"{self.PATH}?p=2"), "p=2": page(2, 3, link="?p=3"), "p=3": page()}
        with served(tmp_path, gate=answers(table)) as (_, _, source):
            assert [int(one.digest[-2:], 16) for one in source.list_referrers(SUBJECT.digest)] == [1, 2, 3]

    def test_no_end(self, tmp_path):
        table = {"": page(1, link=self.PATH)}
        with served(tmp_path, gate=answers(table)) as (_, _, source), pytest.raises(RegistryMisbehaves, match="no end"):
            source.list_referrers(SUBJECT.digest)

    def test_another_host_is_not_asked(self, tmp_path):
        table = {"": page(1, link="http://203.0.113.7/v2/app/referrers/x")}
        says = pytest.raises(RegistryMisbehaves, match="continues on another host")
        with served(tmp_path, gate=answers(table)) as (_, _, source), says:
            source.list_referrers(SUBJECT.digest)

    @pytest.mark.parametrize("status", [400, 404, 405, 406, 501])
    def test_a_registry_that_does_not_know_it(self, tmp_path, status):
        gate = answers({"": error_answer(status, "UNSUPPORTED", "what is that?")})
        with served(tmp_path, gate=gate, referrers=False) as (_, target, source):
            target.push_referrer(artifact(target), OCI_MANIFEST)
            assert len(source.list_referrers(SUBJECT.digest)) == 1

    def test_a_page_for_people_is_no_list(self, tmp_path):
        html = Answer(headers=(("Content-Type", "text/html"),), content=b"<html>welcome</html>")
        with served(tmp_path, gate=answers({"": html}), referrers=False) as (_, target, source):
            target.push_referrer(artifact(target), OCI_MANIFEST)
            assert len(source.list_referrers(SUBJECT.digest)) == 1

    def test_a_list_that_breaks_off(self, tmp_path):
        table = {"": page(1, link="?p=2"), "p=2": error_answer(404, "NOT_FOUND", "gone")}
        says = pytest.raises(RegistryMisbehaves, match="breaks off")
        with served(tmp_path, gate=answers(table)) as (_, _, source), says:
            source.list_referrers(SUBJECT.digest)

    @pytest.mark.parametrize(
        ("content", "fault", "says"),
        [
            (b"{", MalformedDocument, "list of what refers to"),
            (b'{"schemaVersion":2,"layers":[]}', MalformedDocument, "members"),
            (b'{"schemaVersion":2,"manifests":[{"digest":"x","size":1}]}', MalformedDocument, "not a digest"),
            (b" " * (8 * 1024 * 1024 + 1), RegistryMisbehaves, "larger than"),
        ],
        ids=["cut", "manifest", "no digest", "huge"],
    )
    def test_damaged_lists(self, tmp_path, content, fault, says):
        answer = Answer(headers=(("Content-Type", OCI_INDEX),), content=content)
        with served(tmp_path, gate=answers({"": answer})) as (_, _, source), pytest.raises(fault, match=says):
            source.list_referrers(SUBJECT.digest)

    def test_who_may_not_see_it_is_told(self, tmp_path):
        gate = answers({"": error_answer(403, "DENIED", "requested access is denied")})
        with served(tmp_path, gate=gate) as (_, _, source), pytest.raises(RegistryDenied):
            source.list_referrers(SUBJECT.digest)

    def test_a_tag_that_is_something_else_lists_nothing(self, tmp_path):
        with served(tmp_path, referrers=False) as (_, target, source):
            target.push_manifest(artifact(target), OCI_MANIFEST, tag="elsewhere")
            image = json.loads(artifact(target))
            del image["subject"]
            target.push_manifest(json.dumps(image).encode(), OCI_MANIFEST, tag=TAG)
            assert source.list_referrers("sha256:" + "5" * 64) == ()


class TestOthersWriteToo:
    """The list under a tag belongs to everybody."""

    def overwrite(self, registry, *digests):
        """Write a list as somebody would who had read an old one."""
        listed = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 1} for digest in digests]
        index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
        LayoutTarget(registry.layout("app")).push_manifest(index, OCI_INDEX, tag=TAG)

    def test_one_that_is_lost_is_added_again(self, tmp_path):
        held, reads = [], []

        def gate(call):
            if call.method == "GET" and call.path.endswith(TAG):
                reads.append(call)
                if len(reads) == 2:  # we have written, and now we look again
                    self.overwrite(*held)

        time = Time()
        with (
            serve_writable(tmp_path, referrers=False, gate=gate) as registry,
            closing(target_for(registry, time=time)) as target,
            asking(registry) as source,
        ):
            content = artifact(target)
            other = LayoutTarget(registry.layout("app")).push_manifest(artifact(target, 1), OCI_MANIFEST)
            held += [registry, other]
            target.push_referrer(content, OCI_MANIFEST)
            found = {one.digest for one in source.list_referrers(SUBJECT.digest)}
            assert found == {digest_of(content), other}
        assert len(time.slept) == 2
        assert all(slept >= 0.05 for slept in time.slept)

    def test_patience_ends(self, tmp_path):
        held = []

        def gate(call):
            if call.method == "GET" and call.path.endswith(TAG):
                self.overwrite(*held)

        with serve_writable(tmp_path, referrers=False, gate=gate) as registry:
            held.append(registry)
            with closing(target_for(registry)) as target:
                content = artifact(target)
                with pytest.raises(ReferrersContested, match=f"its list of referrers, the tag {TAG}") as caught:
                    target.push_referrer(content, OCI_MANIFEST)
                assert not caught.value.permanent
                puts = [one for one in registry.log if one.call.method == "PUT" and one.call.path.endswith(TAG)]
                assert len(puts) == 16
                assert target.has_manifest(digest_of(content))

    def test_entries_that_were_deleted_go(self, tmp_path):
        with served(tmp_path, referrers=False) as (registry, target, source):
            contents = [artifact(target, number) for number in range(3)]
            for content in contents[:2]:
                target.push_referrer(content, OCI_MANIFEST)
            (registry.layout("app") / "blobs" / digest_of(contents[0]).replace(":", "/")).unlink()
            target.push_referrer(contents[2], OCI_MANIFEST)
            found = [one.digest for one in source.list_referrers(SUBJECT.digest)]
            assert found == [digest_of(content) for content in contents[1:]]

    def test_two_at_once_in_step(self, tmp_path):
        """Both read the list before either writes: whoever writes first is overwritten, and mends it."""
        meet = threading.Barrier(2, timeout=20)
        met = []

        def gate(call):
            if call.method == "GET" and call.path.endswith(TAG) and len(met) < 2:
                met.append(call)
                meet.wait()

        def push(number):
            with closing(target_for(registry, time=RealPauses())) as target:
                content = artifact(target, number)
                target.push_referrer(content, OCI_MANIFEST)
                return digest_of(content)

        with serve_writable(tmp_path, referrers=False, gate=gate) as registry, asking(registry) as source:
            with ThreadPoolExecutor(2) as threads:
                digests = set(threads.map(push, range(2)))
            assert {one.digest for one in source.list_referrers(SUBJECT.digest)} == digests


class RealPauses:
    """The real clock."""

    def retrier(self):
        return Retrier()


class TestRefusals:
    """Registries that know images only."""

    REASONS = (
        (400, "MANIFEST_INVALID", "unsupported config media type application/vnd.oci.empty.v1+json"),
        (415, "UNSUPPORTED", "unknown artifact type"),
        (422, "MANIFEST_INVALID", "schema 1.1 is not supported"),
    )

    @pytest.mark.parametrize(("status", "code", "message"), REASONS, ids=[str(one[0]) for one in REASONS])
    def test_they_are_told_what_it_is_about(self, tmp_path, status, code, message):
        def gate(call):
            return error_answer(status, code, message) if call.method == "PUT" and "/manifests/" in call.path else None

        with served(tmp_path, gate=gate) as (_, target, _), pytest.raises(ArtifactRefused) as caught:
            target.push_referrer(artifact(target), OCI_MANIFEST)
        said = str(caught.value)
        assert f"does not take an artifact of type {SARIF} that refers to an image ({message})" in said
        assert isinstance(caught.value, PushRefused)
        assert caught.value.exit_status is ExitStatus.UNAVAILABLE
        assert "--artifact-type" in caught.value.advice

    def test_other_troubles_stay_what_they_are(self, tmp_path):
        full = error_answer(403, "DENIED", "quota has been exceeded")

        def gate(call):
            return full if call.method == "PUT" and "/manifests/" in call.path else None

        with served(tmp_path, gate=gate) as (_, target, _), pytest.raises(RegistryFull):
            target.push_referrer(artifact(target), OCI_MANIFEST)

    def test_a_tag_that_may_not_move(self, tmp_path):
        def gate(call):
            immutable = error_answer(412, "PRECONDITION", "configured as immutable")
            return immutable if call.method == "PUT" and call.path.endswith(TAG) else None

        with served(tmp_path, gate=gate, referrers=False) as (_, target, _):
            with pytest.raises(
                ReferrersNotListed, match=f"the tag {TAG}, be changed .configured as immutable."
            ) as caught:
                target.push_referrer(artifact(target), OCI_MANIFEST)
            assert target.has_manifest(caught.value.details["digest"])

    def test_a_docker_list_under_the_tag_is_left_alone(self, tmp_path):
        with served(tmp_path, referrers=False) as (registry, target, _):
            other = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_INDEX, "manifests": []}).encode()
            target.push_manifest(other, DOCKER_INDEX, tag=TAG)
            with pytest.raises(ReferrersUnusable):
                target.push_referrer(artifact(target), OCI_MANIFEST)
            assert LayoutBackend(registry.layout("app")).fetch_manifest(TAG).content == other

    def test_a_busy_registry_is_asked_again(self, tmp_path):
        with served(tmp_path, Mischief(only="/manifests/", method="PUT", status=503, times=2)) as (_, target, source):
            target.push_referrer(artifact(target), OCI_MANIFEST)
            assert len(source.list_referrers(SUBJECT.digest)) == 1


def test_an_artifact_is_written_without_what_a_subject_says_more():
    subject = Descriptor(
        media_type=OCI_MANIFEST,
        digest=SUBJECT.digest,
        size=7,
        annotations=Annotations((("a", "b"),)),
        artifact_type="x",
    )
    layer = Descriptor(media_type=SARIF, digest=SUBJECT.digest, size=1)
    written = write_artifact(artifact_type=SARIF, layer=layer, subject=subject, annotations=NO_ANNOTATIONS)
    assert json.loads(written) == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": SARIF,
        "config": {
            "mediaType": "application/vnd.oci.empty.v1+json",
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            "size": 2,
        },
        "layers": [{"mediaType": SARIF, "digest": SUBJECT.digest, "size": 1}],
        "subject": {"mediaType": OCI_MANIFEST, "digest": SUBJECT.digest, "size": 7},
    }
