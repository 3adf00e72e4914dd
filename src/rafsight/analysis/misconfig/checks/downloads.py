"""Checks of what a build downloads: what its history says about sources, certificates and signatures."""

import re
from collections.abc import Iterator
from typing import Final

from rafsight.analysis.misconfig.check import CIS, DOCKERFILE, Check, cis
from rafsight.analysis.misconfig.checks.build import build_check
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.shell import Command, is_shell
from rafsight.analysis.misconfig.subject import RunStep, Subject
from rafsight.base.severity import Severity

_URL: Final = re.compile(r"(?:https?|ftp)://|git@|git://")
_FETCHERS: Final = frozenset(("curl", "wget", "fetch", "lwp-download"))
_INTERPRETERS: Final = frozenset(("python", "python2", "python3", "perl", "ruby", "node", "php"))
_FED: Final = re.compile(
    r"(?:\b(?:ba|da|a|z|k)?sh\b[^\n;|&]{0,80}|\beval |\bsource |(?:^|[\s;&])\. )[\"']?"
    r"(?:\$\(|<\(|`)\s{0,8}(?:curl|wget)\b"
)
_LOCAL: Final = re.compile(r"http://(?:localhost|127\.|\[::1\]|0\.0\.0\.0|host\.docker\.internal)")
_PLAIN: Final = re.compile(r"(?:http|git|ftp)://[^/\s]")
_NAMES_KEY: Final = re.compile(r"--recv(?:-keys?)?\Z")
_TLS_OFF: Final = {
    "curl": ("-k", "--insecure", "--proxy-insecure"),
    "wget": ("--no-check-certificate",),
    "pip": ("--trusted-host",), "pip3": ("--trusted-host",),
    "uv": ("--allow-insecure-host", "--trusted-host"),
    "npm": ("--strict-ssl=false", "--no-strict-ssl"),
    "yarn": ("--strict-ssl=false",),
    "conda": ("--insecure", "-k"),
    "helm": ("--insecure-skip-tls-verify",),
    "ansible-galaxy": ("--ignore-certs", "-c"),
}  # fmt: skip
_SETTINGS_OFF: Final = re.compile(
    r"http\.sslverify[ =](?:false|0|no)|strict-ssl[ =]false|ssl_verify[ =](?:false|no)", re.IGNORECASE
)
_UNSIGNED: Final = {
    "apt-get": ("--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories"),
    "apt": ("--allow-unauthenticated", "--force-yes", "--allow-insecure-repositories"),
    "apk": ("--allow-untrusted",),
    "yum": ("--nogpgcheck",), "dnf": ("--nogpgcheck", "--no-gpgchecks"), "microdnf": ("--nogpgcheck",),
    "tdnf": ("--nogpgcheck",),
    "rpm": ("--nosignature", "--nodigest", "--noverify"),
    "zypper": ("--no-gpg-checks", "--allow-unsigned-rpm"),
}  # fmt: skip


def add_of_url(subject: Subject) -> Iterator[Evidence]:
    """Find ADD that downloads."""
    for step in [step for step in subject.steps if step.instruction == "ADD"]:
        if "--checksum=" not in step.text and _URL.search(step.text.partition(" in ")[0]):
            yield Evidence(place=step.place, detail="ADD of an address, without a check sum")


def piped_to_shell(subject: Subject) -> Iterator[Evidence]:
    """Find downloads that run at once."""
    for run in subject.runs:
        names = [one.feeds for one in run.commands if one.program in _FETCHERS and _runs_input(one, run)]
        if names:
            yield Evidence(place=run.step.place, detail=f"a download is piped to {names[0]}")
        elif _FED.search(run.step.text):
            yield Evidence(place=run.step.place, detail="a shell runs what a download says")


def tls_off(subject: Subject) -> Iterator[Evidence]:
    """Find downloads that accept any certificate."""
    for run in subject.runs:
        for command in run.commands:
            option = _option(command, _TLS_OFF)
            setting = _SETTINGS_OFF.search(" ".join(command.words[:50]))
            if option or (setting and command.program in {"git", "npm", "yarn", "conda", "pnpm"}):
                yield Evidence(
                    place=run.step.place, detail=f"{command.program} {option or (setting[0] if setting else '')}"
                )


def unsigned(subject: Subject) -> Iterator[Evidence]:
    """Find packages that are installed without a look at their signature."""
    for run in subject.runs:
        for command in run.commands:
            option = _option(command, _UNSIGNED)
            if option:
                yield Evidence(place=run.step.place, detail=f"{command.program} {option}")


def plain_download(subject: Subject) -> Iterator[Evidence]:
    """Find downloads that anybody on the way can change."""
    for run in subject.runs:
        for command in run.commands:
            if command.program not in _FETCHERS and (command.program != "git" or "clone" not in command.words):
                continue
            if any(_PLAIN.match(word) and not _LOCAL.match(word) for word in command.words):
                yield Evidence(place=run.step.place, detail=f"{command.program} without TLS")


def key_for_all(subject: Subject) -> Iterator[Evidence]:
    """Find keys that are trusted for all package sources, and keys that are found by their name alone."""
    for run in subject.runs:
        for command in run.commands:
            if command.program == "apt-key" and command.has("add", "adv"):
                yield Evidence(place=run.step.place, detail="apt-key")
            elif command.program in {"gpg", "gpg2"} and any(_NAMES_KEY.match(word) for word in command.words):
                ids = [word for word in command.verbs if re.fullmatch(r"(?:0x)?[0-9A-Fa-f]{8,16}", word)]
                if ids:
                    yield Evidence(place=run.step.place, detail="gpg --recv-keys with a short id")


def _runs_input(command: Command, run: RunStep) -> bool:
    if is_shell(command.feeds):
        return True
    fed = [one for one in run.commands if one.program == command.feeds and one.program in _INTERPRETERS]
    return any(not one.verbs or one.words[:1] == ("-",) for one in fed)


def _option(command: Command, table: dict[str, tuple[str, ...]]) -> str:
    """Return the option of a table that a command has; short ones may stand together (`-fsSLk`)."""
    for option in table.get(command.program, ()):
        for word in command.words:
            if word == option or word.startswith(option + "="):
                return option
            is_bundle = len(option) == 2 and command.program == "curl" and re.fullmatch(r"-[A-Za-z#]{1,12}", word)
            if is_bundle and option[1] in word[1:]:
                return option
    return ""


CHECKS: Final[tuple[Check, ...]] = (
    build_check(
        1, "ADD downloads a file", Severity.MEDIUM, add_of_url,
        why="What comes from that address is not pinned: the next build may get something else.",
        message="{count} step[|s] add[s|] a file from an address",
        cure="Use `ADD --checksum=sha256:...`, or download and compare the check sum in one RUN.",
        references=(CIS, DOCKERFILE + "#add", cis(9)),
    ),
    build_check(
        3, "A download is run unseen", Severity.HIGH, piped_to_shell,
        why="Whoever controls that server, or the way to it, runs commands as root in the build.",
        message="{count} step[|s] pipe[s|] a download into an interpreter",
        cure="Download a released file, compare its check sum, then run it.",
    ),
    build_check(
        4, "A download accepts any certificate", Severity.HIGH, tls_off,
        why="Anybody on the way can replace what is downloaded.",
        message="{count} command[|s] of the build [does|do] not check certificates",
        cure="Install ca-certificates, or add the missing certificate, and remove the option.",
    ),
    build_check(
        5, "Packages are installed without a look at their signature", Severity.HIGH, unsigned,
        why="A package from anywhere is accepted, with scripts that run as root.",
        message="{count} command[|s] install[s|] packages unverified",
        cure="Import the key of the package source, and remove the option.",
        references=(CIS, cis(11)), aliases=("CIS-DI-0011",),
    ),
    build_check(
        6, "A download without TLS", Severity.MEDIUM, plain_download,
        why="Anybody on the way can read it and replace it.",
        message="{count} command[|s] of the build download[s|] without TLS",
        cure="Use https, or compare a check sum.",
    ),
    build_check(
        11, "A key is trusted for all package sources", Severity.LOW, key_for_all,
        why="The owner of the key can replace packages of the distribution, not only his own.",
        message="{count} command[|s] trust[s|] a key more widely than needed",
        cure="Put the key into /etc/apt/keyrings, name it in `Signed-By`, and ask for keys by their whole fingerprint.",
        references=("https://wiki.debian.org/DebianRepository/UseThirdParty",),
    ),
)  # fmt: skip
