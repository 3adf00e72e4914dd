"""Whole hunts over small fleets, in the stand-in registry: what they find, what they cost, what they survive."""

import hashlib
import io
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.access.source_images import Entry, hard_link, write_source
from tests.hunt.fleets import TAG, digests_of, make_layout

from rafsight.access.connect import SeveralRegistries
from rafsight.access.options import Options
from rafsight.base.errors import RegistryFault
from rafsight.base.events import Advanced, Started
from rafsight.hunt.corpus import NoImages, UnreadableList
from rafsight.hunt.hunts import Hunts
from rafsight.hunt.state import OtherQuestion
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.verbs.scan.scanning import scan_reference

SECRET = b"token = 12345\n"
SHARED = {b"usr/lib/liblzma.so.5.6.1": b"\x7fELF" + b"x" * 5000, b"etc/app.conf": SECRET, b"etc/hosts": b"127.0.0.1\n"}
DPKG = b"Package: xz-utils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.6.1-1\nDescription: x\n\n"
PACKAGES = {b"var/lib/dpkg/status": DPKG, b"etc/os-release": b'ID=debian\nVERSION_ID="12"\n'}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory) -> dict[str, Path]:
    """Three repositories; `v1` and `stable` of one are the same image, as is `copy` in another."""
    folder = tmp_path_factory.mktemp("fleet")
    first = {**SHARED, b"opt/one": b"1"}
    return {
        "team/app": make_layout(folder / "app", {"v1": first, "stable": first, "v2": {**SHARED, b"opt/two": b"22"}}),
        "team/sub/web": make_layout(folder / "web", {"v1": {**SHARED, **PACKAGES}, "copy": first}),
        "other": make_layout(folder / "other", {"v1": {**PACKAGES, b"opt/three": b"333"}}),
    }


def hunt_all(registry, **more):
    hunts = Hunts(**more)
    hunts.add_registry(registry.host)
    return hunts


def bare(registry, names):
    return [name.removeprefix(f"{registry.host}/") for name in names]


def asked(registry):
    """Return how often each manifest and blob was asked for."""
    return Counter(served.call.path for served in registry.log)


def test_a_question_about_metadata_costs_a_request_a_name_and_one_an_image(fleet):
    with serve_layout(fleet) as registry:
        answers = list(hunt_all(registry).ask(paths=[b"/usr/lib/liblzma.so.5.6.*"]))
        found = {tuple(bare(registry, one.names)): [file.path for file in one.files] for one in answers}
        assert found == {
            ("other:v1",): [],
            ("team/app:stable", "team/app:v1", "team/sub/web:copy"): [b"usr/lib/liblzma.so.5.6.1"],
            ("team/app:v2",): [b"usr/lib/liblzma.so.5.6.1"],
            ("team/sub/web:v1",): [b"usr/lib/liblzma.so.5.6.1"],
        }
        paths = asked(registry)
        assert sum("/manifests/" in path for path in paths) == 6
        assert sum("/blobs/" in path for path in paths) == 4  # the bootstraps
        assert sum("/tags/list" in path or "_catalog" in path for path in paths) == 4
        assert set(paths.values()) == {1}


def test_globs_choose_repositories_and_tags(fleet):
    with serve_layout(fleet) as registry:
        hunts = Hunts()
        hunts.add_registry(registry.host, repositories="team/*", tags="v*")
        answers = list(hunts.ask(names=[b"hosts"]))
        assert sorted(bare(registry, one.names) for one in answers) == [["team/app:v1"], ["team/app:v2"]]
        assert hunts.tally is not None
        assert hunts.tally.names == 2


def test_each_content_is_fetched_once_over_all_images(fleet):
    with serve_layout(fleet) as registry:
        hunts = hunt_all(registry, jobs=4)
        answers = list(hunts.ask(names=[b"app.conf", b"hosts"], content="token = "))
        assert sorted(len(one.files) for one in answers) == [0, 1, 1, 1]
        evidence = [one.files[0].evidence[0] for one in answers if one.files]
        assert {(one.kind, one.text, one.offset) for one in evidence} == {("content", "token = ", 0)}
        assert hunts.tally is not None
        assert hunts.tally.contents == 2
        ranges = [served.range for served in registry.log if served.range]
        assert len(ranges) <= 2  # two small files, whichever image had them first


def test_digests_sizes_and_all_names(fleet):
    digest = hashlib.sha256(SECRET).hexdigest()
    with serve_layout(fleet) as registry:
        answers = list(hunt_all(registry).ask(sha256=[digest], size=f"{len(SECRET)}"))
        assert {file.path for one in answers for file in one.files} == {b"etc/app.conf"}
        assert sum(one.is_match for one in answers) == 3


def test_packages_are_read_once_and_images_need_both_conditions(fleet):
    with serve_layout(fleet) as registry:
        hunts = hunt_all(registry, jobs=4)
        answers = list(hunts.ask(package="pkg:deb/xz-utils", version=">=5.6.0,<5.6.2"))
        matches = [bare(registry, one.names) for one in answers if one.is_match]
        assert sorted(matches) == [["other:v1"], ["team/sub/web:v1"]]
        ranges = [served.call.path for served in registry.log if served.range]
        assert len(set(ranges)) == 1  # one of the two images; the other has the same databases
        registry.forget()
        both = list(hunt_all(registry).ask(package="pkg:deb/xz-utils", paths=[b"/opt/three"]))
        assert [bare(registry, one.names) for one in both if one.is_match] == [["other:v1"]]
        asked_for = {served.call.path.split("/")[2] for served in registry.log if served.range}
        assert asked_for == {"other"}  # only the image that has the file is asked for packages


def test_a_scanned_image_costs_a_hunt_nothing_and_the_other_way_round(fleet, tmp_path):
    options = Options(cache_dir=tmp_path)
    with serve_layout(fleet) as registry:
        name = f"{registry.host}/other:v1"
        scan_reference(name, database=None, options=options)
        registry.forget()
        hunts = Hunts(options=options)
        hunts.add(name, f"{registry.host}/team/sub/web:v1")
        assert [one.is_match for one in hunts.ask(package="pkg:deb/xz-utils")] == [True, True]
        assert not [path for path in asked(registry) if path.startswith("/v2/other/blobs/")]
        registry.forget()
        assert [one.is_match for one in hunts.ask(package="pkg:deb/other")] == [False, False]
        assert {path.split("/")[-2] for path in asked(registry)} == {"manifests"}  # another question about both
        registry.forget()
        both = hunts.ask(package="pkg:deb/xz-utils", paths=[b"/opt/three"])
        assert sorted(len(one.packages) for one in both) == [0, 1]  # the tree is needed, the packages are known
        assert not [served for served in registry.log if served.range]
        registry.forget()
        report = scan_reference(f"{registry.host}/team/sub/web:v1", database=None, options=options)
        assert [one.name for one in report.inventory.components] == ["xz-utils"]
        assert sum("/blobs/" in path for path in asked(registry)) == 2  # config and bootstrap, and no package file


def test_what_was_not_seen_of_an_image_is_said_again_when_it_is_recalled(tmp_path):
    files = [Entry(path, content=content) for path, content in PACKAGES.items()]
    hunts = Hunts(options=Options(cache_dir=tmp_path / "cache"))
    hunts.add(write_source(tmp_path / "plain", [*files, hard_link(b"bad", b"nowhere")]))
    (first,) = hunts.ask(package="pkg:deb/xz-utils")
    (again,) = hunts.ask(package="pkg:deb/xz-*")
    assert (again.packages, again.unseen) == (first.packages, first.unseen)
    assert [one.subject for one in again.unseen] == ["bad"]


def test_a_failing_image_ends_nothing(fleet):
    broken = digests_of(fleet["other"])["v1"].partition(":")[2]
    manifest = json.loads((fleet["other"] / "blobs/sha256" / broken).read_bytes())
    bootstrap = manifest["layers"][-1]["digest"]
    mischief = (Mischief(only=f"/blobs/{bootstrap}", flip=True), Mischief(only="/team/app/manifests/v2", status=403))
    with serve_layout(fleet, mischief=mischief) as registry:
        hunts = hunt_all(registry)
        hunts.add(f"{registry.host}/team/app:missing", "no reference!", f"{registry.host}/team/app:v1")
        answers = list(hunts.ask(names=[b"hosts"]))
        assert len(answers) == 2
        codes = {bare(registry, one.names)[0]: one.code for one in hunts.failures}
        assert codes == {
            "other:v1": "malformed-image",
            "team/app:missing": "not-found",
            "no reference!": "malformed-reference",
            "team/app:v2": "registry-denied",
        }


def test_what_could_not_be_had_is_said_and_tried_again(fleet, tmp_path):
    with serve_layout(fleet) as registry:
        hunts = Hunts()
        hunts.add(f"{registry.host}/team/app:v2")
        state = tmp_path / "state"
        spoilt = serve_layout(fleet, mischief=(Mischief(only="/blobs/", after=1, status=404),))
        with spoilt as other:
            broken = Hunts()
            broken.add(f"{other.host}/team/app:v2")
            (answer,) = broken.ask(names=[b"app.conf"], content="token", state=state)
            assert (answer.files, [one.subject for one in answer.unseen]) == ((), ["/etc/app.conf"])
        (answer,) = hunts.ask(names=[b"app.conf"], content="token", state=state)
        assert [file.path for file in answer.files] == [b"etc/app.conf"]


def test_large_files_are_said_to_be_left_out(fleet):
    hunts = Hunts()
    hunts.add(f"oci:{fleet['team/app']}:v2")
    (answer,) = hunts.ask(paths=[b"/usr/**"], content="ELF", max_file_size="100")
    assert [one.subject for one in answer.unseen] == ["/usr/lib/liblzma.so.5.6.1"]
    digest = hashlib.sha256(SHARED[b"usr/lib/liblzma.so.5.6.1"]).hexdigest()
    (answer,) = hunts.ask(paths=[b"/usr/**"], sha256=[digest], max_file_size="100")
    assert answer.is_match  # a digest takes no memory


def test_the_same_question_goes_on(fleet, tmp_path):
    state = tmp_path / "state"
    with serve_layout(fleet) as registry:
        answers = hunt_all(registry, jobs=1).ask(names=[b"app.conf"], content="token", state=state)
        first = next(answers)
        answers.close()
        registry.forget()
        hunts = hunt_all(registry)
        again = list(hunts.ask(names=[b"app.conf"], content="token", state=state))
        assert len(again) == 4
        assert first in again
        assert hunts.tally is not None
        assert hunts.tally.remembered >= 1
        registry.forget()
        third = hunt_all(registry)
        assert {one.digest: one for one in third.ask(names=[b"app.conf"], content="token", state=state)} == {
            one.digest: one for one in again
        }
        assert not any("/blobs/" in path for path in asked(registry))
        with pytest.raises(OtherQuestion):
            third.ask(names=[b"app.conf"], content="other", state=state)


def test_a_killed_hunt_goes_on(fleet, tmp_path):
    state = tmp_path / "state"
    with serve_layout(fleet, latency=0.05) as registry:
        words = ["hunt", "--registry", registry.host, "--name", "hosts", "--state", str(state), "--jobs", "1"]
        words += ["-f", "jsonl", "--all"]
        command = [sys.executable, "-m", "rafsight", "--cache-dir"]
        with subprocess.Popen(
            [*command, str(tmp_path / "cache"), *words], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            first = json.loads(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
        registry.forget()
        # with a cache of its own: it may have brought more than it had time to remember
        command += [str(tmp_path / "other"), *words, "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert lines[-1]["remembered"] >= 1
        assert first in lines
        assert [line["type"] for line in lines].count("image") == 4
        bootstraps = sum("/blobs/" in path for path in asked(registry))
        assert bootstraps == 4 - lines[-1]["remembered"]


def test_an_interrupted_hunt_ends_at_once(fleet, tmp_path):
    with serve_layout(fleet, mischief=(Mischief(only="/blobs/", hang=60),)) as registry:
        command = [sys.executable, "-m", "rafsight", "--cache-dir", str(tmp_path), "hunt", "--registry", registry.host]
        with subprocess.Popen([*command, "--name", "hosts"], stdout=subprocess.PIPE) as process:
            assert registry.wait_for_hang()
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            assert process.wait(50) == 130
            assert time.monotonic() - began < 40


def test_layouts_lists_and_bare_bootstraps(fleet, tmp_path):
    hunts = Hunts()
    hunts.add(f"oci:{fleet['team/app']}", str(fleet["other"]))
    content = f"\n# a remark\n oci:{fleet['team/sub/web']}:copy \n".encode()
    hunts.add_list(io.BytesIO(content), "the list")
    answers = list(hunts.ask(names=[b"one", b"two", b"three"]))
    tags = sorted([name.rpartition(":")[2] for name in one.names] for one in answers)
    assert tags == [["v1"], ["v1", "stable", "copy"], ["v2"]]
    assert sorted(file.path for one in answers for file in one.files) == [b"opt/one", b"opt/three", b"opt/two"]
    with pytest.raises(UnreadableList):
        hunts.add_list(io.BytesIO(b"\xff\xfe"), "the list")


def test_plain_images_are_asked_too(tmp_path):
    lower = [Entry(b"opt/a.jar", content=b"JndiLookup"), Entry(b"opt/b.jar", content=b"x")]
    upper = [Entry(b"opt/c.jar", content=b"..JndiLookup", mode=0o104755, xattrs={b"user.mark": b"1"})]
    hunts = Hunts()
    hunts.add(write_source(tmp_path / "plain", lower, upper))
    (answer,) = hunts.ask(paths=[b"/opt/*.jar"], content="JndiLookup")
    assert [(one.path, one.evidence[0].offset) for one in answer.files] == [(b"opt/a.jar", 0), (b"opt/c.jar", 2)]
    (answer,) = hunts.ask(mode="-4000", xattr=b"user.*")
    assert [one.path for one in answer.files] == [b"opt/c.jar"]


def test_every_platform_of_an_index(fleet, tmp_path):
    layout = make_layout(tmp_path / "multi", {"amd": {b"a": b"amd"}, "arm": {b"a": b"armarm"}})
    digests = digests_of(layout)
    manifests = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digests[tag],
            "size": (layout / "blobs" / digests[tag].replace(":", "/")).stat().st_size,
            "platform": {"os": "linux", "architecture": architecture},
        }
        for tag, architecture in (("amd", "amd64"), ("arm", "arm64"))
    ]
    kind = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests}).encode()
    name = hashlib.sha256(index).hexdigest()
    (layout / "blobs/sha256" / name).write_bytes(index)
    entry = {"mediaType": kind, "digest": f"sha256:{name}", "size": len(index), "annotations": {TAG: "both"}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    for more, expected in (
        ({"options": Options(platform="linux/arm64")}, [("linux/arm64", 6)]),
        ({"all_platforms": True}, [("linux/amd64", 3), ("linux/arm64", 6)]),
    ):
        hunts = Hunts(**more)
        hunts.add(f"oci:{layout}")
        answers = list(hunts.ask(paths=[b"/a"]))
        assert sorted((one.platform, one.files[0].size) for one in answers) == expected


def test_other_artifacts_are_passed_over(tmp_path):
    layout = make_layout(tmp_path / "app", {"v1": {b"a": b"x"}})
    empty = b"{}"
    digest = hashlib.sha256(empty).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(empty)
    config = {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": f"sha256:{digest}", "size": 2}
    chart = json.dumps({"schemaVersion": 2, "config": config, "layers": []}).encode()
    name = hashlib.sha256(chart).hexdigest()
    (layout / "blobs/sha256" / name).write_bytes(chart)
    index = json.loads((layout / "index.json").read_bytes())
    kind = "application/vnd.oci.image.manifest.v1+json"
    index["manifests"].append(
        {"mediaType": kind, "digest": f"sha256:{name}", "size": len(chart), "annotations": {TAG: "chart"}}
    )
    (layout / "index.json").write_text(json.dumps(index))
    hunts = Hunts()
    hunts.add(f"oci:{layout}")
    assert len(list(hunts.ask(names=[b"a"]))) == 1
    assert hunts.failures == ()
    assert hunts.tally is not None
    assert hunts.tally.passed_over == 1


def test_progress_counts_names_and_images(fleet):
    events = []
    with serve_layout(fleet) as registry:
        list(hunt_all(registry, listener=events.append).ask(names=[b"hosts"]))
    started = {event.unit: event.total for event in events if isinstance(event, Started)}
    assert started == {"repositories": 3, "names": 6, "images": 4}
    assert sum(event.amount for event in events if isinstance(event, Advanced)) == 13


def test_what_is_refused_before_anything_is_asked(fleet):
    with pytest.raises(NoImages):
        Hunts().ask(names=[b"x"])
    with serve_layout(fleet) as registry:
        hunts = hunt_all(registry, options=Options(username="me", password="secret"))
        hunts.add("registry.example/app:v1")
        with pytest.raises(SeveralRegistries):
            hunts.ask(names=[b"x"])
        assert not registry.log


def test_a_registry_that_lists_nothing_says_what_to_do(fleet):
    with serve_layout(fleet, mischief=(Mischief(only="_catalog", status=404),)) as registry:
        with pytest.raises(RegistryFault) as caught:
            list(hunt_all(registry).ask(names=[b"x"]))
        assert "--images" in caught.value.advice


def test_shipped_images_have_packages_advisories_know(tmp_path):
    from rafsight.verbs.advisories import Advisories

    database = tmp_path / "advisories.sqlite"
    Advisories(database).take([PLANTED.parent / "advisories"])
    hunts = Hunts()
    hunts.add(f"oci:{PLANTED}:v6")
    (answer,) = hunts.ask(advisories=["CVE-2018-18074"], database=database)
    assert [(one.name, one.advisories) for one in answer.packages] == [("requests", ("CVE-2018-18074",))]
