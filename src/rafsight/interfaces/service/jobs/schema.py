"""The tables of the store.

This module alone names them. SQLite and PostgreSQL get the same ones: `{blob}` and `{text}` are what they call bytes,
and text that is ordered by its bytes; truth is 0 or 1, times are [ms since 1970], and lists are words with commas
between.
"""

from typing import Final

VERSION: Final = 1
"""Of the tables. A release that needs others raises it, and brings the way from here to there."""

_JOB: Final = """
CREATE TABLE job (
    id {text} PRIMARY KEY, key {text} NOT NULL, state {text} NOT NULL,
    registry {text} NOT NULL, repository {text} NOT NULL, digest {text} NOT NULL, tag {text} NOT NULL,
    scanners {text} NOT NULL, declared BIGINT NOT NULL, platform {text} NOT NULL, plain_http BIGINT,
    source {text} NOT NULL, priority BIGINT NOT NULL, created BIGINT NOT NULL, due BIGINT NOT NULL,
    started BIGINT, finished BIGINT, attempts BIGINT NOT NULL, worker {text} NOT NULL, replica {text} NOT NULL,
    lease BIGINT, failure {text} NOT NULL, report {text} NOT NULL,
    lent BIGINT NOT NULL, ticket {text} NOT NULL, search {text} NOT NULL
)
"""
_REQUEST: Final = """
CREATE TABLE request (
    id {text} PRIMARY KEY, job {text} NOT NULL,
    registry {text} NOT NULL, repository {text} NOT NULL, digest {text} NOT NULL, tag {text} NOT NULL,
    plain_http BIGINT, source {text} NOT NULL, note {text} NOT NULL, created BIGINT NOT NULL,
    lent BIGINT NOT NULL, replica {text} NOT NULL
)
"""
_REPORT: Final = """
CREATE TABLE report (
    id {text} PRIMARY KEY,
    registry {text} NOT NULL, repository {text} NOT NULL, digest {text} NOT NULL, tag {text} NOT NULL,
    scanners {text} NOT NULL, read_digest {text} NOT NULL, database_digest {text} NOT NULL,
    database_built {text} NOT NULL, version {text} NOT NULL, scanned BIGINT NOT NULL, matched BIGINT NOT NULL,
    critical BIGINT NOT NULL, high BIGINT NOT NULL, medium BIGINT NOT NULL, low BIGINT NOT NULL,
    negligible BIGINT NOT NULL, unknown BIGINT NOT NULL, fixable BIGINT NOT NULL, exploited BIGINT NOT NULL,
    secrets BIGINT NOT NULL, misconfigurations BIGINT NOT NULL, components BIGINT NOT NULL, complete BIGINT NOT NULL,
    size BIGINT NOT NULL
)
"""
_IMAGE: Final = """
CREATE TABLE image (
    registry {text} NOT NULL, repository {text} NOT NULL, tag {text} NOT NULL, digest {text} NOT NULL,
    seen BIGINT NOT NULL, report {text} NOT NULL, is_current BIGINT NOT NULL, search {text} NOT NULL,
    PRIMARY KEY (registry, repository, tag, digest)
)
"""
_NEWS: Final = """
CREATE TABLE news (
    id {text} PRIMARY KEY, report {text} NOT NULL,
    registry {text} NOT NULL, repository {text} NOT NULL, digest {text} NOT NULL, tag {text} NOT NULL,
    made BIGINT NOT NULL, database_digest {text} NOT NULL,
    added_count BIGINT NOT NULL, removed_count BIGINT NOT NULL, content {blob} NOT NULL
)
"""
_DELIVERY: Final = """
CREATE TABLE delivery (
    id {text} PRIMARY KEY, same {text} NOT NULL UNIQUE, kind {text} NOT NULL, event {text} NOT NULL,
    state {text} NOT NULL, target {text} NOT NULL, note {text} NOT NULL, tells_failures BIGINT NOT NULL,
    registry {text} NOT NULL, repository {text} NOT NULL, digest {text} NOT NULL, tag {text} NOT NULL,
    job {text} NOT NULL, report {text} NOT NULL, news {text} NOT NULL,
    created BIGINT NOT NULL, due BIGINT NOT NULL, attempts BIGINT NOT NULL, finished BIGINT,
    failure {text} NOT NULL, ticket {text} NOT NULL
)
"""
_TOKENS: Final = """
CREATE TABLE token (
    id {text} PRIMARY KEY, digest {blob} NOT NULL UNIQUE, name {text} NOT NULL, scopes {text} NOT NULL,
    created BIGINT NOT NULL, expires BIGINT, used BIGINT, revoked BIGINT
)
"""

_STATEMENTS: Final = (
    _JOB,
    "CREATE UNIQUE INDEX job_live ON job (key) WHERE state IN ('waiting', 'running')",
    "CREATE INDEX job_waiting ON job (priority DESC, created, id) WHERE state = 'waiting'",
    "CREATE INDEX job_running ON job (lease) WHERE state = 'running'",
    "CREATE INDEX job_key ON job (key, finished)",
    "CREATE INDEX job_state ON job (state, created)",
    "CREATE INDEX job_created ON job (created)",
    "CREATE INDEX job_report ON job (report)",
    _REQUEST,
    "CREATE INDEX request_job ON request (job, created)",
    _REPORT,
    "CREATE INDEX report_digest ON report (digest, scanned)",
    "CREATE INDEX report_read_digest ON report (read_digest, scanned)",
    "CREATE INDEX report_scanned ON report (scanned)",
    "CREATE TABLE report_content (report {text} PRIMARY KEY, content {blob} NOT NULL)",
    _IMAGE,
    "CREATE INDEX image_digest ON image (digest)",
    "CREATE INDEX image_report ON image (report)",
    _NEWS,
    "CREATE INDEX news_report ON news (report, made)",
    "CREATE INDEX news_made ON news (made)",
    _DELIVERY,
    "CREATE INDEX delivery_due ON delivery (due, id) WHERE state = 'due'",
    "CREATE INDEX delivery_job ON delivery (job)",
    "CREATE INDEX delivery_report ON delivery (report)",
    "CREATE INDEX delivery_state ON delivery (state, created)",
    "CREATE TABLE replica (id {text} PRIMARY KEY, seen BIGINT NOT NULL)",
    "CREATE TABLE turn (chore {text} PRIMARY KEY, replica {text} NOT NULL, until BIGINT NOT NULL)",
    "CREATE TABLE mark (key {text} PRIMARY KEY, value {text} NOT NULL)",
    _TOKENS,
)


def statements(*, blob: str, text: str) -> list[str]:
    """Return what makes the tables.

    Args:
        blob: the database's word for bytes.
        text: its word for text, with the order of its bytes.
    """
    return [statement.format(blob=blob, text=text) for statement in _STATEMENTS]
