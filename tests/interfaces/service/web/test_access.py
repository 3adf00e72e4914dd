"""Who may do what: tokens, scopes, and the names by which the service may be asked."""

import base64

import pytest
from tests.interfaces.service.web.doors import REGISTRY, Door

from rafsight.interfaces.service.web.app import ENDPOINTS
from rafsight.interfaces.service.web.endpoints import ANONYMOUS
from rafsight.interfaces.service.web.running import NoTokens, check_exposure
from rafsight.interfaces.service.web.tokens import SCOPES, new_token, token_digest

BODY = {"reference": f"{REGISTRY}/team/app:v1"}


def add(door, *scopes, expires=None):
    token = new_token()
    kept = door.store.add_token(token_digest(token), name="of a test", scopes=scopes, expires=expires)
    door.service.tokens._any = (0.0, False)
    return token, kept


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_on_loopback_without_tokens_everything_is_open_to_this_machine(door):
    assert door.get("/v1/status").status_code == 200
    assert door.get("/v1/status", headers=bearer("whatever")).status_code == 200


def test_one_token_closes_the_door(door):
    token, kept = add(door, "read")
    assert door.get("/v1/status").status_code == 401
    assert door.get("/v1/status").headers["www-authenticate"].startswith("Bearer")
    assert door.get("/v1/status", headers=bearer(new_token())).status_code == 401
    assert door.get("/v1/status", headers=bearer(token)).status_code == 200
    door.store.revoke_token(kept.id)
    door.service.tokens._known.clear()
    assert door.get("/v1/status", headers=bearer(token)).status_code == 401


def test_where_others_can_come_a_token_is_needed_even_if_there_is_none(open_door):
    door = open_door(host="0.0.0.0")
    for path in ("/v1/status", "/metrics", "/api/v1/metadata"):
        assert door.get(path).status_code == 401
        assert door.get(path, headers=bearer(new_token())).status_code == 401


def test_such_a_service_does_not_even_start(open_door):
    door = open_door(host="0.0.0.0")
    with pytest.raises(NoTokens, match=r"0\.0\.0\.0"):
        check_exposure(door.service.settings, door.store)
    add(door, "read", expires=1)
    with pytest.raises(NoTokens):
        check_exposure(door.service.settings, door.store)
    add(door, "read")
    check_exposure(door.service.settings, door.store)
    check_exposure(open_door(host="127.0.0.1").service.settings, door.store)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_every_address_wants_its_scope_and_no_other(open_door, endpoint):
    door = open_door(host="0.0.0.0")
    path = endpoint.path.format(scan_id="a" * 22, job_id="a" * 22, report_id="a" * 22, digest="sha256:" + "a" * 64)
    if endpoint.scope == ANONYMOUS:
        assert endpoint.gate is not None or endpoint.path.startswith("/probe/")
        return
    assert endpoint.scope in SCOPES
    others = [scope for scope in SCOPES if scope not in (endpoint.scope, "admin")]
    refused = door.ask(endpoint.method, path, headers=bearer(add(door, *others)[0]))
    assert refused.status_code == (403 if others else 401)
    assert endpoint.scope in refused.text
    for scope in (endpoint.scope, "admin"):
        assert door.ask(endpoint.method, path, headers=bearer(add(door, scope)[0])).status_code not in (401, 403)


@pytest.mark.parametrize("way", ["bearer", "basic", "key"])
def test_harbors_three_ways_to_show_a_token(open_door, way):
    door = open_door(host="0.0.0.0")
    token, _ = add(door, "harbor")
    headers = {
        "bearer": bearer(token),
        "basic": {"Authorization": "Basic " + base64.b64encode(f"rafsight:{token}".encode()).decode()},
        "key": {"X-ScannerAdapter-API-Key": token},
    }[way]
    assert door.get("/api/v1/metadata", headers=headers).status_code == 200
    assert door.get("/v1/status", headers=headers).status_code == 403
    refused = door.get("/api/v1/metadata")
    assert (refused.status_code, set(refused.json()["error"])) == (401, {"message"})


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("localhost", 200),
        ("[::1]:8080", 200),
        ("LOCALHOST:1", 200),
        ("evil.example.com", 403),
        ("127.0.0.1.evil.example.com", 403),
        ("", 403),
    ],
)
def test_a_page_of_a_stranger_cannot_lead_a_browser_here_by_its_own_name(door, host, status):
    assert door.get("/v1/status", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://evil.example.com", 403),
        ("null", 403),
        ("http://127.0.0.1:9999", 403),
        ("http://127.0.0.1:8080", 202),
        ("", 202),
    ],
)
def test_a_page_of_a_stranger_cannot_make_a_browser_ask(door, origin, status):
    headers = {"Origin": origin} if origin else {}
    assert door.post("/v1/databases/rematch", headers=headers).status_code == status
    assert door.get("/v1/status", headers=headers).status_code == 200  # it cannot read the answer
    token, _ = add(door, "admin")
    assert door.post("/v1/databases/rematch", headers={**headers, **bearer(token)}).status_code == 202


def test_the_base_url_is_a_name_of_the_service(open_door):
    door = open_door(base_url="http://scanner.inside:9000")
    assert door.get("/v1/status", headers={"Host": "scanner.inside"}).status_code == 200
    token, _ = add(door, "read")
    assert door.get("/v1/status", headers={"Host": "any.name", **bearer(token)}).status_code == 200


def test_who_asked_is_in_the_log_and_the_token_is_not(open_door, caplog):
    door: Door = open_door(host="0.0.0.0")
    token, _ = add(door, "scan:write")
    caplog.set_level("INFO", "rafsight.service")
    door.post("/v1/scans", {**BODY, "credential": {"password": "hidden-word"}}, headers=bearer(token))
    logged = [getattr(record, "fields", {}) for record in caplog.records]
    assert {"of a test"} == {fields["who"] for fields in logged if "who" in fields}
    assert token not in str(logged)
    assert "hidden-word" not in str(logged)
