import hashlib

import pytest

from rafsight.formats.checksum import digest, digests, hasher
from rafsight.formats.tables import Digester


@pytest.mark.parametrize(
    ("digester", "expected"),
    [
        (Digester.SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (Digester.BLAKE3, "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85"),
    ],
)
def test_published_digests_of_abc(digester, expected):
    assert digest(digester, b"abc").hex() == expected
    assert digest(digester, memoryview(b"abc")).hex() == expected
    running = hasher(digester)
    running.update(b"a")
    running.update(b"bc")
    assert running.digest().hex() == expected


def test_sha256_is_the_one_of_the_library():
    assert digest(Digester.SHA256, b"x" * 1000) == hashlib.sha256(b"x" * 1000).digest()


@pytest.mark.parametrize("digester", Digester)
def test_digests_of_many_are_those_of_each(digester):
    contents = [b"", b"abc", memoryview(b"x" * 5000)]
    assert digests(digester, contents) == b"".join(digest(digester, content) for content in contents)
