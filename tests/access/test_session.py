"""Open images of every form and read every file of them."""

import base64
import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import rafsight
from rafsight.access.backend import NotFound
from rafsight.access.bootstrap import BootstrapParts, NoBootstrap
from rafsight.access.contents import Contents
from rafsight.access.counting import Meter
from rafsight.access.localfs import FolderBackend
from rafsight.access.options import Options
from rafsight.access.session import PIECE, READ_AHEAD
from rafsight.access.threads import threads
from rafsight.base.errors import ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.rafs.codec import read_bootstrap
from rafsight.formats.tables import MalformedImage
from rafsight.image.plan import FileRange
from rafsight.image.tree import ImageTree
from rafsight.testing.registry import PLANTED, serve_layout

GOLDEN = Path(__file__).parents[1] / "golden" / "rafs"
CASES = sorted(path for path in GOLDEN.iterdir() if (path / "tree.json").exists())
INLINED = {"v5-inline", "v6-inline", "v6-toc-inline", "v6-enc-batch-inline", "targz-ref-toc-inline"}


def expected_sums(case):
    entries = json.loads((case / "tree.json").read_text())
    return {
        base64.b64decode(one["path_b64"]) if "path_b64" in one else one["path"].encode(): one["sha256"]
        for one in entries
        if "sha256" in one
    }


def bootstrap_of(case, tmp_path):
    """Inlined bootstraps are taken out of their blob, as users have them: the name of the blob says which it is."""
    if case.name not in INLINED:
        return case / "image.boot"
    for blob in (path for path in case.iterdir() if len(path.name) == 64):
        copy = tmp_path / blob.name
        shutil.copy(blob, copy)
    if case.name == "targz-ref-toc-inline":  # the meta blob has the bootstrap, the original archive has not
        return min((path for path in tmp_path.iterdir() if len(path.name) == 64), key=_has_no_header)
    return next(path for path in tmp_path.iterdir() if len(path.name) == 64)


def _has_no_header(path):
    return b"rafs.blob.toc" not in path.read_bytes()[-512:]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_file_of_every_variant(case, tmp_path):
    options = Options(blob_dir=None if case.name in INLINED else case)
    with rafsight.open_image(f"boot:{bootstrap_of(case, tmp_path)}", options=options) as image:
        rows = [row for row in image.tree.walk() if image.tree.is_file(row)]
        found = {}
        for content in image.read([FileRange(row=row) for row in rows]):
            assert content.error is None
            found[b"/" + image.tree.path(content.wanted.row)] = hashlib.sha256(content.content).hexdigest()
    assert found == expected_sums(case)


def test_a_file_is_read_piece_by_piece():
    with rafsight.open_image(f"boot:{GOLDEN / 'v6-lz4-sha256-4k-fs' / 'image.boot'}") as image:
        row = image.tree.lookup(b"big")
        whole = b"".join(image.read_file(row))
        part = next(iter(image.read([FileRange(row=row, offset=5000, size=100_000)])))
        assert part.content == whole[5000:105_000]
    assert hashlib.sha256(whole).hexdigest() == expected_sums(GOLDEN / "v6-lz4-sha256-4k-fs")[b"/big"]


def test_a_missing_blob_is_an_error_of_its_files_only(tmp_path):
    shutil.copy(GOLDEN / "v6-zstd" / "image.boot", tmp_path)
    with rafsight.open_image(str(tmp_path / "image.boot")) as image:
        empty, full = image.tree.lookup(b"empty"), image.tree.lookup(b"big")
        outcome = {c.wanted.row: c for c in image.read([FileRange(row=empty), FileRange(row=full)])}
        assert outcome[empty].error is None
        assert isinstance(outcome[full].error, NotFound)
        with pytest.raises(NotFound):
            list(image.read_file(full))


def test_a_missing_chunk_info_array_is_an_error_of_its_blob_only(tmp_path):
    shutil.copy(GOLDEN / "v6-batch" / "image.boot", tmp_path)
    with rafsight.open_image(str(tmp_path / "image.boot")) as image:
        files = [row for row in image.tree.walk() if image.tree.is_file(row) and image.tree.entries.size[row]]
        assert all(isinstance(c.error, NotFound) for c in image.read([FileRange(row=row) for row in files]))


def contents_of(case, pool, *, blob=None, metas=None):
    """What reads the files of a golden image, with another row of its blob table, or other chunk-info arrays."""
    tables = read_bootstrap((GOLDEN / case / "image.boot").read_bytes(), name="", limits=Limits())
    tables = replace(tables, blobs=(replace(tables.blobs[0], **(blob or {})),))
    parts = BootstrapParts(bootstrap=b"", metas=metas) if metas else None
    tree, backend = ImageTree(tables), FolderBackend(GOLDEN / case, meter=Meter())
    return Contents(tree, backend, parts, pool, Limits()), tree, backend


def test_a_chunk_info_array_of_absurd_size_is_refused_before_it_is_fetched():
    with threads(2, name="test") as pool:
        absurd = {"meta_compressed_size": 1 << 39, "meta_uncompressed_size": 1 << 39}
        contents, tree, backend = contents_of("v6-batch", pool, blob=absurd)
        (found,) = contents.read([FileRange(row=tree.lookup(b"z"))])
    assert isinstance(found.error, MalformedImage)
    assert backend.meter.cost.requests == 0


def test_a_chunk_info_array_that_does_not_fit_its_chunks_is_an_error_of_its_files_only():
    with threads(2, name="test") as pool:
        contents, tree, _ = contents_of("v6-batch", pool)
        entry = tree.tables.blobs[0]
        sound = contents._load_meta(0)
        table = bytearray(sound[:-4096].ljust(-(-len(sound) // 4096) * 4096 - 4096, b"\0"))
        table[0:8] = b"\xff" * 8  # the first chunk lies elsewhere
        bad, tree, _ = contents_of("v6-batch", pool, metas={entry.meta_id: bytes(table) + sound[-4096:]})
        wanted = [FileRange(row=tree.lookup(name)) for name in (b"z", b"empty")]
        for _ in range(2):
            outcome = {content.index: content for content in bad.read(wanted)}
            assert isinstance(outcome[0].error, MalformedImage)
            assert outcome[1].error is None
        (good,) = contents.read(wanted[:1])
        assert good.error is None


def test_a_bundled_array_that_is_a_header_alone_is_fetched_from_the_blob():
    """As nydusify bundles the arrays of lz4 images."""
    with threads(2, name="test") as pool:
        whole, tree, _ = contents_of("v6-batch-lz4-toc", pool)
        header = whole._load_meta(0)[-4096:]
        bundled, tree, _ = contents_of("v6-batch-lz4-toc", pool, metas={tree.tables.blobs[0].meta_id: header})
        (found,) = bundled.read([FileRange(row=tree.lookup(b"z"))])
    assert found.error is None
    assert len(found.content) == tree.entries.size[tree.lookup(b"z")]


def test_a_sparse_file_of_any_size_is_read_piece_by_piece():
    with rafsight.open_image(f"boot:{GOLDEN / 'v6-lz4-sha256-4k-fs' / 'image.boot'}") as image:
        row = image.tree.lookup(b"big")
        size = int(image.tree.entries.size[row])
        entries = replace(image.tree.entries, size=image.tree.entries.size.copy())
        entries.size[row] = 1 << 60
        image.tree.entries = entries
        pieces = image.read_file(row)
        first = b"".join(next(pieces) for _ in range(READ_AHEAD // PIECE))
        assert len(first) == READ_AHEAD
        assert not any(first[size:])
        assert not any(next(pieces))


def test_requests_of_an_opening(tmp_path):
    options = Options(cache_dir=tmp_path)
    with serve_layout(PLANTED) as registry:
        with rafsight.open_image(registry.reference("v6"), options=options) as image:
            first = image.opening_cost
        with rafsight.open_image(registry.reference("v6"), options=options) as image:
            again = image.opening_cost
            by_digest = f"{registry.host}/app@{image.identity.classified.manifest.digest}"
        with rafsight.open_image(by_digest, options=options) as image:
            none = image.opening_cost
    assert first.requests == 3  # manifest, config, bootstrap
    assert again.requests == 1  # manifest
    assert none.requests == 0


def test_a_layer_without_a_bootstrap(tmp_path):
    layout = tmp_path / "layout"
    shutil.copytree(PLANTED, layout)
    import gzip
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("image/other"))
    layer = gzip.compress(buffer.getvalue(), mtime=0)
    digest = hashlib.sha256(layer).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(layer)
    index = json.loads((layout / "index.json").read_text())
    entry = index["manifests"][0]
    manifest = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
    manifest["layers"][-1] |= {"digest": f"sha256:{digest}", "size": len(layer)}
    manifest["config"] |= {"digest": f"sha256:{hashlib.sha256(b'{}').hexdigest()}", "size": 2}
    (layout / "blobs/sha256" / hashlib.sha256(b"{}").hexdigest()).write_bytes(b"{}")
    content = json.dumps(manifest).encode()
    entry |= {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}
    entry["annotations"]["org.opencontainers.image.ref.name"] = "bad"
    (layout / "blobs/sha256" / hashlib.sha256(content).hexdigest()).write_bytes(content)
    (layout / "index.json").write_text(json.dumps(index))
    with pytest.raises(NoBootstrap), rafsight.open_image(f"oci:{layout}:bad"):
        pass


def test_the_uncompressed_bootstrap_has_to_be_what_the_config_says(tmp_path):
    layout = tmp_path / "layout"
    shutil.copytree(PLANTED, layout)
    index = json.loads((layout / "index.json").read_text())
    entry = index["manifests"][0]
    manifest = json.loads((layout / "blobs" / entry["digest"].replace(":", "/")).read_text())
    config = json.loads((layout / "blobs" / manifest["config"]["digest"].replace(":", "/")).read_text())
    config["rootfs"]["diff_ids"][-1] = "sha256:" + "0" * 64
    for document, where in ((config, manifest["config"]), (manifest, entry)):
        content = json.dumps(document).encode()
        where |= {"digest": f"sha256:{hashlib.sha256(content).hexdigest()}", "size": len(content)}
        (layout / "blobs/sha256" / where["digest"][7:]).write_bytes(content)
    entry["annotations"]["org.opencontainers.image.ref.name"] = "bad"
    (layout / "index.json").write_text(json.dumps(index))
    with pytest.raises(ImageFault, match="uncompressed bootstrap"), rafsight.open_image(f"oci:{layout}:bad"):
        pass


def damaged_layout(tmp_path, change):
    layout = tmp_path / "layout"
    shutil.copytree(PLANTED, layout)
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
    manifest = json.loads((layout / "blobs" / manifest["digest"].replace(":", "/")).read_text())
    change(layout / "blobs" / manifest["config"]["digest"].replace(":", "/"))
    tag = json.loads((layout / "index.json").read_text())["manifests"][0]["annotations"]
    return f"oci:{layout}:{tag['org.opencontainers.image.ref.name']}"


def test_a_config_that_is_another_is_refused(tmp_path):
    reference = damaged_layout(tmp_path, lambda path: path.write_bytes(path.read_bytes()[:-1] + b" "))
    with pytest.raises(ImageFault), rafsight.open_image(reference):
        pass


def test_a_config_that_is_missing_is_said(tmp_path):
    reference = damaged_layout(tmp_path, Path.unlink)
    with rafsight.open_image(reference) as image:
        assert [part.what for part in image.unread] == ["image config"]


def test_a_damaged_chunk_says_where_it_is(tmp_path):
    case = GOLDEN / "v6-zstd"
    shutil.copytree(case, tmp_path / "case")
    blob = next(path for path in (tmp_path / "case").iterdir() if len(path.name) == 64)
    blob.write_bytes(b"\xaa" * blob.stat().st_size)
    with rafsight.open_image(f"boot:{tmp_path / 'case' / 'image.boot'}") as image:
        with pytest.raises(ImageFault, match=rf"chunk \d+ of blob {blob.name}") as caught:
            list(image.read_file(image.tree.lookup(b"big")))
        assert caught.value.__notes__ == ["while reading /big"]
