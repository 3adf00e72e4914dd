"""Harbor's manners, for the stand-in registry in `registry.py`: no catalog for users, and lists of projects instead.

    with serve_layout(layouts, gate=harbor_gate(layouts, user="robot", password="...")) as registry:
        ...

Images can be pulled by anybody. Who is not the user sees the project `library` only.
"""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from rafsight.testing.registry_pages import Answer, Call, Headers, error_answer
from rafsight.testing.registry_server import Gate

_REPOSITORIES: Final = re.compile(r"/api/v2\.0/projects/([^/]+)/repositories\Z")
_JSON: Final[Headers] = (("Content-Type", "application/json; charset=utf-8"),)
_PUBLIC: Final = "library"


def harbor_gate(
    repositories: Iterable[str], *, user: str = "", password: str = "", page: int = 100, counts: bool = True
) -> Gate:
    """Make what answers in Harbor's place.

    Args:
        repositories: `PROJECT/NAME`.
        user: who sees all projects; empty: nobody.
        password: of the user.
        page: the most names on a page.
        counts: say how many there are.
    """
    names = sorted(repositories)
    pair = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def answer(call: Call) -> Answer | None:
        parts = urlsplit(call.path)
        if parts.path == "/v2/_catalog":
            return error_answer(401, "UNAUTHORIZED", "unauthorized to list catalog")
        if parts.path == "/api/v2.0/ping":
            return Answer(headers=(("Content-Type", "text/plain; charset=utf-8"),), content=b"Pong")
        if not parts.path.startswith("/api/"):
            return None
        said = call.header("authorization")
        if said is not None and (not user or said != pair):
            return error_answer(401, "UNAUTHORIZED", "unauthorized")
        found = _REPOSITORIES.match(parts.path)
        if found is not None:
            project = unquote(found[1])
            mine = [name for name in names if name.startswith(f"{project}/")] if said or project == _PUBLIC else []
        elif parts.path == "/api/v2.0/projects":
            projects = sorted({name.partition("/")[0] for name in names})
            mine = [name for name in projects if said or name == _PUBLIC]
        else:
            return error_answer(404, "NOT_FOUND", "there is no such page")
        query = parse_qs(parts.query)
        size = min(int(query.get("page_size", ["10"])[0]), page)
        start = (int(query.get("page", ["1"])[0]) - 1) * size
        content = json.dumps([{"name": name, "id": number} for number, name in enumerate(mine)][start : start + size])
        counted: Headers = (("X-Total-Count", str(len(mine))),) if counts else ()
        return Answer(headers=(*_JSON, *counted), content=content.encode())

    return answer
