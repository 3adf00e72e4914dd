"""Checks of the variables that an image sets for every program in it, and of what its labels and dates say."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from rafsight.analysis.misconfig.check import LOADER, OCI_CONFIG, Check, Need
from rafsight.analysis.misconfig.finding import Evidence
from rafsight.analysis.misconfig.start import Variable
from rafsight.analysis.misconfig.subject import Subject
from rafsight.base.severity import Severity
from rafsight.base.text import printable

CATEGORY: Final = "environment"
_SHOWN: Final = 80
_OFF: Final = re.compile(r"(?:0|false|no|off|none|disabled?)\Z", re.IGNORECASE)
_ON: Final = re.compile(r"(?:1|true|yes|on)\Z", re.IGNORECASE)
_ANY: Final = re.compile(r"..*\Z", re.DOTALL)
_EMPTY: Final = re.compile(r"\Z")
_TLS: Final = (
    # name                       a value like this switches it off
    ("NODE_TLS_REJECT_UNAUTHORIZED", _OFF),
    ("GIT_SSL_NO_VERIFY",            _ANY),
    ("PYTHONHTTPSVERIFY",            _OFF),
    ("PIP_TRUSTED_HOST",             _ANY),
    ("UV_INSECURE_HOST",             _ANY),
    ("POETRY_CERTIFICATES_VERIFY",   _OFF),
    ("NPM_CONFIG_STRICT_SSL",        _OFF),
    ("YARN_STRICT_SSL",              _OFF),
    ("YARN_ENABLE_STRICT_SSL",       _OFF),
    ("GOINSECURE",                   _ANY),
    ("GONOSUMCHECK",                 _ANY),
    ("GOSUMDB",                      _OFF),
    ("CONDA_SSL_VERIFY",             _OFF),
    ("BUNDLE_SSL_VERIFY_MODE",       _OFF),
    ("CARGO_HTTP_CHECK_REVOKE",      _OFF),
    ("REQUESTS_CA_BUNDLE",           _EMPTY),
    ("CURL_CA_BUNDLE",               _EMPTY),
    ("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", _ON),
    ("VAULT_SKIP_VERIFY",            _ON),
    ("CONSUL_HTTP_SSL_VERIFY",       _OFF),
    ("NOMAD_SKIP_VERIFY",            _ON),
    ("AWS_NO_VERIFY_SSL",            _ON),
    ("PERL_LWP_SSL_VERIFY_HOSTNAME", _OFF),
    ("LDAPTLS_REQCERT",              re.compile(r"(?:never|allow)\Z", re.IGNORECASE)),
    ("DOCKER_TLS_VERIFY",            _OFF),
    ("MINIO_SKIP_TLS_VERIFY",        _ON),
)  # fmt: skip
_TLS_OFF: Final = dict(_TLS)
_DEBUG: Final = {
    "FLASK_DEBUG": _ON, "FLASK_ENV": re.compile("dev"), "DJANGO_DEBUG": _ON, "APP_DEBUG": _ON, "DEBUG": _ON,
    "NODE_ENV": re.compile("dev"), "RAILS_ENV": re.compile("dev"), "RACK_ENV": re.compile("dev"),
    "APP_ENV": re.compile("dev|local"), "ASPNETCORE_ENVIRONMENT": re.compile("Dev"), "WP_DEBUG": _ON,
    "DOTNET_ENVIRONMENT": re.compile("Dev"), "SYMFONY_DEBUG": _ON, "WERKZEUG_DEBUG_PIN": re.compile("off"),
}  # fmt: skip
_DEBUGGER: Final = re.compile(
    r"--inspect(?:-brk)?=(?:0\.0\.0\.0|\[?::\]?|:)|jdwp=[^ ]{0,200}address=(?:\*|0\.0\.0\.0)"
    r"|jmxremote\.authenticate=false"
)
_OPTIONS: Final = frozenset(("NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JAVA_OPTS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS",
                             "CATALINA_OPTS", "JVM_OPTS", "KAFKA_OPTS"))  # fmt: skip
SEARCH_PATHS: Final = ("LD_LIBRARY_PATH", "PYTHONPATH", "PERL5LIB", "RUBYLIB", "NODE_PATH", "GEM_PATH", "LUA_CPATH")
_PROXIES: Final = frozenset(("http_proxy", "https_proxy", "ftp_proxy", "all_proxy"))
_LABELS: Final = ("org.opencontainers.image.source", "org.opencontainers.image.revision")
_OLD_LABELS: Final = {"org.opencontainers.image.source": "org.label-schema.vcs-url",
                      "org.opencontainers.image.revision": "org.label-schema.vcs-ref"}  # fmt: skip
_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T")
_REPRODUCIBLE: Final = date(2000, 1, 1)
"""Earlier dates are made up by builders that want the same bytes each time."""
_OLD: Final = 365
"""[days]"""


def relative_path(subject: Subject) -> Iterator[Evidence]:
    """Find PATH with a folder that depends on where one is."""
    variable = subject.start.last("PATH")
    if variable is not None:
        for part in _parts(variable):
            if not part.startswith(("/", "$")):
                yield Evidence(place=variable.place, detail=f"PATH has {_quoted(part)}")


def relative_search_path(subject: Subject) -> Iterator[Evidence]:
    """Find search paths of libraries and modules with such a folder; an empty entry is one."""
    for name in SEARCH_PATHS:
        variable = subject.start.last(name)
        if variable is None or not variable.value:
            continue
        parts = _parts(variable)
        for part in parts:
            empty_counts = name in {"LD_LIBRARY_PATH", "PYTHONPATH"}
            if (part and not part.startswith(("/", "$"))) or (not part and empty_counts):
                yield Evidence(place=variable.place, detail=f"{name} has {_quoted(part)}")
                break


def preload(subject: Subject) -> Iterator[Evidence]:
    """Find libraries that are loaded into every program."""
    for name in ("LD_PRELOAD", "LD_AUDIT"):
        variable = subject.start.last(name)
        if variable is not None and variable.value:
            yield Evidence(place=variable.place, detail=f"{name}={printable(variable.value, _SHOWN)}")


def tls_off(subject: Subject) -> Iterator[Evidence]:
    """Find variables that make programs accept any certificate."""
    for variable in _effective(subject):
        pattern = _TLS_OFF.get(variable.name.upper())
        if pattern is not None and pattern.match(variable.value):
            yield Evidence(place=variable.place, detail=f"{variable.name} switches it off")
        elif variable.name == "GOFLAGS" and "-insecure" in variable.value:
            yield Evidence(place=variable.place, detail="GOFLAGS has -insecure")


def frontend(subject: Subject) -> Iterator[Evidence]:
    """Find a setting for building that stayed."""
    variable = subject.start.last("DEBIAN_FRONTEND")
    if variable is not None and variable.value:
        yield Evidence(place=variable.place, detail="DEBIAN_FRONTEND")


def debugging(subject: Subject) -> Iterator[Evidence]:
    """Find modes for development."""
    for variable in _effective(subject):
        pattern = _DEBUG.get(variable.name)
        if pattern is not None and pattern.match(variable.value):
            yield Evidence(place=variable.place, detail=f"{variable.name}={printable(variable.value, _SHOWN)}")


def debugger(subject: Subject) -> Iterator[Evidence]:
    """Find debuggers and consoles that listen to everybody."""
    for variable in _effective(subject):
        if variable.name in _OPTIONS and _DEBUGGER.search(variable.value[:10_000]):
            yield Evidence(place=variable.place, detail=f"{variable.name} opens a debugger or console to all addresses")
    for place, words in (("config.Entrypoint", subject.start.entrypoint), ("config.Cmd", subject.start.cmd)):
        if any(_DEBUGGER.search(word[:10_000]) for word in words[:1000]):
            yield Evidence(place=place, detail="opens a debugger or console to all addresses")


def proxy(subject: Subject) -> Iterator[Evidence]:
    """Find the proxies of the network where the image was built."""
    for variable in _effective(subject):
        if variable.name.lower() in _PROXIES and variable.value:
            yield Evidence(place=variable.place, detail=variable.name)


def no_origin(subject: Subject) -> Iterator[Evidence]:
    """Find images whose labels do not say what they were built from."""
    labels = subject.start.labels
    missing = [name for name in _LABELS if not labels.get(name) and not labels.get(_OLD_LABELS[name])]
    if missing:
        yield Evidence(place="config.Labels", detail=f"no {', '.join(missing)}")


def old_image(subject: Subject) -> Iterator[Evidence]:
    """Find images that were built long ago."""
    match = _DATE.match(subject.start.created)
    try:
        built = date(int(match[1]), int(match[2]), int(match[3])) if match else None
    except ValueError:
        built = None
    if built is not None and built >= _REPRODUCIBLE and (age := (subject.today - built).days) > _OLD:
        yield Evidence(place="created", detail=f"{built.isoformat()}, {age} days ago")


def _effective(subject: Subject) -> list[Variable]:
    """Return the entries that count: of each name the last."""
    return sorted({variable.name: variable for variable in subject.start.env}.values(), key=lambda one: one.index)


def _parts(variable: Variable) -> list[str]:
    return variable.value[:100_000].split(":")[:1000]


def _quoted(part: str) -> str:
    return f"'{printable(part, _SHOWN)}'" if part else "an empty entry, which is the working directory"


CHECKS: Final = (
    Check(
        id="RS-CFG-020",
        title="PATH has a relative folder",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Programs are then looked for where one happens to be, such as a folder that was uploaded.",
        message="{count} [entry|entries] of PATH depend[s|] on the working directory",
        resolution="Write whole paths, and no empty entry.",
        references=(OCI_CONFIG,),
        find=relative_path,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-021",
        title="Libraries or modules are looked for in the working directory",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Code is loaded from where a program happens to run; an empty entry has the same effect.",
        message="{count} search path[|s] [has|have] a relative or empty entry",
        resolution="Write whole paths; extend a variable that may be empty by `${NAME:+:$NAME}`.",
        references=(LOADER,),
        find=relative_search_path,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-022",
        title="A library is loaded into every program",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Whoever can replace that library runs code in all programs of the container.",
        message="The environment loads a library into every program",
        resolution="Set the variable for the one program that needs it.",
        references=(LOADER,),
        find=preload,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-023",
        title="Certificates are not checked",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Anybody between the container and a server can read and change what they exchange.",
        message="{count} variable[|s] switch[es|] off the check of certificates or of check sums",
        resolution="Remove the variable, and add the missing certificate to the image.",
        references=(OCI_CONFIG,),
        find=tls_off,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-024",
        title="A setting for building stayed in the environment",
        severity=Severity.LOW,
        category=CATEGORY,
        description="It changes how packages are installed in containers and in images built on this one.",
        message="DEBIAN_FRONTEND is set for every container",
        resolution="Use ARG, or set it in the RUN line alone.",
        references=("https://docs.docker.com/reference/dockerfile/#env",),
        find=frontend,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-025",
        title="The program runs in a mode for development",
        severity=Severity.MEDIUM,
        category=CATEGORY,
        description="Such modes show code and settings in errors, and some run what a browser sends.",
        message="{count} variable[|s] ask[s|] for a mode for development",
        resolution="Leave it out of the image; set it where one develops.",
        references=("https://cwe.mitre.org/data/definitions/489.html",),
        find=debugging,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-026",
        title="A debugger or console is open to all addresses",
        severity=Severity.HIGH,
        category=CATEGORY,
        description="Whoever reaches that port runs code in the program.",
        message="{count} setting[|s] open[s|] a debugger or a console without a password",
        resolution="Remove the option, or bind it to 127.0.0.1.",
        references=("https://cwe.mitre.org/data/definitions/489.html",),
        find=debugger,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-027",
        title="The proxy of the build stayed in the environment",
        severity=Severity.LOW,
        category=CATEGORY,
        description="It names hosts of the network where the image was built, and sends the program's traffic there.",
        message="{count} variable[|s] name[s|] a proxy",
        resolution="Hand proxies over as build arguments (`--build-arg http_proxy=...`), which are not kept.",
        references=("https://docs.docker.com/engine/cli/proxy/",),
        find=proxy,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-028",
        title="The image does not say what it was built from",
        severity=Severity.LOW,
        category=CATEGORY,
        description="Who has to mend an image needs to find its source and the revision.",
        message="Labels about the origin are missing",
        resolution="Set org.opencontainers.image.source and org.opencontainers.image.revision when building.",
        references=("https://github.com/opencontainers/image-spec/blob/main/annotations.md",),
        find=no_origin,
        need=Need.CONFIG,
    ),
    Check(
        id="RS-CFG-029",
        title="The image was built more than a year ago",
        severity=Severity.LOW,
        category=CATEGORY,
        description="What was mended in its packages since then is missing.",
        message="The image is old",
        resolution="Build it again on a current base, regularly.",
        references=("https://docs.docker.com/build/building/best-practices/#rebuild-your-images-often",),
        find=old_image,
        need=Need.CONFIG,
    ),
)
