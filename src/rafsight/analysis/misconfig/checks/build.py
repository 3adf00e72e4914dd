"""Checks of how an image was built: what its history says about instructions, rights and the base."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from rafsight.analysis.misconfig.check import BUILDING, CIS, DOCKERFILE, Check, Need, cis, trivy
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.shell import Command
from rafsight.analysis.misconfig.steps import Step
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "history"
_URL: Final = re.compile(r"(?:https?|ftp)://|git@|git://")
_ARCHIVE: Final = re.compile(r"\.(?:tar|tgz|tbz2?|txz|tzst|tar\.(?:gz|bz2|xz|zst))\Z", re.IGNORECASE)
_MODE: Final = re.compile(r"0?[0-7]?[0-7]{2}[2367]\Z")
_OPEN_MODE: Final = re.compile(r"(?:[ug]{0,2}[oa][ugoa]{0,3}|)[+=][rxXst]{0,4}w")
_SETID: Final = re.compile(r"(?:0?[2467][0-7]{3}\Z|[ug]{1,2}[+=][rwx]{0,3}s)")


def add_of_files(subject: Subject) -> Iterator[Evidence]:
    """Find ADD where COPY does the same. The first layers of base images are archives."""
    for step in _steps(subject, "ADD"):
        sources, target = _copied(step.text)
        if not sources or target in {"/", "./"} or any(_URL.search(one) or _ARCHIVE.search(one) for one in sources):
            continue
        yield Evidence(place=step.place, detail="ADD of local files")


def sudo(subject: Subject) -> Iterator[Evidence]:
    """Find commands that are run by sudo."""
    for run in subject.runs:
        programs = [command.program for command in run.commands if command.sudo]
        if programs:
            yield Evidence(place=run.step.place, detail=f"sudo {printable(programs[0], 40)}")


def open_modes(subject: Subject) -> Iterator[Evidence]:
    """Find modes that let everybody write; a sticky folder such as /tmp is none."""
    for run in subject.runs:
        for command in run.commands:
            mode = _chmod(command)
            opens = (_MODE.match(mode) and not re.match(r"0?1[0-7]{3}\Z", mode)) or _OPEN_MODE.match(mode)
            if mode and opens:
                detail = f"chmod {'-R ' if command.has('-R', '--recursive', '-Rf', '-fR') else ''}{mode}"
                yield Evidence(place=run.step.place, detail=detail)


def setid_modes(subject: Subject) -> Iterator[Evidence]:
    """Find programs that are given the rights of their owner; folders with the bit are another matter."""
    for run in subject.runs:
        for command in run.commands:
            mode = _chmod(command)
            if mode and _SETID.match(mode) and not (mode.startswith("g") or re.match(r"0?2", mode)):
                yield Evidence(place=run.step.place, detail=f"chmod {mode}")


def password_set(subject: Subject) -> Iterator[Evidence]:
    """Find passwords that are set while building. What they are is never shown."""
    for run in subject.runs:
        for command in run.commands:
            how = ""
            if command.feeds == "chpasswd" and command.program in {"echo", "printf"}:
                how = "chpasswd"
            elif command.feeds == "passwd" or (command.program == "passwd" and command.has("--stdin")):
                how = "passwd"
            elif command.program in {"useradd", "usermod"} and command.has("-p", "--password"):
                how = f"{command.program} -p"
            elif command.program == "passwd" and command.has("-d", "--delete"):
                how = "passwd -d: no password at all"
            if how:
                yield Evidence(place=run.step.place, detail=how)


def maintainer(subject: Subject) -> Iterator[Evidence]:
    """Find the instruction that labels replaced."""
    for step in _steps(subject, "MAINTAINER"):
        yield Evidence(place=step.place, detail="MAINTAINER")


def latest_base(subject: Subject) -> Iterator[Evidence]:
    """Find bases without a version, where history or labels name the base."""
    label = subject.start.labels.get("org.opencontainers.image.base.name", "")
    if _is_latest(label):
        place = "config.Labels[org.opencontainers.image.base.name]"
        yield Evidence(place=place, detail=printable(label, 100))
    for step in subject.steps:
        word, _, name = step.comment.partition(" ")
        if word == "FROM" and _is_latest(name.strip()):
            yield Evidence(place=step.place, detail=f"FROM {printable(name.strip(), 100)}")


def _is_latest(name: str) -> bool:
    if not name or "@" in name or name == "scratch" or " " in name or re.fullmatch(r"[0-9a-f]{12,64}", name):
        return False
    tag = name.rpartition("/")[2].partition(":")[2]
    return tag in {"", "latest"}


def _steps(subject: Subject, instruction: str) -> list[Step]:
    return [step for step in subject.steps if step.instruction == instruction]


def _copied(text: str) -> tuple[list[str], str]:
    """Return sources and target of ADD, in the words of any builder."""
    if " in " in text:  # the classic builder: `file:<hash> in /target`
        source, _, target = text.rpartition(" in ")
        return [one for one in source.split() if not one.startswith("--")], target.strip()
    words = [word.strip('",[]') for word in text.split() if not word.startswith("--")]
    return words[:-1], words[-1] if words else ""


def _chmod(command: Command) -> str:
    if command.program not in {"chmod", "install"}:
        return ""
    if command.program == "install":
        modes = [word for before, word in zip(command.words, command.words[1:], strict=False) if before == "-m"]
        return modes[0][:20] if modes else ""
    return next((word[:20] for word in command.words if not word.startswith("-") or "w" in word), "")


def build_check(number: int, title: str, severity: Severity, find: Callable[[Subject], Iterator[Evidence]],
           *, why: str, message: str, cure: str, references: tuple[str, ...] = (BUILDING,),
           aliases: tuple[str, ...] = ()) -> Check:  # fmt: skip
    """Make a check of this group, which all need the config and nothing else."""
    return Check(
        id=f"RS-BLD-{number:03}", title=title, severity=severity, category=CATEGORY, description=why, message=message,
        resolution=cure, references=references, aliases=aliases, find=find, need=Need.CONFIG,
    )  # fmt: skip


CHECKS: Final = (
    build_check(
        2, "ADD where COPY is enough", Severity.LOW, add_of_files,
        why="ADD also unpacks archives and follows addresses; COPY does what is meant and nothing else.",
        message="{count} step[|s] use[s|] ADD for local files",
        cure="Use COPY.", references=(CIS, BUILDING + "#add-or-copy", cis(9)), aliases=(*trivy(5), "CIS-DI-0009"),
    ),
    build_check(
        7, "sudo in the build", Severity.MEDIUM, sudo,
        why="A build runs as root, or as whom USER names; sudo hides which steps need what, and stays in the image.",
        message="{count} step[|s] run[s|] commands by sudo",
        cure="Change USER around the steps that need root, and leave sudo out of the image.",
        references=(BUILDING + "#user",), aliases=(*trivy(10), "DKL-DI-0001"),
    ),
    build_check(
        8, "Everybody is given the right to write", Severity.MEDIUM, open_modes,
        why="A program that was taken over can then change files of others, such as code that runs later.",
        message="{count} command[|s] make[s|] files writable by everybody",
        cure="Give the folder to the user that needs it (`COPY --chown`, `install -o`).",
    ),
    build_check(
        9, "A program is given the rights of its owner", Severity.MEDIUM, setid_modes,
        why="Setuid programs are the usual way from an ordinary user to root.",
        message="{count} command[|s] set[s|] the setuid bit",
        cure="Use a capability, or a service that runs as the other user.",
        references=(CIS, cis(8)),
    ),
    build_check(
        10, "A password is set in the build", Severity.HIGH, password_set,
        why="The same password is in each container, and the history shows how it was set.",
        message="{count} command[|s] set[s|] a password",
        cure="Lock the account, and enter containers by the engine.",
    ),
    build_check(
        12, "MAINTAINER is deprecated", Severity.LOW, maintainer,
        why="Tools read labels; builders are free to drop the instruction.",
        message="{count} step[|s] use[s|] MAINTAINER",
        cure="Use the label org.opencontainers.image.authors.",
        references=(DOCKERFILE + "#maintainer-deprecated",), aliases=trivy(22),
    ),
    build_check(
        13, "The base has no version", Severity.LOW, latest_base,
        why="The next build may stand on something else, and nobody can say later on what this one stood.",
        message="The image was built on a tag that moves",
        cure="Name a version, or better a digest.",
        references=(BUILDING + "#pin-base-image-versions",), aliases=(*trivy(1), "DKL-DI-0006"),
    ),
)  # fmt: skip
