from pathlib import Path

from rafsight.access.cache import Cache
from rafsight.base.digest import digest_of

CONTENT = b'{"schemaVersion": 2}'
DIGEST = digest_of(CONTENT)
LAYER = "sha256:" + "a" * 64
PARTS = {"image.boot": b"boot" * 100, "0123.blob.meta": b"", "4567.blob.meta": b"meta"}


def taken(cache):
    parts = cache.bootstrap(LAYER)
    return None if parts is None else {name: bytes(content) for name, content in parts.items()}


def test_what_is_kept_can_be_taken(tmp_path):
    cache = Cache(tmp_path)
    assert cache.document(DIGEST) is None
    assert cache.bootstrap(LAYER) is None
    cache.keep_document(DIGEST, CONTENT)
    cache.keep_bootstrap(LAYER, PARTS)
    cache.keep_bootstrap(LAYER, PARTS)
    assert cache.document(DIGEST) == CONTENT
    assert taken(cache) == PARTS
    assert not list(tmp_path.rglob(".new-*"))


def test_damage_is_removed_never_served(tmp_path):
    cache = Cache(tmp_path)
    cache.keep_document(DIGEST, CONTENT)
    cache.keep_bootstrap(LAYER, PARTS)
    for path in (p for p in tmp_path.rglob("*") if p.is_file()):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + b"?" if content else b"?")
    assert cache.document(DIGEST) is None
    assert cache.bootstrap(LAYER) is None
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_no_folder_keeps_nothing():
    cache = Cache(None)
    cache.keep_document(DIGEST, CONTENT)
    cache.keep_bootstrap(LAYER, PARTS)
    assert cache.document(DIGEST) is None
    assert cache.bootstrap(LAYER) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    cache = Cache(blocked)
    cache.keep_document(DIGEST, CONTENT)
    cache.keep_bootstrap(LAYER, PARTS)
    assert cache.document(DIGEST) is None


def test_names_that_are_no_digest_are_no_paths(tmp_path):
    cache = Cache(tmp_path)
    assert cache.document("v6") is None
    assert cache.document("../../etc/passwd") is None
    assert cache.document("sha256:../../etc/passwd") is None
