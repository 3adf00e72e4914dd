"""Checks of how a build installs packages: what its history says about package managers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from rafsight.analysis.misconfig.check import BUILDING, CIS, Check, Need, cis, trivy
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.shell import Command
from rafsight.analysis.misconfig.subject import RunStep, Subject
from rafsight.base.severity import Severity

CATEGORY: Final = "history"
_APT: Final = ("apt-get", "apt", "aptitude")
_INSTALLS: Final = frozenset(("install", "in", "groupinstall"))
_USES: Final = _INSTALLS | {"upgrade", "dist-upgrade", "full-upgrade", "build-dep", "download", "source", "satisfy"}
_RPM_CACHES: Final = ("var/cache/yum", "var/cache/dnf", "var/cache/libdnf5", "var/cache/*", "var/cache")


def update_alone(subject: Subject) -> Iterator[Evidence]:
    """Find lists of packages that are fetched in one step and used in another."""
    for run in subject.runs:
        updates = [one for one in run.commands if one.program in _APT and "update" in one.verbs[:1]]
        uses = [one for one in run.commands if one.program in _APT and _verb_in(one, _USES)]
        if updates and not uses and not _fetched_by_other(run):
            yield Evidence(place=run.step.place, detail=f"{updates[0].program} update")


def recommended(subject: Subject) -> Iterator[Evidence]:
    """Find installations that take along what is merely recommended."""
    for run in subject.runs:
        for command in _installs(run, _APT):
            words = " ".join(command.words)
            if "--no-install-recommends" not in words and "Install-Recommends=" not in words:
                yield Evidence(place=run.step.place, detail=f"{command.program} install")
                break


def upgrade(subject: Subject) -> Iterator[Evidence]:
    """Find whole systems that are upgraded."""
    for run in subject.runs:
        for command in run.commands:
            if command.program in _APT and set(command.verbs[:1]) & {"dist-upgrade", "full-upgrade"}:
                yield Evidence(place=run.step.place, detail=f"{command.program} {command.verbs[0]}")


def apt_cache(subject: Subject) -> Iterator[Evidence]:
    """Find steps that leave apt's lists behind."""
    for run in subject.runs:
        has_lists = any(one.program in _APT and one.verbs[:1] == ("update",) for one in run.commands)
        is_clean = _is_cached(run) or _removes(run, "var/lib/apt", "var/lib", "var/lib/*")
        if has_lists and not is_clean and _installs(run, _APT):
            yield Evidence(place=run.step.place, detail="/var/lib/apt/lists stays")


def rpm_cache(program: str, subject: Subject) -> Iterator[Evidence]:
    """Find steps that leave the cache of one of rpm's front ends behind."""
    for run in subject.runs:
        if not _installs(run, (program,)) or _is_cached(run) or _removes(run, *_RPM_CACHES):
            continue
        if not any(one.program == program and "clean" in one.verbs[:1] for one in run.commands):
            yield Evidence(place=run.step.place, detail=f"{program} install without clean")


def zypper_cache(subject: Subject) -> Iterator[Evidence]:
    """Find steps that leave zypper's cache behind."""
    for run in subject.runs:
        if not _installs(run, ("zypper",)) or _is_cached(run) or _removes(run, "var/cache/zypp", "var/cache/*"):
            continue
        if not any(one.program == "zypper" and set(one.verbs) & {"clean", "cc"} for one in run.commands):
            yield Evidence(place=run.step.place, detail="zypper install without clean")


def apk_cache(subject: Subject) -> Iterator[Evidence]:
    """Find steps that leave apk's index behind."""
    for run in subject.runs:
        added = [one for one in run.commands if one.program == "apk" and "add" in one.verbs[:2]]
        bare = [one for one in added if not one.has("--no-cache", "--cache-max-age")]
        if bare and not _is_cached(run) and not _removes(run, "var/cache/apk", "var/cache/*", "etc/apk/cache"):
            yield Evidence(place=run.step.place, detail="apk add without --no-cache")


def _verb_in(command: Command, verbs: frozenset[str]) -> bool:
    return not verbs.isdisjoint(command.verbs[:2])


def _installs(run: RunStep, programs: tuple[str, ...]) -> list[Command]:
    return [one for one in run.commands if one.program in programs and _verb_in(one, _INSTALLS)]


def _fetched_by_other(run: RunStep) -> bool:
    """Tell whether a script of one's own installs something in the same step."""
    return any(one.program.endswith((".sh", "install-packages", "install_packages")) for one in run.commands)


def _is_cached(run: RunStep) -> bool:
    return any("type=cache" in option or "type=tmpfs" in option for option in run.step.options)


def _removes(run: RunStep, *folders: str) -> bool:
    """Tell whether a step removes what lies in some folders."""
    removed = [word.strip("/") for one in run.commands if one.program in {"rm", "find"} for word in one.words]
    return any(word == folder or word.startswith(folder + "/") for word in removed for folder in folders)


def _check(
    number: int, title: str, find: Callable[[Subject], Iterator[Evidence]], *, why: str, message: str, cure: str,
    aliases: tuple[str, ...], references: tuple[str, ...] = (BUILDING + "#apt-get",),
) -> Check:  # fmt: skip
    return Check(
        id=f"RS-BLD-{number:03}", title=title, severity=Severity.LOW, category=CATEGORY, description=why,
        message=message, resolution=cure, references=references, aliases=aliases, find=find, need=Need.CONFIG,
    )  # fmt: skip


def _rpm_check(number: int, program: str, alias: int) -> Check:
    return _check(
        number, f"{program} leaves its cache behind", partial(rpm_cache, program),
        why="The cache stays in the layer, and is of no use in a container.",
        message=f"{{count}} step[|s] install[s|] by {program} and [does|do] not clean up",
        cure=f"End the same RUN by `{program} clean all`.",
        aliases=trivy(alias), references=(BUILDING,),
    )  # fmt: skip


CHECKS: Final = (
    _check(
        20, "Lists of packages are updated in a step of their own", update_alone,
        why="The step comes from the build cache later on, and old versions are installed.",
        message="{count} step[|s] update[s|] the lists of packages and install[s|] nothing",
        cure="Update and install in one RUN.",
        aliases=(*trivy(17), "CIS-DI-0007"), references=(CIS, BUILDING + "#apt-get", cis(7)),
    ),
    _check(
        21, "Recommended packages are installed too", recommended,
        why="Each package that nobody needs is one more to look after.",
        message="{count} step[|s] install[s|] without --no-install-recommends",
        cure="Add `--no-install-recommends`, and name what is needed.",
        aliases=trivy(29),
    ),
    _check(
        22, "The whole system is upgraded in the build", upgrade,
        why="It may remove packages, and each build gets another system; a newer base has the same fixes.",
        message="{count} step[|s] upgrade[s|] the distribution",
        cure="Use a current base image, and name the packages that have to be newer.",
        aliases=(*trivy(24), "DKL-DI-0003"),
    ),
    _check(
        23, "apt leaves its lists behind", apt_cache,
        why="They stay in the layer, and are of no use in a container.",
        message="{count} step[|s] install[s|] by apt and [does|do] not remove the lists",
        cure="End the same RUN by `rm -rf /var/lib/apt/lists/*`, or use a cache mount.",
        aliases=("DKL-DI-0005",),
    ),
    _rpm_check(24, "yum", 15),
    _rpm_check(25, "dnf", 19),
    _check(
        26, "zypper leaves its cache behind", zypper_cache,
        why="The cache stays in the layer, and is of no use in a container.",
        message="{count} step[|s] install[s|] by zypper and [does|do] not clean up",
        cure="End the same RUN by `zypper clean --all`.",
        aliases=trivy(20), references=(BUILDING,),
    ),
    _rpm_check(27, "microdnf", 27),
    _check(
        28, "apk leaves its index behind", apk_cache,
        why="The index stays in the layer, and is of no use in a container.",
        message="{count} step[|s] keep[s|] apk's index",
        cure="Use `apk add --no-cache`.",
        aliases=(*trivy(25), "DKL-DI-0004"), references=(BUILDING,),
    ),
)  # fmt: skip
