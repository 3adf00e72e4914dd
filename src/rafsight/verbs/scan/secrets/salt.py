"""The salt of this installation: fingerprints of secrets are the same here in each run, and nowhere else.

This module alone knows where it lies. A folder that cannot be written is no error: then each run has its own.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = "secret-salt"
_SIZE: Final = 32


def installation_salt(folder: Path | None) -> bytes:
    """Return the salt that a folder keeps, made the first time.

    Args:
        folder: of the cache; None keeps none.
    """
    fresh = secrets.token_bytes(_SIZE)
    if folder is None:
        return fresh
    path = folder / _NAME
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{_NAME}.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            try:
                with open(draft, "xb", opener=_private) as stream:
                    stream.write(fresh)
                os.link(draft, path)  # of two that begin at the same time, one wins, and both read it
            finally:
                draft.unlink(missing_ok=True)
    try:
        kept = path.read_bytes()
    except OSError:
        return fresh
    return kept if len(kept) == _SIZE else fresh


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
