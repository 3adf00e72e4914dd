"""The document, and requests made from it: whatever fits it, or nearly fits it, gets an answer that it describes."""

import asyncio
import json
from contextlib import suppress

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from tests.interfaces.service.web.doors import DIGEST, REGISTRY, Door, settings_for

from rafsight.interfaces.service.jobs.opening import open_store
from rafsight.interfaces.service.web.app import ENDPOINTS
from rafsight.interfaces.service.web.settings import EventSettings, WebLimits

SECRET = "a shared secret of sixteen"
EXAMPLES = 8
"""Requests of each endpoint that fit; about as many more do not."""


@pytest.fixture(scope="module")
def busy_door(tmp_path_factory):
    """A service with something in it, of which every id is known."""
    folder = tmp_path_factory.mktemp("store")
    made = settings_for(
        folder,
        base_url="http://testserver",
        events=EventSettings(registry_secret=SECRET, harbor_secret=SECRET),
        limits=WebLimits(rate=0.0, queue=50),
    )
    store = open_store(made.store)
    door = Door(made, store)
    scan = door.post("/v1/scans", {"reference": f"{REGISTRY}/team/app:v1@{DIGEST}"}).json()
    door.work()
    report = door.get(f"/v1/scans/{scan['id']}").json()["report"]
    door.known = {"scan_id": scan["id"], "job_id": scan["job_id"], "report_id": report["id"], "digest": DIGEST}
    yield door
    door.close()
    store.close()


@pytest.fixture(scope="module")
def api(busy_door):
    schemathesis = pytest.importorskip("schemathesis")
    return schemathesis.openapi.from_asgi("/openapi.json", busy_door.app)


def document(door):
    return door.get("/openapi.json").json()


def test_every_endpoint_is_described(busy_door):
    found = document(busy_door)
    assert found["openapi"] == "3.1.0"
    described = {
        (method.upper(), path, operation["operationId"])
        for path, operations in found["paths"].items()
        for method, operation in operations.items()
    }
    assert described >= {(one.method, one.path, one.name) for one in ENDPOINTS}
    assert len({name for _, _, name in described}) == len(described)


def test_the_document_follows_its_own_schema(busy_door):
    """Reduced to what tools trip over: every reference leads somewhere, every schema is one, every answer is told."""
    found = document(busy_door)
    text = json.dumps(found)
    for name in {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in found["components"]["schemas"]
    for schema in found["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for operations in found["paths"].values():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["responses"]
            for requirement in operation["security"]:
                assert set(requirement) <= set(found["components"]["securitySchemes"])


def test_official_schema(busy_door):
    definitions = pytest.importorskip("schemathesis.specs.openapi.definitions")
    definitions.OPENAPI_31_VALIDATOR.validate(document(busy_door))


def ids_of(endpoint):
    return endpoint.name


CHECKS = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=ids_of)
def test_fuzzed_requests_get_answers_that_the_document_describes(busy_door, api, endpoint):
    import schemathesis

    operation = api[endpoint.path][endpoint.method]
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]
    headers = {"Authorization": SECRET} if endpoint.path.startswith("/events/") else {}
    statuses = []

    def ask(case):
        if len(statuses) % 2:
            make_known(case, busy_door.known)
        answer = case.call(headers=headers)
        case.validate_response(answer, checks=checks)
        statuses.append(answer.status_code)

    for mode in schemathesis.GenerationMode:
        with suppress(Unsatisfiable):  # nothing that could be wrong about a request without a parameter
            run_examples(operation.as_strategy(generation_mode=mode), ask)
    assert statuses
    assert not {500, 503}.intersection(statuses)


def make_known(case, known):
    """Lead a request to something that is there."""
    if case.path_parameters:
        case.path_parameters = {name: known[name] for name in case.path_parameters}
    if isinstance(case.body, dict):
        if isinstance(case.body.get("reference"), str):
            case.body["reference"] = f"{REGISTRY}/team/app:v2"
        if isinstance(case.body.get("registry"), dict) and isinstance(case.body.get("artifact"), dict):
            case.body["registry"] |= {"url": f"http://{REGISTRY}", "authorization": "Bearer x"}
            case.body["artifact"] |= {"repository": "team/app", "digest": DIGEST, "tag": "v1", "mime_type": ""}


def run_examples(strategy, check):
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(case):
        check(case)

    run()


def test_every_handler_is_a_coroutine():
    assert all(asyncio.iscoroutinefunction(endpoint.handler) for endpoint in ENDPOINTS)
