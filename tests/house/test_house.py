"""Rules of the house that no linter knows."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src/rafsight").rglob("*.py"))


def test_no_line_above_the_codec_asks_for_the_rafs_version():
    asks = re.compile(r"rafs_?v[56]|is_v[56]|version *(==|!=|in|<|>|<=|>=) *\(?[56]\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        if "formats/rafs" not in path.as_posix() and "testing" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if asks.search(line)
    ]
    assert not found


def test_modules_stay_small():
    assert {p.name: n for p in SOURCES if (n := len(p.read_text().splitlines())) > 600} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_module_says_what_it_is(path):
    assert path.read_text().lstrip().startswith(('"""', 'r"""'))


def test_no_requirement_carries_an_index_address():
    for path in (ROOT / "requirements").glob("*.txt"):
        assert "://" not in path.read_text(), path.name
        assert "--hash=sha256:" in path.read_text(), path.name


def test_no_file_names_a_place_of_one_machine():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    forbidden = re.compile(r"(?<![\w.])/(work|root|home)/[a-z]")
    found = []
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".txt", ".cfg", ".sh"} and path.is_file() and path != Path(__file__):
            found += [f"{name}: {m.group()}" for m in forbidden.finditer(path.read_text(errors="replace"))]
    assert not found
