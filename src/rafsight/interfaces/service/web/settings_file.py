"""`serve.yaml`: the settings of the service as text.

`settings_forms.py` has the keys. This module alone decides what their values mean: spans of time, sizes, secrets that
stand in another file (`file:PATH`) or in the environment (`env:NAME`).
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgspec

from rafsight.base.durations import parse_duration
from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB, parse_size
from rafsight.interfaces.service.delivery.faults import MalformedTarget
from rafsight.interfaces.service.jobs.model import DeliveryKind
from rafsight.interfaces.service.web.delivering import recipient_of
from rafsight.interfaces.service.web.registries import reach_of
from rafsight.interfaces.service.web.rules import Rule
from rafsight.interfaces.service.web.settings import (
    EventSettings,
    HarborSettings,
    PresentSettings,
    RegistrySettings,
    ServiceSettings,
    Target,
    WebLimits,
)
from rafsight.interfaces.service.web.settings_forms import (
    HarborForm,
    KeepForm,
    LimitsForm,
    PresentForm,
    RuleForm,
    SettingsForm,
    TargetForm,
)
from rafsight.interfaces.service.workers.terms import KeepTerms, PoolTerms, ScanSettings, Twins
from rafsight.reports.formats import NAMES as FORMATS

_SIZE: Final = 1 * MiB
_SECRET_SIZE: Final = 64 * 1024
_SECOND: Final = 1000
_DASK: Final = re.compile(r"(?:tcp|tls)://[^\s/]+:[0-9]{1,5}\Z")
_SCANNERS: Final = ("vuln", "secret", "misconfig")


class MalformedSettings(CallerError):
    """The settings of the service are not what they have to be."""

    code = "malformed-settings"
    template = "the settings {file} are not usable: {why}"
    remedy = "docs/service.md lists what they may say."
    exit_status = ExitStatus.USAGE


class NoSecret(CallerError):
    """A secret is named by its place, and is not there."""

    code = "no-secret"
    template = "there is no secret at {place}: {why}"
    remedy = "Write it there, or name another place: file:PATH or env:NAME."
    exit_status = ExitStatus.USAGE


def read_form(path: Path) -> SettingsForm:
    """Read a file of settings.

    Raises: MalformedSettings.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_SIZE + 1)
    except OSError as error:
        raise MalformedSettings(file=str(path), why=error.strerror or str(error)) from error
    if len(content) > _SIZE:
        raise MalformedSettings(file=str(path), why=f"it has more than {_SIZE} bytes")
    try:
        return msgspec.yaml.decode(content, type=SettingsForm) if content.strip() else SettingsForm()
    except (msgspec.DecodeError, RecursionError) as error:
        raise MalformedSettings(file=str(path), why=" ".join(str(error).split())) from error


def with_options(form: SettingsForm, said: Mapping[str, Any]) -> SettingsForm:
    """Let options of the command line go before the file; those that were not given are None.

    Args:
        form: of the file.
        said: fields of `SettingsForm`; `allow` with more registries, `queue_limit`, `keep_days`, `keep_size`.
    """
    given = {name: value for name, value in said.items() if value is not None}
    allow, queue = given.pop("allow", ()), given.pop("queue_limit", None)
    days, size = given.pop("keep_days", None), given.pop("keep_size", None)
    given["registries"] = msgspec.structs.replace(form.registries, allow=(*form.registries.allow, *allow))
    if queue is not None:
        given["limits"] = msgspec.structs.replace(form.limits, queue=queue)
    keep = {"reports": None if days is None else f"{days}d", "size": size}
    given["keep"] = msgspec.structs.replace(form.keep, **{name: text for name, text in keep.items() if text})
    return msgspec.structs.replace(form, **given)


class SettingsMaker:
    """Turns the text of settings into settings."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        """Take what values depend on.

        Args:
            name: of the file, for messages.
            environment: of the process.
        """
        self._name = name
        self._environment = environment

    def make(self, form: SettingsForm, *, store: str, database: Path, cache_dir: Path) -> ServiceSettings:
        """Make settings.

        Args:
            form: as read, options included.
            store: what is taken if none is named.
            database: likewise.
            cache_dir: likewise.
        Raises: MalformedSettings, NoSecret, MalformedTerms, MalformedNetwork.
        """
        host, port = self._listen(form.listen)
        registries, scan = form.registries, form.scan
        targets = tuple(self._target(name, target) for name, target in form.targets.items())
        names = frozenset(target.name for target in targets)
        self._check_names("news", form.news, names)
        return ServiceSettings(
            host=host,
            port=port,
            base_url=self._base_url(form.base_url),
            certificate=Path(form.tls.certificate) if form.tls else None,
            key=Path(form.tls.key) if form.tls and form.tls.key else None,
            store=self.secret(form.store) or store,
            scan=ScanSettings(
                database=Path(form.database) if form.database else database,
                cache_dir=Path(form.cache) if form.cache else cache_dir,
                config=Path(scan.config) if scan.config else None,
                secret_budget=self._size("scan.secret-budget", scan.secret_budget),
                platform=scan.platform,
                ca_files=tuple(map(Path, registries.ca_files)),
                timeout=registries.timeout,
                connections=registries.connections,
                environment=dict(self._environment),
                twins=Twins(index=form.twin.index, referrer=form.twin.referrer, tag_suffix=form.twin.tag_suffix),
                reach=reach_of(registries.allow, registries.networks),
            ),
            pool=self._pool(form),
            keep=self._keep(form.keep),
            registries=RegistrySettings(
                allow=registries.allow, networks=registries.networks, plain_http=registries.plain_http
            ),
            rules=tuple(self._rule(rule, names) for rule in form.rules),
            targets=targets,
            news=form.news,
            events=EventSettings(
                registry_secret=self.secret(form.events.registry_secret),
                harbor_secret=self.secret(form.events.harbor_secret),
                registry=form.events.registry,
            ),
            harbor=self._harbor(form.harbor),
            limits=self._limits(form.limits),
            present=_present(form.present),
        )

    def secret(self, text: str) -> str:
        """Return a secret: what the file or the variable holds that it names, or the text itself.

        Raises: NoSecret.
        """
        kind, _, place = text.partition(":")
        if kind == "env":
            if not (value := self._environment.get(place)):
                raise NoSecret(place=text, why="the environment has none of that name")
            return value
        if kind != "file":
            return text
        try:
            with Path(place).open("rb") as stream:
                content = stream.read(_SECRET_SIZE)
            found = content.decode().strip("\r\n")
        except OSError as error:
            raise NoSecret(place=text, why=error.strerror or str(error)) from error
        except UnicodeDecodeError as error:
            raise NoSecret(place=text, why="it is not UTF-8") from error
        if not found:
            raise NoSecret(place=text, why="it is empty")
        return found

    def _fail(self, key: str, why: str) -> MalformedSettings:
        return MalformedSettings(file=self._name, why=f"{key}: {why}")

    def _listen(self, text: str) -> tuple[str, int]:
        host, colon, port = (text or "127.0.0.1:8080").rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isdigit() or int(port) > 65535:
            raise self._fail("listen", f"'{text}' is not ADDRESS:PORT")
        return host, int(port)

    def _base_url(self, text: str) -> str:
        if text and not text.startswith(("http://", "https://")):
            raise self._fail("base-url", f"'{text}' does not begin with https:// or http://")
        return text.rstrip("/")

    def _size(self, key: str, text: str) -> int | None:
        if not text:
            return None
        size = parse_size(text)
        if size is None:
            raise self._fail(key, f"'{text}' is no size, such as 512MiB")
        return size

    def _span(self, key: str, text: str) -> int:
        """Return [ms]."""
        seconds = parse_duration(text)
        if seconds is None:
            raise self._fail(key, f"'{text}' is no span of time, such as 90s, 15m, 12h or 30d")
        return int(seconds * _SECOND)

    def _check_names(self, key: str, wanted: tuple[str, ...], known: frozenset[str]) -> None:
        for name in wanted:
            if name not in known:
                raise self._fail(key, f"there is no target '{name}'")

    def _check_scanners(self, key: str, scanners: tuple[str, ...]) -> tuple[str, ...]:
        if not scanners or set(scanners) - set(_SCANNERS):
            raise self._fail(key, f"scanners are {', '.join(_SCANNERS)}")
        return tuple(name for name in _SCANNERS if name in scanners)

    def _rule(self, form: RuleForm, targets: frozenset[str]) -> Rule:
        self._check_names("rules.deliver", form.deliver, targets)
        scanners = self._check_scanners("rules.scanners", form.scanners)
        return replace(Rule(**msgspec.structs.asdict(form)), scanners=scanners)

    def _target(self, name: str, form: TargetForm) -> Target:
        key = f"targets.{name}"
        if bool(form.webhook) == bool(form.referrer):
            raise self._fail(key, "it is either a webhook or a referrer")
        if form.referrer:
            if form.referrer not in FORMATS or form.secret or form.private or form.report:
                raise self._fail(key, f"a referrer is one of {', '.join(FORMATS)}, and has nothing of a webhook")
            return Target(name=name, kind=DeliveryKind.REFERRER, format=form.referrer, tells_failures=form.failures)
        if not form.webhook.startswith(("https://", "http://")):
            raise self._fail(key, "a webhook begins with https:// or http://")
        if form.report and form.report not in FORMATS:
            raise self._fail(key, f"a report is one of {', '.join(FORMATS)}")
        target = Target(
            name=name,
            kind=DeliveryKind.WEBHOOK,
            url=form.webhook,
            secret=self.secret(form.secret),
            format=form.report,
            tells_failures=form.failures,
            is_private=form.private,
        )
        try:
            recipient_of(target)  # so that a wrong address or a short secret is said now
        except MalformedTarget as error:
            raise self._fail(key, str(error)) from error
        return target

    def _harbor(self, form: HarborForm) -> HarborSettings:
        return HarborSettings(
            sbom=form.sbom,
            bearer=form.bearer,
            scanners=self._check_scanners("harbor.scanners", form.scanners),
            fail_incomplete=form.fail_incomplete,
            fresh_for=self._span("harbor.fresh-for", form.fresh_for) if form.fresh_for else 0,
        )

    def _pool(self, form: SettingsForm) -> PoolTerms:
        if form.dask and not _DASK.match(form.dask):
            raise self._fail("dask", f"'{form.dask}' is not tcp://HOST:PORT or tls://HOST:PORT")
        return PoolTerms(
            workers=form.workers,
            time_limit=self._span("scan.time", form.scan.time) / _SECOND,
            memory_limit=self._size("scan.memory", form.scan.memory),
            nice=form.scan.nice,
            retry_in=self._span("scan.retry-in", form.scan.retry_in),
            lease=self._span("scan.lease", form.scan.lease),
            dask=form.dask,
        )

    def _keep(self, form: KeepForm) -> KeepTerms:
        return KeepTerms(
            older_than=self._span("keep.reports", form.reports) if form.reports else None,
            size_limit=self._size("keep.size", form.size),
            keep_requests=self._span("keep.requests", form.requests),
        )

    def _limits(self, form: LimitsForm) -> WebLimits:
        values = msgspec.structs.asdict(form) | {"body": self._size("limits.body", form.body) or WebLimits().body}
        return WebLimits(**values)


def _present(form: PresentForm | None) -> PresentSettings | None:
    return None if form is None else PresentSettings(**msgspec.structs.asdict(form))
