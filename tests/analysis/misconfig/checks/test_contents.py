"""What small files say: accounts, services, package sources, the distribution, and what config and tree say together."""

import pytest
from tests.analysis.misconfig.support import PASSWD, Spec, env, said, text

from rafsight.testing.trees import Link

_HASH = "$6$salt$" + "a" * 86
_OLD = "$1$salt$" + "b" * 22
_DES = "abJnggxhB/yWI"
_SSHD = "usr/sbin/sshd"


def shadow(*lines):
    return text("etc/shadow", "\n".join(lines))


def release(identity, version, name="A System"):
    return text("etc/os-release", f'ID={identity}\nVERSION_ID="{version}"\nPRETTY_NAME="{name}"\n')


BAD = [
    ("RS-ACC-001", text("etc/passwd", "root:x:0:0::/:/bin/sh\napp:x:0:0::/:/bin/sh\n"), ["/etc/passwd:2: app is user 0"]),
    ("RS-ACC-002", shadow("root:::0:::::", "app:!:::::::"), ["/etc/shadow:1: root has no password"]),
    ("RS-ACC-002", text("etc/passwd", "app::1000:1000::/:/bin/sh\n"), ["/etc/passwd:1: app has no password"]),
    ("RS-ACC-003", shadow(f"root:{_HASH}:1::::::", f"app:{_OLD}:1::::::"),
     ["/etc/shadow:1: root has a password (SHA-512)", "/etc/shadow:2: app has a password (MD5)"]),
    ("RS-ACC-004", shadow(f"app:{_OLD}:1::::::", f"x:{_DES}:1::::::"), ["/etc/shadow:1: app: MD5", "/etc/shadow:2: x: DES"]),
    ("RS-ACC-005", text("etc/passwd", f"app:{_HASH}:1:1::/:/bin/sh\n"), ["/etc/passwd:1: app"]),
    ("RS-ACC-006", text("etc/passwd", "a:x:5:5::/:/x\na:x:6:6::/:/x\nb:x:7:7::/:/x\nc:x:7:7::/:/x\n"),
     ["/etc/passwd:1: the name a is there twice", "/etc/passwd:2: the name a is there twice",
      "/etc/passwd:3: b shares user 7", "/etc/passwd:4: c shares user 7"]),
    ("RS-ACC-007", text("etc/sudoers.d/app", "# comment NOPASSWD:\napp ALL=(ALL) NOPASSWD: ALL\n%w ALL = NOPASSWD:/bin/ls\n"),
     ["/etc/sudoers.d/app:2: app is asked for no password", "/etc/sudoers.d/app:3: %w is asked for no password"]),
    ("RS-ACC-007", text("etc/doas.conf", "permit nopass :wheel\n"), ["/etc/doas.conf:1: permit nopass"]),
    ("RS-ACC-008", text("etc/pam.d/sshd", "auth sufficient pam_permit.so\nauth required pam_unix.so\n"),
     ["/etc/pam.d/sshd:1: pam_permit before any other module"]),
    ("RS-SET-001", text("etc/ssh/sshd_config", "Port 22\nPermitRootLogin yes\nPermitEmptyPasswords=yes\n"),
     ["/etc/ssh/sshd_config:2: PermitRootLogin yes", "/etc/ssh/sshd_config:3: PermitEmptyPasswords yes"]),
    ("RS-SET-001", Spec(files={"etc/ssh/sshd_config": b"Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n",
                               "etc/ssh/sshd_config.d/a.conf": b"PermitRootLogin yes\n"}),
     ["/etc/ssh/sshd_config.d/a.conf:1: PermitRootLogin yes"]),
    ("RS-SET-001", text("etc/ssh/sshd_config", "PasswordAuthentication no\nMatch User x\nPasswordAuthentication yes\n"),
     ["/etc/ssh/sshd_config:3: PasswordAuthentication yes, for some"]),
    ("RS-SET-002", text("etc/ld.so.preload", "/usr/lib/evil.so\n"), ["/etc/ld.so.preload:1: /usr/lib/evil.so"]),
    ("RS-SET-003", Spec(files={"etc/ld.so.conf.d/x.conf": b"/srv/lib\n", "srv/lib/x": b""}, modes={"srv/lib": 0o777}),
     ["/etc/ld.so.conf.d/x.conf:1: /srv/lib can be written by everybody"]),
    ("RS-SET-010", text("etc/apt/sources.list", "deb [arch=amd64 trusted=yes] http://x y z\n"),
     ["/etc/apt/sources.list:1: signatures or certificates are not checked"]),
    ("RS-SET-010", text("etc/apt/sources.list.d/x.sources", "Types: deb\nTrusted: yes\n"),
     ["/etc/apt/sources.list.d/x.sources:2: signatures or certificates are not checked"]),
    ("RS-SET-010", text("etc/apt/apt.conf.d/99x", 'Acquire::https::Verify-Peer "false";\nAPT::Get::AllowUnauthenticated "true";\n'),
     [f"/etc/apt/apt.conf.d/99x:{n}: signatures or certificates are not checked" for n in (1, 2)]),
    ("RS-SET-010", text("etc/yum.repos.d/x.repo", "[a]\ngpgcheck=0\n[b]\nenabled=0\ngpgcheck=0\n[c]\ngpgcheck=1\nsslverify = 0\n"),
     ["/etc/yum.repos.d/x.repo:2: gpgcheck is off", "/etc/yum.repos.d/x.repo:8: sslverify is off"]),
    ("RS-SET-011", text("etc/apt/sources.list.d/x.list", "deb http://repo.example.com/apt stable main\n"),
     ["/etc/apt/sources.list.d/x.list:1: http"]),
    ("RS-SET-012", Spec(files={
        "etc/pip.conf": b"[global]\ntrusted-host = pypi.example.com\n", "root/.npmrc": b"strict-ssl=false\n",
        "root/.gitconfig": b"[http]\n\tsslVerify = false\n", "root/.curlrc": b"insecure\n"}),
     ["/etc/pip.conf:2: trusted-host: certificates of that host are not checked", "/root/.curlrc:1: insecure",
      "/root/.gitconfig:2: http.sslVerify = false", "/root/.npmrc:1: strict-ssl=false"]),
    ("RS-SET-013", text("etc/pip.conf", "[global]\nextra-index-url = https://x/simple\n"), ["/etc/pip.conf:2: extra-index-url"]),
    ("RS-SET-020", text("etc/redis/redis.conf", "protected-mode no\n"), ["/etc/redis/redis.conf:1: protected-mode no"]),
    ("RS-SET-020", text("etc/postgresql/15/main/pg_hba.conf", "host all all 0.0.0.0/0 trust\n"),
     ["/etc/postgresql/15/main/pg_hba.conf:1: trust: everybody of that network, without a password"]),
    ("RS-SET-021", text("etc/nginx/conf.d/x.conf", "server {\n  autoindex on;\n}\n"), ["/etc/nginx/conf.d/x.conf:2: autoindex on"]),
    ("RS-SET-022", text("etc/profile", "umask 000\n"), ["/etc/profile:1: umask 000"]),
    ("RS-OS-001", release("debian", "10", "Debian GNU/Linux 10 (buster)"),
     ["os-release: Debian GNU/Linux 10 (buster): support ended on 2024-06-30"]),
    ("RS-OS-001", release("alpine", "3.18.4"), ["os-release: A System: support ended on 2025-05-09"]),
    ("RS-OS-001", release("ubuntu", "20.04"), ["os-release: A System: support ended on 2025-05-31"]),
    ("RS-OS-002", release("amzn", "2"), ["os-release: A System: support ends on 2026-06-30"]),
    ("RS-MIX-001", Spec(files={"srv/bin/x": b"", "tmp": None}, modes={"srv/bin": 0o777, "tmp": 0o1777},
                        config={"Env": ["PATH=/bin:/srv/bin:/tmp/x"]}),
     ["config.Env[0]: /srv/bin: /srv/bin can be written by everybody", "config.Env[0]: /tmp/x: anybody can make it in /tmp"]),
    ("RS-MIX-002", Spec(files={"tmp": None}, modes={"tmp": 0o1777}, config={"Env": ["LD_PRELOAD=/tmp/a.so"]}),
     ["config.Env[0]: LD_PRELOAD, /tmp/a.so: anybody can make it in /tmp"]),
    ("RS-MIX-003", Spec(files={"srv/app/run.sh": b""}, modes={"srv/app/run.sh": 0o777, "srv/app": 0o1777},
                        config={"Entrypoint": ["/srv/app/run.sh"], "Cmd": ["run.sh"], "WorkingDir": "/srv/app"}),
     ["config.Entrypoint: /srv/app/run.sh can be written by everybody", "config.Cmd: /srv/app/run.sh can be written by everybody",
      "config.WorkingDir: /srv/app can be written by everybody"]),
    ("RS-MIX-004", Spec(files={"bin/bash": b"", "bin/su": b"", "etc/passwd": PASSWD, "etc/shadow": b"root::1::::::\n",
                               "etc/sudoers": b"www ALL=(ALL) NOPASSWD: ALL\n"}, modes={"bin/bash": 0o4755},
                        config={"User": "www"}),
     ["/bin/bash: setuid: mode 4755, owner 0:0", "/etc/sudoers:1: www is asked for no password",
      "/etc/shadow:1: root has no password"]),
    ("RS-MIX-005", Spec(config={"Volumes": {"/var/run/docker.sock": {}}}), ["config.Volumes: /var/run/docker.sock"]),
    ("RS-MIX-006", Spec(files={"etc/shadow": b"app::1::::::\n", "etc/pam.d/common-auth": b"auth [success=1 default=ignore] pam_unix.so nullok\n"}),
     ["/etc/pam.d/common-auth:1: pam_unix takes an empty password (nullok)"]),
    ("RS-MIX-007", Spec(files={_SSHD: b"", "etc/shadow": f"root:{_HASH}:::\n".encode(), "etc/ssh/sshd_config": b"PermitRootLogin yes\n"}),
     ["/etc/ssh/sshd_config:1: PermitRootLogin yes"]),
]  # fmt: skip

GOOD = [
    ("RS-ACC-001", text("etc/passwd", PASSWD.decode())),
    ("RS-ACC-002", shadow("root:*:1::::::", "a:!:::::::", "b:!!:::::::", f"c:{_HASH}:::::::")),
    ("RS-ACC-003", shadow("root:*:1::::::", "a:x:::::::", f"b:!{_HASH}:::::::")),
    ("RS-ACC-004", shadow(f"root:{_HASH}:1::::::", "b:$y$j9T$" + "a" * 40 + ":1::::::")),
    ("RS-ACC-005", text("etc/passwd", PASSWD.decode())),
    ("RS-ACC-006", text("etc/passwd", "a:x:0:0::/:/x\nb:x:0:0::/:/x\nc:x:1:1::/:/x\n")),  # RS-ACC-001 says that
    ("RS-ACC-007", text("etc/sudoers", "root ALL=(ALL) NOPASSWD: ALL\n%sudo ALL=(ALL:ALL) ALL\n")),
    ("RS-ACC-008", text("etc/pam.d/common-auth", "auth required pam_unix.so\nauth required pam_permit.so\n")),
    ("RS-ACC-008", text("etc/pam.d/chfn", "auth sufficient pam_permit.so\n")),
    ("RS-SET-001", text("etc/ssh/sshd_config", "#PermitRootLogin yes\nPermitRootLogin prohibit-password\nPermitRootLogin yes\n")),
    ("RS-SET-002", text("etc/ld.so.preload", "\n# nothing\n")),
    ("RS-SET-003", Spec(files={"etc/ld.so.conf.d/x.conf": b"/usr/local/lib\ninclude /x\n", "usr/local/lib/x": b""})),
    ("RS-SET-010", text("etc/apt/sources.list", "deb [signed-by=/k] http://deb.debian.org/debian bookworm main\n# trusted=yes\n")),
    ("RS-SET-010", text("etc/apt/apt.conf.d/docker-clean", 'APT::Update::Post-Invoke { "rm -f"; };\n// AllowUnauthenticated "true";\n')),
    ("RS-SET-010", text("etc/yum.repos.d/x.repo", "[a]\ngpgcheck=1\n[b]\ngpgcheck=0\nenabled=0\n")),
    ("RS-SET-011", text("etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\ndeb https://x y z\n")),
    ("RS-SET-012", Spec(files={"etc/pip.conf": b"[global]\nindex-url = https://x\n", "root/.npmrc": b"; strict-ssl=false\n"})),
    ("RS-SET-013", text("etc/pip.conf", "index-url = https://x\n")),
    ("RS-SET-020", text("etc/redis/redis.conf", "# protected-mode no\nprotected-mode yes\n")),
    ("RS-SET-020", text("etc/postgresql/15/main/pg_hba.conf", "host all all 127.0.0.1/32 trust\nlocal all all trust\n"
                        "host all all 0.0.0.0/0 scram-sha-256\n")),
    ("RS-SET-021", text("etc/nginx/nginx.conf", "http { autoindex off; }\n")),
    ("RS-SET-022", text("etc/profile", "umask 022\numask 0027\n")),
    ("RS-OS-001", release("debian", "12")),
    ("RS-OS-001", release("arch", "")),
    ("RS-OS-002", release("debian", "12")),
    ("RS-OS-002", release("debian", "10")),
    ("RS-MIX-001", env("PATH=/usr/local/bin:/bin")),
    ("RS-MIX-001", Spec(files={"bin/x": b"", "tmp": None}, modes={"tmp": 0o1777}, config={"Env": ["PATH=/bin:$HOME/bin"]})),
    ("RS-MIX-002", Spec(files={"usr/lib/a.so": b""}, config={"Env": ["LD_PRELOAD=/usr/lib/a.so libfaketime.so"]})),
    ("RS-MIX-003", Spec(files={"srv/run": b"", "tmp": None}, modes={"tmp": 0o1777}, config={"Cmd": ["/srv/run", "/tmp/data"]})),
    ("RS-MIX-004", Spec(files={"bin/bash": b"", "etc/passwd": PASSWD, "etc/sudoers": b"www ALL=(ALL) NOPASSWD: ALL\n"},
                        modes={"bin/bash": 0o4755})),
    ("RS-MIX-004", Spec(files={"etc/passwd": PASSWD, "etc/sudoers": b"other ALL=(ALL) NOPASSWD: ALL\n"}, config={"User": "www"})),
    ("RS-MIX-005", Spec(config={"Volumes": {"/var/run/docker.sock": {}}, "User": "1000"})),
    ("RS-MIX-006", Spec(files={"etc/shadow": b"root:*:::\n", "etc/pam.d/common-auth": b"auth required pam_unix.so nullok\n"})),
    ("RS-MIX-007", Spec(files={"etc/shadow": f"root:{_HASH}:::\n".encode(), "etc/ssh/sshd_config": b"PermitRootLogin yes\n"})),
]  # fmt: skip


@pytest.mark.parametrize(("check", "spec", "expected"), BAD, ids=[one[0] for one in BAD])
def test_it_is_found(check, spec, expected):
    assert said(spec, check) == expected


@pytest.mark.parametrize(("check", "spec"), GOOD, ids=[one[0] for one in GOOD])
def test_it_is_left_alone(check, spec):
    assert said(spec, check) == []


@pytest.mark.parametrize("check", ["RS-ACC-003", "RS-ACC-004", "RS-ACC-005"])
def test_no_hash_is_shown(check):
    spec = Spec(files={"etc/shadow": f"root:{_HASH}:1:\na:{_OLD}:\nb:{_DES}:\n".encode(),
                       "etc/passwd": f"c:{_HASH}:1:1::/:/x\nd:{_DES}:2:2::/:/x\n".encode()})  # fmt: skip
    shown = str(said(spec, check))
    assert shown != "[]"
    assert not any(secret in shown for secret in (_HASH, _OLD, _DES, "a" * 20, "b" * 20))


def test_a_linked_release_file_is_read():
    files = {"etc/os-release": Link(b"../usr/lib/os-release"), "usr/lib/os-release": b"ID=debian\nVERSION_ID=9\n"}
    assert said(Spec(files=files), "RS-OS-001") == ["os-release: debian: support ended on 2022-06-30"]
