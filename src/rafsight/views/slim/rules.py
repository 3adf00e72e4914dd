"""What each scanner looks at when it scans an image: the one table that a slim archive is made by.

A pattern is a path relative to the root. Components are literal or contain `*` (any bytes but a slash); `**` stands for
any number of components. This module alone says whose content is kept; how it is found is in `selection` and `probe`.
The tables hold for the versions that `docs/slim.md` names and those before: a scanner that looks at more needs a line.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from rafsight.base.errors import CallerError, ExitStatus

EVERY_SCANNER: Final = "all"
"""Names what all scanners together look at."""


class NoSuchRules(CallerError):
    """There are no rules for a scanner of that name."""

    code = "no-slim-rules"
    template = "it is not known what {name} looks at"
    remedy = "Name one of: {known}."
    exit_status = ExitStatus.USAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Which executable files a scanner opens, and what it can find in them."""

    names: tuple[bytes, ...]
    """Patterns of files that are opened whatever their mode is; others are if they have an execute bit."""
    sections: frozenset[bytes]
    """Names of ELF sections: without any of these there is nothing in a file for this scanner."""
    keeps_appended: bool
    """True if it reads what was appended to an ELF file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlimRules:
    """What one scanner looks at."""

    name: str
    patterns: tuple[bytes, ...]
    """Files whose content is kept."""
    except_for: tuple[bytes, ...] = ()
    """Files among them that are not opened."""
    follows_links: bool
    """True if a symbolic link of such a name leads this scanner to its target."""
    programs: Programs


def rules_for(name: str) -> SlimRules:
    """Return the rules for a scanner, or those for all of them together.

    Args:
        name: of one of `SLIM_RULES`, or `EVERY_SCANNER`.
    Raises: NoSuchRules.
    """
    for rules in (*SLIM_RULES, _together(SLIM_RULES)):
        if rules.name == name:
            return rules
    raise NoSuchRules(name=name, known=", ".join((*(rules.name for rules in SLIM_RULES), EVERY_SCANNER)))


def _together(rules: Sequence[SlimRules]) -> SlimRules:
    """Return the rules by which everything is kept that any of some scanners looks at."""
    programs = [one.programs for one in rules]
    return SlimRules(
        name=EVERY_SCANNER,
        patterns=_united(one.patterns for one in rules),
        except_for=tuple(one for one in rules[0].except_for if all(one in other.except_for for other in rules)),
        follows_links=any(one.follows_links for one in rules),
        programs=Programs(
            names=_united(one.names for one in programs),
            sections=frozenset().union(*(one.sections for one in programs)),
            keeps_appended=any(one.keeps_appended for one in programs),
        ),
    )


def _united(groups: Iterable[tuple[bytes, ...]]) -> tuple[bytes, ...]:
    """Return what is in any of some groups, each once, in order."""
    return tuple(dict.fromkeys(chain.from_iterable(groups)))


def _anywhere(*names: str) -> tuple[bytes, ...]:
    """Make patterns of names that count at any depth."""
    return tuple(b"**/" + name.encode() for name in names)


def _ending(*suffixes: str) -> tuple[bytes, ...]:
    return tuple(b"**/*" + suffix.encode() for suffix in suffixes)


def _either_case(*suffixes: str) -> tuple[bytes, ...]:
    return _ending(*suffixes, *(suffix.upper() for suffix in suffixes))


_RELEASES: Final = (
    b"etc/os-release",
    b"usr/lib/os-release",
    b"**/sys-root/usr/lib/os-release",
    b"etc/*-release",
    b"usr/lib/*-release",
    b"etc/debian_version",
    b"etc/system-release-cpe",
    b"etc/apk/repositories",
    b"var/lib/ubuntu-advantage/status.json",
    b"root/buildinfo/*",
    b"root/buildinfo/content_manifests/*.json",
    b"usr/share/buildinfo/*.json",
)
_DPKG: Final = (
    *_anywhere("lib/dpkg/status", "lib/dpkg/status.d/*", "lib/dpkg/info/*.md5sums", "lib/dpkg/info/*.conffiles"),
    *_anywhere("lib/dpkg/info/*.list", "lib/opkg/status", "lib/opkg/info/*.control", "lib/opkg/info/*.list"),
    b"usr/share/doc/*/copyright",
    b"usr/share/common-licenses/*",
)
_APK: Final = _anywhere("lib/apk/db/installed")
_RPM: Final = (
    *_anywhere("var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite*"),
    *_anywhere("usr/share/rpm/Packages", "usr/share/rpm/Packages.db", "usr/share/rpm/rpmdb.sqlite*"),
    *_anywhere("usr/lib/sysimage/rpm/Packages", "usr/lib/sysimage/rpm/Packages.db"),
    *_anywhere("usr/lib/sysimage/rpm/rpmdb.sqlite*", "var/lib/rpmmanifest/container-manifest-*"),
)
_PYTHON: Final = (
    *_anywhere(
        "*.dist-info/*",
        "*.dist-info/*/*",
        "*.dist-info/*/*/*",
        "*DIST-INFO/*",
        "*.egg-info",
        "*.egg-info/*",
        "*EGG-INFO/*",
    ),
    *_ending(".egg"),
)
_JAVA: Final = _either_case(".jar", ".war", ".ear", ".par")
_BOM: Final = _ending(".spdx", ".spdx.json", ".cdx", ".cdx.json")
_GO_AND_RUST: Final = frozenset((b".go.buildinfo", b".dep-v0", b".rust-deps-v0", b"rust-deps-v0", b"rdep-v0"))
"""Build info of Go, and dependencies as `cargo auditable` writes them."""
_LIBRARIES: Final = _ending(".so", ".so.*", ".dylib", ".node", ".exe", ".dll", ".bin", ".elf", ".run", ".o")

_TRIVY: Final = SlimRules(
    name="trivy",
    patterns=(
        *_RELEASES,
        *_DPKG,
        b"var/lib/dpkg/available",
        *_APK,
        *_RPM,
        *_anywhere("bottlerocket/application-inventory.json"),
        b"usr/share/rapidfort/curated.json",
        *_PYTHON,
        *_JAVA,
        *_BOM,
        *_anywhere(
            "conda-meta/*.json", "environment.yml", "environment.yaml", "package.json", "specifications/**/*.gemspec"
        ),
        *_anywhere(
            "installed.json", "*.deps.json", "packages.lock.json", "packages.config", "Cargo.lock", "Cargo.toml"
        ),
        *_ending("packages.props", "Packages.props"),
        *_anywhere("Manifest.toml", "Project.toml"),
    ),
    except_for=_anywhere("*.dist-info/RECORD"),
    follows_links=False,
    programs=Programs(names=_ending(".exe"), sections=_GO_AND_RUST, keeps_appended=False),
)

_OSV_SCANNER: Final = SlimRules(
    name="osv-scanner",
    patterns=(
        *_RELEASES,
        *_DPKG,
        b"var/lib/apt/lists/*_Packages*",
        b"etc/apk/*",
        b"var/cache/apk/*",
        b"var/lib/chisel/manifest.wall",
        b"etc/cos-package-info.json",
        *_APK,
        b"var/lib/apk/db/installed",
        *_RPM,
        *_PYTHON,
        *_ending(".whl"),
        *_JAVA,
        *_either_case(".jmod", ".sar", ".jpi", ".hpi", ".lpkg", ".nar"),
        *_anywhere("node_modules/.package-lock.json", "package.json"),
        *_anywhere("INSTALL_RECEIPT.json", "Caskroom/**/*.wrapper.sh", "Caskroom/**/source.properties"),
    ),
    except_for=_anywhere("*.dist-info/RECORD"),
    follows_links=True,
    programs=Programs(names=_LIBRARIES, sections=_GO_AND_RUST, keeps_appended=False),
)

_LICENSE_STEMS: Final = ("LICENSE", "LICENCE", "MIT-LICENSE", "MIT-LICENCE", "MIT_LICENSE", "MIT_LICENCE")
_LICENSE_NAMES: Final = (
    *(spelling for stem in (*_LICENSE_STEMS, "UNLICENSE", "UNLICENCE", "COPYING") for spelling in (stem, stem.lower())),
    *(spelling + ".*" for stem in (*_LICENSE_STEMS, "COPYING") for spelling in (stem, stem.lower(), stem.title())),
    *("LICENSE-*", "LICENCE-*", "License", "Licence", "AL2.0", "LGPL2.1"),
)
_KERNELS: Final = ("kernel", "vmlinux", "vmlinuz", "bzImage", "zImage")
_PRODUCTS: Final = (
    *("python*", "libpython*.so*", "libpypy*.so*", "go", "go.exe", "libjulia-internal.so", "julia", "helm"),
    *("redis-server", "valkey-server", "node", "busybox", "getopt", "haproxy", "perl", "composer*", "httpd"),
    *("memcached", "traefik", "arangosh", "postgres", "mysql", "mysqld", "ndbd", "ndbmtd", "ndb_mgmd", "xtrabackup"),
    *("mariadb", "mariadbd", "libstd-*.so", "libstd-*.dylib", "ruby", "libruby*", "erlexec", "beam.smp"),
    *(
        "liberts_internal.a",
        "swipl",
        "dart",
        "deno",
        "bun",
        "ghc*",
        "haskell-cabal",
        "cabal",
        "stack",
        "consul",
        "vault",
    ),
    *("nginx", "bash", "openssl", "ldapsearch", "libQt*Core.so*", "gcc", "fluent-bit", "wp", "curl", "lighttpd"),
    *("proftpd", "zstd", "xz", "gzip", "sqlcipher", "jq", "chrome", "firefox", "firefox.exe", "ffmpeg", "libav*"),
    *("libswresample*", "elixir", "elixir/ebin/elixir.app", "pilot-discovery", "pilot-agent", "grafana"),
    *("grafana-server", "envoy", "mongod", "nginx-ingress-controller", "filebeat", "metricbeat", "heartbeat"),
    *("packetbeat", "auditbeat", "elastic-agent", "libkrb5.so*", "java", "jdb", "libjvm.so", "libjli.so"),
    *("php*", "libphp*.so", "application.ini", "go/VERSION*", "bin/VERSION*"),
)
"""Programs that are known by their name, and say their version in their data."""
_SYFT_PATTERNS: Final = (
    *_RELEASES,
    *_DPKG,
    *_APK,
    *_RPM,
    *_anywhere("var/lib/pacman/local/**/desc", "var/lib/pacman/local/*/files", "var/lib/pacman/local/*/mtree"),
    *_anywhere("var/db/pkg/*/*/CONTENTS", "var/db/pkg/*/*/LICENSE", "var/db/pkg/*/*/SIZE"),
    b"etc/portage/license_groups",
    *_anywhere("nix/var/nix/db/db.sqlite*", "nix/var/nix/db/schema", "nix/store/*.drv"),
    *_anywhere("Cellar/*/*/.brew/*.rb", "Library/Taps/*/*/Formula/*.rb", "*.app/Contents/Info.plist"),
    *_anywhere("usr/share/snappy/dpkg.yaml", "snap/manifest.yaml", "snap/snapcraft.yaml", "meta/snap.yaml"),
    *_anywhere("doc/linux-modules-*/changelog.Debian.gz"),
    *(pattern for stem in _KERNELS for pattern in _anywhere(stem, stem + "-*")),
    *_anywhere("lib/modules/**/*.ko", "lib/modules/**/*.ko.gz", "lib/modules/**/*.ko.xz", "lib/modules/**/*.ko.zst"),
    *_PYTHON,
    *_anywhere("pyvenv.cfg", "conda-meta/*.json", "package.json", "conaninfo.txt", "DESCRIPTION"),
    *_anywhere("specifications/**/*.gemspec", "installed.json", "php/.registry/**/*.reg"),
    *_ending(".rockspec", ".deps.json", ".dll", ".DLL", ".exe", ".EXE", ".bpl", ".BPL"),
    *_anywhere("packages.lock.json", "libman.json", "wp-content/plugins/*/*.php", "release"),
    *_JAVA,
    *_ending(".sar", ".nar", ".jpi", ".hpi", ".kar", ".far", ".lpkg", ".rar", ".zap", ".zip"),
    *_anywhere("*.syft.json", "*.bom.*", "*.bom", "bom", "*.sbom.*", "*.sbom", "sbom", "*.cdx.*", "*.cdx"),
    *_anywhere("*.spdx.*", "*.spdx", ".spdx-*.spdx", ".bitnami_components.json"),
    *_anywhere(*_PRODUCTS, *_LICENSE_NAMES),
)
_SYFT_PROGRAMS: Final = Programs(
    names=(*_LIBRARIES, *_anywhere("bin/*", "sbin/*", "libexec/*", "libexec/*/*", "libexec/*/*/*")),
    sections=_GO_AND_RUST | {b".note.package", b".svm_heap"},
    keeps_appended=True,
)
"""`.note.package` names a distribution's package, `.svm_heap` is a native image of GraalVM."""
_SYFT: Final = SlimRules(name="syft", patterns=_SYFT_PATTERNS, follows_links=True, programs=_SYFT_PROGRAMS)
_GRYPE: Final = SlimRules(name="grype", patterns=_SYFT_PATTERNS, follows_links=True, programs=_SYFT_PROGRAMS)
"""Grype finds packages by Syft's library."""

SLIM_RULES: Final = (_TRIVY, _GRYPE, _SYFT, _OSV_SCANNER)
"""One for each scanner that a slim archive can be made for."""
