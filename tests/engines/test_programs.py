"""Engines are found, and only those that may be used are."""

import pytest
from tests.engines.fakes import NAMES, NEWEST, install, path_of, recorded

from rafsight.base.errors import ExitStatus
from rafsight.engines.catalogue import ENGINES, engine_named
from rafsight.engines.faults import EngineMissing, EngineNotStarted, EngineRefused, EngineTooOld, EngineVersionUnknown
from rafsight.engines.programs import describe_engine, find_program, open_program


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def bin_(tmp_path):
    return tmp_path / "bin"


@pytest.fixture
def opened(bin_, tmp_path, scratch):
    """Open an engine of the folder that is on PATH."""
    return lambda name: open_program(engine_named(name), {"PATH": str(bin_)}, tmp_path / "beside", scratch)


@pytest.mark.parametrize(
    ("name", "version"), [("trivy", "0.69.3"), ("grype", "0.121.0"), ("syft", "1.18.1"), ("osv-scanner", "2.5.0")]
)
def test_recorded_versions(opened, bin_, name, version):
    fake = install(bin_, name)
    program = opened(name)
    assert (program.path, program.version) == (fake.program, version)
    assert program.introduction == recorded(name, "version.txt").decode()
    assert not fake.has_run


@pytest.mark.parametrize("name", NAMES)
def test_the_network_is_off_for_the_version_too(opened, bin_, scratch, name):
    fake = install(bin_, name)
    opened(name)
    expected = {"PATH": str(bin_), "TMPDIR": str(scratch)} | dict(engine_named(name).traits.forced)
    assert fake.version_environment == expected


@pytest.mark.parametrize(
    ("name", "said", "version"),
    [
        ("trivy", b"Version: 0.63.0\nVulnerability DB:\n  Version: 2\n", "0.63.0"),
        ("trivy", b"Version: v0.71.2-12-gabcdef\n", "0.71.2"),
        ("trivy", b"\nversion 1.2.3\nVersion: 0.70.0\n", "0.70.0"),
        ("grype", b"grype 999999.0.0\n", "999999.0.0"),
        ("grype", b"v0.88.0", "0.88.0"),
        ("syft", b"syft 1.0.0-rc.1\n", "1.0.0"),
        ("osv-scanner", b"osv-scanner version: 2.0.0\r\nosv-scalibr version: 0.1.0\n", "2.0.0"),
    ],
)
def test_ways_to_say_a_version(opened, bin_, name, said, version):
    install(bin_, name, version=said)
    assert opened(name).version == version


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("trivy", b""),
        ("trivy", b"Version: dev\n"),
        ("trivy", b"Version: 0.70\n"),
        ("trivy", b"Version: 0.70.1.5\n"),
        ("trivy", b"syft 0.70.0\n"),
        ("grype", b"grype [not provided]\n"),
        ("grype", b"grype 9999999.0.0\n"),
        ("syft", b"\xff\xfe\n"),
        ("osv-scanner", b"osv-scanner version: (devel)\nosv-scalibr version: 3.0.0\n"),
        ("osv-scanner", b"x" * 100_000),
    ],
)
def test_no_version(opened, bin_, name, said):
    fake = install(bin_, name, version=said)
    with pytest.raises(EngineVersionUnknown, match=f"does not say which version of {name} it is") as caught:
        opened(name)
    assert str(fake.program) in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("name", "said", "module"),
    [
        ("trivy", b"Version: dev\n", "github.com/aquasecurity/trivy"),
        ("grype", b"grype [not provided]\n", "github.com/anchore/grype"),
        ("syft", b"syft [not provided]\n", "github.com/anchore/syft"),
    ],
)
def test_a_build_without_a_version_of_its_own_says_it_in_its_build(opened, bin_, name, said, module):
    """As `go install MODULE@VERSION` makes it."""
    fake = install(bin_, name, version=said)
    with fake.program.open("a") as file:
        file.write(f"\npath\t{module}/cmd/{name}\nmod\t{module}\tv1.57.1\th1:x=\n")
    assert opened(name).version == "1.57.1"


@pytest.mark.parametrize("stamp", ["(devel)", "v0.0.0-20260319081500-abcdef012345", "v1.57"])
def test_a_build_without_any_version(opened, bin_, stamp):
    fake = install(bin_, "syft", version=b"syft [not provided]\n")
    with fake.program.open("a") as file:
        file.write(f"\nmod\tgithub.com/anchore/syft\t{stamp}\t\n")
    with pytest.raises(EngineVersionUnknown):
        opened("syft")


@pytest.mark.parametrize(
    "introduce", ["echo 'Version: 9.9.9' >&2; exit 1", "echo 'Version: 9.9.9'; exit 3", "kill -KILL $$"]
)
def test_a_program_that_fails_has_no_version(opened, bin_, introduce):
    install(bin_, "trivy", introduce=introduce)
    with pytest.raises(EngineVersionUnknown):
        opened("trivy")


@pytest.mark.parametrize(
    ("name", "said", "version"),
    [
        ("trivy", b"Version: 0.62.9\n", "0.62.9"),
        ("grype", b"grype 0.87.99\n", "0.87.99"),
        ("syft", b"syft 0.105.1\n", "0.105.1"),
        ("osv-scanner", b"osv-scanner version: 1.9.2\n", "1.9.2"),
    ],
)
def test_too_old(opened, bin_, name, said, version):
    install(bin_, name, version=said)
    with pytest.raises(EngineTooOld, match=f"is {name} {version}; the oldest that works is") as caught:
        opened(name)
    assert caught.value.exit_status == ExitStatus.HOST
    assert "Update it" in caught.value.advice


@pytest.mark.parametrize("version", ["0.69.4", "0.69.5", "0.69.6"])
def test_a_bad_release_by_its_word(opened, bin_, version):
    install(bin_, "trivy", version=f"Version: {version}\n".encode())
    with pytest.raises(EngineRefused, match=f"is trivy {version}, which is not run: .*steals credentials") as caught:
        opened("trivy")
    assert caught.value.exit_status == ExitStatus.HOST
    assert "replace the secrets" in caught.value.advice


@pytest.mark.parametrize("end", ["\t", "\n", "+dirty\t", "-0.20260319\t"])
@pytest.mark.parametrize("version", ["v0.69.4", "0.69.6"])
def test_a_bad_release_by_its_build_is_not_even_asked(opened, bin_, version, end):
    fake = install(bin_, "trivy", version=b"Version: 0.70.0\n")
    with fake.program.open("a") as file:
        file.write(f"\npath\tx\nmod\tgithub.com/aquasecurity/trivy\t{version}{end}h1:x=\n")
    with pytest.raises(EngineRefused, match=r"is trivy 0\.69"):
        opened("trivy")
    assert not fake.was_asked_for_its_version


@pytest.mark.parametrize(
    "stamp",
    [
        "mod\tgithub.com/aquasecurity/trivy\tv0.69.3\t",
        "mod\tgithub.com/aquasecurity/trivy\tv0.69.7\t",
        "mod\tgithub.com/aquasecurity/trivy\t(devel)\t",
        "mod\tgithub.com/aquasecurity/trivy-db\tv0.69.4\t",
        "mod\tgithub.com/aquasecurity/trivy\tv0.69.40\t",
        "dep\tgithub.com/aquasecurity/trivy\tv0.69.4\t",
    ],
)
def test_other_builds_are_asked(opened, bin_, stamp):
    fake = install(bin_, "trivy")
    with fake.program.open("a") as file:
        file.write(f"\n{stamp}\n")
    assert opened("trivy").version == "0.69.3"
    assert fake.was_asked_for_its_version


@pytest.mark.parametrize("version", ["0.69.3", "0.69.7", "0.70.0"])
def test_releases_beside_the_bad_ones(opened, bin_, version):
    install(bin_, "trivy", version=f"Version: {version}\n".encode())
    assert opened("trivy").version == version


@pytest.mark.parametrize("name", NAMES)
def test_missing(opened, name):
    with pytest.raises(EngineMissing, match=f"{name} is not installed") as caught:
        opened(name)
    assert caught.value.exit_status == ExitStatus.HOST
    assert engine_named(name).traits.install in caught.value.advice


@pytest.mark.parametrize("name", ["trivy", "syft"])
@pytest.mark.parametrize("content", [b"", b"no program"])
def test_something_that_is_no_program(opened, bin_, name, content):
    bin_.mkdir()
    (bin_ / name).write_bytes(content)
    (bin_ / name).chmod(0o755)
    with pytest.raises(EngineNotStarted, match="Exec format error"):
        opened(name)


def test_where_programs_are_looked_for(tmp_path):
    first, second, beside = (tmp_path / name for name in ("first", "second", "beside"))
    environment = {"PATH": f"{first}:{second}"}
    assert find_program("syft", environment, beside) is None
    at_last = install(beside, "syft").program
    assert find_program("syft", environment, beside) == at_last
    on_path = install(second, "syft").program
    assert find_program("syft", environment, beside) == on_path
    not_executable = install(first, "syft").program
    not_executable.chmod(0o644)
    assert find_program("syft", environment, beside) == on_path
    not_executable.unlink()
    not_executable.mkdir()
    assert find_program("syft", environment, beside) == on_path
    not_executable.rmdir()
    not_executable.symlink_to(at_last)
    assert find_program("syft", environment, beside) == not_executable


@pytest.mark.parametrize("path", ["bin", ".", "", "bin:", ":bin", "./bin"])
def test_relative_folders_are_passed_over(tmp_path, monkeypatch, bin_, path):
    """Whoever names one runs what lies in the folder that they happen to be in."""
    install(bin_, "syft")
    monkeypatch.chdir(bin_ if path in (".", "") else tmp_path)
    assert find_program("syft", {"PATH": path}, tmp_path / "beside") is None


def describe(name, bin_, scratch):
    return describe_engine(engine_named(name), {"PATH": path_of(bin_)}, scratch / "nothing", scratch)


@pytest.mark.parametrize("name", NAMES)
def test_a_usable_engine_described(bin_, scratch, name):
    fake = install(bin_, name, version=b"" if name == "trivy" else None)
    fake.data.joinpath("version").write_bytes({"trivy": b"Version: " + NEWEST}.get(name, recorded(name, "version.txt")))
    found = describe(name, bin_, scratch)
    assert found.usable
    assert found.version
    assert (found.name, found.path, found.problem, found.remedy) == (name, str(fake.program), "", "")
    assert found.views == (("archive",) if name == "osv-scanner" else ("archive", "mount"))


def test_engines_that_are_not_usable_described(bin_, scratch):
    missing = describe("trivy", bin_, scratch)
    assert (missing.usable, missing.path, missing.version) == (False, "", "")
    assert "is not installed" in missing.problem
    fake = install(bin_, "trivy", version=b"Version: 0.69.5\n")
    refused = describe("trivy", bin_, scratch)
    assert (refused.usable, refused.path, refused.version) == (False, str(fake.program), "")
    assert "steals credentials" in refused.problem
    assert "Remove it" in refused.remedy


def test_every_engine_says_what_it_is_about():
    assert tuple(engine.traits.name for engine in ENGINES) == NAMES
    for engine in ENGINES:
        traits = engine.traits
        assert traits.covers.endswith(".")
        assert traits.needs
        assert traits.install
        assert not traits.passed & set(traits.forced)
