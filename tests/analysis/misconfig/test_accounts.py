"""Account files: which lines are entries, and what a password field lets somebody do."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rafsight.analysis.misconfig.accounts import LINE_COUNT, Password, judge_password, read_accounts


@pytest.mark.parametrize(
    ("field", "state", "kind", "weak"),
    [
        ("", Password.EMPTY, "", False),
        ("x", Password.SHADOWED, "", False),
        ("*", Password.LOCKED, "", False),
        ("!", Password.LOCKED, "", False),
        ("!!", Password.LOCKED, "", False),
        ("!$6$a$b", Password.LOCKED, "", False),
        ("*LK*", Password.LOCKED, "", False),
        ("NP", Password.LOCKED, "", False),
        ("no hash of any kind", Password.LOCKED, "", False),
        ("abJnggxhB/yWI", Password.SET, "DES", True),
        ("$1$salt$" + "a" * 22, Password.SET, "MD5", True),
        ("$5$salt$" + "a" * 43, Password.SET, "SHA-256", False),
        ("$6$salt$" + "a" * 86, Password.SET, "SHA-512", False),
        ("$y$j9T$" + "a" * 40, Password.SET, "yescrypt", False),
        ("$2b$10$" + "a" * 53, Password.SET, "bcrypt", False),
    ],
)
def test_password_fields(field, state, kind, weak):
    found = judge_password(field)
    assert (found.state, found.hash_kind, found.is_weak) == (state, kind, weak)


def test_lines():
    accounts = read_accounts(
        b"root:x:0:0:r:/root:/bin/sh\n# c\n\nbad line\n+nis::::::\nx:y:z:0::/:/\napp:x:5:6::/a:/b \r\n",
        b"root:x:0:\nbad\nw:x:7:a,b\n",
        b"root:*:1:::::\n:x:\n",
    )
    assert [(one.name, one.uid, one.gid, one.line, one.shell) for one in accounts.users or ()] == [
        ("root", 0, 0, 1, "/bin/sh"),
        ("app", 5, 6, 7, "/b"),
    ]
    assert accounts.groups == (("root", 0), ("w", 7))
    assert [one.name for one in accounts.shadow] == ["root"]
    assert accounts.user("app").home == "/a"
    assert accounts.user("nobody") is None


def test_a_missing_file_is_not_an_empty_one():
    accounts = read_accounts(None, b"", None)
    assert (accounts.users, accounts.groups, accounts.shadow) == (None, (), ())


@given(some.binary(max_size=200), some.binary(max_size=200))
def test_anything_is_read(passwd, shadow):
    read_accounts(passwd, passwd, shadow)


def test_it_is_bounded():
    accounts = read_accounts(b"a:x:1:1::/:/\n" * (LINE_COUNT + 10), b"", b"")
    assert len(accounts.users or ()) == LINE_COUNT
