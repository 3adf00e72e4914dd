"""Lists of repositories: distribution's catalog, Harbor's projects, and what strangers may answer instead."""

import base64
import json

import pytest
from tests.access.registry.conftest import StartRegistry
from tests.access.registry.helpers import Time

from rafsight.access.counting import Meter
from rafsight.access.pace import Pace
from rafsight.access.registry.credentials import Credentials
from rafsight.access.registry.endpoint import Endpoint
from rafsight.access.registry.errors import RegistryDenied, RegistryMisbehaves
from rafsight.access.registry.repositories import list_repositories
from rafsight.access.registry.shared_lines import SharedLines
from rafsight.base.errors import RegistryFault
from rafsight.base.limits import Limits
from rafsight.testing.registry import PLANTED, Mischief, serve_layout
from rafsight.testing.registry_harbor import harbor_gate
from rafsight.testing.registry_pages import Answer, Call

ROBOT = Credentials(source="the test", username="robot$hunter", password="secret")
PROJECTS = ("library/app", "library/base/os", "team/a", "team/b/c", "zoo/z")


def names(registry, user=None, pace=None):
    host = registry if isinstance(registry, str) else registry.host
    lines = SharedLines(meter=Meter(), limits=Limits(), pace=pace)
    endpoint = Endpoint(host=host, repository="catalog", certificate_folders=())
    line = lines.line(endpoint, lambda host, repository: user, place=host)
    try:
        return list_repositories(line, lambda: user, Time().retrier())
    finally:
        lines.close()


def gate_with(path, content, headers=()):
    def gate(call: Call) -> Answer | None:
        if not call.path.startswith(path):
            return None
        return Answer(headers=(("Content-Type", "application/json"), *headers), content=content)

    return gate


def test_catalog_page_by_page():
    layouts = {f"team/app-{number:04}": PLANTED for number in range(2500)}
    with serve_layout(layouts) as registry:
        assert names(registry) == tuple(sorted(layouts))
        assert len(registry.log) == 3


@pytest.mark.registry
def test_catalog_of_docker_registry(start_registry: StartRegistry):
    assert names(start_registry()) == ("app",)


def test_harbor_lists_what_the_user_may_see():
    gate = harbor_gate(PROJECTS, user=ROBOT.username, password=ROBOT.password, page=2)
    with serve_layout(dict.fromkeys(PROJECTS, PLANTED), gate=gate) as registry:
        assert names(registry, ROBOT) == PROJECTS
        said = {served.call.path: served.call.header("authorization") for served in registry.log}
        assert said["/v2/_catalog?n=1000"] is None or not said["/v2/_catalog?n=1000"].startswith("Bearer")
        assert said["/api/v2.0/ping"] is None  # whether it is a Harbor is asked as a stranger
        pair = base64.b64encode(b"robot$hunter:secret").decode()
        assert said["/api/v2.0/projects?page=1&page_size=100"] == f"Basic {pair}"


def test_harbor_is_read_to_its_end_though_it_does_not_count():
    gate = harbor_gate(PROJECTS, user=ROBOT.username, password=ROBOT.password, page=2, counts=False)
    with serve_layout(PLANTED, gate=gate) as registry:
        assert names(registry, ROBOT) == PROJECTS


def test_a_stranger_sees_the_public_projects_of_harbor():
    with serve_layout(PLANTED, gate=harbor_gate(PROJECTS)) as registry:
        assert names(registry) == ("library/app", "library/base/os")


def test_a_wrong_password_is_said():
    gate = harbor_gate(PROJECTS, user="robot", password="other")
    with serve_layout(PLANTED, gate=gate) as registry, pytest.raises(RegistryDenied):
        names(registry, ROBOT)


@pytest.mark.parametrize("status", [401, 403, 404, 405])
def test_no_list_and_no_harbor(status):
    with (
        serve_layout(PLANTED, mischief=(Mischief(only="_catalog", status=status),)) as registry,
        pytest.raises(RegistryFault) as caught,
    ):
        names(registry, ROBOT)
    assert "--images FILE" in caught.value.advice
    assert all(
        "authorization" not in dict(served.call.headers) for served in registry.log if "/api/" in served.call.path
    )


@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b'{"repositories": 5}',
        b"<html>",
        b'{"repositories": ["../up"]}',
        b'{"repositories": ["UPPER"]}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_list_is_refused(content):
    with serve_layout(PLANTED, gate=gate_with("/v2/_catalog", content)) as registry, pytest.raises(RegistryMisbehaves):
        names(registry)


@pytest.mark.parametrize(
    "link",
    ["<http://127.0.0.2:1/v2/_catalog?last=a>", "<//other.example/v2/_catalog>"],
)
def test_a_list_stays_with_its_host(link):
    content = json.dumps({"repositories": ["a"]}).encode()
    gate = gate_with("/v2/_catalog", content, (("Link", f'{link}; rel="next"'),))
    with serve_layout(PLANTED, gate=gate) as registry, pytest.raises(RegistryFault):
        names(registry)


def test_a_list_without_end_is_given_up():
    content = json.dumps({"repositories": [f"a{number}" for number in range(100_000)]}).encode()
    gate = gate_with("/v2/_catalog", content, (("Link", '</v2/_catalog?last=x>; rel="next"'),))
    with serve_layout(PLANTED, gate=gate) as registry, pytest.raises(RegistryMisbehaves, match="no end"):
        names(registry)


def test_a_huge_page_is_refused():
    content = b'{"repositories": ["' + b"a" * (9 << 20) + b'"]}'
    with serve_layout(PLANTED, gate=gate_with("/v2/_catalog", content)) as registry, pytest.raises(RegistryMisbehaves):
        names(registry)


def test_every_request_waits_for_its_turn():
    time = Time()
    layouts = {f"app-{number:04}": PLANTED for number in range(2500)}
    with serve_layout(layouts) as registry:
        names(registry, pace=Pace(2, clock=time.clock, sleep=time.sleep))
        assert time.slept == [0.5, 0.5]
