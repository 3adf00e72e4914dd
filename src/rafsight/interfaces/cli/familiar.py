"""What people type who know Trivy, Grype, Syft, docker, skopeo or nydusify, and what stands for it here.

This module alone decides which foreign words get an answer instead of a list of what there is. It is imported when a
word was refused, never before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import click

from rafsight.interfaces.cli.lazy import UnknownCommand

_FOLDER: Final = (
    "Images are looked at: make one of the folder by `rafsight convert dir:PATH oci:DIR`, then scan oci:DIR."
)
_INSPECT: Final = "It is a request to `inspect`: `rafsight inspect REF -R '{word} ...'`, or `help` at its prompt."

_COMMANDS: Final = {
    **dict.fromkeys(("image", "images", "vuln", "vulns", "vulnerability"), "`rafsight scan REF` scans an image."),
    **dict.fromkeys(("fs", "filesystem", "rootfs", "dir", "repo", "repository"), _FOLDER),
    **dict.fromkeys(("secret", "secrets"), "`rafsight scan --scanners secret REF` looks for secrets."),
    **dict.fromkeys(("config", "misconfig"), "`rafsight scan --scanners misconfig REF` looks for misconfiguration."),
    "mount": "`rafsight view REF DIR` mounts an image.",
    **dict.fromkeys(("umount", "unmount"), "`rafsight view --umount DIR` ends a view, `--umount all` all of them."),
    **dict.fromkeys(("cp", "pull", "save", "extract", "unpack"), "`rafsight export REF [PATH] --to DIR` writes files."),
    **dict.fromkeys(("tree", "list"), "`rafsight ls -R REF` lists files, `rafsight find REF PATTERN` finds them."),
    **dict.fromkeys(("grep", "search"), "`rafsight hunt --content REGEX REF` looks into files, of many images, too."),
    **dict.fromkeys(("copy", "push", "build", "create"), "`rafsight convert SRC DST` makes a Nydus image of another."),
    **dict.fromkeys(("patch", "commit", "edit"), "`rafsight repair REF --target REF2` changes files of an image."),
    **dict.fromkeys(("verify", "validate", "lint"), "`rafsight check --chunks REF` verifies every byte of an image."),
    **dict.fromkeys(("history", "layer"), "`rafsight inspect REF -R layers` tells of each layer."),
    **dict.fromkeys(("login", "logout"), "The logins of `docker login` and podman are used; or --username."),
    "clean": "`rafsight cache clear` empties the cache.",
    "update": "`rafsight db update` fetches advisories.",
    "server": "`rafsight serve` is the service.",
    "version": "`rafsight --version` shows it.",
}
_REQUESTS: Final = frozenset(
    ("blobs", "chunk", "dedupe", "diff", "icheck", "layers", "prefetch", "stat", "stats", "superblock", "top")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Foreign:
    """Options of others, and what to say about them."""

    words: tuple[str, ...]
    needs: str
    """An option, or `VERB`, that a command must have, or be, so that the advice holds."""
    advice: str


_OPTIONS: Final = (
    _Foreign(words=("--json", "-j"), needs="--format", advice="Formats are chosen by -f; here: {formats}."),
    _Foreign(words=("--format", "-f"), needs="--json", advice="`--json` writes JSON."),
    _Foreign(words=("--sarif", "--html", "--template"), needs="--format", advice="`-f` takes one of: {formats}."),
    _Foreign(
        words=("--input", "--archive"),
        needs="--platform",
        advice="A file is named as REF: docker-archive:FILE, oci-archive:FILE, oci:DIR or boot:FILE.",
    ),
    _Foreign(
        words=("--skip-db-update", "--skip-update", "--skip-java-db-update", "--skip-check-update", "--offline-scan"),
        needs="--db",
        advice="Leave it out: only `rafsight db update` fetches advisories, a scan never does.",
    ),
    _Foreign(
        words=("--download-db-only", "--db-repository"),
        needs="--db",
        advice="`rafsight db update` fetches advisories; `--url` of it names another place.",
    ),
    _Foreign(
        words=("--vuln-type", "--pkg-types"),
        needs="--severity",
        advice="Packages of the distribution and of languages are both looked at; the report tells them apart.",
    ),
    _Foreign(words=("--security-checks",), needs="--scanners", advice="It is called --scanners here."),
    _Foreign(words=("--only-fixed",), needs="--ignore-unfixed", advice="It is called --ignore-unfixed here."),
    _Foreign(words=("--fail", "--exit-on-eol"), needs="--fail-on", advice="--fail-on takes a policy, such as 'eol'."),
    _Foreign(
        words=("--skip-dirs", "--skip-files", "--exclude"),
        needs="--ignorefile",
        advice="Ignore files leave out findings by path, docs/suppressing.md; rafsight.yaml what is searched.",
    ),
    _Foreign(
        words=("--clear-cache", "--reset"), needs="--no-cache", advice="`rafsight cache clear` empties the cache."
    ),
    _Foreign(words=("--server",), needs="--engine", advice="`rafsight serve` has an API; see docs/service.md."),
    _Foreign(
        words=("--password", "-p", "--creds"),
        needs="--password-stdin",
        advice="`--username USER --password-stdin` reads it, so that nobody sees it in a list of processes.",
    ),
    _Foreign(
        words=("--tls-verify", "--src-tls-verify", "--dest-tls-verify", "--source-insecure", "--target-insecure"),
        needs="--insecure",
        advice="--insecure does not verify certificates, --plain-http speaks HTTP; both mean every registry.",
    ),
    _Foreign(words=("--cacert", "--cert-dir"), needs="--ca-file", advice="--ca-file names one more authority."),
    _Foreign(
        words=("--authfile",), needs="--username", advice="Set REGISTRY_AUTH_FILE, or DOCKER_CONFIG to the folder."
    ),
    _Foreign(words=("--proxy",), needs="--username", advice="Set HTTPS_PROXY."),
    _Foreign(words=("--parallel", "--concurrency"), needs="--jobs", advice="--jobs says how many at the same time."),
    _Foreign(words=("--cve", "--vuln"), needs="--advisory", advice="It is called --advisory here."),
    _Foreign(words=("--purl",), needs="--package", advice="It is called --package here."),
    _Foreign(words=("--unmount", "-u"), needs="--umount", advice="`rafsight view --umount DIR` ends a view."),
    _Foreign(words=("-l",), needs="--umount", advice="--list lists the views that run."),
    _Foreign(words=("-o",), needs="--umount", advice="A view takes no mount options: it is always read-only."),
    _Foreign(words=("--name", "-n", "-i"), needs="find", advice="PATTERN stands alone: `rafsight find REF '*.pem'`."),
    _Foreign(words=("--output",), needs="export", advice="It is called --to, or -o, here."),
    _Foreign(words=("--source", "--target"), needs="convert", advice="They stand alone: `rafsight convert SRC DST`."),
    _Foreign(words=("--target",), needs="check", advice="The image stands alone: `rafsight check REF`."),
    _Foreign(words=("-t",), needs="repair", advice="It is called --target here."),
    _Foreign(words=("--port", "--host"), needs="--listen", advice="It is --listen ADDRESS:PORT here."),
    _Foreign(words=("-v",), needs="rafsight", advice="`rafsight --version` shows the version, `rafsight --help` all."),
    _Foreign(
        words=("-v", "-d", "--verbose", "--log-level"),
        needs="--debug",
        advice="--debug shows where in the code an error comes from.",
    ),
    _Foreign(words=("--no-color", "--color"), needs="--debug", advice="Set NO_COLOR=1 for output without colours."),
)

_EXTRA: Final = {
    "inspect": "A request goes behind -R, in quotes: `rafsight inspect REF -R 'stat /etc'`.",
    "find": "PATTERN is one word: put it in quotes, so that your shell leaves it alone.",
    "repair": "The repaired image is named by --target.",
    "present": "The registry is named by --upstream.",
    "serve": "Registries are named by --allow-registry.",
}


def advice_for(error: click.UsageError) -> str:
    """Say what stands here for a word that was refused; empty if nobody knows.

    Args:
        error: as click or `lazy` raised it.
    """
    if isinstance(error, UnknownCommand):
        return command_advice(error.word)
    command = error.ctx.command if error.ctx is not None else None
    if command is None:
        return ""
    if isinstance(error, click.NoSuchOption):
        return option_advice(error.option_name, command)
    if error.message.startswith("Got unexpected extra argument"):
        return _EXTRA.get(command.name or "", "")
    return ""


def command_advice(word: str) -> str:
    """Say which of our commands does what another program calls so; empty if nobody knows."""
    return _INSPECT.format(word=word) if word in _REQUESTS else _COMMANDS.get(word, "")


def option_advice(word: str, command: click.Command) -> str:
    """Say what a command has for an option of another program; empty if nobody knows.

    Args:
        word: with its dashes, without a value.
        command: that refused it.
    """
    own = {name: parameter for parameter in command.params for name in parameter.opts}
    for foreign in _OPTIONS:
        if word in foreign.words and (foreign.needs in own or foreign.needs == command.name):
            return foreign.advice.format(formats=", ".join(_choices(own.get("--format"))))
    return ""


def _choices(parameter: click.Parameter | None) -> Iterable[str]:
    kind = parameter.type if parameter is not None else None
    return map(str, kind.choices) if isinstance(kind, click.Choice) else ()
