"""Questions about content, on images of every form."""

import numpy as np
import pytest
from tests.image.small_trees import GOLDEN
from tests.verbs.inspect.layouts import write_nydus, write_plain

from rafsight.access.session import open_image
from rafsight.image.usage import measure_usage
from rafsight.reports.inspection.content import Holding
from rafsight.testing.registry import PLANTED
from rafsight.verbs.inspect.content import compare_images, find_shared, list_largest, list_layers, measure_blobs

FORMS = ("v5", "v6")


@pytest.fixture(scope="module", params=FORMS)
def planted(request):
    with open_image(f"oci:{PLANTED}:{request.param}") as image:
        yield image


@pytest.fixture(scope="module")
def both():
    with open_image(f"oci:{PLANTED}:v5") as left, open_image(f"oci:{PLANTED}:v6") as right:
        yield left, right


@pytest.fixture
def plain(tmp_path):
    """Three plain layers; the second one replaces a file of the first, the third has no content."""
    steps = [
        {"created_by": "ADD"},
        {"created_by": "ENV", "empty_layer": True},
        {"created_by": "RUN"},
        {"created_by": ""},
    ]
    reference = write_plain(
        tmp_path,
        {"etc/a": b"a" * 5000, "etc/b": b"b" * 7000, "big": bytes(range(256)) * 400},
        {"etc/a": b"c" * 3000},
        {"etc/.wh.b": b""},
        history=steps,
    )
    with open_image(reference) as image:
        yield image


def open_golden(name):
    return open_image(f"boot:{GOLDEN / name / 'image.boot'}")


class TestBlobs:
    def test_every_blob_lies_in_a_layer(self, planted):
        answer = measure_blobs(planted)
        layers = planted.identity.classified.manifest.layers
        assert [blob.index for blob in answer.blobs] == list(range(len(planted.head.blobs)))
        for blob in answer.blobs:
            assert layers[blob.layer.index].digest == blob.layer.digest == f"sha256:{blob.blob_id}"
            assert blob.layer.original == ""

    def test_forms_agree_on_content(self, both):
        """One image has the six layers of the other as one."""
        left, right = (
            [
                sum(getattr(blob.usage, figure) for blob in measure_blobs(one).blobs)
                for figure in ("content_size", "used_chunk_count", "addressed_size", "extent_count", "stored_size")
            ]
            for one in both
        )
        assert left == right

    def test_plain_layers(self, plain):
        answer = measure_blobs(plain)
        assert [blob.layer.index for blob in answer.blobs] == [0, 1, 2]
        assert [blob.usage.content_size for blob in answer.blobs] == [102_400, 3000, 0]
        assert [blob.usage.is_exact for blob in answer.blobs] == [False, False, True]
        sizes = [layer.size for layer in plain.identity.classified.manifest.layers]
        assert [blob.usage.data_size for blob in answer.blobs] == sizes
        assert all(0 <= blob.usage.stored_size <= blob.usage.data_size for blob in answer.blobs)

    def test_a_bare_bootstrap(self):
        with open_golden("merge-oci-v6") as image:
            answer = measure_blobs(image)
        assert [blob.layer for blob in answer.blobs] == [None] * 3
        assert [blob.usage.unused_size for blob in answer.blobs] == [0, 200, 0]


class TestLayers:
    def test_every_layer_is_there(self, planted):
        answer = list_layers(planted)
        layers = planted.identity.classified.manifest.layers
        assert [(layer.digest, layer.size, layer.media_type) for layer in answer.layers] == [
            (layer.digest, layer.size, layer.media_type) for layer in layers
        ]
        count = len(planted.head.blobs)
        assert [layer.holding for layer in answer.layers] == [Holding.NYDUS_BLOB] * count + [Holding.BOOTSTRAP]
        assert sorted(layer.blob_index for layer in answer.layers[:-1]) == list(range(count))
        assert answer.layers[-1].blob_index is None
        assert answer.elsewhere == ()
        usage = measure_usage(planted.tree.tables)
        assert all(layer.usage == usage[layer.blob_index] for layer in answer.layers[:-1])

    def test_build_steps(self, planted):
        steps = [layer.created_by for layer in list_layers(planted).layers]
        history = [step.created_by for step in planted.identity.config.history if not step.empty_layer]
        assert steps == history
        assert len(set(steps)) > 1

    def test_plain_layers(self, plain):
        answer = list_layers(plain)
        assert [layer.holding for layer in answer.layers] == [Holding.OCI_LAYER] * 3
        assert [layer.blob_index for layer in answer.layers] == [0, 1, 2]
        assert [layer.created_by for layer in answer.layers] == ["ADD", "RUN", ""]
        assert [layer.usage.file_count for layer in answer.layers] == [1, 1, 0]

    def test_a_bare_bootstrap_has_blobs_alone(self):
        with open_golden("v5-zstd") as image:
            answer = list_layers(image)
        assert (answer.has_manifest, answer.layers) == (False, ())
        assert [blob.index for blob in answer.elsewhere] == [0]

    def test_layers_that_nobody_uses_and_blobs_that_lie_elsewhere(self, tmp_path):
        digests = [f"sha256:{name}" for name in blob_ids("merge-oci-v6")]
        strange = "sha256:" + "9" * 64
        layers = [(digests[2], 7175, {}), (strange, 10, {}), (digests[0], 4469, {})]
        boot = (GOLDEN / "merge-oci-v6/image.boot").read_bytes()
        with open_image(write_nydus(tmp_path, boot, layers)) as image:
            answer = list_layers(image)
        assert [layer.blob_index for layer in answer.layers] == [2, None, 0, None]
        assert [blob.index for blob in answer.elsewhere] == [1]
        assert answer.has_manifest

    def test_a_layer_that_points_into_another_one(self, tmp_path):
        (original,) = blob_ids("targz-ref")
        small = "sha256:" + "7" * 64
        layers = [(small, 40_000, {"containerd.io/snapshot/nydus-ref": f"sha256:{original}"})]
        boot = (GOLDEN / "targz-ref/image.boot").read_bytes()
        with open_image(write_nydus(tmp_path, boot, layers)) as image:
            answer, blobs = list_layers(image), measure_blobs(image)
        assert (answer.layers[0].blob_index, answer.layers[0].original) == (0, f"sha256:{original}")
        assert (blobs.blobs[0].layer.digest, blobs.blobs[0].layer.original) == (small, f"sha256:{original}")

    def test_blobs_of_a_dictionary_have_no_step(self, tmp_path):
        digests = [f"sha256:{name}" for name in blob_ids("merge-oci-v6")]
        history = [
            {"created_by": "ADD"},
            {"created_by": "LABEL", "empty_layer": True},
            {"created_by": "Nydus Converter", "comment": "Nydus Bootstrap Layer"},
        ]
        boot = (GOLDEN / "merge-oci-v6/image.boot").read_bytes()
        layers = [(digest, 100, {}) for digest in digests]
        with open_image(write_nydus(tmp_path, boot, layers, history=history)) as image:
            assert [layer.created_by for layer in list_layers(image).layers] == ["ADD", "", "", "Nydus Converter"]

    def test_a_history_that_fits_no_layers_is_left_out(self, tmp_path):
        boot = (GOLDEN / "v6-zstd/image.boot").read_bytes()
        layers = [(f"sha256:{name}", 100, {}) for name in blob_ids("v6-zstd")]
        history = [{"created_by": "ADD"}] * 5
        with open_image(write_nydus(tmp_path, boot, layers, history=history)) as image:
            assert [layer.created_by for layer in list_layers(image).layers] == ["", ""]


def blob_ids(name):
    with open_golden(name) as image:
        return [blob.blob_id for blob in image.head.blobs]


class TestLargest:
    def test_the_largest_come_first(self, planted):
        answer = list_largest(planted, 10, 0)
        tree = planted.tree
        assert (answer.total.path, answer.total.kind) == (b"", "directory")
        assert answer.total.stored_size == sum(usage.stored_size for usage in measure_usage(tree.tables))
        assert len(answer.files) == len(answer.directories) == 10
        for entries in (answer.files, answer.directories):
            sizes = [entry.stored_size for entry in entries]
            assert sizes == sorted(sizes, reverse=True)
        assert {entry.kind for entry in answer.files} == {"file"}
        assert {entry.kind for entry in answer.directories} == {"directory"}
        assert answer.files[0].path == b"bin/busybox"
        assert answer.total.file_count == len(np.unique(tree.entries.link_row[tree.entries.mode >> 12 == 8]))

    def test_all_are_there_if_asked_for(self, planted):
        answer = list_largest(planted, (1 << 64) - 1, 0)
        assert len(answer.files) == answer.total.file_count
        assert len(answer.directories) == answer.directory_count

    def test_below_a_directory(self, planted):
        row = planted.tree.lookup(b"srv/app")
        answer = list_largest(planted, 3, row)
        assert answer.total.path == b"srv/app"
        assert all(entry.path.startswith(b"srv/app/") for entry in (*answer.files, *answer.directories))

    def test_a_file_is_its_own_total(self, planted):
        answer = list_largest(planted, 3, planted.tree.lookup(b"bin/busybox"))
        assert answer.total.kind == "file"
        assert answer.files == (answer.total,)
        assert answer.directories == ()

    def test_plain_layers_are_estimated(self, plain):
        answer = list_largest(plain, 2, 0)
        assert [entry.path for entry in answer.files] == [b"big", b"etc/a"]
        assert not answer.total.is_exact
        assert answer.total.content_size == 105_400

    def test_none(self, planted):
        answer = list_largest(planted, 0, 0)
        assert (answer.files, answer.directories) == ((), ())


class TestShared:
    def test_inside_one_image(self, planted):
        answer = find_shared(planted, None)
        repeats = answer.repeats
        assert (answer.overlap, answer.other, answer.shared_blobs) == (None, "", ())
        assert repeats.addressed_size == list_largest(planted, 0, 0).total.content_size
        assert repeats.between_files_size == 1877

    def test_forms_share_their_content_and_no_blob(self, both):
        answer = find_shared(*both)
        assert answer.overlap.chunk_count == answer.overlap.chunk_total == 1286
        assert answer.overlap.same_blob_chunk_count == 0
        assert answer.shared_blobs == ()
        assert answer.same_chunk_size

    def test_an_image_shares_all_blobs_with_itself(self, planted):
        answer = find_shared(planted, planted)
        assert answer.shared_blobs == tuple(sorted(blob.blob_id for blob in planted.head.blobs))
        assert answer.overlap.same_blob_stored_size == answer.overlap.stored_total

    def test_plain_images_share_layers(self, plain, tmp_path_factory):
        files = {"etc/a": b"a" * 5000, "etc/b": b"b" * 7000, "big": bytes(range(256)) * 400}
        with open_image(write_plain(tmp_path_factory.mktemp("other"), files)) as other:
            answer = find_shared(plain, other)
        assert answer.overlap.same_blob_content_size == 102_400
        assert answer.overlap.uncompared_size == 3000
        assert len(answer.shared_blobs) == 1

    def test_other_chunk_sizes_are_said(self):
        with open_golden("v6-zstd") as one, open_golden("v6-lz4-sha256-4k-fs") as other:
            assert not find_shared(one, other).same_chunk_size


class TestDifference:
    def test_an_image_is_as_itself(self, planted):
        answer = compare_images(planted, planted)
        assert not answer.difference.aspects.any()

    def test_plain_layers_are_as_themselves(self, plain):
        assert not compare_images(plain, plain).difference.aspects.any()

    def test_a_lazy_image_may_be_closed_afterwards(self, planted):
        with open_image(f"oci:{PLANTED}:v6", lazy=True) as other:
            answer = compare_images(planted, other)
        assert len(answer.right_tree) == len(planted.tree)
        assert (answer.left, answer.right) == (planted.identity.reference, f"oci:{PLANTED}:v6")

    def test_forms_of_one_image_differ_in_made_up_directories_alone(self, both):
        """One image was made of the other's tree: directories that only paths imply got the time of that build."""
        answer = compare_images(*both)
        found = answer.difference
        rows = found.pairs.left[found.changed]
        assert {answer.left_tree.kind(row) for row in rows.tolist()} == {"directory"}
        assert found.count(found.aspects[found.changed[0]].item()) == len(found.changed) == 20
        assert set(found.pairs.right[found.changed].tolist()) == {
            row for row in range(len(answer.right_tree)) if answer.right_tree.entries.mtime[row] == 0
        }
        assert not len(found.unknown)
        assert not len(found.pairs.only_left)
        assert not len(found.pairs.only_right)
