import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.formats.cipher import MAX_UNIT_SIZE, decrypt_unit
from rafsight.formats.tables import MalformedImage

KEY, IV = bytes(range(32)), bytes(range(16))


def encrypt(content: bytes) -> bytes:
    """Encrypt as the builder does (section 4.7 of the format reference)."""
    if len(content) < 16:
        content += bytes([16 - len(content)]) * (16 - len(content)) + b"\x78\x90"
    encryptor = Cipher(algorithms.AES(KEY), modes.XTS(IV)).encryptor()
    return encryptor.update(content) + encryptor.finalize()


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_round_trip(content):
    stored = encrypt(content)
    assert len(stored) == (len(content) if len(content) >= 16 else 18)
    assert decrypt_unit(stored, KEY, IV) == content
    assert decrypt_unit(memoryview(stored), KEY, IV) == content


def test_published_vector():
    """IEEE 1619 vector 4: a unit of 512 bytes, number 0."""
    key = bytes.fromhex("2718281828459045235360287471352631415926535897932384626433832795")
    stored = bytes.fromhex("27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c")
    assert decrypt_unit(stored, key, bytes(16)) == bytes(range(32))


@pytest.mark.parametrize("last", [0, 17, 255])
def test_genuine_18_bytes_that_cannot_be_filling(last):
    content = bytes(15) + bytes([last]) + b"\x78\x90"
    assert decrypt_unit(encrypt(content), KEY, IV) == content


@pytest.mark.parametrize(
    ("size", "key", "iv"),
    [(15, KEY, IV), (0, KEY, IV), (16, KEY[:16] * 2, IV), (16, b"", IV), (16, KEY, b""), (16, KEY[:31], IV)],
)
def test_what_cannot_be(size, key, iv):
    with pytest.raises(MalformedImage):
        decrypt_unit(bytes(size), key, iv)


def test_units_are_bounded():
    assert len(decrypt_unit(bytes(MAX_UNIT_SIZE), KEY, IV)) == MAX_UNIT_SIZE
    with pytest.raises(MalformedImage, match="cannot have"):
        decrypt_unit(bytes(MAX_UNIT_SIZE + 1), KEY, IV)
