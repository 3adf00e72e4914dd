import pytest
from tests.analysis import kinds
from tests.analysis.damage import check_damage
from tests.analysis.support import components, extract

from rafsight.analysis.extractor import MalformedFile, Skipped
from rafsight.analysis.lang.dotnet import DOTNET


def test_an_application_and_a_framework():
    found = components(extract(DOTNET, kinds.DEPS_JSON))
    assert [(item.name, item.version) for item in found] == [("Newtonsoft.Json", "13.0.1"), ("Serilog", "2.10.0")]
    (runtime,) = components(extract(DOTNET, kinds.FRAMEWORK_DEPS_JSON))
    assert (runtime.name, runtime.version) == ("Microsoft.NETCore.App.Runtime.linux-x64", "8.0.3")


def test_a_runtime_that_was_packed_along():
    key = b'"runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/6.0.1"'
    content = b'{"targets": {"x": {%s: {"native": {"a.so": {}}}}}, "libraries": {%s: {"type": "runtimepack"}}}' % (
        key,
        key,
    )
    (found,) = components(extract(DOTNET, content))
    assert (found.name, found.version) == ("Microsoft.NETCore.App.Runtime.linux-x64", "6.0.1")


@pytest.mark.parametrize("assets", [b'"resources": {"de/a.dll": {}}', b'"runtimeTargets": {"runtimes/a.dll": {}}'])
def test_other_files_count_as_well(assets):
    content = b'{"targets": {"x": {"A/1": {%s}}}, "libraries": {"A/1": {"type": "package"}}}' % assets
    assert [item.name for item in components(extract(DOTNET, content))] == ["A"]


def test_a_library_without_a_version_is_said():
    content = (
        b'{"targets": {"x": {"A": {"runtime": {"a.dll": {}}}}}, "libraries": {"A": {"type": "package"}, "B/1": 7}}'
    )
    assert extract(DOTNET, content) == [Skipped(what="the library 'A' has no version")]


@pytest.mark.parametrize("content", [b"", b"{", b'{"libraries": []}', b'{"targets": ' * 50_000])
def test_anything_else_is_malformed(content):
    with pytest.raises(MalformedFile):
        extract(DOTNET, content)


def test_any_damage_is_borne():
    check_damage(DOTNET, kinds.DEPS_JSON, b"app/x.deps.json")
