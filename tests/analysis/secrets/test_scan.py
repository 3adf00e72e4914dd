"""The search of one image: names, contents, places, allowances, gaps."""

import dataclasses
import random

import pytest
from tests.analysis.secrets.support import made, read, search

from rafsight.analysis.inventory import GapReason
from rafsight.analysis.secrets.configuration import read_settings
from rafsight.analysis.secrets.finding import Confidence
from rafsight.analysis.secrets.selection import Care
from rafsight.base.severity import Severity


def places(report):
    return [(secret.rule_id, [place.path or place.place for place in secret.places]) for secret in report.secrets]


def test_one_value_is_one_finding_with_all_its_places():
    token = made("ghp_{{crc 30}}")
    one = search()
    read(one, b"srv/b.conf", b"x=" + token)
    read(one, b"srv/a.conf", b"\n\npassword: '" + token + b"'")
    one.read_text("history[2]", b"ARG T=" + token)
    report = one.finish()
    assert places(report) == [("github-pat", [b"srv/a.conf", b"srv/b.conf", "history[2]"])]
    assert report.secrets[0].places[0].start_line == 3
    assert report.secrets[0].match == "password: '" + "*" * 40 + "'"
    assert len(report.secrets[0].fingerprint) == 64


def test_the_order_of_reading_does_not_matter():
    files = [
        (f"srv/{name}.conf".encode(), made("a=ghp_{{crc 30}}\nb=AKIA{{base32 16}}\n", name[0]))
        for name in ("aa", "ab", "bc")
    ]
    reports = []
    for seed in range(3):
        random.Random(seed).shuffle(files)
        one = search()
        for path, content in files:
            read(one, path, content)
        reports.append(one.finish().secrets)
    assert reports[0] == reports[1] == reports[2]


def test_lines_and_offsets_of_wide_text():
    text = "\ufeff[app]\r\ntoken = " + made("xoxb-{{digits 12}}-{{digits 13}}-{{alnum 24}}").decode() + "\r\n"
    one = search()
    read(one, b"etc/app/a.ini", text.encode("utf-16-le"))
    place = one.finish().secrets[0].places[0]
    assert (place.start_line, place.offset) == (2, 2 * text.index("xoxb"))


def test_binaries_are_searched_for_tokens():
    one = search()
    read(
        one,
        b"usr/local/lib/lib.so",
        b"\x7fELF" + bytes(500) + made("AKIA{{base32 16}}") + bytes(9) + made("DB_PASSWORD={{alnum 20}}"),
    )
    assert places(one.finish()) == [("aws-access-key-id", [b"usr/local/lib/lib.so"])]


def test_names_alone_are_findings_until_the_content_says_more():
    def report_of(act):
        one = search()
        one.name(b"root/.ssh/id_rsa", 900)
        act(one)
        return [(secret.rule_id, secret.confidence) for secret in one.finish().secrets]

    def reading(content):
        def act(one):
            one.read(b"root/.ssh/id_rsa", content, choice=one.choose(b"root/.ssh/id_rsa", 900))

        return act

    assert report_of(lambda one: None) == [("private-key-file", Confidence.LOW)]
    assert report_of(reading(made("{{pem RSA PRIVATE KEY}}"))) == [("rsa-private-key", Confidence.HIGH)]
    assert report_of(reading(b"nothing of that kind")) == []


def test_stores_are_told_by_how_they_begin():
    one = search()
    assert one.name(b"srv/app/store.jks", 900)
    assert one.name(b"srv/app/fake.jks", 900)
    assert one.name(b"srv/app/unread.jks", 900)
    assert not one.name(b"srv/app/truststore.jks", 900)
    assert not one.name(b"usr/lib/jvm/store.jks", 900)
    one.read_head(b"srv/app/store.jks", bytes.fromhex("feedfeed00000002"))
    one.read_head(b"srv/app/fake.jks", b"text")
    found = [
        (secret.rule_id, secret.confidence, [place.path for place in secret.places]) for secret in one.finish().secrets
    ]
    assert found == [
        ("key-store", Confidence.MEDIUM, [b"srv/app/store.jks"]),
        ("key-store", Confidence.LOW, [b"srv/app/unread.jks"]),
    ]


@pytest.mark.parametrize(
    ("path", "size", "rule"),
    [
        (b"srv/app/.git/HEAD", 20, "git-repository"),
        (b"root/.bash_history", 20, "shell-history"),
        (b"run/secrets/db", 20, "mounted-secret"),
        (b"srv/terraform.tfstate", 500, "terraform-state"),
        (b"root/.mylogin.cnf", 100, "mysql-login-file"),
    ],
)
def test_files_that_are_findings_by_name(path, size, rule):
    one = search()
    one.name(path, size)
    one.name(b"srv/other.txt", size)
    report = one.finish()
    assert places(report) == [(rule, [path])]
    assert (report.secrets[0].match, report.secrets[0].fingerprint) == ("", "")


def test_a_core_dump_is_an_elf_of_its_kind():
    core = bytes.fromhex("7f454c46020101000000000000000000") + b"\x04\0" + bytes(50)
    program = bytes.fromhex("7f454c46020101000000000000000000") + b"\x02\0" + bytes(50)
    one = search()
    for path, head in ((b"srv/core", core), (b"srv/core.77", program)):
        assert one.name(path, 100_000)
        one.read_head(path, head)
    assert not one.name(b"srv/core", 100)
    assert places(one.finish()) == [("core-dump", [b"srv/core"])]


def test_hidden_files_say_their_layer():
    one = search()
    content = made("token=ghp_{{crc 30}}")
    one.read(b"srv/a.ini", content, choice=one.choose(b"srv/a.ini", len(content)), layer="sha256:1")
    report = one.finish()
    assert report.secrets[0].places[0].layer == "sha256:1"
    assert report.looked_at.hidden_files == 1


def test_what_was_not_looked_at():
    one = search(max_size=1000)
    one.name(b"srv/a.conf", 1001)
    one.give_up(b"srv/b.conf", "gone")
    one.leave_out("3 files", "too dear")
    gaps = [(gap.reason, gap.subject) for gap in one.finish().gaps]
    assert gaps == [
        (GapReason.TOO_LARGE, "srv/a.conf"),
        (GapReason.UNREADABLE, "srv/b.conf"),
        (GapReason.TOO_LARGE, "3 files"),
    ]


def test_very_many_gaps_are_counted():
    one = search()
    for number in range(1500):
        one.give_up(b"srv/%d" % number, "gone")
    gaps = one.finish().gaps
    assert (len(gaps), gaps[-1].subject) == (1001, "500 more files")


def test_other_names_of_a_file_are_places_too():
    content = made("ghp_{{crc 30}}")
    one = search()
    one.read(b"srv/a.ini", content, choice=one.choose(b"srv/a.ini", len(content)), more_paths=(b"srv/b.ini",))
    assert places(one.finish()) == [("github-pat", [b"srv/a.ini", b"srv/b.ini"])]


def allowing(text):
    return read_settings(text.encode())


def test_allowances():
    content = made("a: ghp_{{crc 30}}\n")
    plain = search()
    read(plain, b"srv/a.conf", content)
    fingerprint = plain.finish().secrets[0].fingerprint
    for entry in (
        f"{{fingerprints: [{fingerprint}]}}",
        "{paths: ['srv/*.conf']}",
        "{rules: [github-pat], values: ['^ghp_'], reason: test}",
    ):
        one = search(allowing(f"secrets: {{allow: [{entry}]}}"))
        read(one, b"srv/a.conf", content)
        report = one.finish()
        assert (report.secrets, report.allowed) == ((), 1), entry
    for entry in ("{rules: [jwt]}", "{paths: ['etc/**']}", "{rules: [github-pat], paths: ['etc/**']}"):
        one = search(allowing(f"secrets: {{allow: [{entry}]}}"))
        read(one, b"srv/a.conf", content)
        assert len(one.finish().secrets) == 1, entry


def test_a_user_can_change_everything():
    settings = allowing(
        """
secrets:
  rules:
    - id: acme-token
      title: ACME token
      severity: critical
      keywords: [acme_]
      pattern: acme_[a-z0-9]{12}
  files:
    - {id: acme-file, title: ACME file, paths: ['**/acme.bin']}
  disable: [jwt]
  severity: {github-pat: low}
  stop-words: [DontCare]
  skip: ['srv/data/**']
"""
    )
    one = search(settings)
    assert one.choose(b"srv/data/a.conf", 100) is None
    read(
        one,
        b"srv/a.conf",
        made(
            "a acme_{{base32-lower 12}}\nb ghp_{{crc 30}}\nc {{jwt}}\nd AKIA{{base32 16}}\ne glpat-dontcare{{alnum 12}}\n"
        ),
    )
    one.name(b"srv/acme.bin", 5)
    found = [(secret.rule_id, secret.severity) for secret in one.finish().secrets]
    assert found == [
        ("acme-token", Severity.CRITICAL),
        ("aws-access-key-id", Severity.CRITICAL),
        ("acme-file", Severity.MEDIUM),
        ("github-pat", Severity.LOW),
    ]


def test_care_is_part_of_the_choice():
    one = search()
    content = made("DB_PASSWORD={{alnum 20}}")
    choice = dataclasses.replace(one.choose(b"srv/a.conf", len(content)), care=Care.SPECIFIC)
    one.read(b"srv/a.conf", content, choice=choice)
    assert one.finish().secrets == ()
