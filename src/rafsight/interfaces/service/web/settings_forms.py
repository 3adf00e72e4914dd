"""`serve.yaml` in its form: which keys there are, and of which type.

This module alone decides how settings are spelled; `settings_file.py` makes values of them. Unknown keys are errors, so
that no line is ever ignored.
"""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Natural = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=604_800)]


class _Form(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """What all parts have in common: names with hyphens, and no unknown ones."""


class RegistriesForm(_Form, frozen=True, kw_only=True):
    """`registries:`."""

    allow: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    plain_http: tuple[str, ...] = ()
    ca_files: tuple[str, ...] = ()
    timeout: Seconds = 30.0
    connections: Annotated[int, msgspec.Meta(ge=1, le=64)] = 8


class RuleForm(_Form, frozen=True, kw_only=True):
    """One of `rules:`."""

    registry: str = "**"
    repository: str = "**"
    tag: str = "**"
    scan: bool = True
    scanners: tuple[str, ...] = ("vuln",)
    declared: bool = False
    platform: str = ""
    priority: Annotated[int, msgspec.Meta(ge=-100, le=100)] = 0
    deliver: tuple[str, ...] = ()


class TargetForm(_Form, frozen=True, kw_only=True):
    """One of `targets:`; either a webhook or a referrer."""

    webhook: str = ""
    secret: str = ""
    referrer: str = ""
    report: str = ""
    failures: bool = False
    private: bool = False


class EventsForm(_Form, frozen=True, kw_only=True):
    """`events:`."""

    registry_secret: str = ""
    harbor_secret: str = ""
    registry: str = ""


class HarborForm(_Form, frozen=True, kw_only=True):
    """`harbor:`."""

    sbom: bool = True
    bearer: bool = False
    scanners: tuple[str, ...] = ("vuln",)
    fail_incomplete: bool = False
    fresh_for: str = "60s"


class TwinForm(_Form, frozen=True, kw_only=True):
    """`twin:`."""

    index: bool = True
    referrer: bool = False
    tag_suffix: str = ""


class ScanForm(_Form, frozen=True, kw_only=True):
    """`scan:`."""

    config: str = ""
    secret_budget: str = ""
    platform: str = ""
    time: str = "15m"
    memory: str = ""
    retry_in: str = "10s"
    lease: str = "60s"
    nice: Annotated[int, msgspec.Meta(ge=0, le=19)] = 10


class KeepForm(_Form, frozen=True, kw_only=True):
    """`keep:`."""

    reports: str = "90d"
    size: str = ""
    requests: str = "7d"


class LimitsForm(_Form, frozen=True, kw_only=True):
    """`limits:`."""

    queue: Positive = 10_000
    body: str = "1MiB"
    header_time: Seconds = 10.0
    body_time: Seconds = 20.0
    answer_time: Seconds = 60.0
    connections: Positive = 1000
    rate: Annotated[float, msgspec.Meta(ge=0)] = 500.0
    burst: Positive = 2000
    hunts: Natural = 2
    hunt_time: Seconds = 900.0
    shutdown: Seconds = 20.0


class PresentForm(_Form, frozen=True, kw_only=True):
    """`present:`."""

    upstream: str
    plain_http: bool | None = None
    engine: str = "all"
    full: bool = False


class TlsForm(_Form, frozen=True, kw_only=True):
    """`tls:`."""

    certificate: str
    key: str = ""


class SettingsForm(_Form, frozen=True, kw_only=True):
    """The whole file."""

    listen: str = ""
    base_url: str = ""
    tls: TlsForm | None = None
    workers: Annotated[int, msgspec.Meta(ge=0, le=1024)] = 2
    store: str = ""
    database: str = ""
    cache: str = ""
    dask: str = ""
    registries: RegistriesForm = RegistriesForm()
    rules: tuple[RuleForm, ...] = ()
    targets: dict[Name, TargetForm] = msgspec.field(default_factory=dict)
    news: tuple[str, ...] = ()
    events: EventsForm = EventsForm()
    harbor: HarborForm = HarborForm()
    twin: TwinForm = TwinForm()
    scan: ScanForm = ScanForm()
    keep: KeepForm = KeepForm()
    limits: LimitsForm = LimitsForm()
    present: PresentForm | None = None
