"""Rules applied to texts: which of several counts, what is no secret, and that no text takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.analysis.secrets.support import NOW, found, made, matcher

from rafsight.analysis.secrets.matching import unescape
from rafsight.analysis.secrets.selection import Care


def ids(text, **options):
    return [rule for rule, _ in found(text, **options)]


def test_the_specific_rule_beats_the_generic_one():
    text = made("DB_PASSWORD=ghp_{{crc 30}}\nurl: https://x:ghp_{{crc 30}}@h.test/\n")
    assert ids(text) == ["github-pat", "github-pat"]


def test_a_wrong_check_sum_is_no_secret_whatever_it_is_assigned_to():
    assert ids(made("API_TOKEN=ghp_{{alnum 36}}\napi_token = 'ghp_{{alnum 36}}'")) == []


@pytest.mark.parametrize(
    "text",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "password = ${DB_PASSWORD}",
        "password: {{ db_password }}",
        "password: <your password>",
        "token = %TOKEN1234%",
        "secret = @SECRET_2@",
        "api_key = 'xxxxxxxxxxxxxxxx'",
        "api_key = 'aaaaaaaaaaaaaaaa1'",
        "password = '/run/secrets/db1'",
        "token = 'https://login.shop.test/oauth2'",
        "secret: 123e4567-e89b-12d3-a456-426614174000",
        "password=changeme123",
        "PASSWORD_HASHER=pbkdf2_sha256_v2",
        "commit 1a3cbb07c205fad04a265d85307c1ab3999e1d61",
        "-----BEGIN PUBLIC KEY-----\nrg/m3gkkZC9vX6CdPahBM9z\n-----END PUBLIC KEY-----",
        "secretName: tls-cert-2024",
        "GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568",
    ],
)
def test_what_is_no_secret(text):
    assert ids(text.encode()) == []


def test_words_have_ends():
    token = made("AKIA{{base32 16}}")
    assert ids(b"x" + token) == []
    assert ids(token + b"Q") == []
    assert ids(b"(" + token + b")") == ["aws-access-key-id"]


def test_a_key_in_json_is_the_key_of_the_file():
    pem = made("{{pem RSA PRIVATE KEY}}")
    escaped = b'{"key": "' + pem.replace(b"\n", b"\\n") + b'\\n"}'
    indented = b"key: |\n    " + pem.replace(b"\n", b"\n    ") + b"\n"
    pieced = b'"' + pem.replace(b"\n", b'\\n" +\n  "') + b'\\n"'
    assert {value for text in (pem, escaped, indented, pieced) for _, value in found(text)} == {pem}
    assert unescape(rb"a\/b") == b"a/b"


def test_a_comment_allows():
    token = made("ghp_{{crc 30}}")
    matches = matcher().find(b"a\n" + token + b"  # pragma: allowlist secret\n", b"a", Care.ALL)
    assert (matches.hits, matches.allowed) == ((), 1)
    assert ids(token + b"\n# gitleaks:allow\n") == ["github-pat"]


def test_expired_tokens_weigh_less():
    import base64
    import json

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    def severity(claims, alg="HS256"):
        text = b"JWT=" + part({"alg": alg}) + b"." + part({"sub": "12345678"} | claims) + made(".{{alnum 43}}")
        return [hit.severity.name for hit in matcher().find(text, b"a", Care.ALL).hits]

    assert severity({"exp": NOW + 10}) == ["MEDIUM"]
    assert severity({"exp": NOW - 10}) == ["LOW"]
    assert severity({}, alg="none") == ["LOW"]
    assert severity({"exp": "soon"}) == ["MEDIUM"]


def test_care_leaves_out_what_would_be_noise():
    text = made(
        "token: xoxb-{{digits 12}}-{{digits 12}}-{{alnum 24}}\nDB_PASSWORD={{alnum 20}}\nDD_API_KEY={{hex 32}}\n"
    )
    assert ids(text) == ["slack-bot-token", "generic-plain-secret", "datadog-api-key"]
    assert ids(text, care=Care.SPECIFIC) == ["slack-bot-token", "datadog-api-key"]
    assert ids(text, care=Care.TOKENS) == ["slack-bot-token"]


def test_rules_for_some_files_see_no_others():
    text = made("db.shop.test:5432:shop:shop:{{alnum 12}}\n")
    assert ids(text, path=b"root/.pgpass") == ["pgpass-password"]
    assert ids(text, path=b"root/notes") == []
    assert ids(made("password={{alnum 20}}"), path=b"srv/main.go") == []


def test_an_encrypted_key_is_told_from_a_plain_one():
    pem = made("{{pem RSA PRIVATE KEY}}")
    locked = pem.replace(b"-----\n", b"-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1)
    assert ids(pem) == ["rsa-private-key"]
    assert ids(locked) == ["encrypted-private-key"]


def test_values_are_in_no_repr():
    text = made("ghp_{{crc 30}}")
    assert text.decode() not in repr(matcher().find(text, b"a", Care.ALL))


def test_very_many_secrets_are_cut_and_said():
    text = b"\n".join(made("ghp_{{crc 30}}", str(number)) for number in range(600))
    matches = matcher().find(text, b"a", Care.ALL)
    assert (len(matches.hits), matches.is_cut, len(matches.masked)) == (500, True, 600)


NASTY = [
    b"docker login ",
    b"curl -u a ",
    b"password=",
    b"-----BEGIN RSA PRIVATE KEY-----",
    b"-----BEGIN PRIVATE KEY-----A",
    b"://a:",
    b"://" + b"a" * 60,
    b"eyJhbGciOiJI.eyJ",
    b"authorization: bearer ",
    b"kind: Secret\n",
    b"PuTTY-User-Key-File-2:",
    b'"kty":"d":',
    b"server=a;a=b;",
    b"sk_live_",
    b"A" * 40,
    b"?sv=2020-01-01&sig=",
    b"aws_secret_access_key = ",
    b"a1-",
]


@pytest.mark.parametrize("piece", NASTY, ids=lambda piece: piece[:20].decode())
def test_no_text_takes_long(piece):
    text = piece * (400_000 // len(piece))
    one = matcher()
    started = time.process_time()
    one.find(text, b"srv/app/.env", Care.ALL)
    assert time.process_time() - started < 3


def test_a_line_of_400_kilobytes():
    text = b"x;" * 200_000 + made('k="sk_live_{{alnum 24}}"') + b"y;" * 5000
    assert ids(text, path=b"srv/app/dist/main.js") == ["stripe-live-key"]


PIECES = st.sampled_from([*NASTY, b"ghp_", b'"', b"\n", b" = ", b"\\n", b"\xff\xfe", b"\x00", b"AKIA", b"}}", b"${"])


@given(st.lists(st.one_of(PIECES, st.binary(max_size=30)), max_size=40))
def test_no_bytes_raise(pieces):
    text = b"".join(pieces)
    for care in Care:
        for hit in matcher().find(text, b"srv/app/.env", care).hits:
            assert text[hit.start : hit.end]
