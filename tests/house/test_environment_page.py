"""The page about variables knows those that the code reads, and no others."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
READ = re.compile(r"""environ[a-z]*(?:\.get\(|\[)["']([A-Z_]{3,})["']|read\("([A-Z_]+)"\)""")
NOT_OURS = {"TMPDIR", "PGPASSWORD", "PGPASSFILE"}
"""Read by Python and by PostgreSQL's library."""
EVERYWHERE = {"HOME"}
"""Where all else begins."""


def test_the_page_has_the_variables_that_are_read():
    read = {"RAFSIGHT_CACHE", "RAFSIGHT_INDEX"}
    for file in (ROOT / "src").rglob("*.py"):
        read |= {name for found in READ.findall(file.read_text(encoding="utf-8")) for name in found if name}
    said = PAGE.partition("| file | what for |")[0]
    named = set(re.findall(r"`([A-Z_]{3,})(?:=\w+)?`", said))
    assert named == (read - EVERYWHERE) | NOT_OURS
