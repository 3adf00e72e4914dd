"""Which manifest of an index is chosen, and how many documents that takes."""

import json
from pathlib import Path
from typing import Any

import pytest

from rafsight.access.backend import Document
from rafsight.access.memory import MemoryBackend
from rafsight.base.errors import ExitStatus, ImageFault
from rafsight.base.limits import Limits
from rafsight.formats.oci import annotations as keys
from rafsight.formats.oci import media_types
from rafsight.formats.oci.classify import NydusManifest, OciManifest
from rafsight.formats.oci.errors import MalformedDocument, NoMatchingPlatform, NotAnImage, UnsupportedFormat
from rafsight.formats.oci.platform import parse_platform
from rafsight.formats.oci.resolve import MAX_DOCUMENTS, hold, resolve

GOLDEN = Path(__file__).parents[2] / "golden" / "manifests"
AMD64 = parse_platform("linux/amd64")
GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
FEATURE = {"os.features": [media_types.NYDUS_OS_FEATURE]}


class Repository:
    """A memory backend with documents made for one test."""

    def __init__(self):
        self.backend = MemoryBackend()
        self.asked = []

    def golden(self, name):
        content = (GOLDEN / f"{name}.json").read_bytes()
        is_index = b'"manifests"' in content
        return self.backend.put_manifest(
            content, media_type=media_types.OCI_INDEX if is_index else media_types.OCI_MANIFEST
        )

    def image(self, kind, salt="", version="6"):
        """Put an image and return its digest."""
        marks = {keys.NYDUS_BOOTSTRAP: "true", keys.NYDUS_FS_VERSION: version} if kind == "nydus" else {}
        content = {
            "schemaVersion": 2,
            "mediaType": media_types.OCI_MANIFEST,
            "config": {"mediaType": media_types.OCI_CONFIG, "digest": "sha256:" + "0" * 64, "size": 2},
            "layers": [{"mediaType": GZIP, "digest": "sha256:" + "1" * 64, "size": 2, "annotations": marks}],
            "annotations": {"salt": salt},
        }
        return self.backend.put_manifest(json.dumps(content).encode(), media_type=media_types.OCI_MANIFEST)

    def index(self, *entries):
        """Put an index of (digest, platform text or None, more members) and return its digest."""
        manifests = [
            {
                "mediaType": media_types.OCI_MANIFEST,
                "digest": digest,
                "size": 500,
                **({"platform": platform_of(platform)} if platform else {}),
                **{key: value for key, value in more.items() if key != "features"},
            }
            for digest, platform, more in entries
        ]
        for entry, (_, _, more) in zip(manifests, entries, strict=True):
            if "features" in more:
                entry["platform"].update(more["features"])
        content = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
        return self.backend.put_manifest(content, media_type=media_types.OCI_INDEX)

    def fetch(self, digest):
        self.asked.append(digest)
        return self.backend.fetch_manifest(digest)

    def resolve(self, digest, platform=AMD64, prefer="nydus", limits=None):
        first = self.backend.fetch_manifest(digest)
        return hold(resolve(first, platform=platform, prefer=prefer, limits=limits), self.fetch)


def platform_of(text):
    os, architecture, variant = [*text.split("/"), "", ""][:3]
    return {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}


@pytest.fixture
def repository():
    return Repository()


def test_a_manifest_is_taken_as_it_is_whatever_the_platform(repository):
    found = repository.resolve(repository.golden("v6"), parse_platform("s390x"))
    assert isinstance(found.image, NydusManifest)
    assert found.platform is None
    assert repository.asked == []


@pytest.mark.parametrize(
    ("prefer", "kind", "name"), [("nydus", NydusManifest, "v6-merged.m1"), ("oci", OciManifest, "v6-merged.m0")]
)
def test_a_real_merged_index_costs_one_document(repository, prefer, kind, name):
    digests = {one: repository.golden(one) for one in ("v6-merged.m0", "v6-merged.m1")}
    found = repository.resolve(repository.golden("v6-merged"), prefer=prefer)
    assert isinstance(found.image, kind)
    assert found.image.manifest.digest == digests[name]
    assert repository.asked == [digests[name]]
    assert found.candidates[0].descriptor.digest == digests[name]
    assert str(found.platform) == "linux/amd64"


def test_the_artifact_type_comes_before_the_feature_before_the_probe(repository):
    plain, feature, typed = (repository.image("nydus", salt) for salt in ("plain", "feature", "typed"))
    marked = {"artifactType": media_types.NYDUS_MANIFEST}
    every = [
        (plain, "linux/amd64", {}),
        (feature, "linux/amd64", {"features": FEATURE}),
        (typed, "linux/amd64", marked),
    ]
    for count, expected in ((3, typed), (2, feature), (1, plain)):
        repository.asked.clear()
        found = repository.resolve(repository.index(*every[:count]))
        assert found.image.manifest.digest == expected
        assert repository.asked == [expected]


def test_an_unmarked_nydus_manifest_is_found_by_its_last_layer(repository):
    oci, nydus = repository.image("oci"), repository.image("nydus")
    index = repository.index((oci, "linux/amd64", {}), (nydus, "linux/amd64", {}))
    found = repository.resolve(index)
    assert found.image.manifest.digest == nydus
    assert [candidate.outcome for candidate in found.candidates] == ["OCI layers", "Nydus"]
    assert repository.resolve(index, prefer="oci").image.manifest.digest == oci


def test_the_other_kind_is_better_than_nothing(repository):
    oci = repository.image("oci")
    assert isinstance(repository.resolve(repository.index((oci, "linux/amd64", {}))).image, OciManifest)
    nydus = repository.image("nydus")
    found = repository.resolve(repository.index((nydus, "linux/amd64", {})), prefer="oci")
    assert isinstance(found.image, NydusManifest)


def test_a_worse_platform_is_not_taken_for_the_sake_of_the_kind(repository):
    oci, nydus = repository.image("oci"), repository.image("nydus")
    index = repository.index(
        (nydus, "linux/amd64/v3", {"artifactType": media_types.NYDUS_MANIFEST}), (oci, "linux/amd64", {})
    )
    found = repository.resolve(index)
    assert found.image.manifest.digest == oci
    assert repository.asked == [oci]


def test_the_variant_is_honoured(repository):
    digests = {variant: repository.image("oci", variant) for variant in ("v5", "v6", "v7")}
    index = repository.index(*((digest, f"linux/arm/{variant}", {}) for variant, digest in digests.items()))
    for wanted, digest in digests.items():
        assert repository.resolve(index, parse_platform(f"linux/arm/{wanted}")).image.manifest.digest == digest


def test_what_lies_beside_images_is_passed_over(repository):
    oci = repository.image("oci")
    attestation = {"annotations": {keys.DOCKER_REFERENCE_TYPE: "attestation-manifest"}}
    index = repository.index(
        ("sha256:" + "d" * 64, "unknown/unknown", attestation),
        ("sha256:" + "e" * 64, "linux/amd64", attestation),
        ("sha256:" + "f" * 64, "linux/amd64", {"artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json"}),
        (oci, "linux/amd64", {}),
    )
    assert repository.resolve(index).image.manifest.digest == oci
    assert repository.asked == [oci]


def test_says_which_platforms_were_seen(repository):
    index = repository.index(
        (repository.image("oci", "1"), "linux/arm64", {}),
        (repository.image("oci", "2"), "linux/arm64", {}),
        (repository.image("oci", "3"), "windows/amd64", {}),
        ("sha256:" + "d" * 64, "unknown/unknown", {}),
    )
    with pytest.raises(
        NoMatchingPlatform, match=r"no image for linux/amd64; it has linux/arm64, windows/amd64$"
    ) as caught:
        repository.resolve(index)
    assert caught.value.exit_status is ExitStatus.NOT_FOUND
    assert repository.asked == []


def test_an_index_of_another_platform_is_seen_and_not_fetched(repository):
    below = repository.index((repository.image("oci", "1"), "linux/arm64", {}))
    index = repository.index((below, "linux/arm64", {"mediaType": media_types.OCI_INDEX}))
    with pytest.raises(NoMatchingPlatform, match=r"no image for linux/amd64; it has linux/arm64$"):
        repository.resolve(index)
    assert repository.asked == []


def test_an_index_of_other_artifacts_is_no_image(repository):
    """Such as the list that `attach` keeps under a tag where a registry has no API for it: hunts pass it over."""
    report = {"artifactType": "application/sarif+json"}
    for index in (repository.index(), repository.index(("sha256:" + "d" * 64, None, report))):
        with pytest.raises(NotAnImage, match="is an index without any image, not an image"):
            repository.resolve(index)
    assert repository.asked == []


def test_a_long_list_of_platforms_is_cut(repository):
    index = repository.index(*((repository.image("oci", str(n)), f"linux/odd{n}", {}) for n in range(20)))
    with pytest.raises(NoMatchingPlatform, match="linux/odd11 and 8 more"):
        repository.resolve(index)


def test_a_descriptor_without_a_platform_is_the_last_resort(repository):
    nameless, named = repository.image("oci", "nameless"), repository.image("oci", "named")
    assert repository.resolve(repository.index((nameless, None, {}))).image.manifest.digest == nameless
    found = repository.resolve(repository.index((nameless, None, {}), (named, "linux/amd64", {})))
    assert found.image.manifest.digest == named


def nested(digest, platform=None):
    return (digest, platform, {"mediaType": media_types.OCI_INDEX})


def test_nested_indexes_are_followed(repository):
    arm, amd = repository.image("oci", "arm"), repository.image("nydus", "amd")
    inner = repository.index((arm, "linux/arm64", {}), (amd, "linux/amd64", {}))
    other = repository.index((arm, "linux/arm64", {}))
    outer = repository.index(nested(other, "linux/arm64"), nested(repository.index(nested(inner))))
    found = repository.resolve(outer)
    assert found.image.manifest.digest == amd
    assert other not in repository.asked


def test_nesting_ends(repository):
    inner = repository.index((repository.image("oci"), "linux/amd64", {}))
    for _ in range(8):
        inner = repository.index(nested(inner))
    with pytest.raises(MalformedDocument, match="nested too deeply"):
        repository.resolve(inner)
    assert repository.resolve(inner, limits=Limits(index_depth=9)).image


def test_many_nested_indexes_end(repository):
    inner = [nested(repository.index((f"sha256:{n:064x}", "linux/amd64", {}))) for n in range(MAX_DOCUMENTS + 1)]
    with pytest.raises(MalformedDocument, match="nested indexes"):
        repository.resolve(repository.index(*inner))
    assert len(repository.asked) == MAX_DOCUMENTS


def test_many_candidates_end(repository):
    rows: list[Any] = [(repository.image("oci", str(n)), "linux/amd64", {}) for n in range(MAX_DOCUMENTS + 10)]
    assert isinstance(repository.resolve(repository.index(*rows)).image, OciManifest)
    assert len(repository.asked) == MAX_DOCUMENTS


def test_many_faulty_candidates_end(repository):
    rows: list[Any] = [
        (repository.image("nydus", str(n), version="7"), "linux/amd64", {}) for n in range(MAX_DOCUMENTS + 10)
    ]
    with pytest.raises(MalformedDocument, match="documents to look at"):
        repository.resolve(repository.index(*rows))
    assert len(repository.asked) == MAX_DOCUMENTS


def test_a_faulty_candidate_gives_way_and_is_told(repository):
    late, oci = repository.image("nydus", version="7"), repository.image("oci")
    marked = {"artifactType": media_types.NYDUS_MANIFEST}
    found = repository.resolve(repository.index((late, "linux/amd64", marked), (oci, "linux/amd64", {})))
    assert isinstance(found.image, OciManifest)
    assert "not supported" in found.candidates[0].outcome
    assert found.candidates[0].says_nydus
    with pytest.raises(UnsupportedFormat):
        repository.resolve(repository.index((late, "linux/amd64", marked)))


def test_an_index_in_the_place_of_a_manifest_is_refused(repository):
    inner = repository.index((repository.image("oci"), "linux/amd64", {}))
    with pytest.raises(MalformedDocument):
        repository.resolve(repository.index((inner, "linux/amd64", {})))
    with pytest.raises(MalformedDocument):
        repository.resolve(repository.index(nested(repository.image("oci"))))


def test_a_document_that_is_too_large_is_not_fetched(repository):
    huge = ("sha256:" + "d" * 64, "linux/amd64", {"size": 1 << 30})
    with pytest.raises(ImageFault, match="a document of"):
        repository.resolve(repository.index(huge))
    assert repository.asked == []


def test_the_conversation_takes_whatever_has_the_three_members(repository):
    digest = repository.golden("v6")
    content = (GOLDEN / "v6.json").read_bytes()
    conversation = resolve(Document(media_type="", digest=digest, content=content), platform=AMD64)
    with pytest.raises(StopIteration) as end:
        next(conversation)
    assert isinstance(end.value.value.image, NydusManifest)


@pytest.mark.parametrize(
    ("media_type", "name", "called"),
    [
        (media_types.OCI_MANIFEST, "", "manifest ("),
        (media_types.OCI_INDEX, "", "index ("),
        (media_types.OCI_INDEX, "manifest of tag v1", "manifest of tag v1 ("),
        ("", "", "sha256:"),
    ],
)
def test_damaged_documents_are_called_by_their_names(media_type, name, called):
    backend = MemoryBackend()
    document = backend.fetch_manifest(backend.put_manifest(b"{", media_type=media_type))
    with pytest.raises(MalformedDocument) as caught:
        hold(resolve(document, platform=AMD64, name=name), backend.fetch_manifest)
    assert str(caught.value).startswith(called)
    assert document.digest in str(caught.value)
