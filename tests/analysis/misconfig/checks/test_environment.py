"""Variables, labels and dates."""

import pytest
from tests.analysis.misconfig.support import Spec, config, env, said

_GOOD_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_EMPTY = "an empty entry, which is the working directory"

BAD = [
    ("RS-CFG-020", env("PATH=/bin:node_modules/.bin::"),
     ["config.Env[0]: PATH has 'node_modules/.bin'", *[f"config.Env[0]: PATH has {_EMPTY}"] * 2]),
    ("RS-CFG-021", env("LD_LIBRARY_PATH=/opt/lib:", "PYTHONPATH=.:/srv"),
     [f"config.Env[0]: LD_LIBRARY_PATH has {_EMPTY}", "config.Env[1]: PYTHONPATH has '.'"]),
    ("RS-CFG-022", env("LD_PRELOAD=/usr/lib/x.so"), ["config.Env[0]: LD_PRELOAD=/usr/lib/x.so"]),
    ("RS-CFG-023", env("NODE_TLS_REJECT_UNAUTHORIZED=0", "GIT_SSL_NO_VERIFY=1", "npm_config_strict_ssl=false",
                       "GOFLAGS=-insecure", "CURL_CA_BUNDLE="),
     ["config.Env[0]: NODE_TLS_REJECT_UNAUTHORIZED switches it off", "config.Env[1]: GIT_SSL_NO_VERIFY switches it off",
      "config.Env[2]: npm_config_strict_ssl switches it off", "config.Env[3]: GOFLAGS has -insecure",
      "config.Env[4]: CURL_CA_BUNDLE switches it off"]),
    ("RS-CFG-024", env("DEBIAN_FRONTEND=noninteractive"), ["config.Env[0]: DEBIAN_FRONTEND"]),
    ("RS-CFG-025", env("FLASK_DEBUG=1", "NODE_ENV=development"),
     ["config.Env[0]: FLASK_DEBUG=1", "config.Env[1]: NODE_ENV=development"]),
    ("RS-CFG-026", env("NODE_OPTIONS=--inspect=0.0.0.0:9229"),
     ["config.Env[0]: NODE_OPTIONS opens a debugger or console to all addresses"]),
    ("RS-CFG-026", config(Cmd=["java", "-agentlib:jdwp=transport=dt_socket,server=y,address=*:5005", "-jar", "a.jar"]),
     ["config.Cmd: opens a debugger or console to all addresses"]),
    ("RS-CFG-027", env("HTTP_PROXY=http://user:secret@proxy:3128"), ["config.Env[0]: HTTP_PROXY"]),
    ("RS-CFG-028", config(Labels={"org.opencontainers.image.source": "x"}),
     ["config.Labels: no org.opencontainers.image.revision"]),
    ("RS-CFG-029", Spec(created="2024-06-01T10:00:00.123Z"), ["created: 2024-06-01, 730 days ago"]),
]  # fmt: skip

GOOD = [
    ("RS-CFG-020", env(_GOOD_PATH)),
    ("RS-CFG-020", env("PATH=.", _GOOD_PATH)),  # the last one counts
    ("RS-CFG-021", env("LD_LIBRARY_PATH=/opt/lib", "PYTHONPATH=", "NODE_PATH=/srv::")),
    ("RS-CFG-022", env("LD_PRELOAD=")),
    (
        "RS-CFG-023",
        env("NODE_TLS_REJECT_UNAUTHORIZED=1", "GIT_SSL_NO_VERIFY=", "CURL_CA_BUNDLE=/etc/ca.pem", "GOSUMDB="),
    ),
    ("RS-CFG-024", env("DEBIAN_FRONTEND=")),
    ("RS-CFG-025", env("FLASK_DEBUG=0", "NODE_ENV=production", "DEBUG=app:*")),
    ("RS-CFG-026", env("NODE_OPTIONS=--inspect=127.0.0.1", "JAVA_OPTS=-Xmx1g")),
    ("RS-CFG-027", env("no_proxy=localhost")),
    ("RS-CFG-028", config(Labels={"org.opencontainers.image.source": "x", "org.label-schema.vcs-ref": "y"})),
    ("RS-CFG-029", Spec(created="2026-01-01T00:00:00Z")),
    ("RS-CFG-029", Spec(created="1970-01-01T00:00:00Z")),  # a builder that makes the same bytes each time
    ("RS-CFG-029", Spec(created="0001-01-01T00:00:00Z")),
    ("RS-CFG-029", Spec(created="2024-99-99T00:00:00Z")),
    ("RS-CFG-029", Spec(created="yesterday")),
]


@pytest.mark.parametrize(("check", "spec", "expected"), BAD, ids=[one[0] for one in BAD])
def test_it_is_found(check, spec, expected):
    assert said(spec, check) == expected


@pytest.mark.parametrize(("check", "spec"), GOOD, ids=[one[0] for one in GOOD])
def test_it_is_left_alone(check, spec):
    assert said(spec, check) == []


def test_values_that_may_hold_a_secret_are_not_shown():
    assert "secret" not in str(said(env("HTTP_PROXY=http://user:secret@proxy:3128"), "RS-CFG-027"))
