"""What was found in an image beside packages, by the digest of its manifest, the rules and the day.

This module alone decides what of it is remembered. Secrets are in it as reports show them: masked.
"""

import msgspec

from rafsight.access.finding import FoundImage
from rafsight.access.results.contract import ResultKind, ResultStore, result_key
from rafsight.verbs.scan.known_images import lacks_bytes
from rafsight.verbs.scan.looking import Looked, Looking
from rafsight.verbs.scan.release import release_fingerprint


def recall_looked(found: FoundImage, looking: Looking, store: ResultStore) -> Looked | None:
    """Return what an earlier search found; None if there was none with the same rules today.

    Cost: no request.
    """
    if not found.digest:
        return None
    key = _key_of(found, looking)
    content = store.fetch((key,)).get(key)
    if content is None:
        return None
    try:
        return msgspec.msgpack.decode(content, type=Looked)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def keep_looked(found: FoundImage, looking: Looking, looked: Looked, store: ResultStore) -> None:
    """Remember what was found, unless bytes could not be had."""
    if not found.digest or lacks_bytes(looked.gaps):
        return
    try:
        content = msgspec.msgpack.encode(looked)
    except UnicodeEncodeError:  # a name that is no text, and came from nowhere that we know
        return
    store.keep({_key_of(found, looking): content})


def _key_of(found: FoundImage, looking: Looking) -> bytes:
    return result_key(ResultKind.IMAGE, b"looked", release_fingerprint(), found.digest.encode(), *looking.depends_on())
