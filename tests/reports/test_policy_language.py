import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.base.durations import DAY, format_duration, parse_duration
from rafsight.reports.policy_language import MAX_LENGTH, Clause, Comparison, parse_policy
from rafsight.reports.policy_tokens import MalformedPolicy
from rafsight.reports.policy_words import AGE, FUNCTIONS, MEASURES, WORDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pipelines.md"


def steps(text):
    """Write the steps as words: clauses as they are asked, with their comparison."""
    shown = []
    for step in parse_policy(text).steps:
        is_clause = isinstance(step, Clause)
        shown.append(f"{step.text}{step.comparison.operator}{step.comparison.value:g}" if is_clause else step)
    return " ".join(shown)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("critical", "critical>0"),
        ("HIGH", "high>0"),
        ("critical>0 or (high>5 and fixable)", "critical>0 high>5 fixable>0 and or"),
        ("high,critical", "high>0 critical>0 or"),
        ("not kev and not not malware", "kev>0 not malware>0 not not and"),
        ("kev or malware and eol", "kev>0 malware>0 eol>0 and or"),
        ("(kev or malware) and eol", "kev>0 malware>0 or eol>0 and"),
        ("kev and malware or eol", "kev>0 malware>0 and eol>0 or"),
        ("kev or malware or eol", "kev>0 malware>0 or eol>0 or"),
        ("not (kev or malware)", "kev>0 malware>0 or not"),
        ("secret.high", "secret.high>0"),
        ("misconfig.critical >= 2", "misconfig.critical>=2"),
        ("gap.unreadable==0", "gap.unreadable==0"),
        ("low = 3", "low==3"),
        ("epss>0.5", "epss>0.5"),
        ("high.fixable.epss >= 50%", "high.fixable.epss>=0.5"),
        ("cvss>9.5", "cvss>9.5"),
        ("database-age>7d", "database-age>604800"),
        ('package("log4j-core")', 'package("log4j-core")>0'),
        ("package ( 'a' , \"B@1.*\" ) < 2", "package ( 'a' , \"B@1.*\" )<2"),
        ("\t(\n(critical)\n) ", "critical>0"),
    ],
)
def test_what_it_means(text, wanted):
    assert steps(text) == wanted


def test_what_a_clause_keeps():
    (age,) = parse_policy("database-age >= 1.5h").clauses
    assert age.comparison == Comparison(operator=">=", value=5400)
    (named,) = parse_policy("License('A GPL*', \"b\")").clauses
    assert (named.function, named.patterns) == ("license", ("A GPL*", "b"))


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("any", ["misconfig", "secret", "vuln"]),
        ("high", ["misconfig", "secret", "vuln"]),
        ("id('x')", ["misconfig", "secret", "vuln"]),
        ("eol", ["misconfig", "vuln"]),
        ("high.kev", ["vuln"]),
        ("epss>0", ["vuln"]),
        ("gap", ["gap"]),
        ("gap.malformed", ["gap"]),
        ("too-large", ["gap"]),
    ],
)
def test_what_it_is_said_of(text, kinds):
    assert sorted(parse_policy(text).clauses[0].kinds) == kinds


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("^", "the end stands where a word"),
        ("   ^", "the end stands where a word"),
        ("critical or ^hihg>3", "'hihg' is no word of policies; did you mean 'high'?"),
        ("secret.^hihg", "did you mean 'high'?"),
        ("^xyz", "'xyz' is no word of policies"),
        ("critical ^high", "'high' stands where `and`, `or` or the end could be"),
        ("critical or ^", "the end stands where"),
        ("critical ^3", "'3' stands where"),
        ("critical > ^high", "'high' is not a number"),
        ("critical > ^", "the end is not a number"),
        ("critical > ^5x", "'5x' is not a number"),
        ("critical > ^50%", "'50%' is not a number"),
        ("critical >^> 5", "'>' is not a number"),
        ("^(critical", "this parenthesis is never closed"),
        ("((critical) and ^", "the end stands where"),
        ("critical^)", "no parenthesis is open here"),
        ("(^)", "')' stands where a word"),
        ("not ^and critical", "'and' stands where a word"),
        ("^or critical", "'or' stands where a word"),
        ("^epss", "'epss' has to be compared with something, for example epss>0.5"),
        ("^cvss or kev", "for example cvss>=9"),
        ("^database-age", "for example database-age>7d"),
        ("database-age > ^7", "'7' is not a time, such as 7d"),
        ("database-age > ^7y", "'7y' is not a time"),
        ("^database-age.high > 7d", "'database-age' stands alone"),
        ("^epss.high>1", "'epss' may only stand last"),
        ("secret.^kev", "'kev' can never be said of 'secret'"),
        ("secret.^fixable.high", "'fixable' can never be said of 'secret'"),
        ("^secret.epss>0.1", "'secret' can never be said of 'epss'"),
        ("gap.^high", "'high' can never be said of 'gap'"),
        ("high.^gap", "'gap' can never be said of 'high'"),
        ("^kev('x')", "'kev' takes nothing in parentheses; package, license, id do"),
        ("^package", "'package' is no word of policies"),
        ("package(^x)", "'x' stands where a text in quotes could be"),
        ("package('x' ^'y')", "stands where a comma"),
        ("package('x'^", "the end stands where a comma"),
        ("package(^", "the end stands where a text"),
        ("package(^)", "')' stands where a text"),
        ("package('x',^)", "')' stands where a text"),
        ("package(^'')", "texts have 1 to 198 characters"),
        ("package(^'" + "x" * 199 + "')", "texts have 1 to 198 characters"),
        ("package(^'x)", "this quote is never closed"),
        ('^"critical"', "stands where a word"),
        ("critical ^&& high", "'&' means nothing here"),
        ("critical^; rm", "';' means nothing here"),
        ("^\x1b[31m", "'\\x1b' means nothing here"),
        ("^\udcff", "means nothing here"),
    ],
)
def test_mistakes_are_shown_at_their_place(text, what):
    position = text.index("^")
    with pytest.raises(MalformedPolicy) as caught:
        parse_policy(text[:position] + text[position + 1 :])
    assert what in str(caught.value)
    assert caught.value.details["column"] == position + 1
    assert caught.value.picture[1] == " " * position + "^"


def test_the_picture_is_a_part_of_a_long_policy_and_never_sends_what_it_should_not():
    with pytest.raises(MalformedPolicy) as caught:
        parse_policy("kev or " * 40 + "'\x1b' or xyz " + "and kev " * 40)
    policy, caret = caught.value.picture
    assert policy[caret.index("^") :].startswith("'\\x1b' or xyz")
    assert len(policy) < 130
    assert policy.isprintable()


def test_length_is_bounded_and_depth_costs_nothing():
    fits = MAX_LENGTH // 2 - 3
    assert steps("(" * fits + "kev" + ")" * fits) == "kev>0"
    assert steps("not " * 400 + "kev").count("not") == 400
    with pytest.raises(MalformedPolicy, match="more than 2,000 characters"):
        parse_policy("(" * 100_000)
    with pytest.raises(MalformedPolicy, match="never closed"):
        parse_policy("(" * (MAX_LENGTH - 3) + "kev")


PIECES = st.sampled_from(
    [
        "(",
        ")",
        "and",
        "or",
        "not",
        ",",
        ">",
        "0.5",
        "7d",
        "high",
        "epss",
        "database-age",
        "id('x')",
        "package",
        "'",
        ".",
    ]
)


@given(st.one_of(st.lists(PIECES, max_size=20).map(" ".join), st.text(max_size=60)))
def test_whatever_is_written_is_a_policy_or_a_mistake_at_a_place(text):
    mistake, policy = parsed(text)
    if mistake is None:
        assert parse_policy(policy.text).steps == policy.steps
    else:
        assert 1 <= mistake.details["column"] <= len(text) + 1
        assert str(mistake).isprintable()


def parsed(text):
    try:
        return None, parse_policy(text)
    except MalformedPolicy as mistake:
        return mistake, None


def test_the_page_has_all_words_with_their_meaning():
    rows = dict(re.findall(r"^\| `([a-z-]+)(?:\(TEXT, \.\.\.\))?` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    wanted = {name: word.meaning for name, word in WORDS.items()} | MEASURES | FUNCTIONS
    assert {name: rows.get(name) for name in wanted} == wanted
    assert AGE in rows


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7d", 7 * DAY), ("12h", 43_200), (" 2 W ", 14 * DAY), ("1.5m", 90), ("0s", 0), ("999999w", 999_999 * 7 * DAY)],
)
def test_spans_of_time(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "1e3d", "1000000d", "7 days", "7dd", "nan", "\u0667d"])
def test_what_is_no_span_of_time(text):
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (-5, "0 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (7_199, "119 minutes"),
        (7_200, "2 hours"),
        (DAY, "1 day"),
        (2 * DAY - 1, "1 day and 23 hours"),
        (7 * DAY, "7 days"),
        (7 * DAY + 3_600, "7 days and 1 hour"),
        (30 * DAY - 1, "29 days and 23 hours"),
        (30 * DAY + 7_200, "30 days"),
        (2_000 * DAY, "2,000 days"),
    ],
)
def test_spans_are_written_in_words(seconds, text):
    assert format_duration(seconds) == text
