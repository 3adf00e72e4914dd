from pathlib import Path

import pytest

from rafsight.interfaces.service.jobs.model import DeliveryKind
from rafsight.interfaces.service.web.registries import MalformedNetwork
from rafsight.interfaces.service.web.rules import Rule
from rafsight.interfaces.service.web.settings import HarborSettings, RegistrySettings, WebLimits
from rafsight.interfaces.service.web.settings_file import (
    MalformedSettings,
    NoSecret,
    SettingsMaker,
    read_form,
    with_options,
)
from rafsight.interfaces.service.workers.terms import DAY, KeepTerms, PoolTerms

WHOLE = """
listen: "[::]:9000"
base-url: https://scanner.example.com/
workers: 4
store: env:STORE
database: db.sqlite
cache: cache
registries:
  allow: [registry.example.com, "*.inside.example.com"]
  networks: [10.0.0.0/8]
  plain-http: ["registry.inside.example.com:5000"]
  timeout: 10
rules:
  - {repository: "team/**", tag: "v*", scanners: [secret, vuln], deliver: [chat, sarif]}
  - {repository: "**", scan: false}
targets:
  chat: {webhook: "https://chat.example.com/hook", secret: "file:SECRET", failures: true}
  sarif: {referrer: sarif}
news: [chat]
events: {registry-secret: "env:EVENTS", registry: registry.example.com}
harbor: {sbom: false, bearer: true, fail-incomplete: true, fresh-for: 1h}
twin: {index: false, tag-suffix: -nydus}
scan: {time: 5m, memory: 2GiB, retry-in: 30s, lease: 2m, secret-budget: 10MB, config: rafsight.yaml}
keep: {reports: 30d, size: 10GiB, requests: 12h}
limits: {queue: 50, body: 64KiB, hunts: 1}
present: {upstream: registry.example.com, engine: syft}
"""


def make(tmp_path, text="", environment=None, **said):
    path = tmp_path / "serve.yaml"
    path.write_text(text)
    maker = SettingsMaker("serve.yaml", environment or {})
    return maker.make(
        with_options(read_form(path), said), store="default.sqlite", database=Path("default.db"), cache_dir=Path("c")
    )


def test_nothing_said(tmp_path):
    settings = make(tmp_path)
    assert (settings.host, settings.port, settings.is_local) == ("127.0.0.1", 8080, True)
    assert settings.store == "default.sqlite"
    assert settings.database == Path("default.db")
    assert settings.registries.allow == ()
    assert settings.keep.older_than == 90 * DAY


def test_everything_said(tmp_path):
    (tmp_path / "secret").write_text("of the webhook, long\n")
    text = WHOLE.replace("SECRET", str(tmp_path / "secret"))
    settings = make(tmp_path, text, {"STORE": "postgresql://u:p@db/x", "EVENTS": "of events"})
    assert (settings.host, settings.port, settings.is_local) == ("::", 9000, False)
    assert settings.base_url == "https://scanner.example.com"
    assert settings.store == "postgresql://u:p@db/x"
    assert settings.scan.cache_dir == Path("cache")
    assert settings.scan.secret_budget == 10_000_000
    assert settings.scan.timeout == 10
    assert (settings.scan.twins.index, settings.scan.twins.tag_suffix) == (False, "-nydus")
    assert (settings.pool.workers, settings.pool.time_limit, settings.pool.retry_in) == (4, 300, 30_000)
    assert settings.pool.lease == 120_000
    assert settings.pool.memory_limit == 2 << 30
    assert settings.registries.plain_http == ("registry.inside.example.com:5000",)
    assert settings.rules[0] == Rule(
        repository="team/**", tag="v*", scanners=("vuln", "secret"), deliver=("chat", "sarif")
    )
    assert settings.rules[1].scan is False
    assert settings.target("chat").secret == "of the webhook, long"
    assert settings.target("sarif").kind is DeliveryKind.REFERRER
    assert settings.events.registry_secret == "of events"
    assert (settings.harbor.sbom, settings.harbor.bearer, settings.harbor.fresh_for) == (False, True, 3_600_000)
    assert (settings.keep.older_than, settings.keep.size_limit) == (30 * DAY, 10 << 30)
    assert (settings.limits.queue, settings.limits.body, settings.limits.hunts) == (50, 65_536, 1)
    assert settings.present.engine == "syft"


def test_nothing_secret_is_shown(tmp_path):
    (tmp_path / "secret").write_text("of the webhook, long")
    text = WHOLE.replace("SECRET", str(tmp_path / "secret"))
    shown = repr(make(tmp_path, text, {"STORE": "postgresql://u:hidden@db/x", "EVENTS": "of events"}))
    assert not [secret for secret in ("of the webhook, long", "of events", "hidden") if secret in shown]


def test_options_go_before_the_file(tmp_path):
    text = "listen: 127.0.0.1:1\nworkers: 3\nregistries: {allow: [a.example.com]}\nlimits: {body: 2KiB}\n"
    said = {"listen": "127.0.0.1:2", "allow": ("b.example.com",), "workers": None, "queue_limit": 7, "keep_days": 3}
    settings = make(tmp_path, text, **said)
    assert (settings.port, settings.pool.workers) == (2, 3)
    assert settings.registries.allow == ("a.example.com", "b.example.com")
    assert (settings.limits.queue, settings.limits.body) == (7, 2048)
    assert settings.keep.older_than == 3 * DAY


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("listn: 1", "listn"),
        ("registries: {allows: []}", "allows"),
        ("workers: many", "workers"),
        ("workers: -1", "workers"),
        ("listen: '8080'", "ADDRESS:PORT"),
        ("listen: 127.0.0.1:99999", "ADDRESS:PORT"),
        ("base-url: scanner.example.com", "base-url"),
        ("scan: {time: soon}", "span of time"),
        ("keep: {size: much}", "size"),
        ("rules: [{deliver: [nobody]}]", "no target 'nobody'"),
        ("news: [nobody]", "no target 'nobody'"),
        ("rules: [{scanners: [virus]}]", "scanners are"),
        ("targets: {a: {}}", "webhook or a referrer"),
        ("targets: {a: {webhook: 'ftp://x'}}", "https://"),
        ("targets: {a: {referrer: pdf}}", "referrer"),
        ("targets: {'a b': {referrer: sarif}}", "targets"),
        ("- a\n- b", "object"),
        ("a: [", "line"),
        ("&a [*a]", "serve.yaml"),
    ],
)
def test_what_is_not_understood_is_said(tmp_path, text, why):
    with pytest.raises(MalformedSettings, match=why):
        make(tmp_path, text)


def test_networks_are_checked(tmp_path):
    with pytest.raises(MalformedNetwork):
        make(tmp_path, "registries: {networks: [10.0.0.0/99]}")


@pytest.mark.parametrize("place", ["env:NOTHING", "file:/nonexistent/secret", "file:EMPTY"])
def test_secrets_that_are_not_there(tmp_path, place):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(NoSecret):
        make(tmp_path, f"store: '{place.replace('EMPTY', str(tmp_path / 'empty'))}'")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MalformedSettings, match="No such file"):
        read_form(tmp_path / "nothing.yaml")


def test_the_form_has_the_defaults_of_the_settings(tmp_path):
    made = make(tmp_path)
    assert made.limits == WebLimits()
    assert made.harbor == HarborSettings()
    assert made.pool == PoolTerms()
    assert made.keep == KeepTerms()
    assert made.registries == RegistrySettings()
