from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports import samples

from rafsight.analysis.inventory import Gap, GapReason
from rafsight.analysis.misconfig.checks.distribution import CHECKS
from rafsight.base.severity import Severity
from rafsight.matching.finding import CvssRating, Status
from rafsight.reports.database_age import age_at, age_of_database
from rafsight.reports.paint import Style
from rafsight.reports.policy import ask_policies, ask_policy, unanswerable
from rafsight.reports.policy_language import parse_policy
from rafsight.reports.table import render_table
from rafsight.reports.verdict import verdict

DATABASE = replace(samples.DATABASE, knows_exploited=True, knows_likelihoods=True)
FULL = replace(samples.FULL, database=DATABASE)
VULN_ONLY = replace(samples.PLANTED, database=DATABASE)
JAVA = replace(
    samples.node("log4j", "2.14.1"),
    ecosystem=samples.Ecosystem.MAVEN,
    name="org.apache.logging.log4j:log4j-core",
    licenses=("Apache-2.0", "GPL-2.0 WITH Classpath"),
)
SCOPED = replace(samples.node("x", "7.20.1"), name="@babel/core")
WITH_JAVA = replace(FULL, inventory=replace(FULL.inventory, components=(*FULL.inventory.components, JAVA, SCOPED)))


def ask(text, report=FULL):
    return ask_policy(report, parse_policy(text))


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        (
            "vuln.critical",
            "vuln.critical is 6 (CVE-2024-5535 in libssl3, CVE-2024-5535 in openssl, CVE-2024-32002 in git",
        ),
        ("critical", "critical is 7 ("),  # and a secret
        ("high", "high is 14 ("),  # a secret and a check, too
        ("vuln.high", "vuln.high is 11 ("),
        ("secret", "secret is 2 (aws-access-key-id, private-key-file)"),
        ("secret.high", "secret.high is 2 ("),
        ("secret.critical", "secret.critical is 1 (aws-access-key-id)"),
        ("misconfig.high", "misconfig.high is 1 (RS-CFG-001)"),
        ("unknown", "unknown is 2 (GHSA-9wx4-h78v-vm56 in requests)"),
        ("kev", "kev is 2 (CVE-2024-2961 in libc-bin, CVE-2024-2961 in libc6)"),
        ("malware", "malware is 1 (MAL-2026-1234 in event-stream-helper)"),
        ("vuln.unfixed", "vuln.unfixed is 3 ("),
        ("high.fixable", "high.fixable is 10 ("),
        ("gap", "gap is 4 ("),
        ("gap.too-large", "gap.too-large is 2 (/opt/models/METADATA, /opt/other/METADATA)"),
        ("no-advisories", "no-advisories is 1 (npm)"),
        ("epss>0.9", "epss is 0.9421 (CVE-2024-2961 in libc-bin; 12 without)"),
        ("critical.epss>4%", "critical.epss is 0.04123 (CVE-2024-5535 in libssl3; 4 without)"),
        ("cvss>9", "cvss is 9.1 (CVE-2024-5535 in libssl3; 16 without)"),
        ("database-age>7d", "database-age is 94 days"),
        ("package('LODASH')", "package('lodash') is 2 (lodash 4.17.11)"),
        ("package('lib*@*deb12u8', 'git')", "is 3 (git 1:2.39.2-1.1, libc-bin 2.36-9+deb12u8, libc6 2.36-9+deb12u8)"),
        ("id('CVE-2024-5535')", "id('CVE-2024-5535') is 2 ("),
        ("id('dsa-5764-*')", "is 2 (CVE-2024-5535 in libssl3"),
        ("id('DS-0002', 'aws-*')", "is 2 (aws-access-key-id, RS-CFG-001)"),
        ("license('apache*')>5", "is 6 ("),
    ],
)
def test_what_holds_and_why(text, fact):
    answer = ask(text)
    assert answer.holds is True
    (reason,) = answer.reasons
    assert fact.lower() in reason.lower()


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("eol", "eol is 0"),
        ("gap.unreadable", "gap.unreadable is 0"),
        ("kev>2", "kev is 2 (CVE-2024-2961 in libc-bin, CVE-2024-2961 in libc6)"),
        ("secret.critical>1", "secret.critical is 1 (aws"),
        ("epss>=0.95", "epss is 0.9421"),
        ("low.unknown", "low.unknown is 0"),
        ("package('lodas')", "package('lodas') is 0"),
        ("package('lodash@4.17.1')", "is 0"),
        ("package('lo[d]ash')", "is 0"),
        ("id('CVE-2024-553')", "is 0"),
        ("license('*')<1", "is "),
        ("database-age>100d", "database-age is 94 days"),
        ("not kev", "kev is 2"),
    ],
)
def test_what_does_not(text, fact):
    answer = ask(text)
    assert answer.holds is False
    assert fact in answer.reasons[0]


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("eol or kev or malware", ["kev is 2", "malware is 1"]),
        ("kev and malware", ["kev is 2", "malware is 1"]),
        ("eol or (kev>1 and not gap.unreadable)", ["kev is 2", "gap.unreadable is 0"]),
        ("kev and kev", ["kev is 2"]),
        ("critical>100 or vuln.critical", ["vuln.critical is 6"]),
    ],
)
def test_the_reasons_are_what_decides(text, reasons):
    answer = ask(text)
    assert answer.holds is True
    assert [reason.partition(" (")[0] for reason in answer.reasons] == reasons


def test_java_and_scoped_packages_are_known_by_their_names():
    assert ask("package('log4j-core')", WITH_JAVA).reasons == (
        "package('log4j-core') is 1 (org.apache.logging.log4j:log4j-core 2.14.1)",
    )
    assert ask("package('org.apache.logging.log4j:*@2.14.*')", WITH_JAVA).holds is True
    assert ask("package('log4j-core@2.17.*')", WITH_JAVA).holds is False
    assert ask("package('@babel/core')", WITH_JAVA).holds is True
    assert ask("package('@babel/core@7.*')", WITH_JAVA).holds is True
    assert ask("package('@babel/core@6.*')", WITH_JAVA).holds is False
    assert ask("license('gpl-*')", WITH_JAVA).reasons[0].startswith("license('gpl-*') is 1 (org.apache")


def test_packages_that_name_no_licence_may_be_under_any():
    named = (JAVA, replace(JAVA, version="2"))
    nameless = tuple(replace(SCOPED, version=str(number)) for number in range(4))
    report = replace(FULL, inventory=replace(FULL.inventory, components=(*named, *nameless)))
    answer = ask("license('AGPL-*')", report)
    assert answer.holds is None
    (reason,) = answer.reasons
    assert reason == (
        "license('AGPL-*') is 0 among packages that name a licence, but 4 packages name none "
        "(@babel/core 0, @babel/core 1, @babel/core 2 and 1 more)"
    )
    answers = {
        text: ask(f"license('apache-*'){text}", report).holds
        for text in (">1", ">2", ">6", ">=2", "<2", "<7", "<=6", "==1", "==3", "==7", "!=1", "!=3")
    }
    assert answers == {
        ">1": True, ">2": None, ">6": False, ">=2": True, "<2": False, "<7": True, "<=6": True,
        "==1": False, "==3": None, "==7": False, "!=1": True, "!=3": None,
    }  # fmt: skip
    assert ask("not license('AGPL-*')", report).holds is None
    assert ask("license('AGPL-*') or package('@babel/core')", report).holds is True
    all_named = replace(FULL, inventory=replace(FULL.inventory, components=named))
    assert ask("license('AGPL-*')", all_named).holds is False
    without = replace(FULL, inventory=replace(FULL.inventory, components=()))
    assert ask("license('AGPL-*')", without).reasons == ("license('AGPL-*') is 0",)


@pytest.mark.parametrize(
    "name", ["AGPL-3.0-only", "MIT OR (agpl-3.0-only AND BSD-3-Clause)", "GPL-2+, AGPL-3", "MIT/AGPL-3.0", "(AGPL-3+)"]
)
def test_a_licence_in_an_expression_is_one(name):
    report = replace(FULL, inventory=replace(FULL.inventory, components=(replace(JAVA, licenses=(name,)),)))
    assert ask("license('AGPL-*')", report).holds is True
    assert ask("license('GPL-3*', 'only', 'https:')", report).holds is False
    assert ask(f"license('{name}')", report).holds is True


def test_addresses_and_long_texts_are_no_expressions():
    text = "a " * 2000
    names = ("https://example.org/licenses/AGPL-3.0", text + "(" * 4000, "and/or" * 3000)
    report = replace(FULL, inventory=replace(FULL.inventory, components=(replace(JAVA, licenses=names),)))
    assert ask("license('AGPL-*')", report).holds is False


def test_what_was_not_looked_for_has_no_answer():
    for text in ("secret", "misconfig.high>2", "not secret", "secret or kev>5", "secret and kev"):
        answer = ask(text, VULN_ONLY)
        assert answer.holds is None, text
    assert ask("secret and kev", VULN_ONLY).reasons == ("secret was not looked for",)
    assert ask("secret or kev", VULN_ONLY).holds is True
    assert ask("secret and eol", VULN_ONLY).holds is False
    assert ask("high", VULN_ONLY).holds is True
    assert ask("critical", samples.WITHOUT_DATABASE).holds is None
    assert ask("database-age>1d", samples.WITHOUT_DATABASE).reasons == ("database-age is not known",)
    assert ask("package('git')", samples.WITHOUT_DATABASE).holds is True
    assert ask("gap>=0", samples.WITHOUT_DATABASE).holds is True
    only_secrets = replace(FULL, scanners=("secret",), inventory=replace(FULL.inventory, components=()))
    assert ask("package('git')", only_secrets).holds is None
    assert ask("high.kev", only_secrets).holds is None
    assert ask("high", only_secrets).holds is True


def test_what_nobody_knows_has_no_answer():
    ignorant = replace(FULL, database=samples.DATABASE)
    assert ask("kev", ignorant).reasons == ("kev is not known: the database has no catalogue of exploited flaws",)
    assert ask("high.epss>0.1 or eol", ignorant).reasons == ("high.epss is not known: the database has no EPSS",)
    assert ask("kev", ignorant).holds is ask("epss>0.1", ignorant).holds is None
    assert ask("kev or epss>0", replace(ignorant, findings=())).holds is False
    assert ask("epss>0.1", VULN_ONLY).reasons == ("epss is 0 (18 without)",)
    assert ask("epss>0.1", VULN_ONLY).holds is False
    undated = replace(FULL, database=replace(DATABASE, built="", newest_record=""))
    assert ask("database-age>7d", undated).holds is None


def test_what_does_not_count():
    headers = samples.finding(samples.OPENSSL, "CVE-2024-1", Severity.LOW, kernel_headers=True)
    flaw = samples.finding(samples.OPENSSL, "CVE-2007-6755", Severity.HIGH)
    report = replace(samples.CLEAN, findings=(headers,), unimportant=(flaw,), lists_unimportant=True)
    assert ask("vuln", report).holds is False


def test_end_of_life():
    flaw = samples.finding(samples.OPENSSL, "CVE-2024-1", Severity.LOW, status=Status.END_OF_LIFE)
    assert ask("eol", replace(samples.CLEAN, findings=(flaw,))).reasons == ("eol is 1 (CVE-2024-1 in openssl)",)
    ended = next(check for check in CHECKS if "has reached its end of life" in check.title)
    release = replace(samples.SETUID, id=ended.id)
    found = replace(FULL, misconfigurations=(samples.ROOT_USER, release))
    assert ask("eol.medium", found).reasons == ("eol.medium is 1 (RS-OS-001)",)


def test_the_best_rating_counts():
    ratings = tuple(CvssRating(source="nvd", version="3.1", vector="", score=score) for score in (3.0, 8.5, 5.0))
    rated = samples.finding(samples.OPENSSL, "CVE-2024-1", Severity.LOW, ratings=ratings)
    assert ask("cvss>=8.5", replace(samples.CLEAN, findings=(rated,))).holds is True


def test_many_names_are_cut():
    gaps = tuple(Gap(reason=GapReason.MALFORMED, subject=f"/{number}", detail="x") for number in range(1_500))
    answer = ask("gap>1000", replace(FULL, gaps=gaps))
    assert answer.reasons == ("gap is 1,500 (/0, /1, /2 and 1,497 more)",)


def test_policies_stand_in_the_report():
    report = ask_policies(FULL, [parse_policy("kev"), parse_policy("eol")])
    assert [(answer.expression, answer.holds) for answer in report.policies] == [("kev", True), ("eol", False)]
    assert replace(report, policies=()) == FULL
    assert ask_policies(FULL, []) == FULL


@pytest.mark.parametrize(
    ("text", "scanners", "left"),
    [
        ("secret or kev", ("vuln",), ["secret"]),
        ("high", ("misconfig",), []),
        (
            "kev and package('x') and epss>1 and database-age>1d",
            ("secret",),
            ["kev", "package('x')", "epss", "database-age"],
        ),
        ("gap", (), []),
        ("eol", ("misconfig",), []),
    ],
)
def test_what_no_such_scan_can_answer(text, scanners, left):
    assert [clause.text for clause in unanswerable(parse_policy(text), scanners)] == left


TRUE, FALSE, UNKNOWN = "gap>=0", "gap<0", "secret"
TREES = st.recursive(
    st.sampled_from([(TRUE, True), (FALSE, False), (UNKNOWN, None)]),
    lambda inner: st.one_of(
        inner.map(lambda one: (f"not ({one[0]})", None if one[1] is None else not one[1])),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}) and ({two[1][0]})", both(two[0][1], two[1][1]))),
        st.tuples(inner, inner).map(lambda two: (f"({two[0][0]}), {two[1][0]}", either(two[0][1], two[1][1]))),
    ),
    max_leaves=12,
)


def both(one, two):
    return False if one is False or two is False else None if one is None or two is None else True


def either(one, two):
    return True if one is True or two is True else None if one is None or two is None else False


@given(TREES.filter(lambda tree: len(tree[0]) < 2000))
def test_answers_join_as_logic_has_it(tree):
    text, holds = tree
    answer = ask(text, VULN_ONLY)
    assert answer.holds is holds
    assert answer.reasons


@pytest.mark.parametrize(
    ("built", "newest", "days"),
    [
        ("2026-11-23T00:00:00Z", "2026-11-20T00:00:00Z", 4),
        ("2026-11-14T00:00:00Z", "2026-11-20T00:00:00Z", 10),  # a record from the future makes nothing young
        ("2026-11-23T12:00:00+12:00", "", 1),
        ("", "2026-11-24 00:00:00", 0),
        ("2027-01-01T00:00:00Z", "", 0),
        ("yesterday", "2026-11-22", 2),
        ("", "", None),
        ("x", "", None),
    ],
)
def test_the_age_of_a_database(built, newest, days):
    age = age_at("2026-11-24T00:00:00Z", built=built, newest_record=newest)
    assert age == (None if days is None else days * 86_400)


def test_no_database_has_no_age():
    assert age_of_database(samples.WITHOUT_DATABASE) is None
    assert age_of_database(samples.PLANTED) // 86_400 == 94


def test_the_verdict_says_which_policies_fail_and_which_have_no_answer():
    report = ask_policies(VULN_ONLY, [parse_policy(text) for text in ("vuln.critical>5", "eol", "secret")])
    told = dict(verdict(report))
    assert told["Fails the policy 'vuln.critical>5': vuln.critical is 6 (CVE-2024-5535 in libssl3, "
                "CVE-2024-5535 in openssl, CVE-2024-32002 in git and 2 more)."] is Style.ALARM  # fmt: skip
    assert told["The policy 'secret' has no answer: secret was not looked for."] is Style.WARNING
    assert sum("policy" in text for text in told) == 2


def test_the_verdict_warns_of_old_advisories():
    def sentences(days):
        database = replace(samples.DATABASE, newest_record="2026-11-01T00:00:00Z", built="2026-11-01T00:00:00Z")
        return dict(verdict(replace(samples.CLEAN, database=database, started=f"2026-11-{1 + days:02}T00:00:00Z")))

    assert "The advisories are 8 days old: what was published since then is not found." in sentences(8)
    assert not any("old" in text for text in sentences(7))


def test_hostile_names_stay_out_of_reports():
    report = ask_policies(samples.hostile_everywhere(), [parse_policy("any"), parse_policy("package('*')")])
    table = render_table(report, width=100, colour=False, unicode=True)
    assert "\x1b" not in table
    assert "Fails the policy 'any'" in table
