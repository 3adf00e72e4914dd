import pytest
from tests.analysis.support import Tree, extract, run
from tests.formats.zips import make_zip

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.lang.yarn_cache import YARN_CACHE

LODASH = make_zip({"node_modules/lodash/package.json": b'{"name": "lodash", "version": "4.17.11", "license": "MIT"}'})
CORE = make_zip(
    {
        "node_modules/@babel/core/lib/package.json": b'{"name": "inner", "version": "1"}',
        "node_modules/@babel/core/package.json": b'{"name": "@babel/core", "version": "7.20.1"}',
        "node_modules/@babel/core/index.js": b"1;" * 200_000,
    },
    stored=True,
)


def found(files):
    return {(one.name, one.version): one.locations for one in run(files, [YARN_CACHE]).components}


def test_packages_that_are_run_out_of_their_archives():
    files = {
        b"srv/app/.pnp.cjs": b"plan" * 40_000,
        b"srv/app/.yarn/cache/lodash-npm-4.17.11-1-2.zip": LODASH,
        b"srv/app/.yarn/cache/@babel-core-npm-7.20.1-1-2.zip": CORE,
    }
    tree = Tree(files)
    assert found(tree) == {
        ("lodash", "4.17.11"): (b"srv/app/.yarn/cache/lodash-npm-4.17.11-1-2.zip:node_modules/lodash/package.json",),
        ("@babel/core", "7.20.1"): (
            b"srv/app/.yarn/cache/@babel-core-npm-7.20.1-1-2.zip:node_modules/@babel/core/package.json",
        ),
    }
    assert {path for path, _ in tree.reads} == {path for path in files if path.endswith(b".zip")}
    assert sum(size for _, ranges in tree.reads for _, size in ranges) < 80_000


def test_an_application_in_the_root():
    assert list(found({b".pnp.cjs": b"", b".yarn/cache/lodash-npm-4.17.11-1-2.zip": LODASH})) == [("lodash", "4.17.11")]


def test_what_nobody_runs_is_a_cache():
    cache = {b"srv/app/.yarn/cache/lodash-npm-4.17.11-1-2.zip": LODASH}
    assert found(cache) == {}
    assert found(cache | {b"srv/.pnp.cjs": b""}) == {}
    assert found({b"srv/app/.pnp.cjs": b"", b"srv/app/.yarn/other/lodash.zip": LODASH}) == {}


def test_archives_of_others_and_damaged_ones():
    assert extract(YARN_CACHE, b"") == []
    assert extract(YARN_CACHE, b"no archive" * 100) == []
    assert extract(YARN_CACHE, make_zip({"package.json": b'{"name": "x", "version": "1"}'})) == []
    with pytest.raises(MalformedFile):
        extract(YARN_CACHE, make_zip({"node_modules/x/package.json": b"{"}))
