"""The service with PostgreSQL, by compose: the file against its schema and our rules, the settings, the secrets."""

import json
import os
import re
import stat

import pytest
from tests.contrib.runners import CONTRIB, call, load
from tests.contrib.services import IMAGE, RELEASE, parse, settings_of
from tests.contrib.test_lint import official_schema

COMPOSE = "compose/compose.yaml"
OURS = ("service", "advisories")
PASSWORD = re.compile("pass(word|wd)|secret|token", re.IGNORECASE)


@pytest.fixture(scope="module")
def compose():
    return load(COMPOSE)


def test_follows_the_specification(compose):
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema to hold documents against schemas")
    validator = jsonschema.Draft202012Validator(official_schema("compose-spec"))
    assert [error.message for error in validator.iter_errors(compose)] == []
    assert list(validator.iter_errors(compose | {"services": {"service": {"read-only": True}}}))


@pytest.mark.parametrize("name", ["service", "advisories", "database"])
def test_every_service_has_as_little_as_it_needs(compose, name):
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"mem_limit", "pids_limit", "restart"} <= set(service)
    assert not any("docker.sock" in volume for volume in service["volumes"])


@pytest.mark.parametrize("name", OURS)
def test_ours_are_nobody(compose, name):
    service = compose["services"][name]
    assert service["user"] == "65532:65532"
    assert service["image"] == IMAGE
    recipe = CONTRIB / "compose" / service["build"]["context"] / service["build"]["dockerfile"]
    assert recipe.is_file()
    assert "cap_add" not in service


def test_names_lead_somewhere(compose):
    for service in compose["services"].values():
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert {one["source"] for one in service.get("configs", ())} <= set(compose["configs"])
        assert {one.partition(":")[0] for one in service["volumes"]} <= set(compose["volumes"])
        assert set(service.get("depends_on", ())) <= set(compose["services"])
    assert (CONTRIB / "compose" / compose["configs"]["settings"]["file"]).is_file()


def test_the_database_is_reached_from_inside_alone(compose):
    assert compose["networks"]["inside"] == {"internal": True}
    assert compose["services"]["database"]["networks"] == ["inside"]
    assert "ports" not in compose["services"]["database"]
    assert [one.startswith("127.0.0.1:") for one in compose["services"]["service"]["ports"]] == [True]
    assert compose["services"]["advisories"]["networks"] == ["outside"]


def test_secrets_come_from_files_and_have_no_default(compose):
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not PASSWORD.search(name) or (name.endswith("_FILE") and value.startswith("/run/secrets/")), name
    assert all(set(secret) == {"file"} for secret in compose["secrets"].values())
    assert "trust" not in json.dumps(compose)


def test_the_settings_fit(compose):
    settings, store = settings_of(CONTRIB / "compose/serve.yaml")
    service = compose["services"]["service"]
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert store == "file:/run/secrets/store-url"
    assert service["secrets"] == ["store-url"]
    assert settings.registries.allow == ()
    mounted = dict(volume.split(":")[1::-1] for volume in (one.removesuffix(":ro") for one in service["volumes"]))
    assert mounted[str(settings.scan.cache_dir)] == "cache"
    assert mounted[str(settings.database.parents[1])] == "advisories"
    names, parameters = parse(service["command"], CONTRIB / "compose/serve.yaml")
    assert names == ["serve"]
    assert parameters["config"].name == "serve.yaml"
    assert service["configs"] == [{"source": "settings", "target": "/etc/rafsight/serve.yaml"}]


def test_advisories_go_where_the_service_looks(compose, tmp_path):
    """The loop, with a program that tells what it was asked, and a sleep that ends it."""
    service = compose["services"]["advisories"]
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("rafsight", 'echo "$RAFSIGHT_CACHE_DIR $*"; exit 3'), ("sleep", 'echo "$1"; kill $PPID')):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    variables = {"PATH": f"{programs}:{os.environ['PATH']}", **service["environment"]}
    done = call([*service["entrypoint"], *service["command"]], env=variables)
    told = "not all advisories could be had; the rest is there"
    assert done.stdout.split("\n")[:3] == ["/advisories --no-progress db update", told, "21600"]
    names, _ = parse(["--no-progress", "db", "update"], None)
    assert names == ["db", "update"]
    settings, _ = settings_of(CONTRIB / "compose/serve.yaml")
    assert str(settings.database) == service["healthcheck"]["test"][-1]


def test_secrets_are_made_once(compose, tmp_path):
    script = tmp_path / "make-secrets"
    script.write_bytes((CONTRIB / "compose/make-secrets").read_bytes())
    assert call(["sh", script]).returncode == 0
    folder = tmp_path / "secrets"
    password, url = ((folder / name).read_text() for name in ("database-password", "store-url"))
    assert re.fullmatch("[0-9a-f]{64}", password)
    assert url == f"postgresql://rafsight:{password}@database:5432/rafsight"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}
    assert {one["file"] for one in compose["secrets"].values()} == {
        f"./secrets/{path.name}" for path in folder.iterdir()
    }
    again = call(["sh", script])
    assert again.returncode == 0
    assert "stays as it is" in again.stdout
    assert (folder / "database-password").read_text() == password
    assert call(["sh", "-n", CONTRIB / "compose/make-secrets"]).returncode == 0
    assert (CONTRIB / "compose/.gitignore").read_text() == "secrets/\n"


def test_releases_agree():
    text = (CONTRIB / COMPOSE).read_text()
    assert set(re.findall(r"rafsight-service:([0-9.]+[0-9])", text)) == {RELEASE}
