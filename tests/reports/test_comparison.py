from dataclasses import replace

from tests.reports import samples

from rafsight.analysis.inventory import Ecosystem
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.reports.comparison import take_apart
from rafsight.reports.other_changes import compare_packages, missing_checks, missing_secrets

KEY, SETUID = samples.AWS_KEY, samples.SETUID


def test_a_secret_is_the_same_by_its_value_or_by_its_place():
    moved = replace(KEY, fingerprint="ab", places=(replace(KEY.places[0], path=b"elsewhere"),))
    assert missing_secrets([replace(KEY, fingerprint="ab")], [moved]) == ()
    renewed = replace(KEY, fingerprint="cd")
    assert missing_secrets([replace(KEY, fingerprint="ab")], [renewed]) == ()
    other = replace(moved, fingerprint="")
    assert missing_secrets([other], [replace(KEY, fingerprint="")]) == (other,)
    assert missing_secrets([replace(KEY, rule_id="x", fingerprint="ab")], [moved])[0].rule_id == "x"


def test_a_check_that_fails_at_more_places_is_new_there():
    places = tuple(Evidence(path=path, detail="mode 4755") for path in (b"bin/a", b"bin/b"))
    before = replace(SETUID, evidence=places[:1], count=1)
    after = replace(SETUID, evidence=places, count=2)
    (new,) = missing_checks([after], [before])
    assert (new.evidence, new.count) == (places[1:], 1)
    assert missing_checks([before], [after]) == ()
    assert missing_checks([before], []) == (before,)
    assert missing_checks([replace(after, count=300)], [before]) == ()  # nobody knows which are new


def test_places_that_move_are_the_same_places():
    line = replace(SETUID, evidence=(Evidence(path=b"etc/x", line=3, detail="y"),), count=1)
    assert missing_checks([line], [replace(line, evidence=(Evidence(path=b"etc/x", line=9, detail="y"),))]) == ()
    step = replace(SETUID, evidence=(Evidence(place="history[3]", detail="curl | sh"),), count=1)
    assert missing_checks([step], [replace(step, evidence=(Evidence(place="history[5]", detail="curl | sh"),))]) == ()
    other = replace(step, evidence=(Evidence(place="history[3]", detail="wget | sh"),))
    assert missing_checks([step], [other]) == (step,)


def test_packages_by_all_their_versions():
    older = [samples.LODASH, replace(samples.LODASH, version="3.0.0"), samples.FLASK, samples.GIT]
    newer = [samples.LODASH, replace(samples.FLASK, name="flask"), samples.NESTED, samples.EVIL]
    changes = [(one.ecosystem, one.name, one.before, one.after) for one in compare_packages(older, newer)]
    assert changes == [
        (Ecosystem.DEB, "git", ("1:2.39.2-1.1",), ()),
        (Ecosystem.NPM, "event-stream-helper", (), ("9.9.9",)),
        (Ecosystem.NPM, "lodash", ("3.0.0", "4.17.11"), ("4.17.11",)),
    ]


def test_what_one_report_did_not_look_for_neither_came_nor_went():
    vulnerabilities = replace(samples.FULL, scanners=("vuln",), secrets=(), misconfigurations=())
    parts = take_apart(vulnerabilities, samples.FULL)
    assert parts.scanners == ("vuln",)
    assert (parts.added.findings, parts.added.secrets, parts.added.misconfigurations) == ((), (), ())
    assert len(parts.kept.findings) == len(samples.FULL.findings)
    assert parts.packages == ()
    secrets = replace(
        samples.FULL, scanners=("secret",), inventory=replace(samples.FULL.inventory, components=()), secrets=(KEY,)
    )
    parts = take_apart(secrets, samples.FULL)
    assert parts.packages is None
    assert parts.added.secrets == tuple(one for one in samples.FULL.secrets if one != KEY)
    assert parts.kept.secrets == (KEY,)


def test_each_finding_is_in_one_part():
    before = replace(samples.FULL, findings=samples.FULL.findings[:9], secrets=samples.FULL.secrets[:1])
    after = replace(samples.FULL, findings=samples.FULL.findings[4:], misconfigurations=(SETUID,))
    parts = take_apart(before, after)
    assert len(parts.added.findings) + len(parts.kept.findings) == len(after.findings)
    assert parts.added.secrets == samples.FULL.secrets[1:]
    assert [one.id for one in parts.removed.misconfigurations] == [samples.ROOT_USER.id]
    assert parts.kept.misconfigurations == (SETUID,)
