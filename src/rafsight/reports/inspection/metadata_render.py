"""Which renderer writes which answer about an image's metadata."""

from collections.abc import Mapping
from typing import Final

from rafsight.reports.inspection import metadata as answers
from rafsight.reports.inspection import metadata_head_text as head_text
from rafsight.reports.inspection import metadata_json as as_json
from rafsight.reports.inspection import metadata_text as text
from rafsight.reports.inspection.renderer import Renderer

RENDERERS: Final[Mapping[type, Renderer]] = {
    answers.Stats: Renderer(to_json=as_json.stats, to_lines=head_text.stats),
    answers.SuperblockFacts: Renderer(to_json=as_json.superblock, to_lines=head_text.superblock),
    answers.BlobList: Renderer(to_json=as_json.blobs, to_lines=head_text.blobs),
    answers.Listing: Renderer(to_json=as_json.listing, to_lines=text.listing),
    answers.EntryFacts: Renderer(to_json=as_json.entry, to_lines=text.entry),
    answers.InodeFacts: Renderer(to_json=as_json.inode, to_lines=text.inode),
    answers.PrefetchList: Renderer(to_json=as_json.prefetch, to_lines=text.prefetch),
    answers.ChunkUses: Renderer(to_json=as_json.chunk_uses, to_lines=text.chunk_uses),
}
