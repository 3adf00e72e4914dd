"""The OpenAPI 3.1 document, made from the endpoints: neither has anything that the other has not.

This module alone decides how an endpoint reads there.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from rafsight._version import __version__
from rafsight.interfaces.service.web.endpoints import JSON, PATH_PATTERNS, Answer, Endpoint
from rafsight.interfaces.service.web.faults import RequestFault
from rafsight.interfaces.service.web.guard import HARBOR, HARBOR_ERROR
from rafsight.interfaces.service.web.tokens import API_KEY, SCOPES

Json = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/{name}"
_VARIABLE: Final = re.compile(r"\{([a-z_]+)\}")
_DESCRIPTION: Final = """Scans of container images, Nydus images above all, by their references.

Every answer has the header `X-Request-Id`; the log of the service has the same id. An error is
`{"error": {"code", "message", "remedy"}}`; below `/api/v1/`, which Harbor asks, it is `{"error": {"message"}}`.
"""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong."""

    code: str
    """Stable, see docs/errors.md."""
    message: str
    remedy: str


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An error."""

    error: Problem


class HarborProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, for Harbor."""

    message: str


class HarborProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An error, for Harbor."""

    error: HarborProblem


def make_document(endpoints: Sequence[Endpoint], base_url: str) -> Json:
    """Make the document.

    Args:
        endpoints: all there are.
        base_url: as others reach the service; empty: relative to the document.
    """
    types = _types(endpoints)
    schemas, components = msgspec.json.schema_components(types, ref_template=_SCHEMAS)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, Json] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rafsight",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base_url or "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(endpoint.group for endpoint in endpoints)],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": _scopes()},
                "password": {"type": "http", "scheme": "basic", "description": "Any name; the token is the password."},
                "key": {"type": "apiKey", "in": "header", "name": API_KEY},
            },
        },
    }


def _types(endpoints: Sequence[Endpoint]) -> list[Any]:
    found: dict[Any, None] = {ProblemDocument: None, HarborProblemDocument: None}
    for endpoint in endpoints:
        wanted = [endpoint.query, endpoint.body, *(one.document for one in endpoint.answers)]
        found |= dict.fromkeys(kind for kind in wanted if kind is not None)
    return list(found)


def _operation(endpoint: Endpoint, by_type: dict[Any, Json], components: dict[str, Json]) -> Json:
    operation: Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [endpoint.group],
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint, by_type, components)],
        "responses": {},
    }
    for one in endpoint.answers:
        operation["responses"][str(one.status)] = _response(one, by_type)
    for status, faults in _by_status(endpoint).items():
        operation["responses"].setdefault(status, _problem(endpoint, faults, by_type))
    if endpoint.body is not None:
        content = {kind: {"schema": by_type[endpoint.body]} for kind in endpoint.body_types}
        operation["requestBody"] = {"required": True, "content": content}
    operation["security"] = _security(endpoint)
    return operation


def _security(endpoint: Endpoint) -> list[Json]:
    if not endpoint.scope:
        return []
    ways = ("token", "password", "key") if endpoint.path.startswith(HARBOR) else ("token", "password")
    return [{way: []} for way in ways]


def _path_parameters(endpoint: Endpoint) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": PATH_PATTERNS[name]},
        }
        for name in _VARIABLE.findall(endpoint.path)
    ]


def _query_parameters(endpoint: Endpoint, by_type: dict[Any, Json], components: dict[str, Json]) -> list[Json]:
    """Spell the members of a struct as parameters; its own schema is in the components, where nobody refers to it."""
    if endpoint.query is None:
        return []
    name = by_type[endpoint.query]["$ref"].rpartition("/")[2]
    schema = components[name]
    return [
        {"name": member, "in": "query", "required": member in schema.get("required", ()), "schema": form}
        for member, form in schema["properties"].items()
    ]


def _response(one: Answer, by_type: dict[Any, Json]) -> Json:
    response: Json = {"description": one.what}
    if one.document is not None:
        response["content"] = {kind: {"schema": by_type[one.document]} for kind in one.media_types}
    elif one.media_types:
        response["content"] = {kind: {} for kind in one.media_types}
    if one.headers:
        response["headers"] = {
            name: {"description": what, "schema": {"type": "string"}} for name, what in one.headers.items()
        }
    return response


def _by_status(endpoint: Endpoint) -> dict[str, list[type[RequestFault]]]:
    found: dict[str, list[type[RequestFault]]] = {}
    for fault in (*endpoint.faults, *endpoint.common_faults):
        found.setdefault(str(fault.status), []).append(fault)
    found.setdefault("503", [])
    return found


def _problem(endpoint: Endpoint, faults: list[type[RequestFault]], by_type: dict[Any, Json]) -> Json:
    is_harbor = endpoint.path.startswith(HARBOR)
    words = " ".join(dict.fromkeys((fault.__doc__ or "").strip() for fault in faults))
    schema = by_type[HarborProblemDocument if is_harbor else ProblemDocument]
    kind = HARBOR_ERROR if is_harbor else JSON
    return {"description": words or "The service cannot do that now.", "content": {kind: {"schema": schema}}}


def _scopes() -> str:
    return "Scopes: " + "; ".join(f"`{name}`: {what}" for name, what in SCOPES.items()) + "."
