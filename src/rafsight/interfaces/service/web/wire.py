"""What documents on the wire have in common.

This module alone decides how strict they are: what a client says may have no member that nobody knows.
"""

from typing import Annotated

import msgspec

from rafsight.interfaces.service.jobs.model import PAGE_LIMIT

Offset = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
Limit = Annotated[int, msgspec.Meta(ge=1, le=PAGE_LIMIT)]
Search = Annotated[str, msgspec.Meta(max_length=255)]


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What the service says in JSON."""


class Wish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a client says in JSON or in the query."""
