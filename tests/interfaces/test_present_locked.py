"""`rafsight present` before a real registry that wants to know who asks: skopeo logs in through it."""

import json

import pytest
import urllib3
from tests.access.registry.certificates import make_certificates
from tests.access.registry.conftest import PROGRAM, push_layout, run_registry
from tests.access.registry.test_docker_registry import HTPASSWD
from tests.access.registry.token_server import ISSUER, SERVICE, TokenServer
from tests.interfaces.presenting_process import SKOPEO, copy, get, numbers_of, presenting

from rafsight.testing.registry import serve_layout

pytestmark = [
    pytest.mark.registry,
    pytest.mark.skipif(PROGRAM is None, reason="docker-registry is not installed"),
    pytest.mark.skipif(SKOPEO is None, reason="needs skopeo"),
]


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("storage")
    with run_registry(tmp_path_factory.mktemp("push"), folder, "") as host, urllib3.PoolManager() as pool:
        push_layout(pool, f"http://{host}/v2/app")
    return folder


def test_a_password_is_for_the_registry(storage, tmp_path):
    (tmp_path / "htpasswd").write_text(HTPASSWD)
    lock = f"auth: {{htpasswd: {{realm: basic-realm, path: {tmp_path}/htpasswd}}}}\n"
    with run_registry(tmp_path, storage, lock) as host, presenting(host, tmp_path) as (address, _):
        status, headers, _ = get(address, "/v2/")
        assert (status, headers["www-authenticate"]) == (401, 'Basic realm="basic-realm"')
        source, target = f"{address}/app:v6", f"oci:{tmp_path}/pulled:v6"
        assert copy(source, target, tmp_path, "--src-creds=alice:wonderland") == ""
        assert copy(source, target, tmp_path, "--src-creds=alice:wrong") != ""
        digest = json.loads((tmp_path / "pulled/index.json").read_text())["manifests"][0]["digest"]
        assert get(address, f"/v2/app/manifests/{digest}")[0] == 401
        assert numbers_of(address)["images_made"] == 1


def test_a_token_is_fetched_by_the_client(storage, tmp_path):
    certificates = make_certificates(tmp_path)
    tokens = TokenServer(signer=certificates.stranger, users={"alice": "wonderland"})
    with serve_layout({}, gate=tokens.gate) as realm:
        lock = (
            f"auth: {{token: {{realm: '{realm.url}/token', service: {SERVICE}, issuer: {ISSUER}, "
            f"rootcertbundle: {tokens.signer.certificate}}}}}\n"
        )
        with run_registry(tmp_path, storage, lock) as host, presenting(host, tmp_path) as (address, _):
            source, target = f"{address}/app:v6", f"oci:{tmp_path}/pulled:v6"
            assert get(address, "/v2/app/manifests/v6")[1]["www-authenticate"].startswith("Bearer ")
            assert copy(source, target, tmp_path, "--src-creds=alice:wonderland") == ""
            assert copy(source, target, tmp_path) != ""
            assert numbers_of(address)["images_made"] == 1
    assert tokens.issued  # by skopeo: nobody else knows the password
