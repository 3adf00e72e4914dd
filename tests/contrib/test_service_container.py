"""The container recipe of the service: its steps are done in a folder, and what they make is run as the container would:
with PostgreSQL, where root can, on a read-only file system and without a capability, until it is told to end."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from tests.contrib.runners import CONTRIB, ROOT, call, environment, python_without_index
from tests.contrib.services import SETTINGS, parse
from tests.contrib.test_lint import program
from tests.interfaces.service.postgres_server import postgres_server

RECIPE = CONTRIB / "container" / "Containerfile.service"
NOBODY = 65532
_LIMIT = 60.0


def instructions():
    """Return the instructions as (name, rest), lines that go on joined."""
    text = re.sub(r"^\s*#.*\n", "", RECIPE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def all_of(name):
    return [rest for instruction, rest in instructions() if instruction == name]


@pytest.fixture(scope="module")
def folder():
    """A folder that others may look into, as far down as they need."""
    made = Path(tempfile.mkdtemp(prefix="rafsight-service-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def built(folder):
    """The folder that the first stage makes, made by its own COPY and RUN instructions."""
    work, place = folder / "build", folder / "opt" / "rafsight"
    work.mkdir()
    place.parent.mkdir()
    _, calls = python_without_index(folder, "python")
    variables = environment(folder)
    variables["PATH"] = f"{folder}:{variables['PATH']}"
    stage = 0
    for name, rest in instructions():
        stage += name == "FROM"
        if stage == 1 and name == "COPY":
            source, target = (ROOT / rest.split()[0], work / rest.split()[1])
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target)
        elif stage == 1 and name == "RUN":
            command = rest.replace("/opt/rafsight", shlex.quote(str(place)))
            done = call(["sh", "-ec", command], cwd=work, env=variables)
            assert done.returncode == 0, done.stdout
    return place, calls.read_text()


_SHUT_IN = """
# this copy of all mounts would keep alive what other tests have mounted, and think gone when they unmount it
umount --all --lazy --types erofs,fuse,fuse.rafsight 2>/dev/null || :
for place in "$1/cache" "$1/home"; do mount --bind "$place" "$place"; done
mount -o remount,bind,ro /
shift
exec setpriv --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
"""


def shut_in(folder):
    """Return how to run a program so that it can write into cache and home alone, and has no capability."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("setpriv")):
        return []
    how = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _SHUT_IN, "sh", str(folder)]
    return how if call([*how, "sh", "-c", "! touch /tmp/rafsight-probe 2>&1"]).returncode == 0 else []


def port_in(log):
    """Return the port that a service says it has got; None before. The last line may be half there."""
    said = [json.loads(line) for line in log.read_text().rpartition("\n")[0].splitlines() if line.startswith("{")]
    return next((line["port"] for line in said if line["message"] == "listening"), None)


def wait_for(condition):
    ends = time.monotonic() + _LIMIT
    while not (found := condition()):
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)
    return found


def answer(address):
    try:
        with urlopen(address, timeout=5) as response:
            return response.read().decode()
    except OSError:
        return ""


@pytest.mark.postgres
def test_what_is_built_serves_until_it_is_told_to_end(built, folder, advisories):
    place, _ = built
    for name in ("cache", "advisories", "home"):
        (folder / name).mkdir(exist_ok=True)
    shut = shut_in(folder)
    with postgres_server() as store:
        secret, settings = folder / "store-url", folder / "serve.yaml"
        secret.write_text(f"{store}\n")
        os.chmod(store.partition("host=")[2], 0o755)  # noqa: PTH101 - without capabilities root is like others here
        text = (CONTRIB / "compose/serve.yaml").read_text()
        for before, after in (
            ("0.0.0.0:8080", "0.0.0.0:0"),
            ("file:/run/secrets/store-url", f"file:{secret}"),
            ("/advisories/", f"{folder}/advisories/"),
            ("cache: /cache", f"cache: {folder}/cache"),
        ):
            assert before in text
            text = text.replace(before, after)
        settings.write_text(text)
        variables = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "TMPDIR": str(folder / "home")}
        how = {"cwd": "/", "env": variables}
        rafsight = place / "bin/rafsight"
        refused = call([*shut, rafsight, "serve", "--config", settings], **how)
        assert refused.returncode == 2
        assert "no token says who may use the service" in refused.stdout
        made = call([*shut, rafsight, "token", "create", "--config", settings, "--scope", "read"], **how)
        assert "\nrafsight_" in made.stdout, made.stdout
        with (folder / "log").open("wb") as log:
            service = subprocess.Popen([*shut, rafsight, "serve", "--config", settings], stdout=log, stderr=log, **how)
        try:
            port = wait_for(lambda: service.poll() is not None or port_in(folder / "log"))
            assert service.poll() is None, (folder / "log").read_text()
            wait_for(lambda: service.poll() is not None or answer(f"http://127.0.0.1:{port}/probe/healthy"))
            assert service.poll() is None, (folder / "log").read_text()
            ready = [*shut, place / "bin/ready", str(port)]
            without = call(ready, **how)
            assert without.returncode == 1, without.stdout
            assert "not ready: HTTP Error 503" in without.stdout
            shutil.copytree(advisories / "db", folder / "advisories" / "db")
            wait_for(lambda: call(ready, **how).returncode == 0)
            assert '<h1 id="login-title">Log in</h1>' in answer(f"http://127.0.0.1:{port}/")
        finally:
            service.send_signal(signal.SIGTERM)
            status = service.wait(_LIMIT)
        assert status == 0, (folder / "log").read_text()
        assert "not ready:" in call(ready, **how).stdout


def test_requirements_are_pinned_hashed_and_from_no_named_index(built):
    _, calls = built
    (install,) = [line for line in calls.splitlines() if " install " in line]
    assert "--require-hashes -r requirements/service.txt" in install
    assert not re.search(r"https?://|--index-url|--extra-index|--trusted-host", RECIPE.read_text())


def pins_of(name):
    found = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+) \\$", (ROOT / "requirements" / name).read_text(), re.MULTILINE)
    return dict(found)


def test_what_is_installed_is_what_is_tested():
    service, run, tested = map(pins_of, ("service.txt", "run.txt", "dev.txt"))
    assert service.items() <= tested.items()
    assert run.items() <= service.items()
    assert {"starlette", "uvicorn", "jinja2", "psycopg", "psycopg-binary"} <= set(service)


def test_it_is_nobody_and_keeps_what_it_writes_in_three_places():
    assert all_of("USER") == [f"{NOBODY}:{NOBODY}"]
    assert all_of("VOLUME") == ['["/cache", "/state", "/advisories"]']
    assert all_of("EXPOSE") == ["8080"]
    assert all_of("STOPSIGNAL") == ["SIGTERM"]
    names = [name for name, _ in instructions()]
    assert names.index("USER") > len(names) - 1 - names[::-1].index("RUN")
    assert "ADD" not in names


def test_the_command_of_the_container_is_ours(tmp_path):
    (command,) = all_of("CMD")
    names, parameters = parse(json.loads(command), tmp_path)
    assert names == ["serve"]
    assert parameters["listen"] == "0.0.0.0:8080"
    assert SETTINGS not in command


@pytest.mark.parametrize("path", ["container/ready", "compose/make-secrets"])
def test_scripts_are_sound(path):
    assert os.access(CONTRIB / path, os.X_OK)
    assert call(["sh", "-n", CONTRIB / path]).returncode == 0
    done = call([program("shellcheck"), "--shell", "sh", "--enable", "quote-safe-variables", CONTRIB / path])
    assert done.returncode == 0, done.stdout
