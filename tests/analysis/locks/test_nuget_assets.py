from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import Skipped
from rafsight.analysis.locks.nuget_assets import NUGET_ASSETS


def test_libraries():
    content = b'{"libraries": {"Serilog/2.10.0": {"type": "package"}, "own/1.0.0": {"type": "project"}, "x": {}}}'
    found = extract(NUGET_ASSETS, content)
    assert [(item.name, item.version) for item in components(found)] == [("Serilog", "2.10.0")]
    assert Skipped(what="x has no usable version") in found
    check_damage(NUGET_ASSETS, content, b"obj/project.assets.json")
