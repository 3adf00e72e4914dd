"""`rafsight present` as a process of its own, and clients that pull from it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import urllib3

SYFT = Path(sys.executable).parent / "syft"
SKOPEO = shutil.which("skopeo")


@contextmanager
def presenting(host, folder, *options):
    """Run the command until the block ends; yields its address, and a list that gets its status and what it said."""
    command = [sys.executable, "-m", "rafsight", "--cache-dir", str(folder / "cache")]
    command += ["present", "--upstream", host, "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said = []
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("127.0.0.1:"), process.stderr.read()
        yield address, said
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        said += [process.returncode, told]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        process.stdout.close()
        process.stderr.close()


def get(address, path, **headers):
    answer = urllib3.request("GET", f"http://{address}{path}", headers=headers, retries=False)
    return answer.status, answer.headers, answer.data


def numbers_of(address):
    return json.loads(get(address, "/rafsight/stats")[2])


def skopeo(*arguments, home):
    environment = {**os.environ, "HOME": str(home)}
    done = subprocess.run([SKOPEO, *arguments], capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stdout, done.stderr


def copy(source, target, home, *options):
    """Copy an image by skopeo; return what it said if it failed."""
    common = ("--quiet", "--insecure-policy", "--src-tls-verify=false")
    status, _, said = skopeo("copy", *common, *options, f"docker://{source}", target, home=home)
    return said if status else ""


def syft(reference, folder):
    """Return what Syft says of an image of a registry, its own JSON."""
    output = folder / "syft.json"
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(folder)}
    command = [str(SYFT), "scan", f"registry:{reference}", "--quiet", "--output", f"syft-json={output}"]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return json.loads(output.read_text())
