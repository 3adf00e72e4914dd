"""Images out of nodes in memory, opened as any other."""

from contextlib import contextmanager

from tests.access.chunk_store.images import open_small
from tests.formats.made_tables import make_image


@contextmanager
def open_nodes(nodes, *, backend=None, **options):
    """Open an image of nodes, as `made_tables` describes them."""
    with open_small(make_image(nodes, **options), backend) as image:
        yield image
