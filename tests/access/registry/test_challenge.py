import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.access.registry.challenge import Challenge, parse_challenges

BEARER = 'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/app:pull"'


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            [BEARER],
            [
                Challenge(
                    scheme="bearer",
                    realm="https://auth.docker.io/token",
                    service="registry.docker.io",
                    scope="repository:library/app:pull",
                )
            ],
        ),
        (['Basic realm="harbor"'], [Challenge(scheme="basic", realm="harbor")]),
        (["Basic"], [Challenge(scheme="basic")]),
        (["bEaReR REALM=x"], [Challenge(scheme="bearer", realm="x")]),
        (
            ['Basic realm="a", Bearer realm="b",service=c'],
            [Challenge(scheme="basic", realm="a"), Challenge(scheme="bearer", realm="b", service="c")],
        ),
        (
            ['Basic realm="a"', 'Bearer realm="b"'],
            [Challenge(scheme="basic", realm="a"), Challenge(scheme="bearer", realm="b")],
        ),
        (["Negotiate YII==, Basic realm=x"], [Challenge(scheme="negotiate"), Challenge(scheme="basic", realm="x")]),
        ([r'Basic realm="a \"b\", c\\"'], [Challenge(scheme="basic", realm='a "b", c\\')]),
        (
            ['Bearer realm = "a" , , scope="s",error="insufficient_scope"'],
            [Challenge(scheme="bearer", realm="a", scope="s", error="insufficient_scope")],
        ),
        (['Bearer realm="a",realm="b"'], [Challenge(scheme="bearer", realm="a")]),
        (['Bearer realm="never closed'], [Challenge(scheme="bearer")]),
        (['realm="without a scheme"'], []),
        (["", "   ", ",,,"], []),
        ([], []),
    ],
)
def test_parses(values, expected):
    assert list(parse_challenges(values)) == expected


def test_bounded():
    assert len(parse_challenges([f"S{number}" for number in range(1000)])) == 8
    many = parse_challenges(["Bearer " + ",".join(f"x{number}=1" for number in range(40)) + ',realm="late"'])
    assert many == (Challenge(scheme="bearer"),)
    assert parse_challenges(['Bearer x="' + "a" * 9000 + '",realm="b"'])[0].realm == ""


@pytest.mark.parametrize(
    "value", ['Bearer realm="' + "\\" * 8000, "a=" * 4000, "Bearer " + '"' * 8000, " ," * 4000 + "x", "B " + "=" * 8000]
)
def test_hostile_headers_cost_nothing(value):
    start = time.process_time()
    parse_challenges([value] * 8)
    assert time.process_time() - start < 10  # a square of the length would take minutes


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=200), max_size=5))
def test_never_fails(values):
    parse_challenges(values)


WORD = st.text(st.sampled_from("abcXYZ019-_.!"), min_size=1, max_size=10)


@given(
    st.lists(
        st.tuples(WORD, st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)),
        min_size=1,
        max_size=6,
    )
)
def test_quoted_realms_come_back(pairs):
    header = ", ".join(
        f'{scheme} realm="' + realm.replace("\\", "\\\\").replace('"', '\\"') + '"' for scheme, realm in pairs
    )
    assert [(one.scheme, one.realm) for one in parse_challenges([header])] == [
        (scheme.lower(), realm) for scheme, realm in pairs
    ]
