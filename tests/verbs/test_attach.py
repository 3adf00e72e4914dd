"""Attaching as the public API has it: what is attached to what, and that the same again is the same."""

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.access.registry.conftest import PROGRAM, push_layout, run_registry
from tests.access.registry.helpers import planted_blob, planted_manifest

from rafsight import Attachments, Options
from rafsight.access.attaching import NotAttachable
from rafsight.access.backend import NoSuchTag, NotFound
from rafsight.access.layout_target import LayoutTarget
from rafsight.access.options import Offline
from rafsight.access.registry.referrers import ArtifactRefused
from rafsight.base.digest import digest_of
from rafsight.formats.oci.errors import NoMatchingPlatform
from rafsight.formats.oci.media_types import OCI_INDEX, OCI_MANIFEST
from rafsight.testing.registry import PLANTED, Mischief, serve_writable
from rafsight.verbs.attach import REPORT_SIZE, UnknownReport, UnusableAttachment

RUNS = [{"invocations": [{"endTimeUtc": "2024-05-06T07:08:09Z"}]}]
SARIF = json.dumps({"version": "2.1.0", "runs": RUNS}).encode()
BILL = json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6"}).encode()
SKOPEO = shutil.which("skopeo")
V6, MANIFEST = planted_manifest("v6")
V5, _ = planted_manifest("v5")


def make_index(folder):
    """Tag an index of two images `both` in a layout; its digest."""
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": len(planted_blob(digest)), "platform": platform}
        for digest, platform in (
            (V6, {"os": "linux", "architecture": "amd64"}),
            (V5, {"os": "linux", "architecture": "arm64"}),
        )
    ]
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()
    return LayoutTarget(folder).push_manifest(index, OCI_INDEX, tag="both")


@pytest.fixture
def layout(tmp_path):
    folder = tmp_path / "registry" / "app"
    shutil.copytree(PLANTED, folder)
    make_index(folder)
    return folder


@pytest.fixture(params=["layout", "api", "tag"])
def place(layout, tmp_path, request):
    """What precedes `:TAG` of the images: in a layout, a registry with the referrers API, one without."""
    if request.param == "layout":
        yield f"oci:{layout}"
        return
    with serve_writable(layout.parent, referrers=request.param == "api") as registry:
        yield f"{registry.host}/app"


def stored(layout, digest):
    return (layout / "blobs" / digest.replace(":", "/")).read_bytes()


def test_a_report_is_attached_once(place, layout):
    attachments = Attachments()
    assert attachments.listed(f"{place}:v6").artifacts == ()
    done = attachments.attach(f"{place}:v6", SARIF, name="report.sarif", annotations={"b": "2", "a": "1"})
    again = attachments.attach(f"{place}:v6", SARIF, name="report.sarif", annotations={"a": "1", "b": "2"})
    assert (done.is_new, again.is_new) == (True, False)
    assert done.digest == again.digest
    assert done.tag == again.tag
    manifest = json.loads(stored(layout, done.digest))
    assert manifest == {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": "application/sarif+json",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest_of(b"{}"), "size": 2},
        "layers": [
            {
                "mediaType": "application/sarif+json",
                "digest": digest_of(SARIF),
                "size": len(SARIF),
                "annotations": {"org.opencontainers.image.title": "report.sarif"},
            }
        ],
        "subject": {"mediaType": OCI_MANIFEST, "digest": V6, "size": len(planted_blob(V6))},
        "annotations": {"a": "1", "b": "2", "org.opencontainers.image.created": "2024-05-06T07:08:09Z"},
    }
    assert stored(layout, digest_of(SARIF)) == SARIF
    assert stored(layout, digest_of(b"{}")) == b"{}"
    (listed,) = attachments.listed(f"{place}:v6").artifacts
    assert (listed.digest, listed.artifact_type) == (done.digest, "application/sarif+json")
    assert listed.created == "2024-05-06T07:08:09Z"
    assert dict(listed.annotations)["b"] == "2"
    assert attachments.listed(f"{place}:v5").artifacts == ()


def test_a_list_can_be_of_one_type(place):
    attachments = Attachments()
    attachments.attach(f"{place}:v6", SARIF)
    bill = attachments.attach(f"{place}@{V6}", BILL)
    other = attachments.attach(f"{place}:v6", b"any bytes", artifact_type="application/vnd.example+text")
    assert {one.digest for one in attachments.listed(f"{place}:v6").artifacts} >= {bill.digest, other.digest}
    found = attachments.listed(f"{place}:v6", artifact_type="application/vnd.cyclonedx+json").artifacts
    assert [one.digest for one in found] == [bill.digest]
    assert bill.created == ""
    assert (other.media_type, other.artifact_type) == ("application/vnd.example+text",) * 2


def test_an_index_is_what_it_names_unless_a_platform_is_wanted(place, layout):
    attachments = Attachments()
    whole = attachments.attach(f"{place}:both", SARIF)
    one = attachments.attach(f"{place}:both", SARIF, platform="linux/arm64")
    assert whole.subject.is_index
    assert whole.subject.media_type == OCI_INDEX
    assert json.loads(stored(layout, whole.digest))["subject"]["digest"] == whole.subject.digest
    assert (one.subject.digest, one.subject.is_index) == (V5, False)
    assert json.loads(stored(layout, one.digest))["subject"]["size"] == len(planted_blob(V5))
    assert [item.digest for item in attachments.listed(f"{place}:v5").artifacts] == [one.digest]
    assert [item.digest for item in attachments.listed(f"{place}:both").artifacts] == [whole.digest]
    assert [item.digest for item in attachments.listed(f"{place}:both", platform="arm64").artifacts] == [one.digest]
    with pytest.raises(NoMatchingPlatform):
        attachments.attach(f"{place}:both", SARIF, platform="linux/s390x")


def test_dates(place):
    attachments = Attachments()
    assert attachments.attach(f"{place}:v6", SARIF, created="2001-02-03T04:05:06Z").created == "2001-02-03T04:05:06Z"
    said = {"org.opencontainers.image.created": "1999-01-01T00:00:00Z"}
    done = attachments.attach(f"{place}:v6", SARIF, created="2001-02-03T04:05:06Z", annotations=said)
    assert done.created == "1999-01-01T00:00:00Z"


def test_a_type_may_be_another_than_the_reports_own(place):
    done = Attachments().attach(f"{place}:v6", BILL, artifact_type="application/vnd.example.bill")
    assert (done.artifact_type, done.media_type) == ("application/vnd.example.bill", "application/vnd.cyclonedx+json")


@pytest.mark.parametrize(
    ("report", "more", "fault", "says"),
    [
        (b"", {}, UnusableAttachment, "the report cannot be attached: it is empty"),
        (b"", {"name": "r.json", "artifact_type": "a/b"}, UnusableAttachment, "r.json cannot be attached"),
        (b"text", {}, UnknownReport, "the report is neither SARIF, CycloneDX nor SPDX"),
        (SARIF[:-1], {"name": "r"}, UnknownReport, "r is neither"),
        (SARIF, {"artifact_type": "sarif"}, UnusableAttachment, "no media type"),
        (SARIF, {"artifact_type": "a/b\r\nX: y"}, UnusableAttachment, "no media type"),
        (SARIF, {"artifact_type": "a/" + "b" * 300}, UnusableAttachment, "no media type"),
        (SARIF, {"created": "today"}, UnusableAttachment, "RFC 3339"),
        (SARIF, {"annotations": {"": "x"}}, UnusableAttachment, "annotation ''"),
        (SARIF, {"annotations": {"a": "\udcff"}}, UnusableAttachment, "annotation 'a'"),
        (SARIF, {"annotations": {"a": "x" * 70_000}}, UnusableAttachment, "more than 65536 characters"),
        (SARIF, {"name": "\udcff"}, UnusableAttachment, "its name is not Unicode"),
    ],
    ids=range(12),
)
def test_what_is_refused_before_anything_is_asked(report, more, fault, says):
    with pytest.raises(fault, match=says):
        Attachments().attach("registry.invalid/app:v6", report, **more)


def test_what_is_too_large():
    with pytest.raises(UnusableAttachment, match=f"more than {REPORT_SIZE} bytes"):
        Attachments().attach(
            "registry.invalid/app:v6", bytes(REPORT_SIZE + 1)
        )  # zeros that nobody touches take no room


@pytest.mark.parametrize("reference", ["boot:image.boot", "docker-archive:image.tar", "oci-archive:a.tar:v1", "dir:d"])
def test_places_where_nothing_can_refer(reference):
    for call in (lambda: Attachments().attach(reference, SARIF), lambda: Attachments().listed(reference)):
        with pytest.raises(NotAttachable, match="neither in a registry nor in an OCI layout"):
            call()


def test_what_is_not_there(place):
    for call in (
        lambda: Attachments().attach(f"{place}:none", SARIF),
        lambda: Attachments().listed(f"{place}@sha256:{'0' * 64}"),
    ):
        with pytest.raises(NotFound):
            call()
    with pytest.raises(Offline):
        Attachments(options=Options(offline=True)).attach("registry.invalid/app:v6", SARIF)


def test_a_layout_without_tags_needs_a_name(layout):
    path = layout / "index.json"
    index = json.loads(path.read_bytes())
    for one in index["manifests"]:
        one.pop("annotations")
    path.write_text(json.dumps(index))
    with pytest.raises(NoSuchTag, match="name one by its tag or digest"):
        Attachments().attach(f"oci:{layout}", SARIF)
    assert Attachments().attach(f"oci:{layout}@{V6}", SARIF).subject.digest == V6
    assert len(Attachments().listed(f"oci:{layout}@{V6}").artifacts) == 1


def test_a_path_may_stand_for_a_layout(layout):
    done = Attachments().attach(f"oci:{layout}:v6", SARIF)
    only = json.loads((layout / "index.json").read_bytes())
    only["manifests"] = [one for one in only["manifests"] if one["digest"] in (V6, done.digest)]
    (layout / "index.json").write_text(json.dumps(only))
    assert [one.digest for one in Attachments().listed(str(layout)).artifacts] == [done.digest]


def test_a_registry_that_takes_images_only(layout):
    refusing = Mischief(only="/manifests/sha256:", method="PUT", status=400)
    with serve_writable(layout.parent, mischief=[refusing]) as registry, pytest.raises(ArtifactRefused) as caught:
        Attachments().attach(f"{registry.host}/app:v6", SARIF)
    assert "does not take an artifact of type application/sarif+json" in str(caught.value)


def test_what_it_costs(layout):
    with serve_writable(layout.parent) as registry:
        Attachments().attach(f"{registry.host}/app:v6", SARIF)
        methods = [one.call.method for one in registry.log]
        assert methods == ["GET", "HEAD", *["HEAD", "POST", "PUT"] * 2, "PUT"]
        registry.forget()
        again = Attachments().attach(f"{registry.host}/app:v6", SARIF)
        assert [one.call.method for one in registry.log] == ["GET", "HEAD", "HEAD", "HEAD", "PUT"]
        assert again.bytes_sent == len(stored(layout, again.digest))


@pytest.mark.registry
class TestDockerRegistry:
    """Debian's docker-registry, which has no referrers API."""

    @pytest.fixture
    def host(self, tmp_path):
        if PROGRAM is None:
            pytest.skip("docker-registry is not installed")
        import urllib3

        with run_registry(tmp_path, tmp_path / "storage", "") as host, urllib3.PoolManager(retries=False) as pool:
            push_layout(pool, f"http://{host}/v2/app")
            yield host

    @pytest.mark.skipif(SKOPEO is None, reason="skopeo is not installed")
    def test_skopeo_reads_what_was_attached(self, host, tmp_path):
        done = Attachments().attach(f"{host}/app:v6", SARIF, name="r.sarif")
        assert done.tag == "sha256-" + V6.partition(":")[2]
        manifest = self.skopeo(tmp_path, "inspect", "--raw", f"docker://{host}/app@{done.digest}")
        assert digest_of(manifest) == done.digest
        assert json.loads(manifest)["subject"]["digest"] == V6
        listed = json.loads(self.skopeo(tmp_path, "inspect", "--raw", f"docker://{host}/app:{done.tag}"))
        assert listed["mediaType"] == OCI_INDEX
        assert [one["digest"] for one in listed["manifests"]] == [done.digest]
        assert listed["manifests"][0]["artifactType"] == "application/sarif+json"

    def skopeo(self, home, *arguments):
        command = [SKOPEO, *arguments[:-1], "--tls-verify=false", arguments[-1]]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
        return subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60).stdout

    def test_several_at_once_all_arrive(self, host):
        reports = [json.dumps({"version": "2.1.0", "runs": [], "number": number}).encode() for number in range(4)]
        with ThreadPoolExecutor(4) as threads:
            done = list(threads.map(lambda report: Attachments().attach(f"{host}/app:v6", report), reports))
        found = [one.digest for one in Attachments().listed(f"{host}/app:v6").artifacts]
        assert sorted(found) == sorted(one.digest for one in done)

    def test_again_and_again(self, host):
        digests = {Attachments().attach(f"{host}/app:v6", SARIF).digest for _ in range(3)}
        assert [one.digest for one in Attachments().listed(f"{host}/app:v6").artifacts] == list(digests)
