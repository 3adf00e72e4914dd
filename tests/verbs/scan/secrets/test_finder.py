"""Secrets of whole images: the planted ones all, the decoys not; budgets, hidden layers, what the config says."""

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from tests.analysis.secrets.support import made
from tests.shared import SHARED, needs_shared

import rafsight
from rafsight.access.settings_file import ConfigurationUnreadable
from rafsight.analysis.secrets.fields import MalformedConfiguration
from rafsight.analysis.secrets.gathering import Gathering
from rafsight.verbs.scan.secrets.finder import SecretFinder
from rafsight.verbs.scan.secrets.salt import installation_salt
from rafsight.verbs.scan.secrets.terms import SecretTerms

PLANTED = SHARED / "fixtures/images/planted"
KINDS = {"password": "generic-plain-secret"}


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def write(layout, content):
    digest = hashlib.sha256(content).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(content)
    return {"digest": f"sha256:{digest}", "size": len(content)}


def write_image(folder, *layers, config=None, history=()):
    (folder / "blobs/sha256").mkdir(parents=True)
    tars = [tar_of(files) for files in layers]
    stored = [write(folder, gzip.compress(tar, 1, mtime=0)) for tar in tars]
    raw = {
        "os": "linux",
        "architecture": "amd64",
        "config": config or {},
        "history": [{"created_by": step} for step in history],
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest() for tar in tars]},
    }
    kind = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json"} | write(folder, json.dumps(raw).encode()),
        "layers": [{"mediaType": kind + "layer.v1.tar+gzip"} | one for one in stored],
        "annotations": {"note": "nothing here"},
    }
    entry = {"mediaType": manifest["mediaType"]} | write(folder, json.dumps(manifest).encode())
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{folder}"


def report_of(reference, **terms):
    finder = SecretFinder(SecretTerms(**terms))
    with rafsight.open_image(reference, keep=finder.keep()) as image:
        return finder.find(image)


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@needs_shared
@pytest.mark.shared
@pytest.mark.parametrize("tag", ["oci", "v6", "v5", "v6-ref", "merged"])
def test_the_planted_secrets(tag, monkeypatch):
    # the values stay inside; so here a fingerprint is made what the truth has, an unsalted hash
    monkeypatch.setattr(Gathering, "fingerprint", lambda self, value: hashlib.sha256(value).hexdigest())
    truth = json.loads(PLANTED.with_name("planted.expected.json").read_bytes())
    report = report_of(f"oci:{PLANTED}:{tag}")
    found = set()
    for secret in report.secrets:
        place = secret.places[0]
        where = place.path.decode() or place.place.partition("[")[0]
        found.add((secret.rule_id, where, place.start_line, secret.fingerprint, bool(place.layer)))
    expected = set()
    for item in truth["secrets"]:
        if item["visible"] or tag == "oci":
            where = (item["path"] or item["where"]) + ("!" + item["inside"] if "inside" in item else "")
            kind = KINDS.get(item["kind"], item["kind"])
            expected.add((kind, where, item.get("line", 1), item["sha256"], not item["visible"]))
    assert found == expected
    assert not {secret.fingerprint for secret in report.secrets} & {item["sha256"] for item in truth["decoys"]}
    assert [gap.subject for gap in report.gaps] == ([] if tag == "oci" else ["lower layers"])


@needs_shared
@pytest.mark.shared
def test_a_nydus_image_costs_the_chunks_that_are_read():
    finder = SecretFinder(SecretTerms())
    with rafsight.open_image(f"oci:{PLANTED}:v6") as image:
        before = image.cost
        finder.find(image)
        assert image.cost.bytes_fetched - before.bytes_fetched < 20_000


def test_what_layers_hide(tmp_path):
    token, key = made("t=ghp_{{crc 30}}"), made("{{pem RSA PRIVATE KEY}}")
    reference = write_image(
        tmp_path / "image",
        {"srv/a.ini": token, "tmp/deploy.key": key, "srv/same.ini": token},
        {"srv/a.ini": b"nothing to see", "tmp/.wh.deploy.key": b""},
    )
    report = report_of(reference)
    found = [(s.rule_id, [(place.path, bool(place.layer)) for place in s.places]) for s in report.secrets]
    assert found == [
        ("github-pat", [(b"srv/same.ini", False), (b"srv/a.ini", True)]),
        ("rsa-private-key", [(b"tmp/deploy.key", True)]),
    ]
    assert report.looked_at.hidden_files == 2
    assert report.gaps == ()


def test_hidden_files_without_room_are_gaps(tmp_path, monkeypatch):
    monkeypatch.setattr("rafsight.access.layers.KEPT_SIZE", 100)
    reference = write_image(
        tmp_path / "image", {"srv/a.ini": b"x" * 90, "srv/b.ini": b"y" * 90}, {"srv/b.ini": b"z" * 20}
    )
    report = report_of(reference)
    assert [(gap.subject, gap.reason.value) for gap in report.gaps] == [("srv/b.ini", "unreadable")]


def test_what_the_image_says_about_itself(tmp_path):
    password, token = made("{{alnum 20}}"), made("ghp_{{crc 30}}")
    reference = write_image(
        tmp_path / "image",
        {"etc/a.conf": b"nothing"},
        config={
            "Env": ["PATH=/bin", f"DB_PASSWORD={password.decode()}"],
            "Labels": {"ci.token": token.decode()},
            "Cmd": ["sh", "-c", f"curl -u ci:{password.decode()} https://shop.test"],
        },
        history=[
            f"ARG GH_TOKEN={token.decode()}",
            f"|1 GH_TOKEN={token.decode()} /bin/sh -c make",
            "/bin/sh -c #(nop) CMD",
        ],
    )
    report = report_of(reference)
    found = [(secret.rule_id, [place.place for place in secret.places]) for secret in report.secrets]
    assert found == [
        ("github-pat", ["config.Labels[ci.token]", "history[0]", "history[1]"]),
        ("curl-login", ["config.Cmd", "config.Env[1]"]),
    ]
    assert report.looked_at.texts == 8


def test_a_config_of_the_wrong_kind_is_a_gap(tmp_path):
    report = report_of(write_image(tmp_path / "image", {"a": b"x"}, config={"Env": "text"}))
    assert [gap.subject for gap in report.gaps] == ["image config"]


def test_the_budget_buys_the_largest_risk_first(tmp_path):
    files = {
        "srv/app/main.py": made("k = 'ghp_{{crc 30}}'", "a") + b"#" * 500,
        "root/.aws/credentials": made("[default]\naws_access_key_id = AKIA{{base32 16}}"),
    }
    reference = write_image(tmp_path / "image", files)
    report = report_of(reference, budget=200)
    assert [secret.rule_id for secret in report.secrets] == ["aws-access-key-id"]
    assert [gap.subject for gap in report.gaps] == ["1 other texts"]
    assert "200 B" in report.gaps[0].detail
    assert len(report_of(reference).secrets) == 2
    left = report_of(reference, budget=0)
    assert [(secret.rule_id, secret.confidence.value) for secret in left.secrets] == [("cloud-credentials-file", "low")]


def test_the_configuration_is_looked_for(in_a_folder_of_its_own, tmp_path):
    reference = write_image(tmp_path / "image", {"srv/a.ini": made("t=ghp_{{crc 30}}")})
    (in_a_folder_of_its_own / "rafsight.yaml").write_text("secrets: {disable: [github-pat]}")
    assert report_of(reference).secrets == ()
    other = tmp_path / "other.yaml"
    other.write_text("secrets: {severity: {github-pat: low}}")
    assert [secret.severity.name for secret in report_of(reference, config=other).secrets] == ["LOW"]
    other.write_text("secrets: {odd: 1}")
    with pytest.raises(MalformedConfiguration):
        report_of(reference, config=other)
    with pytest.raises(ConfigurationUnreadable):
        report_of(reference, config=tmp_path / "missing.yaml")


def test_fingerprints_are_those_of_the_installation(tmp_path):
    reference = write_image(tmp_path / "image", {"srv/a.ini": made("t=ghp_{{crc 30}}")})

    def fingerprint(**terms):
        return report_of(reference, **terms).secrets[0].fingerprint

    kept = fingerprint(cache_dir=tmp_path / "cache")
    assert fingerprint(cache_dir=tmp_path / "cache") == kept
    assert fingerprint(cache_dir=tmp_path / "other") != kept
    assert fingerprint() != fingerprint()
    config = tmp_path / "salted.yaml"
    config.write_text("secrets: {salt: of the team}")
    assert fingerprint(config=config) == fingerprint(config=config, cache_dir=tmp_path / "cache")


def test_the_salt_is_private(tmp_path):
    cache = tmp_path / "cache"
    salt = installation_salt(cache)
    assert len(salt) == 32
    assert installation_salt(cache) == salt
    assert [(file.name, file.stat().st_mode & 0o777) for file in cache.iterdir()] == [("secret-salt", 0o600)]
    (tmp_path / "file").write_bytes(b"")
    assert installation_salt(tmp_path / "file" / "below") != salt


def test_without_keep_files_are_read_by_another_pass(tmp_path):
    reference = write_image(tmp_path / "image", {"srv/a.ini": made("t=ghp_{{crc 30}}")})
    with rafsight.open_image(reference) as image:
        assert [secret.rule_id for secret in SecretFinder().find(image).secrets] == ["github-pat"]
