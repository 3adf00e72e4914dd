"""The small files that checks read: which they are, and their lines.

This module alone decides what is read for checks of content: a few KiB of an image. Each reader of a file asks here by
the pattern that found it, so that no check knows how files come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from rafsight.analysis.os.release import PRIORITY
from rafsight.base.units import KiB
from rafsight.image.selection import Match, Wants, compile_patterns, select_wanted
from rafsight.image.tree import ImageTree

FILE_SIZE: Final = 128 * KiB
"""[bytes] larger files are not read, and said to be."""
FILE_COUNT: Final = 1000
"""Files that are read for all checks together."""
LINE_SIZE: Final = 4096
"""[bytes] of a line that are looked at."""

ACCOUNTS: Final = (b"etc/passwd", b"etc/group", b"etc/shadow")
SSHD: Final = (b"etc/ssh/sshd_config", b"etc/ssh/sshd_config.d/*.conf")
SUDO: Final = (b"etc/sudoers", b"etc/sudoers.d/*", b"etc/doas.conf", b"etc/doas.d/*.conf")
LOADER: Final = (b"etc/ld.so.preload", b"etc/ld.so.conf", b"etc/ld.so.conf.d/*.conf")
APT: Final = (b"etc/apt/sources.list", b"etc/apt/sources.list.d/*", b"etc/apt/apt.conf", b"etc/apt/apt.conf.d/*")
RPM: Final = (
    b"etc/yum.conf", b"etc/yum.repos.d/*.repo", b"etc/dnf/dnf.conf", b"etc/zypp/repos.d/*.repo", b"etc/pacman.conf",
)  # fmt: skip
CLIENTS: Final = (
    b"etc/pip.conf", b"root/.pip/pip.conf", b"root/.config/pip/pip.conf", b"home/*/.config/pip/pip.conf",
    b"usr/etc/npmrc", b"etc/npmrc", b"root/.npmrc", b"home/*/.npmrc", b"usr/local/etc/npmrc",
    b"root/.yarnrc", b"home/*/.yarnrc", b"root/.yarnrc.yml", b"home/*/.yarnrc.yml",
    b"etc/gitconfig", b"root/.gitconfig", b"home/*/.gitconfig", b"root/.config/git/config",
    b"etc/wgetrc", b"root/.wgetrc", b"home/*/.wgetrc", b"root/.curlrc", b"home/*/.curlrc", b"etc/curlrc",
    b"root/.condarc", b"home/*/.condarc", b"opt/conda/.condarc", b"root/.gemrc", b"home/*/.gemrc", b"etc/gemrc",
    b"etc/docker/daemon.json", b"root/.m2/settings.xml",
)  # fmt: skip
PAM: Final = (b"etc/pam.d/*",)
SERVICES: Final = (
    b"etc/redis/redis.conf", b"etc/redis.conf", b"usr/local/etc/redis/redis.conf",
    b"etc/mysql/my.cnf", b"etc/mysql/conf.d/*.cnf", b"etc/mysql/*.conf.d/*.cnf", b"etc/my.cnf", b"etc/my.cnf.d/*.cnf",
    b"etc/postgresql/*/*/pg_hba.conf", b"var/lib/postgresql/data/pg_hba.conf",
    b"etc/nginx/nginx.conf", b"etc/nginx/conf.d/*.conf", b"etc/nginx/sites-enabled/*",
    b"etc/php/*/apache2/php.ini", b"etc/php/*/fpm/php.ini", b"usr/local/etc/php/php.ini", b"etc/php.ini",
    b"etc/vsftpd.conf", b"etc/vsftpd/vsftpd.conf", b"etc/mongod.conf",
)  # fmt: skip
PROFILES: Final = (b"etc/profile", b"etc/profile.d/*.sh", b"etc/bash.bashrc", b"root/.bashrc", b"root/.profile")

PATTERNS: Final = (
    *ACCOUNTS, *PRIORITY, *SSHD, *SUDO, *LOADER, *APT, *RPM, *CLIENTS, *PAM, *SERVICES, *PROFILES,
)  # fmt: skip
WANTS: Final = Wants(patterns=PATTERNS, max_size=FILE_SIZE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFile:
    """One file that was read."""

    path: bytes
    content: bytes

    def lines(self, comment: bytes = b"#") -> Iterator[tuple[int, str]]:
        """Yield (number from 1, text) of the lines that are neither empty nor comments, blanks around them dropped."""
        for number, line in enumerate(self.content.split(b"\n"), 1):
            text = line[:LINE_SIZE].strip()
            if text and text[:1] not in comment:
                yield number, text.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFiles:
    """All that were read, by path as the patterns name them."""

    contents: Mapping[bytes, bytes] = field(default_factory=dict)

    def get(self, path: bytes) -> bytes | None:
        """Return one file's content; None if it was not read."""
        return self.contents.get(path)

    def matching(self, patterns: Sequence[bytes]) -> list[SmallFile]:
        """Return the files that some patterns name, by path."""
        matches = compile_patterns(patterns).fullmatch
        return [SmallFile(path=path, content=self.contents[path]) for path in sorted(self.contents) if matches(path)]


def plan_files(tree: ImageTree) -> list[Match]:
    """Find the files that checks read, those too large among them. Cost: no I/O."""
    return select_wanted(tree, WANTS)
