import pytest
from tests.analysis.support import Tree, extract, run

from rafsight.analysis.os.nix import NIX

HASH = b"q5dhwzcn82by5ndc7g0q83wsnn13qkqw"


def test_folders_of_the_store():
    store = b"nix/store/" + HASH
    files = {
        store + b"-openssl-3.0.13-dev/lib/libssl.so": b"x",
        store + b"-openssl-3.0.13-dev/include/openssl/ssl.h": b"x",
        store + b"-zlib-1.3.1/a/b/c/d": b"x",
        store + b"-python3.11-requests-2.31.0/lib/x": b"x",
        store + b"-builder.sh": b"x",
        store + b"-unit-script/bin/x": b"x",
    }
    tree = Tree(files)
    inventory = run(tree, [NIX])
    assert [(item.name, item.version, dict(item.qualifiers).get("output")) for item in inventory.components] == [
        ("openssl", "3.0.13", "dev"),
        ("python3.11-requests", "2.31.0", None),
        ("zlib", "1.3.1", None),
    ]
    assert inventory.components[0].purl == f"pkg:nix/openssl@3.0.13?output=dev&outputhash={HASH.decode()}"
    assert tree.reads == []
    assert inventory.gaps == ()


@pytest.mark.parametrize("name", [b"x", HASH, HASH + b"-", HASH + b"--1", b"E" * 32 + b"-a-1", HASH + b"-\xff"])
def test_other_folders_are_no_packages(name):
    assert extract(NIX, b"", b"nix/store/" + name + b"/x") == []
