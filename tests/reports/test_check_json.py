import base64
import json

import pytest
from tests.reports import check_samples as samples

from rafsight.reports.check_json import render_json
from rafsight.reports.check_summary import exit_status

KEYS = [
    "schema_version", "rafsight_version", "reference", "index_digest", "verdict", "exit_status", "errors", "unknown",
    "warnings", "unchecked", "started", "seconds", "cost", "images",
]  # fmt: skip
FAULT_KEYS = ["rule", "severity", "says", "where", "path", "offset", "detail"]
STEP_KEYS = ["name", "title", "outcome", "skipped", "seconds", "facts", "counts", "faults", "unchecked"]


def parsed(report):
    return json.loads(render_json(report, exit_status=exit_status(report)))


@pytest.mark.parametrize("report", samples.ALL)
def test_keys_are_the_same_whatever_was_found(report):
    document = parsed(report)
    assert list(document) == KEYS
    for image in document["images"]:
        assert list(image) == ["title", "format", "manifest_digest", "platform", "steps"]
        for step in image["steps"]:
            assert list(step) == STEP_KEYS
            for fault in step["faults"]:
                assert list(fault) == FAULT_KEYS


def test_everything_is_there():
    document = parsed(samples.UNSOUND)
    assert document["verdict"] == "unsound"
    assert document["exit_status"] == 65
    assert (document["errors"], document["warnings"], document["unchecked"]) == (4323, 2, 12)
    assert document["cost"] == {"requests": 9, "bytes_fetched": 1234567, "bytes_needed": 1230000}
    metadata = document["images"][0]["steps"][3]
    assert metadata["facts"] == {"inodes": 215, "chunks": 83, "blobs": 0, "bytes": 39492}
    assert metadata["counts"] == {"directory-reached-twice": 4321}
    assert len(metadata["faults"]) == 100
    assert metadata["faults"][1] == {
        "rule": "directory-reached-twice",
        "severity": "error",
        "says": "is reached from two directories",
        "where": "v6 inode",
        "path": "/usr/share/doc/package-1",
        "offset": 4160,
        "detail": "",
    }
    config = document["images"][0]["steps"][1]
    assert config["facts"] == {"bytes": 1803, "steps_of_history": 1}


@pytest.mark.parametrize(
    ("report", "verdict", "severity"),
    [(samples.SOUND, "sound", None), (samples.NOT_KNOWN, "unknown", "unknown"), (samples.UNCHECKED, "unknown", None)],
)
def test_verdicts_are_words(report, verdict, severity):
    document = parsed(report)
    assert document["verdict"] == verdict
    found = {fault["severity"] for step in document["images"][0]["steps"] for fault in step["faults"]}
    assert found - {"warning"} == ({severity} if severity else set())


def test_hostile_text_is_ascii_and_nothing_of_a_path_is_lost():
    report = samples.hostile()
    text = render_json(report, exit_status=65)
    assert text.isascii()
    assert "\x1b" not in text
    (fault,) = json.loads(text)["images"][0]["steps"][2]["faults"]
    assert base64.b64decode(fault["path_b64"]) == b"/" + report.images[0].steps[2].faults[0].path
    assert fault["offset"] is None
