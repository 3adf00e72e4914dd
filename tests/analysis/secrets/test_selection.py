"""Which files are read: by their names, places, kinds and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rafsight.analysis.secrets.selection import ARCHIVE_SIZE, Care, Choice, Risk, choose, is_large
from rafsight.base.units import MiB


@pytest.mark.parametrize(
    ("path", "risk", "care"),
    [
        (b"root/.aws/credentials", Risk.CREDENTIALS, Care.ALL),
        (b"srv/app/.env.production", Risk.CREDENTIALS, Care.ALL),
        (b"usr/lib/node_modules/x/.npmrc", Risk.CREDENTIALS, Care.SPECIFIC),
        (b"etc/ssl/private/server", Risk.KEYS, Care.SPECIFIC),
        (b"home/u/.ssh/id_ed25519", Risk.KEYS, Care.SPECIFIC),
        (b"usr/share/x/a.key", Risk.KEYS, Care.SPECIFIC),
        (b"srv/app/config/application-prod.yml", Risk.SETTINGS, Care.ALL),
        (b"app/src/main.py", Risk.TEXT, Care.ALL),
        (b"app/dist/main.min.js", Risk.TEXT, Care.SPECIFIC),
        (b"app/tests/conf.py", Risk.TEXT, Care.SPECIFIC),
        (b"srv/app/README.md", Risk.TEXT, Care.SPECIFIC),
        (b"etc/app/db.ini", Risk.SYSTEM, Care.ALL),
        (b"usr/local/lib/libkeys.so", Risk.BINARY, Care.TOKENS),
        (b"usr/local/bin/run", Risk.TEXT, Care.ALL),
        (b"usr/src/app/index.js", Risk.TEXT, Care.ALL),
        (b"usr/app/src/main.go", Risk.TEXT, Care.ALL),
        (b"usr/share/nginx/html/main.js", Risk.TEXT, Care.ALL),
        (b"usr/share/elasticsearch/config/elasticsearch.yml", Risk.SETTINGS, Care.ALL),
        (b"usr/etc/x.conf", Risk.SYSTEM, Care.ALL),
    ],
)
def test_what_is_read(path, risk, care):
    assert choose(path, 100) == Choice(risk=risk, care=care)


@pytest.mark.parametrize(
    "path",
    [
        b"usr/share/doc/x/readme.txt",
        b"usr/lib/python3/dist-packages/a/settings.py",
        b"srv/app/node_modules/a/index.js",
        b"srv/app/node_modules/a/test/fixtures/a.key",
        b"usr/share/ca-certificates/x.pem",
        b"opt/venv/lib/python3.12/site-packages/x/secrets.py",
        b"srv/app/package-lock.json",
        b"srv/app/logo.png",
        b"srv/app/lib.jar",
        b"srv/app/static/jquery-3.1.js",
        b"srv/app/.git/objects/ab/cdef",
        b"var/lib/dpkg/status",
        b"bin/busybox",
        b"var/lib/x/data.xyz",
        b"usr/share/a.tar",
        b"usr/share/nginx/a.js",
        b"usr/share/nginx/htmlx/a.js",
        b"usr/share/elasticsearch/lib/a.yml",
        b"usr/src/linux-headers-6.1/Makefile",
        b"usr/src/nvidia-535.1/a.c",
        b"usr/src/wordpress/wp-login.php",
        b"usr/src/app/node_modules/a/index.js",
    ],
)
def test_what_is_left_alone(path):
    assert choose(path, 100) is None


def test_sizes():
    assert choose(b"srv/.env", 9) is None
    assert choose(b"srv/a.conf", MiB) is not None
    assert choose(b"srv/a.conf", MiB + 1) is None
    assert choose(b"srv/a.conf", MiB + 1, max_size=2 * MiB) is not None
    assert choose(b"srv/app/main.js", MiB) == Choice(risk=Risk.TEXT, care=Care.ALL)
    assert choose(b"srv/app/main.js", 8 * MiB) == Choice(risk=Risk.TEXT, care=Care.SPECIFIC)
    assert choose(b"srv/app/main.js", 8 * MiB + 1) is None
    assert choose(b"srv/app/node_modules/a/main.js", 2 * MiB) is None
    assert choose(b"srv/app/data.py", 2 * MiB) is None
    assert choose(b"srv/a.tar", ARCHIVE_SIZE).is_archive
    assert choose(b"srv/a.tar", ARCHIVE_SIZE + 1) is None
    assert is_large(b"srv/a.conf", MiB + 1)
    assert not is_large(b"srv/a.bin", MiB + 1)
    assert not is_large(b"srv/a.png", MiB + 1)


@given(st.binary(max_size=60), st.integers(0, 1 << 40))
def test_any_path_has_an_answer(path, size):
    choose(path, size)
    is_large(path, size)
