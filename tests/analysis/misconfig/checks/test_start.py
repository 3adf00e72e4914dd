"""How a container starts, and what it opens."""

import pytest
from tests.analysis.misconfig.support import PASSWD, Spec, config, said

from rafsight.testing.trees import Link

_KNOWN = {"etc/passwd": PASSWD, "etc/group": b"root:x:0:\nwww:x:33:\n"}

BAD = [
    ("RS-CFG-001", config(), ["config.User: not set: root"]),
    ("RS-CFG-001", config(User="root"), ["config.User: root"]),
    ("RS-CFG-001", config(User="0:0"), ["config.User: 0:0"]),
    ("RS-CFG-001", config(User="00"), ["config.User: 00 is user 0"]),
    ("RS-CFG-001", Spec(files={"etc/passwd": b"toor:x:0:1::/:/bin/sh\n"}, config={"User": "toor"}),
     ["config.User: toor is user 0"]),
    ("RS-CFG-002", Spec(files=_KNOWN, config={"User": "app:staff"}),
     ["config.User: no user app in etc/passwd", "config.User: no group staff in etc/group"]),
    ("RS-CFG-002", config(User="app"), ["config.User: no user app in etc/passwd"]),
    ("RS-CFG-003", config(), ["config.Healthcheck: not set"]),
    ("RS-CFG-003", config(Healthcheck={"Test": ["NONE"]}), ["config.Healthcheck: switched off"]),
    ("RS-CFG-004", config(ExposedPorts={"22/tcp": {}, "8080/tcp": {}, "2375": {}}),
     ["config.ExposedPorts[22/tcp]: SSH", "config.ExposedPorts[2375]: Docker without TLS"]),
    ("RS-CFG-005", config(ExposedPorts={"70000/tcp": {}, "80/icmp": {}, "x": {}, "0": {}}),
     [f"config.ExposedPorts: {one} is no port" for one in ("70000/tcp", "80/icmp", "x", "0")]),
    ("RS-CFG-006", config(User="1000", ExposedPorts={"443/tcp": {}}), ["config.ExposedPorts[443/tcp]: user 1000"]),
    ("RS-CFG-007", config(WorkingDir="srv/app"), ["config.WorkingDir: srv/app"]),
    ("RS-CFG-008", config(WorkingDir="/usr/bin/"), ["config.WorkingDir: /usr/bin/"]),
    ("RS-CFG-008", config(WorkingDir="/proc/self"), ["config.WorkingDir: /proc/self"]),
    ("RS-CFG-009", config(Volumes={"/var/run/docker.sock": {}, "/etc": {}, "/": {}}),
     ["config.Volumes: /var/run/docker.sock", "config.Volumes: /etc", "config.Volumes: /"]),
    ("RS-CFG-010", config(Env=["S=/run/containerd/containerd.sock", "DOCKER_HOST=tcp://h:2375"],
                          Cmd=["sh", "-c", "agent --socket unix:///var/run/docker.sock"]),
     ["config.Env[0]: S names a socket of a container engine", "config.Env[1]: DOCKER_HOST is an address in the network",
      "config.Cmd: names a socket of a container engine"]),
    ("RS-CFG-011", config(Entrypoint=["/bin/sh", "-c", "node server.js"]), ["config.Entrypoint: /bin/sh -c ..."]),
    ("RS-CFG-012", config(StopSignal="SIGKILL"), ["config.StopSignal: SIGKILL"]),
    ("RS-CFG-013", config(Cmd=["chromium", "--no-sandbox"]), ["config.Cmd: --no-sandbox: the sandbox is off"]),
    ("RS-CFG-014", config(Cmd=["/usr/sbin/sshd", "-D"]), ["config.Cmd: sshd"]),
]  # fmt: skip

GOOD = [
    ("RS-CFG-001", config(User="1000")),
    ("RS-CFG-001", config(User="1000:0")),
    ("RS-CFG-001", Spec(files=_KNOWN, config={"User": "www"})),
    ("RS-CFG-001", Spec(config=None)),
    ("RS-CFG-002", Spec(files=_KNOWN, config={"User": "www:www"})),
    ("RS-CFG-002", config(User="1000:1000")),
    ("RS-CFG-002", Spec(files={"etc/passwd": b"x"}, sizes={"etc/passwd": 1 << 30}, config={"User": "app"})),
    ("RS-CFG-003", config(Healthcheck={"Test": ["CMD", "true"]})),
    ("RS-CFG-004", config(ExposedPorts={"22/udp": {}, "443/tcp": {}})),
    ("RS-CFG-005", config(ExposedPorts={"80/tcp": {}, "1000-2000/udp": {}, "65535": {}, "9/sctp": {}})),
    ("RS-CFG-006", config(ExposedPorts={"80/tcp": {}})),
    ("RS-CFG-006", config(User="1000", ExposedPorts={"8080/tcp": {}})),
    ("RS-CFG-007", config(WorkingDir="/srv")),
    ("RS-CFG-007", config(WorkingDir="C:\\app")),
    ("RS-CFG-008", config(WorkingDir="/usr/share/wordpress")),
    ("RS-CFG-009", config(Volumes={"/var/lib/postgresql/data": {}, "/etc/letsencrypt": {}})),
    ("RS-CFG-010", config(Cmd=["node", "socket.io.js"])),
    ("RS-CFG-011", config(Entrypoint=["/bin/sh", "-c", "exec node server.js"])),
    ("RS-CFG-011", config(Entrypoint=["/docker-entrypoint.sh"])),
    ("RS-CFG-012", config(StopSignal="SIGQUIT")),
    ("RS-CFG-013", config(Cmd=["node", "--no-deprecation"])),
    ("RS-CFG-014", config(Cmd=["nginx"])),
]


@pytest.mark.parametrize(("check", "spec", "expected"), BAD, ids=[one[0] for one in BAD])
def test_it_is_found(check, spec, expected):
    assert said(spec, check) == expected


@pytest.mark.parametrize(("check", "spec"), GOOD, ids=[one[0] for one in GOOD])
def test_it_is_left_alone(check, spec):
    assert said(spec, check) == []


def test_a_name_is_looked_up_through_links():
    files = {"etc/passwd": Link(b"../usr/lib/passwd"), "usr/lib/passwd": b"app:x:0:0::/:/bin/sh\n"}
    assert said(Spec(files=files, config={"User": "app"}), "RS-CFG-001") == ["config.User: app is user 0"]
