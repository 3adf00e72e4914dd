import hashlib
import threading
import time

import pytest

from rafsight.hunt import content as module
from rafsight.hunt.content import DigestCheck, LiteralCheck, MalformedRules, NoContentEngine, judge, make_checks
from rafsight.hunt.question import FileQuestion, MalformedQuestion


def found(file: bytes, **question):
    return judge(make_checks(FileQuestion(**question)), file)


def test_literal_bytes_need_no_engine():
    (check,) = make_checks(FileQuestion(content="BEGIN KEY-"))
    assert isinstance(check, LiteralCheck)
    evidence = check.evidence(b"\x00\xff BEGIN KEY-1")
    assert evidence is not None
    assert (evidence.text, evidence.offset) == ("BEGIN KEY-", 3)
    assert check.evidence(b"begin key-") is None


def test_undecodable_bytes_are_what_was_typed():
    assert found(b"a\xe9b", content="\udce9")
    assert not found("aéb".encode(), content="\udce9")


def test_digests():
    wanted = hashlib.sha256(b"abc").hexdigest()
    check = DigestCheck([wanted, "0" * 64])
    assert check.evidence(b"abc") == check.evidence_of_pieces(iter([b"a", b"bc"])) is not None
    assert check.evidence(b"abx") is None


def test_all_conditions_have_to_hold():
    digest = hashlib.sha256(b"abc").hexdigest()
    evidence = found(b"abc", digests=(digest,), content="b")
    assert evidence is not None
    assert [one.kind for one in evidence] == ["sha256", "content"]
    assert found(b"abc", digests=(digest,), content="x") is None


def test_a_missing_engine_says_how_to_get_it():
    with pytest.raises(NoContentEngine, match="no-such-engine") as caught:
        module._import("rafsight_has_no_such_engine", option="--yara", package="no-such-engine", extra="yara")
    assert "rafsight[yara]" in caught.value.advice


class TestExpressions:
    @pytest.fixture(autouse=True)
    def engine(self):
        pytest.importorskip("re2", reason="google-re2 is not installed")

    def test_bytes(self):
        evidence = found(b"\x00\xffpass\xfeword = hunter2\n", content=r"word\s*=\s*(\w+)")
        assert evidence is not None
        assert (evidence[0].text, evidence[0].offset) == ("word = hunter2", 7)
        assert found(b"ab\ncd", content="b.c") is None
        assert found(b"ab\ncd", content="(?s)b.c")

    def test_a_long_match_is_cut(self):
        evidence = found(b"x" * 1000, content="x+")
        assert evidence is not None
        assert len(evidence[0].text) == 81

    def test_time_is_linear_in_hostile_content(self):
        began = time.monotonic()
        assert found(b"a" * 2_000_000, content="(a+)+$b|(a|a)*c|a.*a.*a.*d") is None
        assert time.monotonic() - began < 5  # a backtracking engine would need longer than the universe has

    @pytest.mark.parametrize("pattern", ["(", r"(a)\1", "a{100000}", "(?=x)"])
    def test_what_does_not_compile_is_refused(self, pattern):
        with pytest.raises(MalformedQuestion, match="--content"):
            make_checks(FileQuestion(content=pattern))


class TestRules:
    @pytest.fixture(autouse=True)
    def engine(self):
        pytest.importorskip("yara_x", reason="yara-x is not installed")

    RULES = 'rule planted { strings: $a = "evil" condition: $a } rule large { condition: filesize > 100 }'

    def test_names_and_place(self):
        evidence = found(b"xx evil", yara=self.RULES)
        assert evidence is not None
        assert (evidence[0].text, evidence[0].offset) == ("planted", 3)
        evidence = found(b"x" * 101, yara=self.RULES)
        assert evidence is not None
        assert (evidence[0].text, evidence[0].offset) == ("large", None)
        assert found(b"fine", yara=self.RULES) is None

    def test_threads_share_the_rules(self):
        checks = make_checks(FileQuestion(yara=self.RULES))
        results = []
        threads = [threading.Thread(target=lambda: results.append(judge(checks, b"evil"))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 4
        assert all(results)

    @pytest.mark.parametrize(
        "rules", ["rule x {", 'include "/etc/passwd"', 'import "nonsense" rule a { condition: true }']
    )
    def test_what_does_not_compile_is_refused(self, rules):
        with pytest.raises(MalformedRules):
            make_checks(FileQuestion(yara=rules))
