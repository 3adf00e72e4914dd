"""Whether the blobs of an image are there and are what the image says: the steps of a check, in their order.

Every step tells a collector what is wrong, goes on after the first fault, and says what could not be looked at: a
registry that does not answer is no fault of the image.
"""

from rafsight.access.verify.chunk_info import check_chunk_info
from rafsight.access.verify.chunks import check_chunks
from rafsight.access.verify.examined import Examined
from rafsight.access.verify.presence import check_presence

__all__ = ["Examined", "check_chunk_info", "check_chunks", "check_presence"]
