"""Checks of settings in small files: servers, the loader, package sources, clients that skip checks."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.analysis.misconfig.check import LOADER, SSHD, Check
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.small_files import APT, CLIENTS, PROFILES, RPM, SERVICES, SmallFile
from rafsight.analysis.misconfig.small_files import LOADER as LOADER_FILES
from rafsight.analysis.misconfig.small_files import SSHD as SSHD_FILES
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "settings"
_SSHD_BAD: Final = {
    "permitrootlogin": ("yes",),
    "permitemptypasswords": ("yes",),
    "passwordauthentication": ("yes",),
    "hostbasedauthentication": ("yes",),
    "ignorerhosts": ("no",),
    "strictmodes": ("no",),
    "protocol": ("1", "1,2", "2,1"),
    "permituserenvironment": ("yes",),
}
_DISTRIBUTION_HOSTS: Final = re.compile(
    r"http://(?:[a-z0-9.-]{0,60}\.)?(?:debian\.org|ubuntu\.com|raspbian\.org|kali\.org|armbian\.com|canonical\.com)(?:[:/]|\s|\Z)"
    r"|http://(?:localhost|127\.0\.0\.1)", re.IGNORECASE
)  # fmt: skip
_APT_SOURCE: Final = re.compile(r"deb(?:-src)?\s|URIs:", re.IGNORECASE)
_TRUSTED: Final = re.compile(r"\[[^\]]{0,300}\b(?:trusted|allow-insecure)=yes", re.IGNORECASE)
_DEB822: Final = re.compile(r"(?:Trusted|Allow-Insecure):\s{0,8}yes\b", re.IGNORECASE)
_APT_CONF: Final = re.compile(
    r"(?:AllowUnauthenticated|AllowInsecureRepositories|AllowWeakRepositories|AllowDowngradeToInsecureRepositories)"
    r"[\"'\s]{1,8}(?:true|yes|1)|Verify-(?:Peer|Host)[\"'\s]{1,8}(?:false|no|0)", re.IGNORECASE
)  # fmt: skip
_RPM_OFF: Final = re.compile(r"(gpgcheck|pkg_gpgcheck|sslverify)\s{0,8}=\s{0,8}(?:0|no|false)\b", re.IGNORECASE)
_PACMAN_OFF: Final = re.compile(r"SigLevel\s{0,8}=.{0,100}\b(?:Never|TrustAll)\b")
_ENABLED_OFF: Final = re.compile(r"enabled\s{0,8}=\s{0,8}(?:0|no|false)\b", re.IGNORECASE)
_SECTION: Final = re.compile(r"\[[^\]]{1,200}\]")


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that says something bad, in files of some names."""

    names: re.Pattern[bytes]
    pattern: re.Pattern[str]
    detail: str


def _line(names: bytes, pattern: str, detail: str) -> _Line:
    return _Line(re.compile(names), re.compile(pattern, re.IGNORECASE), detail)


_CLIENT_LINES: Final = (
    _line(rb"pip\.conf", r"trusted-host\s{0,8}=", "trusted-host: certificates of that host are not checked"),
    _line(rb"pip\.conf", r"index-url\s{0,8}=\s{0,8}http://", "packages come without TLS"),
    _line(rb"\.?npmrc", r"strict-ssl\s{0,8}=\s{0,8}[\"']?false", "strict-ssl=false"),
    _line(
        rb"\.?npmrc", r"(?:\S{0,60}:)?registry\s{0,8}=\s{0,8}http://(?!localhost|127\.)", "packages come without TLS"
    ),
    _line(rb"\.yarnrc(?:\.yml)?", r"(?:strict-ssl|enableStrictSsl:)\s{0,8}[\"']?false", "strict-ssl false"),
    _line(rb"\.?gitconfig|config", r"sslverify\s{0,8}=\s{0,8}(?:false|0|no|off)", "http.sslVerify = false"),
    _line(rb"\.?wgetrc", r"check_certificate\s{0,8}=\s{0,8}(?:off|quiet|no)", "check_certificate = off"),
    _line(rb"\.?curlrc", r"(?:--)?insecure\b|-k\b", "insecure"),
    _line(rb"\.condarc", r"ssl_verify:\s{0,8}(?:false|no|off)", "ssl_verify: false"),
    _line(rb"\.?gemrc", r":?ssl_verify_mode:\s{0,8}0", ":ssl_verify_mode: 0"),
    _line(rb"daemon\.json", r".{0,200}\"insecure-registries\"\s{0,8}:\s{0,8}\[\s{0,8}\"", "insecure-registries"),
    _line(rb"settings\.xml", r"<url>http://(?!localhost|127\.)", "packages come without TLS"),
)
_EXTRA_INDEX: Final = re.compile(r"extra-index-url\s{0,8}=")
_SERVER_LINES: Final = (
    _line(rb"redis\.conf", r"protected-mode\s{1,20}no\b", "protected-mode no"),
    _line(rb".*\.cnf", r"skip[-_]grant[-_]tables\b", "skip-grant-tables: no password is asked"),
    _line(rb"pg_hba\.conf", r"host\S{0,8}\s{1,40}\S{1,60}\s{1,40}\S{1,60}\s{1,40}"
          r"(?!127\.|::1|localhost|samehost)\S{1,60}"
          r"(?:\s{1,40}[0-9.]{1,20})?\s{1,40}trust\b", "trust: everybody of that network, without a password"),
    _line(rb"php\.ini", r"allow_url_include\s{0,8}=\s{0,8}(?:On|1|true|yes)\b", "allow_url_include = On"),
    _line(rb"php\.ini", r"(?:auto_prepend_file|auto_append_file)\s{0,8}=\s{0,8}[\"']?(?:https?:|/tmp|/dev/shm)",
          "a file that is run before or after each page comes from where anybody may write"),
    _line(rb"vsftpd\.conf", r"(?:anonymous_enable|anon_upload_enable)\s{0,8}=\s{0,8}YES\b", "anybody may log in"),
    _line(rb"mongod\.conf", r"authorization:\s{0,8}[\"']?disabled", "authorization: disabled"),
)  # fmt: skip
_LISTING_LINES: Final = (
    _line(rb".*", r"autoindex\s{1,20}on\b", "autoindex on"),
    _line(rb"php\.ini", r"display_errors\s{0,8}=\s{0,8}(?:On|1)\b", "display_errors"),
)
_UMASK: Final = re.compile(r"umask\s{1,8}[0-7]{0,3}[0145]\Z")


def sshd(subject: Subject) -> Iterator[Evidence]:
    """Find what weakens an SSH server. The first value of a key counts, drop-ins stand where Include names them."""
    seen: set[str] = set()
    files = {file.path: file for file in subject.files.matching(SSHD_FILES)}
    main = files.pop(SSHD_FILES[0], None)
    drop_ins = [files[path] for path in sorted(files)]
    yield from _sshd_lines(main, drop_ins, seen) if main else _sshd_all(drop_ins, seen)


def _sshd_all(files: Sequence[SmallFile], seen: set[str]) -> Iterator[Evidence]:
    for file in files:
        yield from _sshd_lines(file, (), seen)


def _sshd_lines(file: SmallFile, drop_ins: Sequence[SmallFile], seen: set[str]) -> Iterator[Evidence]:
    in_match = False
    for number, line in file.lines():
        name, _, value = line.replace("=", " ", 1).partition(" ")
        key, value = name.lower(), value.strip().strip('"').lower()
        if key == "include" and drop_ins:
            yield from _sshd_all(drop_ins, seen)
            drop_ins = ()
        elif key == "match":
            in_match = value != "all"
        elif in_match or key not in seen:
            if not in_match:
                seen.add(key)
            if value in _SSHD_BAD.get(key, ()):
                detail = f"{name} {value}{', for some' if in_match else ''}"
                yield Evidence(path=file.path, line=number, detail=printable(detail, 100))


def preload_file(subject: Subject) -> Iterator[Evidence]:
    """Find libraries that the loader puts into every program."""
    for file in subject.files.matching(LOADER_FILES[:1]):
        for number, line in file.lines():
            yield Evidence(path=file.path, line=number, detail=printable(line, 100))


def loader_folders(subject: Subject) -> Iterator[Evidence]:
    """Find folders of libraries where everybody may write."""
    for file in subject.files.matching(LOADER_FILES[1:]):
        for number, line in file.lines():
            why = subject.tree.open_folder(line) if line.startswith("/") else ""
            if why:
                yield Evidence(path=file.path, line=number, detail=printable(why, 200))


def unsigned_sources(subject: Subject) -> Iterator[Evidence]:
    """Find package sources whose signatures nobody looks at."""
    for file in subject.files.matching(APT):
        for number, line in file.lines(b"#/"):
            if _APT_CONF.search(line) or _DEB822.match(line) or (_APT_SOURCE.match(line) and _TRUSTED.search(line)):
                yield Evidence(path=file.path, line=number, detail="signatures or certificates are not checked")
    for file in subject.files.matching(RPM):
        yield from _rpm_sources(file)


def _rpm_sources(file: SmallFile) -> Iterator[Evidence]:
    """Look at one file section by section: a source that is switched off harms nobody."""
    held: list[Evidence] = []
    is_off = False
    for number, line in file.lines(b"#;"):
        if _SECTION.match(line):
            yield from () if is_off else held
            held, is_off = [], False
        is_off = is_off or _ENABLED_OFF.match(line) is not None
        found = _RPM_OFF.match(line)
        if found or _PACMAN_OFF.match(line):
            held.append(Evidence(path=file.path, line=number, detail=f"{found[1] if found else 'SigLevel'} is off"))
    yield from () if is_off else held


def plain_sources(subject: Subject) -> Iterator[Evidence]:
    """Find package sources of others than the distribution that are reached without TLS."""
    for file in subject.files.matching(APT):
        for number, line in file.lines():
            if _APT_SOURCE.match(line) and "http://" in line and not _DISTRIBUTION_HOSTS.search(line):
                yield Evidence(path=file.path, line=number, detail="http")


def clients(subject: Subject) -> Iterator[Evidence]:
    """Find clients that accept any certificate, or none."""
    yield from _matching(subject, CLIENTS, _CLIENT_LINES)


def extra_index(subject: Subject) -> Iterator[Evidence]:
    """Find sources of packages that compete with another."""
    for file in subject.files.matching(CLIENTS):
        if file.path.endswith(b"pip.conf"):
            for number, line in file.lines(b"#;"):
                if _EXTRA_INDEX.match(line):
                    yield Evidence(path=file.path, line=number, detail="extra-index-url")


def open_servers(subject: Subject) -> Iterator[Evidence]:
    """Find servers that ask for no password."""
    yield from _matching(subject, SERVICES, _SERVER_LINES)


def talkative_servers(subject: Subject) -> Iterator[Evidence]:
    """Find web servers that list folders or tell about themselves."""
    yield from _matching(subject, SERVICES, _LISTING_LINES)


def loose_umask(subject: Subject) -> Iterator[Evidence]:
    """Find shells that let everybody write to new files."""
    for file in subject.files.matching(PROFILES):
        for number, line in file.lines():
            if _UMASK.match(line):
                yield Evidence(path=file.path, line=number, detail=line)


def _matching(subject: Subject, patterns: tuple[bytes, ...], lines: Sequence[_Line]) -> Iterator[Evidence]:
    for file in subject.files.matching(patterns):
        name = file.path.rpartition(b"/")[2]
        concerned = [line for line in lines if line.names.fullmatch(name)]
        for number, text in file.lines(b"#;") if concerned else ():
            for line in concerned:
                if line.pattern.match(text):
                    yield Evidence(path=file.path, line=number, detail=line.detail)


def _check(number: int, title: str, severity: Severity, find: Callable[[Subject], Iterator[Evidence]],
           *, why: str, message: str, cure: str, reference: str) -> Check:  # fmt: skip
    return Check(
        id=f"RS-SET-{number:03}", title=title, severity=severity, category=CATEGORY, description=why, message=message,
        resolution=cure, references=(reference,), find=find,
    )  # fmt: skip


CHECKS: Final = (
    _check(
        1, "The SSH server lets in too many", Severity.HIGH, sshd,
        why="Passwords are guessed by machines all day long; root and empty passwords are tried first.",
        message="{count} setting[|s] of the SSH server weaken[s|] it",
        cure="Set PermitRootLogin no, PasswordAuthentication no and PermitEmptyPasswords no, or leave the server out.",
        reference=SSHD,
    ),
    _check(
        2, "The loader puts a library into every program", Severity.HIGH, preload_file,
        why="That library runs in setuid programs too: a usual place for what wants to hide.",
        message="{count} [library stands|libraries stand] in etc/ld.so.preload",
        cure="Empty the file, and look where it came from.", reference=LOADER,
    ),
    _check(
        3, "Everybody can add libraries", Severity.HIGH, loader_folders,
        why="The loader looks there for the libraries of all programs.",
        message="{count} folder[|s] of libraries can be written by everybody",
        cure="Remove the folder from etc/ld.so.conf.d, or give it to root.", reference=LOADER,
    ),
    _check(
        10, "Packages are accepted without a signature", Severity.HIGH, unsigned_sources,
        why="Whoever controls the source, or the way to it, can install anything as root.",
        message="{count} setting[|s] switch[es|] off checks of package sources",
        cure="Import the source's key, name it (`Signed-By`, `gpgkey`), and remove the setting.",
        reference="https://wiki.debian.org/SecureApt",
    ),
    _check(
        11, "A package source of others is reached without TLS", Severity.LOW, plain_sources,
        why="Others see what is installed, and can withhold updates.",
        message="{count} package source[|s] [is|are] reached without TLS",
        cure="Use https.", reference="https://wiki.debian.org/SecureApt",
    ),
    _check(
        12, "A client accepts any certificate", Severity.HIGH, clients,
        why="Anybody on the way can replace what it downloads.",
        message="{count} setting[|s] of clients skip[s|] the check of certificates, or use[s|] no TLS",
        cure="Remove the setting, and add the missing certificate to the image.",
        reference="https://cwe.mitre.org/data/definitions/295.html",
    ),
    _check(
        13, "Packages may come from a second index", Severity.LOW, extra_index,
        why="The higher version wins, whichever index has it: a stranger can publish one under an inner name.",
        message="{count} setting[|s] add[s|] a further index of packages",
        cure="Use one index that passes the other's packages on.",
        reference="https://pip.pypa.io/en/stable/cli/pip_install/#cmdoption-extra-index-url",
    ),
    _check(
        20, "A server asks for no password", Severity.HIGH, open_servers,
        why="Whoever reaches it reads and changes its data, and may run commands.",
        message="{count} setting[|s] leave[s|] a server open",
        cure="Restore the default, and set a password.",
        reference="https://cwe.mitre.org/data/definitions/306.html",
    ),
    _check(
        21, "A web server tells more than needed", Severity.LOW, talkative_servers,
        why="Listings and errors show names of files and code to everybody.",
        message="{count} setting[|s] make[s|] a web server talkative",
        cure="Switch the setting off.", reference="https://cwe.mitre.org/data/definitions/548.html",
    ),
    _check(
        22, "New files are writable by everybody", Severity.MEDIUM, loose_umask,
        why="What programs write can be changed by all others.",
        message="{count} start file[|s] of shells set[s|] such a mask",
        cure="Use `umask 022` or `umask 027`.", reference="https://man7.org/linux/man-pages/man2/umask.2.html",
    ),
)  # fmt: skip
