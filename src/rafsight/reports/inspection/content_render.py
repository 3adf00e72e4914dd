"""Which renderer writes which answer about content."""

from collections.abc import Mapping
from typing import Final

from rafsight.reports.inspection import content as answers
from rafsight.reports.inspection import content_json as as_json
from rafsight.reports.inspection import content_text as text
from rafsight.reports.inspection import difference_text
from rafsight.reports.inspection.renderer import Renderer

RENDERERS: Final[Mapping[type, Renderer]] = {
    answers.BlobUse: Renderer(to_json=as_json.blob_use, to_lines=text.blob_use),
    answers.Layers: Renderer(to_json=as_json.layers, to_lines=text.layers),
    answers.Largest: Renderer(to_json=as_json.largest, to_lines=text.largest),
    answers.Dedupe: Renderer(to_json=as_json.dedupe, to_lines=text.dedupe),
    answers.ImageDifference: Renderer(to_json=as_json.difference, to_lines=difference_text.difference),
}
