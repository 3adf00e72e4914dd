"""Configs, however odd: one strange member hides no other."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rafsight.analysis.extractor import MalformedFile
from rafsight.analysis.misconfig.start import StartConfig, read_start

MEMBERS = (
    "User",
    "Env",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "StopSignal",
    "ExposedPorts",
    "Volumes",
    "Labels",
    "Healthcheck",
)

_values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=20),
    lambda below: some.lists(below, max_size=4) | some.dictionaries(some.text(max_size=5), below, max_size=4),
    max_leaves=10,
)


def test_all_members():
    start = read_start(
        json.dumps({
            "created": "2026-01-01T00:00:00Z",
            "config": {
                "User": "app:staff", "Env": ["A=1", "A=2=3", "B"], "Entrypoint": ["/x"], "Cmd": "old form",
                "WorkingDir": "/srv", "StopSignal": "SIGINT", "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}},
                "Labels": {"k": "v", "n": None}, "Healthcheck": {"Test": ["CMD", "x"], "Interval": 1},
            },
        }).encode()
    )  # fmt: skip
    assert start.identity == ("app", "staff")
    assert [(one.name, one.value) for one in start.env] == [("A", "1"), ("A", "2=3"), ("B", "")]
    assert start.last("A").value == "2=3"
    assert start.last("C") is None
    assert (start.entrypoint, start.cmd, start.ports, start.volumes) == (
        ("/x",),
        ("old form",),
        ("80/tcp",),
        ("/data",),
    )
    assert (start.labels, start.healthcheck) == ({"k": "v", "n": ""}, ("CMD", "x"))
    assert start.created.startswith("2026")
    assert start.unread == ()


@pytest.mark.parametrize("member", MEMBERS)
def test_a_member_of_another_type_is_named(member):
    start = read_start(json.dumps({"config": {member: 7}}).encode())
    assert start.unread == (f"config.{member}",)
    assert start == StartConfig(unread=start.unread)


@pytest.mark.parametrize("text", ["null", "{}", '{"config": null}', '{"config": {"User": null, "Env": null}}'])
def test_nothing_is_nothing(text):
    if text == "null":
        with pytest.raises(MalformedFile):
            read_start(text.encode())
    else:
        assert read_start(text.encode()) == StartConfig()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"config": ' + b"[" * 100_000, b"\xff", b'{"a":' * 10_000 + b"1"]
)
def test_damage_is_said(content):
    with pytest.raises(MalformedFile):
        read_start(content)


def test_deep_members():
    content = b'{"config": {"User": "x", "Env": ' + b"[" * 300 + b"]" * 300 + b"}}"
    start = read_start(content)
    assert (start.user, start.unread) == ("x", ("config.Env",))


@given(some.dictionaries(some.sampled_from(MEMBERS), _values), _values)
def test_anything_is_read_or_named(members, created):
    start = read_start(json.dumps({"config": members, "created": created}).encode())
    assert isinstance(start, StartConfig)
    assert all(name.startswith("config.") or name == "created" for name in start.unread)
