"""What is shown around a secret: never the secret."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.analysis.secrets.support import made, matcher, read, search

from rafsight.analysis.secrets.excerpt import LINE_LENGTH, MaskedText
from rafsight.analysis.secrets.selection import Care


def test_lines_around():
    text = b"one\ntwo\nkey=SECRETS\nfour\nfive\nsix\n"
    start = text.index(b"SECRETS")
    excerpt = MaskedText(text, [(start, start + 7)]).excerpt(start, start + 7)
    assert [(line.number, line.content, line.is_cause) for line in excerpt.lines] == [
        (1, "one", False),
        (2, "two", False),
        (3, "key=*******", True),
        (4, "four", False),
        (5, "five", False),
    ]
    assert (excerpt.start_line, excerpt.end_line, excerpt.match) == (3, 3, "key=*******")


def test_what_stands_there_is_masked_wherever_it_stands():
    text = b"# was SECRETS\nkey=SECRETS"
    excerpt = MaskedText(text, [(18, 25)]).excerpt(18, 25)
    assert [line.content for line in excerpt.lines] == ["# was *******", "key=*******"]


def test_values_of_such_names_are_masked_whatever_rules_say():
    text = (
        b'{"db": {"Password": "Passw0rd!x", "user": "bob"}, "key": "SECRETS"}\n'
        b"PGPASSWORD=changeme-please; export a\n"
        b"api-key = 'x y z' # b\n"
    )
    start = text.index(b"SECRETS")
    excerpt = MaskedText(text, [(start, start + 7)]).excerpt(start, start + 7)
    assert [line.content for line in excerpt.lines] == [
        '{"db": {"Password": "**********", "user": "bob"}, "key": "*******"}',
        "PGPASSWORD=***************; export a",
        "api-key = '*****' # b",
    ]


def test_values_that_begin_before_what_is_shown_are_masked():
    text = b'password: "' + b"x" * 200 + b'", key=SECRETS,' + b"y" * 200
    start = text.index(b"SECRETS")
    shown = MaskedText(text, [(start, start + 7)]).excerpt(start, start + 7).match
    assert "x" not in shown
    assert "key=*******" in shown


def test_long_lines_are_cut_after_masking():
    text = b"a" * 1000 + b"S" * 300 + b"b" * 1000
    excerpt = MaskedText(text, [(1000, 1300)]).excerpt(1000, 1300)
    assert len(excerpt.match) == LINE_LENGTH
    assert set(excerpt.match) == {"a", "*"}


def test_of_a_key_the_head_is_shown_and_few_lines():
    text = b"a\n" + made("{{pem RSA PRIVATE KEY}}") + b"\nz\n"
    matches = matcher().find(text, b"a", Care.ALL)
    hit = matches.hits[0]
    excerpt = MaskedText(text, matches.masked).excerpt(hit.start, hit.end)
    assert excerpt.match == "-----BEGIN RSA PRIVATE KEY-----"
    shown = [line.content for line in excerpt.lines]
    assert shown[:4] == ["a", "-----BEGIN RSA PRIVATE KEY-----", "*" * 64, "*" * 64]
    assert shown[-1] == "z"
    assert (excerpt.start_line, excerpt.end_line) == (2, 6)


def test_binaries_have_no_lines():
    text = b"\x7fELF\0\0key\nSECRETS\0\0\xff"
    start = text.index(b"SECRETS")
    excerpt = MaskedText(text, [(start, start + 7)], is_binary=True).excerpt(start, start + 7)
    assert (excerpt.match, excerpt.lines) == (".ELF..key.*******...", ())


TEMPLATES = st.sampled_from(
    [
        "ghp_{{crc 30}}",
        "AKIA{{base32 16}}",
        "{{pem RSA PRIVATE KEY}}",
        'key: "{{pem-json OPENSSH PRIVATE KEY}}"',
        "DB_PASSWORD={{alnum 18}}",
        "https://u:{{alnum 12}}@host.test",
        "JWT={{jwt}}",
        '{"auths": {"r": {"auth": "{{basic}}"}}}',
        "Authorization: Bearer {{alnum 30}}",
    ]
)
NOISE = st.text(alphabet="ab ={}\"'\n\t;#é\0", max_size=120)


@settings(max_examples=60)
@given(st.lists(st.tuples(NOISE, TEMPLATES, st.booleans()), min_size=1, max_size=5), st.integers(0, 9), st.booleans())
def test_no_report_holds_a_secret(parts, seed, is_wide):
    pieces = []
    for number, (noise, template, again) in enumerate(parts):
        value = made(template, f"{seed} {number}").decode()
        pieces += [noise, "\n", value, "\n# " + value if again else "", "\n"]
    text = "".join(pieces)
    content = b"\xff\xfe" + text.encode("utf-16-le") if is_wide else text.encode()
    one = search()
    read(one, b"srv/app/.env", content)
    report = repr(one.finish())
    values = [hit.value.decode() for hit in matcher().find(text.encode(), b"srv/app/.env", Care.ALL).hits]
    for value in values:
        lines = [line for line in value.splitlines() if not line.startswith("-----")]
        assert not any(line in report for line in lines if len(line) >= 6)
