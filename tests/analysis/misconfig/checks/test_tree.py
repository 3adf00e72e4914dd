"""What a tree says without a byte of its files."""

import pytest
from tests.analysis.misconfig.support import PASSWD, Spec, capability, said

from rafsight.base.units import MiB
from rafsight.testing.trees import Link

_DPKG = {"var/lib/dpkg/info/passwd.list": b"", "var/lib/dpkg/info/mount.list": b"", "var/lib/dpkg/info/login.list": b""}
_SET = {"usr/bin/passwd": b"x", "usr/bin/sudo": b"x", "opt/x": b"x"}


def empty(*paths, modes=None, owners=None, sizes=None, **more):
    return Spec(files=dict.fromkeys(paths, b"x"), modes=modes or {}, owners=owners or {}, sizes=sizes or {}, **more)


def links(**targets):
    return Spec(files={path.replace("__", "/"): Link(target) for path, target in targets.items()})


BAD = [
    ("RS-FS-001", Spec(files=_SET | _DPKG, modes=dict.fromkeys(_SET, 0o4755)),
     ["/opt/x: mode 4755, owner 0:0", "/usr/bin/sudo: mode 4755, owner 0:0"]),  # sudo's package is not there
    ("RS-FS-001", empty("a/x", "b/y", modes={"a/x": 0o4755, "b/y": 0o4755}, linked=[("a/x", "b/y")]),
     ["/a/x: mode 4755, owner 0:0", "/b/y: mode 4755, owner 0:0, the same file as /a/x"]),
    ("RS-FS-002", empty("opt/x", modes={"opt/x": 0o2755}), ["/opt/x: mode 2755, owner 0:0"]),
    ("RS-FS-002", empty("usr/bin/passwd", modes={"usr/bin/passwd": 0o2755}), ["/usr/bin/passwd: mode 2755, owner 0:0"]),
    ("RS-FS-003", empty("bin/dash", "opt/python3.11", modes={"bin/dash": 0o4755, "opt/python3.11": 0o4755}),
     ["/bin/dash: mode 4755, owner 0:0", "/opt/python3.11: mode 4755, owner 0:0"]),
    ("RS-FS-004", empty("bin/su", modes={"bin/su": 0o4777}), ["/bin/su: mode 4777, owner 0:0"]),
    ("RS-FS-004", empty("bin/su", modes={"bin/su": 0o4775}, owners={"bin/su": (0, 50)}), ["/bin/su: mode 4775, owner 0:50"]),
    ("RS-FS-005", empty("bin/su", "srv/x", modes={"bin/su": 0o4755, "srv/x": 0o4755}, linked=[("bin/su", "srv/x")]),
     ["/srv/x: another name of a program with mode 4755, owner 0:0"]),
    ("RS-FS-006", empty("usr/bin/python3", xattrs={"usr/bin/python3": {b"security.capability": capability(7, 21)}}),
     ["/usr/bin/python3: cap_setuid,cap_sys_admin=ep"]),
    ("RS-FS-006", empty("opt/ping", xattrs={"opt/ping": {b"security.capability": capability(40, 12)}}),
     ["/opt/ping: cap_net_admin,cap_checkpoint_restore=ep"]),
    ("RS-FS-007", empty("usr/bin/caddy", xattrs={"usr/bin/caddy": {b"security.capability": capability(10)}}),
     ["/usr/bin/caddy: cap_net_bind_service=ep"]),
    ("RS-FS-008", empty("usr/bin/x", xattrs={"usr/bin/x": {b"security.capability": b"\0\0\0\2short"}}),
     ["/usr/bin/x: the attribute cannot be read"]),
    ("RS-FS-010", empty("usr/bin/x", "etc/x.conf", modes={"usr/bin/x": 0o777, "etc/x.conf": 0o666, "usr/bin": 0o777}),
     ["/etc/x.conf: mode 0666, owner 0:0", "/usr/bin: mode 0777, owner 0:0", "/usr/bin/x: mode 0777, owner 0:0"]),
    ("RS-FS-011", empty("srv/x", modes={"srv/x": 0o666}), ["/srv/x: mode 0666, owner 0:0"]),
    ("RS-FS-012", empty("srv/x", modes={"srv": 0o2777}), ["/srv: mode 2777, owner 0:0"]),
    ("RS-FS-013", empty("usr/lib/x.so", owners={"usr/lib/x.so": (1000, 0)}), ["/usr/lib/x.so: mode 0644, owner 1000:0"]),
    ("RS-FS-014", Spec(files={"etc/passwd": PASSWD, "etc/group": b"root:x:0:\n", "srv/x": b"", "srv/y": b""},
                       owners={"srv/x": (501, 20), "srv/y": (33, 33)}), ["/srv/x: owner 501:20"]),
    ("RS-FS-015", empty("dev/sda", "srv/null", "dev/mem", modes={"dev/sda": 0o60660, "srv/null": 0o20666, "dev/mem": 0o20640},
                        devices={"dev/sda": (8, 0), "srv/null": (1, 3), "dev/mem": (1, 1)}),
     ["/dev/sda: block device 8:0, mode 0660, owner 0:0", "/srv/null: character device 1:3, mode 0666, owner 0:0"]),
    ("RS-FS-016", empty("srv/pipe", "srv/sock", modes={"srv/pipe": 0o10644, "srv/sock": 0o140755}),
     ["/srv/pipe: mode 0644, owner 0:0", "/srv/sock: mode 0755, owner 0:0"]),
    ("RS-FS-017", empty("dev/.x"), ["/dev/.x: 1 bytes"]),
    ("RS-FS-020", empty("etc/ssh/ssh_host_rsa_key"), ["/etc/ssh/ssh_host_rsa_key: mode 0644, owner 0:0"]),
    ("RS-FS-021", empty("root/.ssh/authorized_keys"), ["/root/.ssh/authorized_keys: 1 bytes"]),
    ("RS-FS-022", empty("usr/sbin/sshd"), ["/usr/sbin/sshd: mode 0644, owner 0:0"]),
    ("RS-FS-023", empty("home/X/.rhosts"), ["/home/X/.rhosts: mode 0644, owner 0:0"]),
    ("RS-FS-024", empty("etc/shadow", modes={"etc/shadow": 0o644}), ["/etc/shadow: mode 0644, owner 0:0"]),
    ("RS-FS-025", empty("etc/passwd", "etc/sudoers.d/x", "etc/cron.d/y",
                        modes={"etc/passwd": 0o666, "etc/sudoers.d/x": 0o464}, owners={"etc/cron.d/y": (1000, 0),
                                                                                      "etc/sudoers.d/x": (0, 100)}),
     ["/etc/cron.d/y: mode 0644, owner 1000:0", "/etc/passwd: mode 0666, owner 0:0",
      "/etc/sudoers.d/x: mode 0464, owner 0:100"]),
    ("RS-FS-026", empty("srv/tls.key", "root/.ssh/id_rsa"), ["/root/.ssh/id_rsa: mode 0644, owner 0:0",
                                                           "/srv/tls.key: mode 0644, owner 0:0"]),
    ("RS-FS-027", empty("root/.ssh/config", modes={"root/.ssh": 0o775}), ["/root/.ssh: mode 0775, owner 0:0"]),
    ("RS-FS-030", Spec(files={"srv/.git/HEAD": b"ref", "srv/.git/objects/x": bytes(1000), "opt/.svn/wc.db": b""}),
     ["/opt/.svn: 0 B", "/srv/.git: 1.0 kB"]),
    ("RS-FS-031", empty("srv/Dockerfile", "srv/docker-compose.prod.yml"), ["/srv/Dockerfile: 1 B",
                                                                         "/srv/docker-compose.prod.yml: 1 B"]),
    ("RS-FS-032", empty("srv/core.1234", sizes={"srv/core.1234": 5 * MiB}), ["/srv/core.1234: 5.2 MB"]),
    ("RS-FS-033", empty("root/.bash_history"), ["/root/.bash_history: 1 B"]),
    ("RS-FS-034", empty("srv/.config.php.swp"), ["/srv/.config.php.swp: 1 B"]),
    ("RS-FS-035", empty("var/lib/apt/lists/x_Packages", "root/.cache/pip/http/a", "var/cache/apk/x",
                        sizes={"var/lib/apt/lists/x_Packages": 40 * MiB, "root/.cache/pip/http/a": 5 * MiB}),
     ["/root/.cache/pip: pip: 5.2 MB", "/var/lib/apt/lists: apt: 41.9 MB"]),
    ("RS-FS-036", empty("tmp/x", sizes={"tmp/x": 2 * MiB}), ["/tmp: 2.1 MB"]),
    ("RS-FS-037", empty("usr/bin/nmap", "usr/local/bin/socat"), ["/usr/bin/nmap", "/usr/local/bin/socat"]),
    ("RS-FS-038", empty("usr/bin/gcc-12"), ["/usr/bin/gcc-12"]),
    ("RS-FS-039", empty(".dockerenv"), ["/.dockerenv: made by a running container"]),
    ("RS-FS-050", links(opt__x=b"../../etc/passwd", opt__y=b"a/../../../b", opt__z=b"/../x"),
     ["/opt/x: leads to ../../etc/passwd", "/opt/y: leads to a/../../../b"]),
    ("RS-FS-051", links(srv__x=b"/proc/1/root", srv__y=b"../proc/self/cwd/etc", srv__z=b"//proc/42/ns/pid"),
     ["/srv/x: leads to /proc/1/root", "/srv/y: leads to ../proc/self/cwd/etc", "/srv/z: leads to //proc/42/ns/pid"]),
    ("RS-FS-052", links(srv__d=b"/var/run/docker.sock"), ["/srv/d: symlink"]),
    ("RS-FS-052", empty("run/containerd/containerd.sock"), ["/run/containerd/containerd.sock: file"]),
    ("RS-FS-053", links(usr__bin__x=b"/tmp/x", etc__y=b"../var/tmp/y"), ["/etc/y: leads to ../var/tmp/y",
                                                                        "/usr/bin/x: leads to /tmp/x"]),
    ("RS-FS-054", links(usr__bin__x=b"gone"), ["/usr/bin/x: leads to gone"]),
    ("RS-FS-055", empty("srv/a\x1b[2J", "srv/b ", "srv/ c", "srv/\u202etxt.exe", "srv/..\\x", "srv/e\x7f"),
     ["/srv/ c:  c", "/srv/..\\x: ..\\x", "/srv/a\x1b[2J: a\\x1b[2J", "/srv/b : b ", "/srv/e\x7f: e\\x7f",
      "/srv/\u202etxt.exe: \\u202etxt.exe"]),
]  # fmt: skip

GOOD = [
    ("RS-FS-001", empty("usr/bin/passwd", "bin/mount", modes={"usr/bin/passwd": 0o4755, "bin/mount": 0o4755})),
    ("RS-FS-001", Spec(files=_SET | _DPKG, modes={"usr/bin/passwd": 0o4755})),
    ("RS-FS-001", empty("srv/x", modes={"srv/x": 0o4644})),  # without a bit to execute
    ("RS-FS-001", empty("srv/x", modes={"srv": 0o4755})),
    ("RS-FS-002", empty("usr/bin/wall", "usr/bin/expiry", "srv/x",
                        modes={"usr/bin/wall": 0o2755, "usr/bin/expiry": 0o2755, "srv/x": 0o2644, "srv": 0o2775})),
    ("RS-FS-003", empty("bin/dash", "bin/su", modes={"bin/dash": 0o2755, "bin/su": 0o4755})),
    ("RS-FS-004", empty("bin/su", modes={"bin/su": 0o4775})),
    ("RS-FS-005", empty("bin/su", "bin/su2", modes={"bin/su": 0o4755, "bin/su2": 0o4755}, linked=[("bin/su", "bin/su2")])),
    ("RS-FS-006", empty("usr/bin/newuidmap", xattrs={"usr/bin/newuidmap": {b"security.capability": capability(7)}})),
    ("RS-FS-007", empty("usr/bin/ping", xattrs={"usr/bin/ping": {b"security.capability": capability(13)}})),
    ("RS-FS-007", empty("usr/bin/x", xattrs={"usr/bin/x": {b"user.capability": b"x", b"security.capability": capability()}})),
    ("RS-FS-008", empty("usr/bin/x", xattrs={"usr/bin/x": {b"security.selinux": b"x"}})),
    ("RS-FS-010", Spec(files={"usr/bin/x": Link(b"y"), "tmp/z": b"", "dev/null": b"", "proc/x": b""},
                       modes={"usr/bin/x": 0o777, "tmp": 0o1777, "dev/null": 0o20666, "proc/x": 0o666})),
    ("RS-FS-011", empty("usr/bin/x", "srv/y", modes={"usr/bin/x": 0o777, "srv/y": 0o664})),
    ("RS-FS-012", empty("tmp/x", "var/lib/php/sessions/x", modes={"tmp": 0o1777, "var/lib/php/sessions": 0o1733})),
    ("RS-FS-013", empty("usr/bin/at", "srv/x", modes={"usr/bin/at": 0o6755}, owners={"usr/bin/at": (1, 1), "srv/x": (9, 9)})),
    ("RS-FS-014", Spec(files={"etc/passwd": PASSWD, "srv/x": b"", "srv/y": b""}, owners={"srv/x": (1001, 0), "srv/y": (65534, 7)},
                       config={"User": "1001"})),
    ("RS-FS-014", empty("srv/x", owners={"srv/x": (5, 5)})),  # nobody knows: there is no etc/passwd
    ("RS-FS-015", empty("dev/null", "dev/tty1", "srv/.wh", modes={"dev/null": 0o20666, "dev/tty1": 0o20600, "srv/.wh": 0o20000},
                        devices={"dev/null": (1, 3), "dev/tty1": (4, 1), "srv/.wh": (0, 0)})),
    ("RS-FS-016", empty("dev/initctl", modes={"dev/initctl": 0o10600})),
    ("RS-FS-017", Spec(files={"dev/console": b""})),
    ("RS-FS-020", Spec(files={"etc/ssh/ssh_host_rsa_key.pub": b"x", "etc/ssh/ssh_host_dsa_key": b"", "srv/ssh_host_rsa_key": b"x"})),
    ("RS-FS-021", Spec(files={"root/.ssh/authorized_keys": b"", "srv/authorized_keys": b"x"})),
    ("RS-FS-022", empty("usr/bin/ssh")),
    ("RS-FS-023", empty("usr/lib/node_modules/x/tests/.rhosts")),
    ("RS-FS-024", empty("etc/shadow", modes={"etc/shadow": 0o640}, owners={"etc/shadow": (0, 42)})),
    ("RS-FS-025", empty("etc/passwd", "etc/cron.d/x", "root/.bashrc")),
    ("RS-FS-026", empty("srv/tls.key", "usr/lib/python3/dist-packages/x.key", modes={"srv/tls.key": 0o640})),
    ("RS-FS-027", empty("root/.ssh/config", modes={"root/.ssh": 0o755})),
    ("RS-FS-030", empty("srv/.git/config", ".gitignore")),
    ("RS-FS-031", empty("usr/lib/sdk/Dockerfile", "opt/node_modules/x/Dockerfile", "usr/share/doc/x/Dockerfile", "srv/dockerfile.md")),
    ("RS-FS-032", empty("usr/lib/x/core", "srv/core.js", "srv/core", sizes={"usr/lib/x/core": MiB, "srv/core.js": MiB})),
    ("RS-FS-033", Spec(files={"root/.bash_history": b"", "root/.bashrc": b"x"})),
    ("RS-FS-034", empty("usr/share/x.orig", "srv/node_modules/a/b.orig")),
    ("RS-FS-035", empty("var/lib/apt/lists/lock", "var/cache/debconf/x")),
    ("RS-FS-036", empty("tmp/x")),
    ("RS-FS-037", empty("usr/share/nmap/x", "usr/bin/nc.md")),
    ("RS-FS-038", empty("usr/share/gcc/x", "usr/bin/gcc-ranlib-12", "usr/bin/gcc-ar")),
    ("RS-FS-039", empty("srv/.dockerenv")),
    ("RS-FS-050", links(opt__a__b=b"../../x", opt__c=b"a/../../b", opt__d=b"..", opt__e=b".../../x")),
    ("RS-FS-051", links(etc__mtab=b"../proc/self/mounts", srv__x=b"/proc/self/fd/1", srv__y=b"/srv/proc/1/root",
                        srv__z=b"/proc/12/maps", dev__core=b"/proc/kcore")),
    ("RS-FS-052", links(srv__x=b"/srv/docker.sock")),
    ("RS-FS-053", links(usr__bin__x=b"/opt/tmp/x", srv__x=b"/tmp/x", etc__alternatives__x=b"/usr/bin/y")),
    ("RS-FS-054", Spec(files={"usr/bin/x": Link(b"y"), "usr/bin/y": b"", "usr/bin/z": Link(b"/run/z"), "bin": Link(b"usr/bin")})),
    ("RS-FS-055", empty("srv/a b", "srv/\u00fc", "srv/\u65e5\u672c", "srv/x.")),
]  # fmt: skip


@pytest.mark.parametrize(("check", "spec", "expected"), BAD, ids=[one[0] for one in BAD])
def test_it_is_found(check, spec, expected):
    assert said(spec, check) == expected


@pytest.mark.parametrize(("check", "spec"), GOOD, ids=[one[0] for one in GOOD])
def test_it_is_left_alone(check, spec):
    assert said(spec, check) == []
