"""What decides about results is in the key of what is remembered."""

from rafsight.verbs.scan.release import fingerprint_of, release_fingerprint


def test_every_change_of_the_code_is_another_release(tmp_path):
    def seen(version="1"):
        return fingerprint_of(tmp_path, version)

    (tmp_path / "analysis/secrets").mkdir(parents=True)
    (tmp_path / "interfaces").mkdir()
    found = [seen(), seen("2")]
    (tmp_path / "analysis/a.py").write_text("one")
    found.append(seen())
    (tmp_path / "analysis/a.py").write_text("two")
    found.append(seen())
    (tmp_path / "analysis/a.py").rename(tmp_path / "analysis/b.py")
    found.append(seen())
    (tmp_path / "analysis/secrets/rules.yaml").write_text("rules")
    found.append(seen())
    assert len(set(found)) == len(found)
    (tmp_path / "analysis/__pycache__").mkdir()
    (tmp_path / "analysis/__pycache__/a.pyc").write_bytes(b"x")
    (tmp_path / "interfaces/cli.py").write_text("words")
    assert seen() == found[-1]


def test_this_release_is_always_the_same():
    assert release_fingerprint() == release_fingerprint.__wrapped__()
