import json
from pathlib import Path

import click
import pytest
from tests.reports import samples

from rafsight.interfaces.cli.scan_output import Destination, open_outputs, parse_outputs, write_reports


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ((), [("table", None)]),
        (("-",), [("table", None)]),
        (("report.txt",), [("table", "report.txt")]),
        (("sarif=a.sarif",), [("table", None), ("sarif", "a.sarif")]),
        (
            ("sarif=a.sarif", "plain", "html=b=c.html", "json=/dev/stdout"),
            [("table", "plain"), ("sarif", "a.sarif"), ("html", "b=c.html"), ("json", None)],
        ),
        (("sarif=1", "sarif=2"), [("table", None), ("sarif", "1"), ("sarif", "2")]),
        (("./sarif=x",), [("table", "sarif=x")]),
        (("./what=x",), [("table", "what=x")]),
        (("a/what=x",), [("table", "a/what=x")]),
        (("./sarif",), [("table", "sarif")]),
        (("table",), [("table", "table")]),
    ],
)
def test_what_is_asked_for(values, wanted):
    expected = [Destination(format=name, path=None if path is None else Path(path)) for name, path in wanted]
    assert list(parse_outputs(values, "table")) == expected


@pytest.mark.parametrize(
    "values",
    [
        ("a", "b"),
        ("a", "json=a"),
        ("json=-",),
        ("sarif=",),
        ("",),
        ("json=x", "sarif=x"),
        ("-", "json=-"),
        ("sarfi=x",),
        ("sarif",),
        ("spdx-json",),
    ],
)
def test_what_cannot_be(values):
    with pytest.raises(click.UsageError):
        parse_outputs(values, "table")


@pytest.mark.parametrize(
    ("values", "form", "wanted"),
    [
        ((), None, [("spdx", None)]),
        ((), "cyclonedx", [("cyclonedx", None)]),
        (("cyclonedx=a",), None, [("cyclonedx", "a")]),
        (("cyclonedx=a",), "spdx", [("spdx", None), ("cyclonedx", "a")]),
        (("a", "spdx=b"), None, [("spdx", "a"), ("spdx", "b")]),
    ],
)
def test_what_is_asked_for_where_nobody_reads_standard_output(values, form, wanted):
    expected = [Destination(format=name, path=None if path is None else Path(path)) for name, path in wanted]
    assert list(parse_outputs(values, form, formats=("spdx", "cyclonedx"))) == expected


def write(folder, *values, report=samples.FULL):
    with open_outputs(parse_outputs([f"{one.partition('=')[0]}={folder / one}" for one in values], "table")) as places:
        write_reports(report, places, created="2026-11-23T22:50:00Z", list_all=False, show_suppressed=True)


def test_all_are_written_and_standard_output_gets_its_own(tmp_path, capsysbinary):
    write(tmp_path, "json=a", "sarif=b", "html=c")
    assert json.loads((tmp_path / "json=a").read_text())["SchemaVersion"] == 2
    assert json.loads((tmp_path / "sarif=b").read_text())["version"] == "2.1.0"
    assert (tmp_path / "html=c").read_text().startswith("<!doctype html>")
    shown = capsysbinary.readouterr().out.decode("utf-8", "replace")
    assert shown.startswith("Image    127.0.0.1:5000/planted:v6")
    assert "Suppressed (4)" in shown


def test_none_appears_if_one_fails(tmp_path, capsysbinary):
    broken = samples.replace(samples.FULL, started="no date")
    with (
        pytest.raises(ValueError, match="no date"),
        open_outputs(parse_outputs([f"sarif={tmp_path / 'a'}", f"gitlab={tmp_path / 'b'}"], "table")) as places,
    ):
        write_reports(broken, places, created="no date", list_all=False, show_suppressed=False)
    assert list(tmp_path.iterdir()) == []
    assert capsysbinary.readouterr().out == b""
