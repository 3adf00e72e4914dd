"""What is told of a conversion: lines for people, a document for programs, warnings."""

import json
from dataclasses import replace

from rafsight._version import __version__
from rafsight.reports.conversion import Converted, ConvertedImage, ConvertedLayer, render_json, render_text, warnings


def layer(number, **more):
    said = {
        "source_digest": f"sha256:{number}",
        "source_size": 10 * number,
        "digest": f"sha256:b{number}",
        "size": 7 * number,
        "how": "sent",
        "is_resumed": False,
    }
    return ConvertedLayer(**{**said, **more})


IMAGE = ConvertedImage(
    platform="linux/amd64",
    digest="sha256:image",
    config_digest="sha256:config",
    bootstrap_digest="sha256:boot",
    bootstrap_size=2_500,
    layers=(layer(1), layer(2, how="present", is_resumed=True), layer(3, how="mounted"), layer(4, digest="", how="")),
    dictionary_layers=("sha256:d",),
    entry_count=1_234,
    chunk_count=5_678,
    content_size=9_000_000,
    source_size=3_000_000,
    target_size=4_000_000,
    unread=("a\\x01: a hard link to something that is not there",),
    unread_count=1,
    left_out=(("odd \x1b things", 2_000),),
)
DONE = Converted(
    source="oci:a",
    target="host/b:\x1bv",
    digest="sha256:top",
    media_type="type/x",
    images=(IMAGE,),
    bytes_fetched=3_000_500,
    bytes_sent=12,
    elapsed=1.2345678,
)


def test_for_people():
    assert render_text(DONE) == (
        "Image      host/b:\\x1bv\n"
        "Digest     sha256:top\n"
        "Platform   linux/amd64\n"
        "Layers     4: 1 sent, 1 taken from the neighbour, 1 there already\n"
        "Tree       1,234 entries, 5,678 chunks, 9.0 MB\n"
        "Size       4.0 MB from 3.0 MB, the bootstrap 2.5 kB\n"
        "Resumed    1 of the layers had been packed before\n"
        "Dictionary 1 blob of the chunk dictionary came along\n"
        "Cost       3.0 MB fetched, 12 B sent, 1.2 s\n"
    )


def test_the_least_there_is():
    bare = replace(IMAGE, layers=(), dictionary_layers=(), source_size=0)
    assert render_text(replace(DONE, images=(bare,))).splitlines()[3:6] == [
        "Layers     0: none has a blob",
        "Tree       1,234 entries, 5,678 chunks, 9.0 MB",
        "Size       4.0 MB, the bootstrap 2.5 kB",
    ]


def test_several_images_have_their_digests():
    lines = render_text(replace(DONE, images=(IMAGE, replace(IMAGE, platform="linux/arm64")))).splitlines()
    assert [line for line in lines if line.startswith("Platform")] == [
        "Platform   linux/amd64, sha256:image",
        "Platform   linux/arm64, sha256:image",
    ]


def test_for_programs():
    text = render_json(replace(DONE, images=(IMAGE, IMAGE)))
    assert text.isascii()
    said = json.loads(text)
    assert list(said) == [
        "schema_version",
        "rafsight_version",
        "source",
        "target",
        "digest",
        "media_type",
        "images",
        "bytes_fetched",
        "bytes_sent",
        "elapsed",
        "SourceImageSize",
        "TargetImageSize",
        "ConversionElapsed",
    ]
    assert (said["schema_version"], said["rafsight_version"]) == (1, __version__)
    assert (said["SourceImageSize"], said["TargetImageSize"]) == (6_000_000, 8_000_000)
    assert (said["elapsed"], said["ConversionElapsed"]) == (1.234568, 1_234_567_800)
    image = said["images"][0]
    assert image.keys() == set(ConvertedImage.__dataclass_fields__)
    assert image["left_out"] == [{"what": "odd \x1b things", "count": 2000}]
    assert image["unread"] == list(IMAGE.unread)
    assert image["layers"][1] == {
        "source_digest": "sha256:2",
        "source_size": 20,
        "digest": "sha256:b2",
        "size": 14,
        "how": "present",
        "is_resumed": True,
    }


def test_warnings():
    assert list(warnings(DONE)) == [
        "left out: odd \\x1b things (2,000)",
        "no entry of the image became of a\\x01: a hard link to something that is not there",
    ]
    many = replace(IMAGE, left_out=(), unread=("x: why",) * 1000, unread_count=4_321)
    said = list(warnings(replace(DONE, images=(many,))))
    assert said[:10] == ["no entry of the image became of x: why"] * 10
    assert said[10:] == ["and of 4,311 more members of layers"]
    assert list(warnings(replace(DONE, images=()))) == []
