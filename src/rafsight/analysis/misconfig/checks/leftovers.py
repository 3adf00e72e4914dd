"""Checks of what stayed in an image by mistake: repositories, build files, dumps, histories, caches."""

import re
from typing import Final

import numpy as np

from rafsight.analysis.misconfig.check import BUILDING, Check, Spots
from rafsight.analysis.misconfig.subject import Subject
from rafsight.analysis.misconfig.tree_facts import TreeFacts
from rafsight.base.severity import Severity
from rafsight.base.units import KiB, MiB, format_size
from rafsight.image.selection import RowArray, select_rows

CATEGORY: Final = "leftovers"
_BUILD_FILES: Final = (
    b"Dockerfile", b"Dockerfile.*", b"Containerfile", b".dockerignore", b"docker-compose.yml", b"docker-compose.yaml",
    b"docker-compose.*.yml", b"compose.yaml", b"compose.yml", b"Jenkinsfile", b".gitlab-ci.yml", b".travis.yml",
    b"Vagrantfile", b".drone.yml", b"bitbucket-pipelines.yml", b"azure-pipelines.yml", b"skaffold.yaml",
)  # fmt: skip
_BY_PACKAGES: Final = frozenset(
    (
        b"site-packages",
        b"dist-packages",
        b"node_modules",
        b"gems",
        b"vendor",
        b"share",
        b"src",
        b"pkg",
        b"mod",
        b"plugins",
    )
)
"""Folders that hold what others made: their build files came along."""
_HISTORIES: Final = (
    b".bash_history", b".ash_history", b".zsh_history", b".sh_history", b".history", b".python_history",
    b".mysql_history", b".mariadb_history", b".psql_history", b".sqlite_history", b".rediscli_history",
    b".node_repl_history", b".irb_history", b".dbshell", b".mongorc_history", b".viminfo", b".lesshst", b".wget-hsts",
)  # fmt: skip
_SWAP: Final = (b".*.swp", b".*.swo", b"*.orig", b"*.rej", b"swapfile", b"*.dpkg-old", b"*.dpkg-dist", b"*.rpmsave")
_CORE: Final = re.compile(
    rb"core(?:\.[0-9]{1,9})?|vgcore\.[0-9]{1,9}|hs_err_pid[0-9]{1,9}\.log|.{1,100}\.(?:hprof|core)"
)
_CORE_NAMES: Final = (b"core", b"core.*", b"vgcore.*", b"hs_err_pid*", b"*.hprof", b"*.core")
_CORE_SIZE: Final = 32 * KiB
"""[bytes] no process is smaller."""
_CACHES: Final = (
    # folder                         whose
    (b"var/lib/apt/lists",           "apt"),
    (b"var/cache/apt/archives",      "apt"),
    (b"var/cache/apt",               "apt"),
    (b"var/cache/apk",               "apk"),
    (b"etc/apk/cache",               "apk"),
    (b"var/cache/yum",               "yum"),
    (b"var/cache/dnf",               "dnf"),
    (b"var/cache/libdnf5",           "dnf"),
    (b"var/cache/tdnf",              "tdnf"),
    (b"var/cache/zypp",              "zypper"),
    (b"var/cache/pacman/pkg",        "pacman"),
    (b"root/.cache/pip",             "pip"),
    (b"root/.cache/uv",              "uv"),
    (b"root/.cache/pypoetry",        "poetry"),
    (b"root/.npm/_cacache",          "npm"),
    (b"usr/local/share/.cache/yarn", "yarn"),
    (b"root/.cache/yarn",            "yarn"),
    (b"root/.local/share/pnpm/store", "pnpm"),
    (b"root/.cache/go-build",        "go"),
    (b"go/pkg/mod/cache",            "go"),
    (b"root/go/pkg/mod/cache",       "go"),
    (b"root/.cargo/registry",        "cargo"),
    (b"usr/local/cargo/registry",    "cargo"),
    (b"root/.m2/repository",         "maven"),
    (b"root/.gradle/caches",         "gradle"),
    (b"root/.composer/cache",        "composer"),
    (b"root/.cache/composer",        "composer"),
    (b"opt/conda/pkgs",              "conda"),
    (b"usr/local/bundle/cache",      "gem"),
    (b"root/.nuget/packages",        "nuget"),
    (b"root/.cache/bazel",           "bazel"),
    (b"var/cache/debconf",           "debconf"),
)  # fmt: skip
_CACHE_SIZE: Final = 4 * MiB
"""[bytes] a folder with less is not worth a word."""
_TEMPORARY_SIZE: Final = 1 * MiB
_TOOLS: Final = (
    b"nmap", b"ncat", b"nc.traditional", b"nc.openbsd", b"netcat", b"socat", b"tcpdump", b"tshark", b"ettercap",
    b"hydra", b"john", b"hashcat", b"msfconsole", b"telnet", b"strace", b"gdb", b"gdbserver", b"ltrace",
    b"masscan", b"sqlmap", b"nikto", b"responder", b"aircrack-ng",
)  # fmt: skip
_BINUTILS: Final = re.compile(rb"-(?:ar|nm|ranlib)(?:-[0-9.]{1,9})?\Z")
_COMPILERS: Final = (b"gcc", b"gcc-*", b"g++", b"clang", b"cc1", b"tcc", b"ld.bfd", b"rustc", b"javac")


def repositories(subject: Subject) -> Spots:
    """Find folders of version control, with their sizes."""
    tree = subject.tree
    rows = tree.named((b".git", b".svn", b".hg", b".bzr"), tree.is_directory)
    marks = {b".git": b"HEAD", b".svn": b"wc.db", b".hg": b"requires", b".bzr": b"branch-format"}
    keep = [row for row in rows.tolist() if tree.tree.child(row, marks[tree.tree.name(row)]) is not None]
    return Spots(rows=np.array(keep, dtype=np.int64), detail=lambda row: format_size(int(tree.content_sizes[row])))


def build_files(subject: Subject) -> Spots:
    """Find recipes of images and pipelines, but for those that came with packages of others."""
    tree = subject.tree
    rows = tree.named(_BUILD_FILES, tree.is_file)
    rows = rows[~tree.below((b"usr/lib", b"usr/share", b"usr/local/lib"))[rows]]
    keep = [row for row in rows.tolist() if _BY_PACKAGES.isdisjoint(tree.tree.path(row).split(b"/")[:-1])]
    return _sized(tree, np.array(keep, dtype=np.int64))


def core_dumps(subject: Subject) -> Spots:
    """Find the memory of programs that crashed."""
    tree = subject.tree
    rows = tree.named(_CORE_NAMES, tree.is_file)
    rows = rows[(tree.tree.entries.size[rows] >= _CORE_SIZE) & ~tree.below((b"usr/share", b"usr/lib"))[rows]]
    keep = [row for row in rows.tolist() if _CORE.fullmatch(tree.tree.name(row)) and not _is_packaged(tree, row)]
    return _sized(tree, np.array(keep, dtype=np.int64))


def histories(subject: Subject) -> Spots:
    """Find what somebody typed."""
    tree = subject.tree
    rows = tree.named(_HISTORIES, tree.is_file)
    return _sized(tree, rows[tree.tree.entries.size[rows] > 0])


def editor_files(subject: Subject) -> Spots:
    """Find what editors and package managers left beside the real file; packages may bring such names."""
    tree = subject.tree
    rows = tree.named(_SWAP, tree.is_file)
    rows = rows[~tree.below((b"usr/share", b"usr/lib", b"usr/local/lib"))[rows]]
    keep = [row for row in rows.tolist() if not _is_packaged(tree, row)]
    return _sized(tree, np.array(keep, dtype=np.int64))


def caches(subject: Subject) -> Spots:
    """Find what package managers keep for the next time, with the sizes."""
    tree = subject.tree
    found: dict[int, str] = {}
    for path, owner in _CACHES:
        row = tree.folder(path)
        if row is not None and tree.content_sizes[row] >= _CACHE_SIZE:
            found.setdefault(row, owner)
    inner = [row for row in found if any(other != row and tree.under(other)[row] for other in found)]
    for row in inner:
        del found[row]
    total = format_size(sum(int(tree.content_sizes[row]) for row in found))
    return Spots(
        rows=np.array(sorted(found), dtype=np.int64),
        detail=lambda row: f"{found[row]}: {format_size(int(tree.content_sizes[row]))}",
        message=f"Caches of package managers hold {total}",
    )


def temporary(subject: Subject) -> Spots:
    """Find folders for temporary files that are not empty."""
    tree = subject.tree
    rows = {row for row in map(tree.folder, (b"tmp", b"var/tmp")) if row}
    keep = [row for row in sorted(rows) if tree.content_sizes[row] >= _TEMPORARY_SIZE]
    return Spots(rows=np.array(keep, dtype=np.int64), detail=lambda row: format_size(int(tree.content_sizes[row])))


def tools(subject: Subject) -> Spots:
    """Find tools that help who broke in."""
    return Spots(rows=_programs(subject.tree, _TOOLS), detail=lambda _: "")


def compilers(subject: Subject) -> Spots:
    """Find compilers."""
    tree = subject.tree
    rows = [row for row in _programs(tree, _COMPILERS).tolist() if not _BINUTILS.search(tree.tree.name(row))]
    return Spots(rows=np.array(rows, dtype=np.int64), detail=lambda _: "")


def committed(subject: Subject) -> Spots:
    """Find the mark that an engine leaves in a running container."""
    rows = [row for row in map(subject.tree.file, (b".dockerenv", b"run/.containerenv")) if row is not None]
    return Spots(rows=np.array(rows, dtype=np.int64), detail=lambda _: "made by a running container")


def _programs(tree: TreeFacts, names: tuple[bytes, ...]) -> RowArray:
    folders = [row for row in map(tree.folder, (b"bin", b"sbin", b"usr/bin", b"usr/sbin", b"usr/local/bin")) if row]
    children = [np.arange(rows.start, rows.stop) for rows in map(tree.tree.children, set(folders))]
    if not children:
        return np.zeros(0, dtype=np.int64)
    among = np.concatenate(children).astype(np.int64)
    return np.unique(np.concatenate([select_rows(tree.tree, among, name) for name in names]))


def _is_packaged(tree: TreeFacts, row: int) -> bool:
    return not _BY_PACKAGES.isdisjoint(tree.tree.path(row).split(b"/")[:-1])


def _sized(tree: TreeFacts, rows: RowArray) -> Spots:
    return Spots(rows=rows, detail=lambda row: format_size(int(tree.tree.entries.size[row])))


CHECKS: Final = (
    Check(
        id="RS-FS-030",
        title="A repository of version control is in the image",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="It has all earlier versions too, and a web server may hand it out.",
        message="{count} [repository is|repositories are] in the image",
        resolution="Add `.git` and the like to .dockerignore.",
        references=(BUILDING + "#exclude-with-dockerignore", "https://cwe.mitre.org/data/definitions/527.html"),
        aliases=("DKL-LI-0003",),
        find=repositories,
    ),
    Check(
        id="RS-FS-031",
        title="Files of the build are in the image",
        severity=Severity.LOW,
        category=CATEGORY,
        description="They tell how the image and its surroundings are made, and are of no use in a container.",
        message="{count} recipe[|s] of images or pipelines [is|are] in the image",
        resolution="Add them to .dockerignore, or copy only what is needed.",
        references=(BUILDING + "#exclude-with-dockerignore",),
        aliases=("DKL-LI-0003",),
        find=build_files,
    ),
    Check(
        id="RS-FS-032",
        title="Memory dumps are in the image",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="They hold what the program knew, passwords and keys too.",
        message="{count} file[|s] [has|have] the name and size of a memory dump",
        resolution="Remove them in the step that made them.",
        references=("https://cwe.mitre.org/data/definitions/528.html",),
        find=core_dumps,
    ),
    Check(
        id="RS-FS-033",
        title="Histories of shells and clients are in the image",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="They hold what somebody typed, passwords too.",
        message="{count} [history is|histories are] in the image",
        resolution="Build by a recipe, not by hand; remove the files.",
        references=("https://cwe.mitre.org/data/definitions/538.html",),
        find=histories,
    ),
    Check(
        id="RS-FS-034",
        title="Files of editors and upgrades are in the image",
        severity=Severity.LOW,
        category=CATEGORY,
        description="They hold older settings; a web server may hand them out as text.",
        message="{count} file[|s] [was|were] left by editors or upgrades",
        resolution="Remove them, and add them to .dockerignore.",
        references=("https://cwe.mitre.org/data/definitions/530.html",),
        find=editor_files,
    ),
    Check(
        id="RS-FS-035",
        title="Caches of package managers are in the image",
        severity=Severity.LOW,
        category=CATEGORY,
        description="They are pulled with the image, and are of no use in a container.",
        message="{count} cache[|s] of package managers [is|are] in the image",
        resolution="Use cache mounts (`RUN --mount=type=cache`), or clean up in the step that installs.",
        references=(BUILDING + "#apt-get", "https://docs.docker.com/build/cache/optimize/#use-cache-mounts"),
        aliases=("DKL-DI-0005",),
        find=caches,
    ),
    Check(
        id="RS-FS-036",
        title="Temporary files are in the image",
        severity=Severity.LOW,
        category=CATEGORY,
        description="They are pulled with the image, and nobody will ask for them.",
        message="{count} folder[|s] for temporary files [is|are] not empty",
        resolution="Remove them in the step that made them.",
        references=(BUILDING,),
        find=temporary,
    ),
    Check(
        id="RS-FS-037",
        title="Tools for networks and debugging are installed",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Whoever breaks in finds them ready for the next step.",
        message="{count} tool[|s] that a service hardly needs [is|are] installed",
        resolution="Leave them out; attach a container with tools when something has to be looked into.",
        references=("https://docs.docker.com/build/building/best-practices/#dont-install-unnecessary-packages",),
        find=tools,
    ),
    Check(
        id="RS-FS-038",
        title="Compilers are installed",
        severity=Severity.LOW,
        category=CATEGORY,
        description="A program that is built elsewhere does not need them, and who breaks in can use them.",
        message="{count} compiler[|s] [is|are] installed",
        resolution="Build in a stage of its own, and copy the result.",
        references=("https://docs.docker.com/build/building/multi-stage/",),
        find=compilers,
    ),
    Check(
        id="RS-FS-039",
        title="The image was made from a running container",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Nobody can make it again, and what happened in the container is in it: logs, keys, histories.",
        message="The mark of an engine is in the image",
        resolution="Build by a recipe.",
        references=(BUILDING,),
        find=committed,
    ),
)
