"""Checks of what an image opens to its surroundings, and where it works: ports, volumes, sockets, folders."""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.misconfig.check import BUILDING, CIS, DOCKERFILE, OCI_CONFIG, Check, Need, trivy
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "image config"
_SHOWN: Final = 100
"""[characters] of a member of the config in a report."""
_ADMIN_PORTS: Final = {
    22: "SSH", 23: "Telnet", 512: "rexec", 513: "rlogin", 514: "rsh", 2375: "Docker without TLS", 3389: "RDP",
    5900: "VNC", 5901: "VNC", 5985: "WinRM", 6000: "X11", 10250: "kubelet",
}  # fmt: skip
_PRIVILEGED: Final = 1024
_SYSTEM_DIRS: Final = frozenset(
    ("proc", "sys", "dev", "etc", "bin", "sbin", "lib", "lib64", "boot", "usr", "usr/bin", "usr/sbin", "usr/lib")
)
_HOST_DIRS: Final = frozenset(("", "proc", "sys", "dev", "etc", "boot", "root", "usr", "bin", "sbin", "lib", "lib64"))
_SOCKET: Final = re.compile(r"(?:docker|containerd|podman|crio|cri-dockerd|buildkitd)\.sock\b")


def admin_port(subject: Subject) -> Iterator[Evidence]:
    """Find ports for people who administer a machine."""
    for text, port in _ports(subject):
        if port in _ADMIN_PORTS and not text.endswith("/udp"):
            yield Evidence(place=f"config.ExposedPorts[{_shown(text)}]", detail=_ADMIN_PORTS[port])


def impossible_port(subject: Subject) -> Iterator[Evidence]:
    """Find what is no port, a range of ports, or none that exists."""
    for text in subject.start.ports:
        number, _, protocol = text.partition("/")
        first, _, last = number.partition("-")
        ends = [first, last or first]
        if protocol.lower() not in {"", "tcp", "udp", "sctp"} or not all(map(_is_port, ends)):
            yield Evidence(place="config.ExposedPorts", detail=f"{_shown(text)} is no port")


def privileged_port(subject: Subject) -> Iterator[Evidence]:
    """Find ports that an ordinary user may not open everywhere."""
    if subject.runs_as_root:
        return
    for text, port in _ports(subject):
        if 0 < port < _PRIVILEGED and port not in _ADMIN_PORTS:
            yield Evidence(place=f"config.ExposedPorts[{_shown(text)}]", detail=f"user {_shown(subject.start.user)}")


def relative_workdir(subject: Subject) -> Iterator[Evidence]:
    """Find a working directory that depends on where one is."""
    folder = subject.start.working_dir
    if folder and not folder.startswith(("/", "$")) and not re.match(r"[A-Za-z]:[\\/]", folder):
        yield Evidence(place="config.WorkingDir", detail=_shown(folder))


def system_workdir(subject: Subject) -> Iterator[Evidence]:
    """Find a working directory that belongs to the system."""
    folder = _normal(subject.start.working_dir)
    if folder in _SYSTEM_DIRS or folder.partition("/")[0] in {"proc", "sys", "dev"}:
        yield Evidence(place="config.WorkingDir", detail=_shown(subject.start.working_dir))


def sensitive_volume(subject: Subject) -> Iterator[Evidence]:
    """Find volumes over folders of the system, and sockets of container engines."""
    for volume in subject.start.volumes:
        if _normal(volume) in _HOST_DIRS or _SOCKET.search(volume):
            yield Evidence(place="config.Volumes", detail=_shown(volume))


def engine_socket(subject: Subject) -> Iterator[Evidence]:
    """Find addresses of a container engine's socket in what is started."""
    for variable in subject.start.env:
        if _SOCKET.search(variable.value):
            yield Evidence(place=variable.place, detail=f"{_shown(variable.name)} names a socket of a container engine")
        elif variable.name == "DOCKER_HOST" and variable.value.startswith("tcp://"):
            yield Evidence(place=variable.place, detail="DOCKER_HOST is an address in the network")
    for place, words in subject.start.started:
        if any(_SOCKET.search(word) for word in words):
            yield Evidence(place=place, detail="names a socket of a container engine")


def _ports(subject: Subject) -> Iterator[tuple[str, int]]:
    for text in subject.start.ports:
        number = text.partition("/")[0]
        if _is_port(number):
            yield text, int(number)


def _is_port(text: str) -> bool:
    return _is_number(text) and 0 < int(text) < 65536


def _normal(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10


def _shown(text: str) -> str:
    return printable(text, _SHOWN)


CHECKS: Final = (
    Check(
        id="RS-CFG-004",
        title="A port for remote administration is exposed",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="A login into a container is one more way in, with passwords and keys of its own to look after.",
        message="{count} exposed port[|s] serve[s|] remote administration",
        resolution="Leave the server out, and enter containers by the engine (`exec`).",
        references=(BUILDING + "#expose",),
        aliases=trivy(4),
        find=admin_port,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-005",
        title="An exposed port is impossible",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Ports are numbers from 1 to 65535, with tcp, udp or sctp; anything else serves nobody.",
        message="{count} exposed port[|s] [does|do] not exist",
        resolution="Correct the EXPOSE instruction.",
        references=(DOCKERFILE + "#expose",),
        aliases=trivy(8),
        find=impossible_port,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-006",
        title="An ordinary user has to open a privileged port",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Ports below 1024 need a capability on hosts that do not lower that bound.",
        message="{count} exposed port[|s] [is|are] below 1024, and the user is not root",
        resolution="Listen above 1023 and map the port outside.",
        references=(OCI_CONFIG,),
        find=privileged_port,
        need=Need.BOTH,
    ),
    Check(
        id="RS-CFG-007",
        title="The working directory is relative",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Where it is depends on the base image, and may change with it.",
        message="WORKDIR is no absolute path",
        resolution="Write the whole path.",
        references=(BUILDING + "#workdir",),
        aliases=trivy(9),
        find=relative_workdir,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-008",
        title="The working directory belongs to the system",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="What a program leaves in its working directory then lies among the files of the system.",
        message="The container starts in a folder of the system",
        resolution="Give the program a folder of its own, such as /srv/app.",
        references=(DOCKERFILE + "#workdir",),
        aliases=trivy(30),
        find=system_workdir,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-009",
        title="A volume covers a folder of the system or an engine's socket",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Such volumes are meant to be filled from the host; an engine's socket is root on the host.",
        message="{count} volume[|s] lie[s|] over something of the system, or ask[s|] for something of the host",
        resolution="Use volumes for data only; do not hand an engine's socket to a container.",
        references=(CIS, "https://docs.docker.com/engine/security/protect-access/", "CIS Docker Benchmark 1.7.0, 5.32"),
        aliases=("DKL-DI-0002",),
        find=sensitive_volume,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-010",
        title="The program expects a container engine's socket",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Whoever can write to that socket is root on the host.",
        message="{count} setting[|s] name[s|] the socket of a container engine, or its address",
        resolution="Use an engine without root, or a proxy in front of the socket that allows little.",
        references=("https://docs.docker.com/engine/security/protect-access/",),
        find=engine_socket,
        need=Need.CONFIG,
    ),
)
