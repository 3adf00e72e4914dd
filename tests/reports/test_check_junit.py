import re
from xml.etree import ElementTree as ET

import pytest
from tests.reports import check_samples as samples

from rafsight.reports.check_junit import render_junit

ORDER = ["skipped", "error", "failure", "system-out", "system-err"]
"""Of a case's children in the schema that Jenkins publishes; the others accept it."""
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "error": {"message", "type"},
    "skipped": {"message"},
    "properties": set(),
    "property": {"name", "value"},
    "system-out": set(),
}
CHILDREN = {
    "testsuites": ["testsuite"],
    "testsuite": ["properties", "testcase"],
    "testcase": ORDER,
    "properties": ["property"],
}


def check_shape(element):
    """Hold an element against the common schema: known attributes, children in their order, numbers that are such."""
    assert set(element.attrib) == ATTRIBUTES[element.tag]
    ranks = [CHILDREN[element.tag].index(child.tag) for child in element] if len(element) else []
    assert ranks == sorted(ranks)
    assert sum(child.tag == "skipped" for child in element) <= 1
    for name in ("tests", "failures", "errors", "skipped"):
        assert name not in element.attrib or element.attrib[name].isdigit()
    if "time" in element.attrib:
        assert re.fullmatch(r"\d+\.\d{3}", element.attrib["time"])
    if "timestamp" in element.attrib:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", element.attrib["timestamp"])
    for child in element:
        check_shape(child)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("number", range(len(samples.ALL) + 1))
def test_shape_and_numbers(number, strict):
    root = ET.fromstring(render_junit((*samples.ALL, samples.hostile())[number], strict=strict))
    check_shape(root)
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases) == 8
        failed = [case for case in cases if case.find("failure") is not None]
        assert int(suite.get("failures")) == len(failed)
        erred = [case for case in cases if case.find("error") is not None and case not in failed]
        assert int(suite.get("errors")) == len(erred)
        assert int(suite.get("skipped")) == len([case for case in cases if case.find("skipped") is not None])
    for name in ("tests", "failures", "errors", "skipped"):
        assert int(root.get(name)) == sum(int(suite.get(name)) for suite in root)


def cases_of(report, **more):
    return {case.get("name"): case for case in ET.fromstring(render_junit(report, **more))[0].findall("testcase")}


def test_a_failure_tells_of_a_rule():
    cases = cases_of(samples.UNSOUND)
    (failure,) = cases["metadata"].findall("failure")
    assert failure.get("type") == "directory-reached-twice"
    assert failure.get("message") == "directory-reached-twice: is reached from two directories (4321 places)"
    heading, *lines = failure.text.splitlines()
    assert heading == failure.get("message")
    assert lines[0] == "/usr/share/doc/package-0, v6 inode at byte 4096"
    assert len(lines) == 101
    assert lines[-1] == "and 4221 more"
    (error,) = cases["blobs"].findall("error")
    assert error.get("type") == "unchecked"
    assert len(error.text.splitlines()) == 12
    assert error.get("message").endswith("; and 11 more, see below")
    assert cases["source"].find("skipped") is not None


def test_warnings_are_output_or_failures():
    assert cases_of(samples.SOUND_WITH_WARNING)["bootstrap"].find("failure") is None
    assert "warning bootstrap-member: layers[6]" in cases_of(samples.SOUND_WITH_WARNING)["bootstrap"].findtext(
        "system-out"
    )
    assert cases_of(samples.SOUND_WITH_WARNING, strict=True)["bootstrap"].find("failure") is not None


def test_what_is_of_an_unknown_kind_is_an_error():
    case = cases_of(samples.NOT_KNOWN)["metadata"]
    assert case.find("error").get("type") == "unsupported"
    assert case.find("failure") is None


def test_one_failure_tells_of_all_rules():
    (failure,) = cases_of(samples.UNSOUND, strict=True)["bootstrap"].findall("failure")
    assert failure.get("type") == "bootstrap-stored-size"
    assert failure.get("message").startswith("bootstrap-stored-size: ")
    assert failure.get("message").endswith("; and 1 more, see below")
    assert "\nbootstrap-member: holds a file" in failure.text
    assert "116270 bytes, not 99" in failure.text


def test_what_is_not_known_has_no_property_and_no_title():
    image = samples.replace(samples.image(samples.UNKNOWN_KIND), format="", manifest_digest="", platform="")
    (suite,) = ET.fromstring(render_junit(samples.report(image)))
    assert suite.get("name") == "127.0.0.1:5000/app:v6"
    assert suite.find("properties") is None
    (known,) = ET.fromstring(render_junit(samples.report(samples.replace(image, format="RAFS v6"))))
    assert known.get("name") == "127.0.0.1:5000/app:v6: Nydus image"
    assert [one.get("name") for one in known.iter("property")] == ["format"]


def test_nothing_is_in_it_that_xml_does_not_have():
    text = render_junit(samples.hostile())
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", text)
    assert text.encode()
    suite = ET.fromstring(text)[0]
    assert suite.get("name").startswith("\\x1b[2J")
