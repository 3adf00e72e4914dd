"""From a reference to the place that an image is pushed to."""

import pytest
from tests.access.registry.helpers import Content

from rafsight.access.connect import NotATarget, open_target
from rafsight.access.counting import Meter
from rafsight.access.layout_target import LayoutTarget, NotALayout
from rafsight.access.oci_layout import LayoutBackend
from rafsight.access.options import Offline, Options
from rafsight.access.registry.push import RegistryTarget
from rafsight.base.digest import digest_of
from rafsight.base.errors import ExitStatus
from rafsight.formats.oci.media_types import OCI_INDEX
from rafsight.formats.oci.reference import MalformedReference
from rafsight.testing.registry import serve_writable
from rafsight.testing.registry_pages import Answer

DOCUMENT = b'{"schemaVersion":2,"manifests":[]}'
OPTIONS = Options()


@pytest.mark.parametrize(
    ("reference", "tag", "repository"),
    [
        ("registry.test/team/app:v1", "v1", "registry.test/team/app"),
        ("registry.test/team/app", "latest", "registry.test/team/app"),
        ("ubuntu", "latest", "docker.io/library/ubuntu"),
        ("docker://127.0.0.1:5000/app:x", "x", "127.0.0.1:5000/app"),
    ],
)
def test_a_registry(reference, tag, repository):
    meter = Meter()
    with open_target(reference, OPTIONS, meter) as destination:
        assert isinstance(destination.target, RegistryTarget)
        assert (destination.tag, destination.repository) == (tag, repository)
        assert destination.target.place == repository
        assert destination.target.meter is meter
    assert meter.cost.requests == 0


@pytest.mark.parametrize(("ending", "tag"), [("", "latest"), (":v1", "v1")])
def test_a_layout(tmp_path, ending, tag):
    with open_target(f"oci:{tmp_path}/new{ending}", Options(offline=True), Meter()) as destination:
        assert isinstance(destination.target, LayoutTarget)
        assert (destination.tag, destination.repository) == (tag, "")
        destination.target.push_manifest(DOCUMENT, OCI_INDEX, tag=destination.tag)
    assert LayoutBackend(tmp_path / "new").tags() == (tag,)


def test_a_directory_by_its_path(tmp_path):
    with open_target(str(tmp_path), OPTIONS, Meter()) as destination:
        assert destination.target.place == f"oci:{tmp_path}"


@pytest.mark.parametrize(
    "reference",
    [
        "boot:image.boot",
        "./nowhere",
        f"registry.test/app@sha256:{'0' * 64}",
        f"registry.test/app:v1@sha256:{'0' * 64}",
        f"oci:dir@sha256:{'0' * 64}",
        "docker-archive:x.tar:app",
        "oci-archive:x.tar",
        "dir:folder",
    ],
)
def test_what_cannot_be_pushed_to(reference):
    with pytest.raises(NotATarget) as caught, open_target(reference, OPTIONS, Meter()):
        pass
    assert caught.value.exit_status is ExitStatus.REFERENCE
    assert "oci:DIR:TAG" in caught.value.advice


def test_a_file_is_no_target(tmp_path):
    (tmp_path / "image.boot").write_bytes(b"x")
    with pytest.raises(NotATarget), open_target(f"{tmp_path}/image.boot", OPTIONS, Meter()):
        pass
    with pytest.raises(NotALayout), open_target(f"oci:{tmp_path}", OPTIONS, Meter()):
        pass


def test_malformed_and_offline():
    with pytest.raises(MalformedReference), open_target("UPPER/case", OPTIONS, Meter()):
        pass
    with pytest.raises(Offline), open_target("registry.test/app:v1", Options(offline=True), Meter()):
        pass


def test_options_reach_the_registry(tmp_path):
    def gate(call):
        if call.header("authorization") is None:
            return Answer(status=401, headers=(("WWW-Authenticate", 'Basic realm="x"'),))
        return None

    meter = Meter()
    with serve_writable(tmp_path, gate=gate) as registry:
        options = Options(username="alice", password="wonderland")
        with open_target(registry.reference("v1"), options, meter) as destination:
            destination.target.push_blob(digest_of(b"x"), 1, Content(b"x"))
            destination.target.push_manifest(DOCUMENT, OCI_INDEX, tag=destination.tag)
        assert LayoutBackend(registry.layout("app")).tags() == ("v1",)
    assert meter.cost.bytes_sent == 1 + len(DOCUMENT)
