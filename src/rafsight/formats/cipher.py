"""Encrypted units: AES-128-XTS with one key and tweak for a whole blob, and how short units are padded.

This module alone decides what an encrypted unit decrypts to. The key lies open in the bootstrap: this hides chunks from
those who have the blob alone, and protects nothing else.
"""

from typing import Final

from rafsight.formats.tables import MalformedImage

Buffer = bytes | memoryview

KEY_SIZE: Final = 32
TWEAK_SIZE: Final = 16
BLOCK_SIZE: Final = 16
"""[bytes] Shorter units are padded."""
PADDED_SIZE: Final = 18
"""[bytes] that such a unit takes."""
_PADDED_END: Final = b"\x78\x90"
MAX_UNIT_SIZE: Final = 16 << 20
"""[bytes] XTS is defined for at most 2^20 blocks with one tweak."""


def decrypt_unit(stored: Buffer, key: bytes, iv: bytes) -> bytes:
    """Decrypt one unit: a chunk, a batch, a chunk-info array or its header.

    Units shorter than 16 bytes are stored as 18: filled to 16 with the number of filling bytes, then 78 90. A genuine
    unit of 18 bytes that ends so cannot be told apart; that is the format's flaw.

    Args:
        stored: the unit as it lies in the blob.
        key: 32 bytes, two different halves.
        iv: 16 bytes.
    Raises: MalformedImage: the key or the size cannot be.
    """
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    if len(key) != KEY_SIZE or len(iv) != TWEAK_SIZE or key[:16] == key[16:]:
        raise MalformedImage(where="encrypted blob", what="the key is not one of AES-128-XTS", offset=0)
    if not BLOCK_SIZE <= len(stored) <= MAX_UNIT_SIZE:
        raise MalformedImage(where="encrypted unit", what=f"cannot have {len(stored)} bytes", offset=0)
    decryptor = Cipher(algorithms.AES(key), modes.XTS(iv)).decryptor()
    content = decryptor.update(bytes(stored)) + decryptor.finalize()
    if len(content) == PADDED_SIZE and content.endswith(_PADDED_END) and 1 <= content[BLOCK_SIZE - 1] <= BLOCK_SIZE:
        return content[: BLOCK_SIZE - content[BLOCK_SIZE - 1]]
    return content
