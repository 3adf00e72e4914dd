import csv
import io
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from rafsight.reports.query_rows import csv_lines, json_lines, table_lines

COLUMNS = ("name", "size")


def test_a_table_has_texts_at_the_left_and_numbers_at_the_right():
    rows = [("a", 5), ("long name", 12345), (None, None)]
    assert "".join(table_lines(COLUMNS, rows)) == "name       size\na              5\nlong name  12345\n\n"


def test_rows_after_the_first_ones_may_be_wider():
    lines = list(table_lines(("n",), [("x",)] * 500 + [("wide",)]))
    assert lines[-1] == "wide\n"
    assert list(table_lines(("n",), [])) == ["n\n"]


def test_nothing_acts_on_a_terminal():
    hostile = ("\x1b[2J\n", b"\xff\x1b", {"k": "\x07"}, ["\x1b"])
    text = "".join(table_lines(("a\x1b", "b", "c", "d"), [hostile]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert text.count("\n") == 2


def test_json_keeps_bytes_and_knows_every_value():
    values = {
        "none": None,
        "flag": True,
        "number": 1 << 70,
        "real": 0.5,
        "nan": float("nan"),
        "raw": b"a\xff",
        "moment": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "day": date(2026, 1, 2),
        "clock": time(3, 4),
        "span": timedelta(seconds=90),
        "decimal": Decimal("1.50"),
        "list": [1, b"\x00", {"x": None}],
    }
    (line,) = json_lines(tuple(values), [tuple(values.values())])
    assert json.loads(line) == {
        **values,
        "nan": "nan",
        "raw": "a\\xff",
        "raw_b64": "Yf8=",
        "moment": "2026-01-02T03:04:05+00:00",
        "day": "2026-01-02",
        "clock": "03:04:00",
        "span": 90.0,
        "decimal": "1.50",
        "list": [1, "\\x00", {"x": None}],
    }


def test_csv_holds_no_formulas():
    text = "".join(csv_lines(COLUMNS, [("=1+1", -5), ('a,"b"\n', None), ([1, "x"], 2.5)]))
    rows = list(csv.reader(io.StringIO(text)))
    assert rows == [["name", "size"], ["'=1+1", "-5"], ['a,"b"\\x0a', ""], ['[1, "x"]', "2.5"]]
