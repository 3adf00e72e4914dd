"""What a history says about a build, whoever wrote it."""

import pytest
from tests.analysis.misconfig.support import Spec, config, run, said

NOP = "/bin/sh -c #(nop) "


def history(*steps):
    return Spec(history=steps)


BAD = [
    ("RS-BLD-001", history("ADD https://example.com/tool /usr/bin/ # buildkit"),
     ["history[0]: ADD of an address, without a check sum"]),
    ("RS-BLD-002", history(f"{NOP}ADD file:1234 in /srv/app.py "), ["history[0]: ADD of local files"]),
    ("RS-BLD-002", history("ADD . /srv/app # buildkit"), ["history[0]: ADD of local files"]),
    ("RS-BLD-003", run("curl -fsSL https://sh.example.com | bash -s -- -y"), ["history[0]: a download is piped to bash"]),
    ("RS-BLD-003", run("wget -qO- https://x | sudo sh"), ["history[0]: a download is piped to sh"]),
    ("RS-BLD-003", run('sh -c "$(curl -fsSL https://x)"'), ["history[0]: a shell runs what a download says"]),
    ("RS-BLD-003", run("bash <(curl -s https://x)"), ["history[0]: a shell runs what a download says"]),
    ("RS-BLD-003", run("curl https://x | python3 -"), ["history[0]: a download is piped to python3"]),
    ("RS-BLD-004", run("curl -fsSLk https://x -o y", "wget --no-check-certificate https://x",
                       "git config --global http.sslVerify false", "pip install --trusted-host pypi.org x"),
     ["history[0]: curl -k", "history[1]: wget --no-check-certificate", "history[2]: git http.sslVerify false",
      "history[3]: pip --trusted-host"]),
    ("RS-BLD-005", run("apt-get install -y --allow-unauthenticated x", "apk add --allow-untrusted x.apk"),
     ["history[0]: apt-get --allow-unauthenticated", "history[1]: apk --allow-untrusted"]),
    ("RS-BLD-006", run("curl -O http://example.com/x.tgz", "git clone http://example.com/x.git"),
     ["history[0]: curl without TLS", "history[1]: git without TLS"]),
    ("RS-BLD-007", run("sudo -E apt-get update && sudo make install"), ["history[0]: sudo apt-get"]),
    ("RS-BLD-007", history("|1 V=1 /bin/sh -c sudo true"), ["history[0]: sudo true"]),
    ("RS-BLD-008", run("mkdir /data && chmod -R 777 /data", "chmod a+w x; chmod 666 y"),
     ["history[0]: chmod -R 777", "history[1]: chmod a+w", "history[1]: chmod 666"]),
    ("RS-BLD-009", run("chmod u+s /usr/bin/x", "chmod 4755 /usr/bin/y"), ["history[0]: chmod u+s", "history[1]: chmod 4755"]),
    ("RS-BLD-010", run("echo 'root:hunter22' | chpasswd", "useradd -p hunter22 app", "passwd -d root"),
     ["history[0]: chpasswd", "history[1]: useradd -p", "history[2]: passwd -d: no password at all"]),
    ("RS-BLD-011", run("curl -s https://x | apt-key add -", "gpg --keyserver k --recv-keys 0x12345678"),
     ["history[0]: apt-key", "history[1]: gpg --recv-keys with a short id"]),
    ("RS-BLD-012", history(f"{NOP} MAINTAINER me", "MAINTAINER me"), ["history[0]: MAINTAINER", "history[1]: MAINTAINER"]),
    ("RS-BLD-013", config(Labels={"org.opencontainers.image.base.name": "docker.io/library/debian"}),
     ["config.Labels[org.opencontainers.image.base.name]: docker.io/library/debian"]),
    ("RS-BLD-013", history({"created_by": "/bin/sh", "comment": "FROM docker.io/library/alpine:latest"}),
     ["history[0]: FROM docker.io/library/alpine:latest"]),
    ("RS-BLD-020", run("apt-get update"), ["history[0]: apt-get update"]),
    ("RS-BLD-021", run("apt-get update && apt-get install -y gcc && rm -rf /var/lib/apt/lists/*"),
     ["history[0]: apt-get install"]),
    ("RS-BLD-022", run("apt-get update && apt-get -y dist-upgrade"), ["history[0]: apt-get dist-upgrade"]),
    ("RS-BLD-023", run("apt-get update && apt-get install -y --no-install-recommends gcc"),
     ["history[0]: /var/lib/apt/lists stays"]),
    ("RS-BLD-024", run("yum -y install x"), ["history[0]: yum install without clean"]),
    ("RS-BLD-025", run("dnf install -y x"), ["history[0]: dnf install without clean"]),
    ("RS-BLD-026", run("zypper -n in x"), ["history[0]: zypper install without clean"]),
    ("RS-BLD-027", run("microdnf install x"), ["history[0]: microdnf install without clean"]),
    ("RS-BLD-028", run("apk update && apk add curl"), ["history[0]: apk add without --no-cache"]),
]  # fmt: skip

GOOD = [
    ("RS-BLD-001", history("ADD --checksum=sha256:00 https://example.com/tool /usr/bin/ # buildkit")),
    ("RS-BLD-001", history("ADD rootfs.tar.xz / # buildkit")),
    ("RS-BLD-002", history(f"{NOP}ADD file:1234 in / ", "ADD alpine-minirootfs-3.20.3-x86_64.tar.gz / # buildkit")),
    ("RS-BLD-002", history("ADD app.tar.gz /srv/ # buildkit", "ADD https://x/y /srv/ # buildkit", "COPY . /srv # buildkit")),
    ("RS-BLD-003", run("curl -fsSL https://x -o y && sha256sum -c y.sha256 && sh y", "curl https://x | tar xz",
                       "curl -s https://x | jq . | tee z", "echo 'curl https://x | sh' > README", "curl https://x | python3 parse.py")),
    ("RS-BLD-004", run("curl -fsSL https://x", "git config --global user.name k", "apt-get install -k", "wget -q https://x")),
    ("RS-BLD-005", run("apt-get install -y x", "rpm -i x.rpm")),
    ("RS-BLD-006", run("curl https://x", "curl http://localhost:80/", "wget http://127.0.0.1/", "pip install http", "git clone git@x:y")),
    ("RS-BLD-007", run("apt-get install -y --no-install-recommends sudo", "echo 'x ALL=(ALL) ALL' > /etc/sudoers.d/x",
                       "pip install sudo")),
    ("RS-BLD-008", run("chmod 755 x", "chmod 1777 /tmp", "chmod -R u+w,go-w x", "chmod +x x", "chmod g+s d")),
    ("RS-BLD-009", run("chmod 2775 d", "chmod g+s d", "chmod 755 x", "chmod u+x y")),
    ("RS-BLD-010", run("useradd -m -r app", "echo hello | tee x", "passwd -l root")),
    ("RS-BLD-011", run("gpg --recv-keys 0D96DF4D4110E5C43FBFB17F2D347EA6AA65421D", "gpg --import key.asc")),
    ("RS-BLD-013", config(Labels={"org.opencontainers.image.base.name": "docker.io/library/debian:12"})),
    ("RS-BLD-013", history({"comment": "FROM scratch"}, {"comment": "FROM debian@sha256:00"}, {"comment": "FROM 0123456789ab"})),
    ("RS-BLD-012", history("LABEL maintainer=me # buildkit")),
    ("RS-BLD-020", run("apt-get update && apt-get install -y --no-install-recommends x")),
    ("RS-BLD-021", run("apt-get install -y --no-install-recommends gcc", "apt-get -o APT::Install-Recommends=false install x")),
    ("RS-BLD-022", run("apt-get update && apt-get install x", "apt-get upgrade")),
    ("RS-BLD-023", run("apt-get update && apt-get install -y x && rm -rf /var/lib/apt/lists/*")),
    ("RS-BLD-023", history("RUN --mount=type=cache,target=/var/lib/apt /bin/sh -c apt-get update && apt-get install -y x # buildkit")),
    ("RS-BLD-024", run("yum install -y x && yum clean all", "yum install -y x && rm -rf /var/cache/yum")),
    ("RS-BLD-025", run("dnf install -y x && dnf clean all")),
    ("RS-BLD-026", run("zypper -n in x && zypper clean --all")),
    ("RS-BLD-027", run("microdnf install x && microdnf clean all")),
    ("RS-BLD-028", run("apk add --no-cache curl", "apk add curl && rm -rf /var/cache/apk/*", "apk del curl")),
]  # fmt: skip


@pytest.mark.parametrize(("check", "spec", "expected"), BAD, ids=[one[0] for one in BAD])
def test_it_is_found(check, spec, expected):
    assert said(spec, check) == expected


@pytest.mark.parametrize(("check", "spec"), GOOD, ids=[one[0] for one in GOOD])
def test_it_is_left_alone(check, spec):
    assert said(spec, check) == []


def test_no_password_of_a_build_is_shown():
    spec = run("echo 'root:hunter22' | chpasswd", "useradd -p hunter22 app")
    assert "hunter22" not in str(said(spec, "RS-BLD-010"))
