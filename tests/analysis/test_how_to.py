"""The how-to is a program: its blocks run here."""

import re
from pathlib import Path

import pytest

from rafsight.analysis.catalogue import CATALOGUE

PAGE = Path(__file__).resolve().parents[2] / "docs/how-to-add-an-analyzer.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def test_there_is_an_example():
    assert len(BLOCKS) == 1


@pytest.mark.parametrize("block", BLOCKS)
def test_the_example_runs(block):
    space: dict[str, object] = {}
    exec(compile(block, str(PAGE), "exec"), space)
    assert space["inventory"]


@pytest.mark.parametrize("extractor", CATALOGUE, ids=lambda extractor: extractor.name)
def test_every_extractor_has_its_module_and_its_test(extractor):
    folder, _, name = extractor.name.partition("/")
    module = f"{folder}/{name.replace('-', '_')}"
    root = PAGE.parents[1]
    assert (root / f"src/rafsight/analysis/{module}.py").is_file()
    test = root / f"tests/analysis/{folder}/test_{name.replace('-', '_')}.py"
    assert test.is_file()


def test_no_extractor_is_missing_from_the_catalogue():
    root = PAGE.parents[1] / "src/rafsight/analysis"
    defined = {
        match
        for path in root.glob("*/*.py")
        for match in re.findall(r'= Extractor\(\s*name="([^"]+)"', path.read_text())
    }
    assert defined == {extractor.name for extractor in CATALOGUE}
