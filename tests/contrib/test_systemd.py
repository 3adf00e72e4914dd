"""The units for one machine: read by systemd's own programs where they are, and held against the command line."""

import configparser
import shlex
import shutil

import pytest
from tests.contrib.runners import CONTRIB, call
from tests.contrib.services import SETTINGS, parse, settings_of

FOLDER = CONTRIB / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("rafsight*"))
SERVICES = ("rafsight.service", "rafsight-advisories.service")
PROGRAM = "/usr/local/bin/rafsight"


def read(name):
    unit = configparser.RawConfigParser(strict=True, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    unit.optionxform = str
    unit.read_string((FOLDER / name).read_text())
    return unit


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The units with a program that there is."""
    folder = tmp_path_factory.mktemp("units")
    for name in UNITS:
        (folder / name).write_text((FOLDER / name).read_text().replace(PROGRAM, "/bin/true"))
    return folder


def test_systemd_reads_the_units(installed):
    """Where systemd is; nobody has to have it."""
    if program := shutil.which("systemd-analyze"):
        done = call([program, "verify", *(installed / name for name in UNITS)])
        assert (done.returncode, done.stdout) == (0, "")
        for name in SERVICES:
            done = call([program, "security", "--offline=true", "--threshold=25", installed / name])
            assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_units_have_as_little_as_they_need(name):
    service = dict(read(name)["Service"])
    for key in ("DynamicUser", "NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""
    assert service["SystemCallFilter"] == "@system-service"
    assert (service["User"], service["StateDirectory"], service["CacheDirectory"]) == ("rafsight",) * 3
    assert {"MemoryMax", "TasksMax", "UMask"} <= set(service)


def test_the_command_lines_are_ours():
    settings = FOLDER / "serve.yaml"
    serve = read("rafsight.service")["Service"]["ExecStart"].replace("${CONFIGURATION_DIRECTORY}", "/etc/rafsight")
    assert shlex.split(serve) == [PROGRAM, "serve", "--config", SETTINGS]
    assert parse(shlex.split(serve)[1:], settings)[0] == ["serve"]
    update = shlex.split(read("rafsight-advisories.service")["Service"]["ExecStart"])
    assert update[0] == PROGRAM
    assert parse(update[1:], settings)[0] == ["db", "update"]
    made, store = settings_of(settings)
    assert made.is_local
    assert store == ""


def test_both_look_into_the_same_folders():
    folders = [
        dict(one.split("=", 1) for one in read(name)["Service"]["Environment"].split())["RAFSIGHT_CACHE_DIR"]
        for name in SERVICES
    ]
    assert folders == ["/var/cache/rafsight"] * 2


def test_the_timer_starts_what_there_is():
    assert read("rafsight-advisories.timer")["Timer"]["Persistent"] == "yes"
    assert "rafsight-advisories.timer" in read("rafsight.service")["Unit"]["Wants"].split()
    assert read("rafsight-advisories.service")["Service"]["SuccessExitStatus"] == "3"
