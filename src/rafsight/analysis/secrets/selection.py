"""Which files may hide secrets, by path and size alone: the largest risk first.

This module alone decides where secrets are looked for. Three questions, in this order: does the name itself say that
there are credentials (then the place hardly matters), is the place one that a distribution or a package manager filled
(then its files are left alone), and is it a kind of file that holds text.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

from rafsight.analysis.secrets.globs import GlobTable
from rafsight.base.units import MiB

MIN_SIZE: Final = 10
"""[bytes] nothing shorter is a secret that can be told from other things."""
MAX_SIZE: Final = 1 * MiB
"""[bytes] larger files are not read, if nobody says otherwise."""
BUNDLE_FACTOR: Final = 8
"""What a bundler made of a program of one's own may be so many times larger."""
ARCHIVE_SIZE: Final = 16 * MiB
"""[bytes] the same for archives."""


class Risk(IntEnum):
    """How likely a file hides a secret; the lowest is read first."""

    CREDENTIALS = 0
    KEYS = 1
    SETTINGS = 2
    TEXT = 3
    SYSTEM = 4
    ARCHIVE = 5
    BINARY = 6


class Care(IntEnum):
    """Which rules are tried on a text."""

    ALL = 0
    SPECIFIC = 1
    """No generic ones: in minified code, documentation, tests, and what packages brought."""
    TOKENS = 2
    """Only values known by their own shape: in the raw bytes of binaries."""


class Place(IntEnum):
    """Who filled a folder."""

    OWN = 0
    """The people who made the image."""
    SYSTEM = 1
    """The distribution, and they."""
    PACKAGES = 2
    """A package manager: read only where the name asks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A file that is to be read."""

    risk: Risk
    care: Care
    is_archive: bool = False


_CREDENTIALS: Final = GlobTable(
    [
        (
            0,
            b"**/.env **/.env.* **/*.env **/.envrc **/.aws/credentials **/.aws/config **/.azure/* **/.config/gcloud/** "
            b"**/.docker/config.json **/.dockercfg **/.dockerconfigjson **/.kube/config **/kubeconfig **/kubeconfig.* "
            b"**/*.kubeconfig **/.npmrc **/.yarnrc **/.yarnrc.yml **/.pypirc **/pip.conf **/.netrc **/_netrc **/netrc "
            b"**/.git-credentials **/.gitconfig **/.git/config **/.pgpass **/pgpass.conf **/.my.cnf **/.mylogin.cnf "
            b"**/.s3cfg **/.boto **/.passwd-s3fs **/rclone.conf **/.htpasswd **/.vault-token **/.oci/config "
            b"**/.bash_history **/.zsh_history **/.ash_history **/.sh_history **/.python_history **/.psql_history "
            b"**/.mysql_history **/.rediscli_history **/.node_repl_history **/.irb_history **/terraform.tfstate "
            b"**/terraform.tfstate.backup **/*.tfstate **/*.tfvars **/*.tfvars.json **/.terraformrc **/wp-config.php "
            b"**/.cargo/credentials **/.cargo/credentials.toml **/.gem/credentials **/.huggingface/token "
            b"**/.cache/huggingface/token **/.config/gh/hosts.yml **/.config/hub **/.composer/auth.json **/.wandb "
            b"**/.m2/settings.xml **/settings-security.xml **/.gradle/gradle.properties **/.esmtprc **/.msmtprc "
            b"**/.config/doctl/config.yaml **/.terraform.d/credentials.tfrc.json **/config/master.key "
            b"**/config/credentials/*.key **/credentials.yml.enc etc/shadow etc/shadow- etc/gshadow etc/gshadow- "
            b"etc/master.passwd run/secrets/** var/run/secrets/** **/etc/mysql/debian.cnf etc/apt/auth.conf "
            b"etc/apt/auth.conf.d/* **/.ssh/config **/.mozilla/firefox/*/logins.json etc/kubernetes/*.conf".split(),
        )
    ]
)
_KEYS: Final = GlobTable(
    [
        (
            0,
            b"**/id_rsa **/id_dsa **/id_ecdsa **/id_ed25519 **/id_*_sk **/ssh_host_*_key etc/ssl/private/* "
            b"etc/pki/tls/private/* **/*.pem **/*.key **/*.ppk **/*.asc **/*.gpg **/*.ovpn **/*.pvk **/*.p8 **/*.jwk "
            b"**/*.age **/.gnupg/** **/*.crt.key **/*.keytab etc/letsencrypt/**".split(),
        )
    ]
)
_SETTINGS: Final = GlobTable(
    [
        (
            0,
            b"**/settings.py **/local_settings.py **/secrets.py **/secrets.yml **/secrets.yaml **/secrets.json "
            b"**/credentials.json **/credentials.xml **/application*.yml **/application*.yaml "
            b"**/application*.properties **/bootstrap.yml **/appsettings*.json **/web.config "
            b"**/nuget.config **/NuGet.Config **/settings.xml **/gradle.properties **/auth.json "
            b"**/database.yml **/parameters.yml **/configuration.php **/config.php "
            b"**/docker-compose*.yml **/docker-compose*.yaml **/compose.yml **/Dockerfile* **/*.service "
            b"**/service-account*.json **/*serviceaccount*.json **/google-services.json **/firebase*.json".split(),
        )
    ]
)
_PACKAGE_PLACES: Final = re.compile(
    rb"(?:usr/(?:include|lib|lib32|lib64|libx32|libexec|bin|sbin|games)|lib|lib32|lib64|libx32|bin|sbin|boot|proc|sys|dev|"
    # images of these have the settings and pages of their users there
    rb"usr/share(?!/(?:nginx/html|(?:elasticsearch|kibana|logstash)/config|logstash/pipeline)(?:/|\Z))|"
    rb"usr/src/(?:linux|kernels|debug|packages|wordpress|[^/]+-[0-9])[^/]*|usr/local/(?:go|include|share/man)|var/(?:cache|lib/(?:dpkg|apt|rpm|pacman|ucf|pam|systemd|dnf|yum)|"
    rb"log/anaconda)|etc/(?:ssl/certs|pki/ca-trust|ca-certificates|alternatives|gconf|fonts|X11|apparmor.d)|nix/store|"
    rb"opt/yarn-v[^/]*)(?:/|\Z)"
    rb"|(?:.*/)?(?:node_modules|bower_components|site-packages|dist-packages|[^/]+\.dist-info|[^/]+\.egg-info|"
    rb"locales?|i18n|vendor/(?:bundle|ruby|github\.com|golang\.org|k8s\.io|google\.golang\.org|composer|symfony)|"
    rb"wp-includes|wp-admin|__pycache__|\.cargo/registry|\.npm/_cacache|\.m2/repository|"
    rb"go/pkg/mod|\.rustup|gems/[^/]+-[0-9.]+|lib/ruby|lib/perl5|lib/python[0-9.]+|"
    rb"conda/pkgs|conda-meta|share/(?:doc|man|locale|zoneinfo)|\.git/(?!config|HEAD|logs)[^/]+)(?:/|\Z)",
    re.DOTALL,
)
_SYSTEM_PLACES: Final = re.compile(rb"(?:etc|var|usr|media|mnt|run)(?:/|\Z)")
_OWN_PLACES: Final = re.compile(
    rb"(?:usr/(?!(?:etc|var)(?:/|\Z))[^/]+|var/(?:www|backups?|tmp|opt|app|task)|mnt/[^/]+|media/[^/]+|run/secrets)(?:/|\Z)"
)
_QUIET_PLACES: Final = re.compile(
    rb"(?:.*/)?(?:tests?|testdata|__tests__|spec|fixtures?|examples?|samples?|docs?|documentation|mocks?|__mocks__|demo)(?:/|\Z)",
    re.DOTALL,
)
_QUIET_NAMES: Final = re.compile(
    rb".*(?:\.min\.(?:js|css)|\.map|\.md|\.rst|\.adoc|\.html?|\.css|\.svg|\.po|\.bundle\.js|\.ipynb|\.csv|\.tsv|\.log|\.sql|[._](?:test|spec)\.[a-z]+"
    rb"|example[^/]*|sample[^/]*|\.dist|\.template|\.tmpl|\.j2)\Z|(?:test_|README|CHANGE|HISTORY|NEWS|LICENSE|COPYING).*",
    re.DOTALL | re.IGNORECASE,
)
_VENDORED: Final = re.compile(
    rb"(?:jquery|bootstrap|angular|plotly|swagger-ui|react|vue|d3|three|moment|lodash|popper|leaflet)[^/]*\.(?:js|css|map)\Z"
    rb"|(?:gradlew|mvnw)(?:\.bat|\.cmd)?\Z"
)
_LOCKS: Final = frozenset(
    b"package-lock.json yarn.lock pnpm-lock.yaml Pipfile.lock poetry.lock Gemfile.lock go.mod go.sum deno.lock "
    b"npm-shrinkwrap.json gradle.lockfile Cargo.lock composer.lock uv.lock bun.lock packages.lock.json pdm.lock "
    b"mix.lock flake.lock".split()
)
_SKIPPED: Final = frozenset(
    b"png jpg jpeg gif bmp ico webp tif tiff psd svgz heic avif ttf otf woff woff2 eot pfb mp3 mp4 avi mov mkv wav ogg "
    b"flac webm m4a m4v mpg mpeg pdf doc docx xls xlsx ppt pptx odt ods odp epub deb rpm apk whl egg gem crate "
    b"xz zst bz2 7z rar cab iso img dmg jar war ear jmod nupkg safetensors gguf pt pth onnx npy npz parquet h5 hdf5 pb "
    b"tflite ckpt mo gmo qm pyc pyo class rlib rmeta lib pdb o a la crt cer der crl".split()
)
_BUNDLES: Final = frozenset(b"js mjs cjs".split())
_BINARIES: Final = frozenset(b"so bin dat db sqlite sqlite3 exe dll wasm node dylib socket pack idx keytab".split())
_STORES: Final = frozenset(b"p12 pfx jks jceks keystore bks kdbx kdb psafe3 core hprof dmp heapsnapshot".split())
_ARCHIVES: Final = re.compile(rb".*\.(?:tar|tgz|tar\.gz|zip|gz)\Z", re.DOTALL)
_TEXTS: Final = frozenset(
    b"conf cfg cnf ini yml yaml json json5 toml xml properties props env sh bash zsh ksh txt config service timer list "
    b"repo sql plist tf hcl reg ps1 bat cmd htaccess".split()
)


def choose(path: bytes, size: int, *, max_size: int = MAX_SIZE) -> Choice | None:
    """Decide whether a regular file is read, and with which care.

    Args:
        path: relative to the root, without a leading slash.
        size: [bytes]
        max_size: [bytes] of files that are neither archives nor told by their names.
    """
    if size < MIN_SIZE:
        return None
    cut = path.rfind(b"/")
    folder, name = path[: max(cut, 0)], path[cut + 1 :]
    place, is_quiet = _place(folder)
    if size <= max_size and _CREDENTIALS.owners(path) and not (place is Place.PACKAGES and is_quiet):
        return Choice(risk=Risk.CREDENTIALS, care=Care.ALL if place is not Place.PACKAGES else Care.SPECIFIC)
    extension = name[name.rfind(b".") + 1 :].lower() if b"." in name else b""
    if size <= max_size and _KEYS.owners(path) and not (place is Place.PACKAGES and (is_quiet or _is_public(path))):
        return Choice(risk=Risk.KEYS, care=Care.SPECIFIC)
    if place is Place.PACKAGES:
        return None
    if _ARCHIVES.fullmatch(name):
        if place is Place.OWN and size <= ARCHIVE_SIZE:
            return Choice(risk=Risk.ARCHIVE, care=Care.SPECIFIC if is_quiet else Care.ALL, is_archive=True)
        return None
    is_bundle = max_size < size <= BUNDLE_FACTOR * max_size and extension in _BUNDLES and place is Place.OWN
    if (size > max_size and not is_bundle) or extension in _SKIPPED or name in _LOCKS or _VENDORED.match(name):
        return None
    is_quiet = is_quiet or is_bundle or _QUIET_NAMES.fullmatch(name) is not None
    return _choose_by_kind(name, extension, place, is_quiet=is_quiet)


def place_of(path: bytes) -> Place:
    """Tell who filled the folder of a path."""
    return _place(path[: max(path.rfind(b"/"), 0)])[0]


def is_large(path: bytes, size: int, *, max_size: int = MAX_SIZE) -> bool:
    """Tell whether a file that should be searched is only left out for its size."""
    if size <= max_size or choose(path, size, max_size=max_size) is not None:
        return False
    smaller = choose(path, max_size, max_size=max_size)
    return smaller is not None and smaller.risk <= Risk.SETTINGS


def _choose_by_kind(name: bytes, extension: bytes, place: Place, *, is_quiet: bool) -> Choice | None:
    care = Care.SPECIFIC if is_quiet else Care.ALL
    if place is Place.SYSTEM:
        return Choice(risk=Risk.SYSTEM, care=care) if extension in _TEXTS or not extension else None
    if extension in _BINARIES or extension in _STORES:
        return Choice(risk=Risk.BINARY, care=Care.TOKENS)
    if _SETTINGS.owners(name) or (extension in _TEXTS and not is_quiet):
        return Choice(risk=Risk.SETTINGS, care=care)
    return Choice(risk=Risk.TEXT, care=care)


def _is_public(path: bytes) -> bool:
    """Tell whether a key file that a package brought is one of the many that hold certificates and public keys."""
    return not path.endswith((b".key", b".ppk", b"id_rsa", b"id_ed25519"))


@lru_cache(maxsize=65_536)
def _place(folder: bytes) -> tuple[Place, bool]:
    """Tell who filled a folder, and whether it is one for tests, examples or documentation."""
    is_quiet = _QUIET_PLACES.match(folder) is not None
    if _PACKAGE_PLACES.match(folder):
        return Place.PACKAGES, is_quiet
    if _SYSTEM_PLACES.match(folder) and not _OWN_PLACES.match(folder):
        return Place.SYSTEM, is_quiet
    return Place.OWN, is_quiet
