"""Checks of users: what they say, where they fail, and which mistakes are told with which line."""

from pathlib import Path

import pytest
from tests.analysis.misconfig.support import Spec, judge_spec, places

from rafsight.analysis.misconfig.configuration import read_settings
from rafsight.analysis.misconfig.user_check import FILE_COUNT
from rafsight.analysis.secrets.configuration import read_settings as read_secrets
from rafsight.analysis.secrets.fields import MalformedConfiguration
from rafsight.base.severity import Severity

HEAD = "checks:\n  - id: A-1\n    title: A title\n"


def own(spec, more, paths='["srv/**"]'):
    settings = read_settings(f"{HEAD}    paths: {paths}\n{more}".encode())
    found = [one for one in judge_spec(spec, "none", settings=settings).misconfigurations if one.id == "A-1"]
    return [line for one in found for line in places(one)]


FILES = Spec(
    files={"srv/a": b"debug = true\nx\ndebug=true\n", "srv/b/c": b"debug = false", "etc/a": b""},
    modes={"srv/a": 0o664, "srv/b": 0o2775},
    owners={"srv/a": (33, 33), "srv/b/c": (0, 7)},
)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("", ["/srv/a: mode 0664, owner 33:33", "/srv/b: mode 2775, owner 0:0", "/srv/b/c: mode 0644, owner 0:7"]),
        ("    kind: directory\n", ["/srv/b: mode 2775, owner 0:0"]),
        ("    kind: [file, link]\n    mode-any: '020'\n", ["/srv/a: mode 0664, owner 33:33"]),
        ("    mode-all: 0o2020\n", ["/srv/b: mode 2775, owner 0:0"]),
        ("    mode-none: '111'\n    uid-not: 33\n", ["/srv/b/c: mode 0644, owner 0:7"]),
        ("    uid: [33, 34]\n", ["/srv/a: mode 0664, owner 33:33"]),
        ("    gid: 7\n", ["/srv/b/c: mode 0644, owner 0:7"]),
        ("    gid-not: [0, 7]\n", ["/srv/a: mode 0664, owner 33:33"]),
        ("    min-size: 20\n    max-size: 1KiB\n", ["/srv/a: mode 0664, owner 33:33"]),
        ("    except: ['srv/b', 'srv/b/**']\n", ["/srv/a: mode 0664, owner 33:33"]),
        (
            "    pattern: '^debug {0,5}= {0,5}true'\n",
            ["/srv/a:1: the pattern matches", "/srv/a:3: the pattern matches"],
        ),
        ("    pattern: '^x$'\n    required: true\n", ["/srv/b/c: no line matches the pattern"]),
        ("    pattern: debug\n    read-at-most: 10\n", []),
        ("    required: true\n", []),
        ("    required: true\n    min-size: 1000\n", [": no srv/** as the check asks for"]),
    ],
)
def test_conditions(more, expected):
    assert own(FILES, more) == expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ("srv/a", ["srv/a"]),
        ("/srv/a", ["srv/a"]),
        ('"**/a"', ["etc/a", "srv/a"]),
        ('"**/[a]"', ["etc/a", "srv/a"]),
        ('"srv/?"', ["srv/a", "srv/b"]),
        ('"srv/*"', ["srv/a", "srv/b"]),
        ('["etc/*", "**/c"]', ["etc/a", "srv/b/c"]),
        ("nothing/here", []),
    ],
)
def test_paths(paths, expected):
    assert [line.partition(":")[0] for line in own(FILES, "", paths)] == ["/" + path for path in expected]


def test_what_is_too_large_or_too_much_is_a_gap():
    settings = read_settings(f"{HEAD}    paths: ['srv/*']\n    pattern: a\n    read-at-most: 2\n".encode())
    many = Spec(files={f"srv/{n:04}": b"a" for n in range(FILE_COUNT + 3)} | {"srv/large": b"aaa"})
    found = judge_spec(many, "none", settings=settings)
    assert [one.count for one in found.misconfigurations] == [FILE_COUNT]
    assert [(gap.subject, gap.reason) for gap in found.gaps] == [("srv/large", "too-large"), ("A-1", "too-large")]


def test_texts_and_levels():
    settings = read_settings(
        b"checks:\n  - {id: A-1, title: T, paths: x, severity: critical, message: '{count} here', references: ['https://x'],"
        b" aliases: [B-2], category: c, description: d, resolution: r}\n"
        b"misconfig:\n  disable: [RS-CFG-001]\n  severity: {RS-CFG-003: high, A-1: low}\n"
    )
    found = judge_spec(Spec(files={"x": b""}), "RS-CFG-001", "RS-CFG-003", settings=settings)
    assert [(one.id, one.severity) for one in found.misconfigurations] == [
        ("RS-CFG-003", Severity.HIGH),
        ("A-1", Severity.LOW),
    ]
    own = found.misconfigurations[1]
    assert (own.message, own.aliases, own.category, own.description) == ("1 here", ("B-2",), "c", "d")
    assert found.check_count == 2


def test_a_check_of_ones_own_can_be_switched_off():
    settings = read_settings(f"{HEAD}    paths: ['**']\nmisconfig: {{disable: A-1}}\n".encode())
    assert judge_spec(FILES, "none", settings=settings).misconfigurations == ()


def test_the_documented_example_is_read():
    page = (Path(__file__).resolve().parents[3] / "docs/misconfig.md").read_text()
    example = page.partition("```yaml\n")[2].partition("```")[0]
    settings = read_settings(example.encode())
    assert [check.id for check in settings.checks] == ["ACME-001", "ACME-002", "ACME-003", "ACME-004"]
    assert settings.severities == {"RS-FS-011": Severity.HIGH}
    spec = Spec(
        files={"srv/uploads/a": b"", "opt/acme/bin/x": b"", "etc/acme/a.conf": b"debug = on\n"},
        modes={"opt/acme/bin/x": 0o775}, owners={"srv/uploads": (33, 33)},
    )  # fmt: skip
    found = judge_spec(spec, "none", settings=settings).misconfigurations
    assert {one.id: places(one) for one in found} == {
        "ACME-001": ["/srv/uploads/a: mode 0644, owner 0:0"],
        "ACME-002": ["/opt/acme/bin/x: mode 0775, owner 0:0"],
        "ACME-003": ["/etc/acme/a.conf:1: the pattern matches"],
        "ACME-004": [": no licenses/* as the check asks for"],
    }


def test_one_file_serves_both_searches():
    content = f"secrets: {{skip: ['srv/**']}}\n{HEAD}    paths: x\n".encode()
    assert read_secrets(content).skips == (b"srv/**",)
    assert [check.id for check in read_settings(content).checks] == ["A-1"]
    assert read_settings(b"").checks == ()


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        ("checks: 1", 1, "checks has to be a list"),
        ("check: []", 1, "there is no part check"),
        ("checks: []\nmisconfig: {}\nchecks: []", 3, "checks is there twice"),
        ("checks:\n  - title: x\n", 2, "id has to be a text"),
        ("checks:\n  - {id: RS-1, title: x, paths: y}\n", 2, "'RS-1' is no id"),
        ("checks:\n  - {id: 'a b', title: x, paths: y}\n", 2, "'a b' is no id"),
        ("checks:\n  - id: A-1\n    title: x\n", 2, "a check needs paths"),
        (f"{HEAD}    paths: x\n    colour: red\n", 2, "there is no key colour"),
        (f"{HEAD}    paths: x\n    kind: folder\n", 2, "kind is 'folder'"),
        (f"{HEAD}    paths: x\n    mode-any: '9'\n", 2, "mode-any is '9'"),
        (f"{HEAD}    paths: x\n    mode-any: 22\n", 2, "mode-any has to be a text"),
        (f"{HEAD}    paths: x\n    uid: root\n", 2, "uid has to be a number"),
        (f"{HEAD}    paths: x\n    uid: true\n", 2, "uid has to be a number"),
        (f"{HEAD}    paths: x\n    max-size: big\n", 2, "max-size is 'big'"),
        (f"{HEAD}    paths: x\n    pattern: '('\n", 2, "no regular expression"),
        (f"{HEAD}    paths: x\n    pattern: '(a*)*b'\n", 2, "very long"),
        (f"{HEAD}    paths: x\n    pattern: {'a' * 1001}\n", 2, "more than 1000 characters"),
        (f"{HEAD}    paths: x\n    pattern: a\n    kind: directory\n", 2, "in files only"),
        (f"{HEAD}    paths: x\n    pattern: a\n    read-at-most: 2MiB\n", 2, "read-at-most is more than"),
        (f"{HEAD}    paths: x\n    severity: bad\n", 2, "severity is 'bad'"),
        (f"{HEAD}    paths: x\n  - {{id: A-1, title: y, paths: z}}\n", 5, "there is a check A-1 already"),
        ("secrets: {}\nmisconfig:\n  disable: [RS-CFG-999]\n", 3, "there is no check 'RS-CFG-999'"),
        ("secrets: {}\nmisconfig:\n  without: [RS-CFG-001]\n", 3, "there is no key without"),
        ("a: [\n", 2, ""),
    ],
)
def test_mistakes(content, line, what):
    with pytest.raises(MalformedConfiguration) as caught:
        read_settings(content.encode(), "my.yaml")
    assert str(caught.value).startswith(f"my.yaml, line {line}: ")
    assert what in str(caught.value)
    assert "docs/misconfig.md" in caught.value.advice
