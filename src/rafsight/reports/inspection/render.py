"""Answers of `inspect` as text or JSON, whatever they are about.

This module alone knows where the renderer of an answer is. The tables are imported one after another until one has it,
so that an answer about metadata does not pay for the rest.
"""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Final

from rafsight.base.errors import Defect
from rafsight.reports.inspection.renderer import Renderer, Sheet
from rafsight.reports.paint import Line

_TABLES: Final = ("shell", "metadata_render", "content_render")
"""Modules beside this one; each has `RENDERERS`."""


def as_json(answer: object) -> str:
    """Write an answer as JSON, on one line, within ASCII.

    Args:
        answer: what a question of `verbs.inspect` returned.
    """
    return json.dumps(_renderer_of(answer).to_json(answer))


def as_lines(answer: object, sheet: Sheet) -> Iterator[Line]:
    """Write an answer for people.

    Args:
        answer: what a question of `verbs.inspect` returned.
        sheet: what it is written on.
    """
    return _renderer_of(answer).to_lines(answer, sheet)


def _renderer_of(answer: object) -> Renderer:
    for name in _TABLES:
        found: Renderer | None = import_module(f"rafsight.reports.inspection.{name}").RENDERERS.get(type(answer))
        if found is not None:
            return found
    raise Defect(what=f"nobody can write a {type(answer).__name__}")
