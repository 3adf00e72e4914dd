"""Texts with secrets in them, made at run time so that no file here has anything that looks like one."""

from functools import lru_cache

from rafsight.analysis.secrets.configuration import default_settings
from rafsight.analysis.secrets.examples import expand
from rafsight.analysis.secrets.matching import Matcher
from rafsight.analysis.secrets.scan import SecretSearch
from rafsight.analysis.secrets.selection import Care

NOW = 1_800_000_000


def made(text, seed="test"):
    """Put random characters in the place of generators."""
    return expand(text, seed).encode()


@lru_cache
def matcher():
    return Matcher(default_settings().rules, now=NOW)


def found(text, path=b"srv/app/.env", care=Care.ALL):
    """Return (rule, value) of all hits."""
    return [(hit.rule.id, hit.value) for hit in matcher().find(text, path, care).hits]


def search(settings=None, **options):
    return SecretSearch(settings or default_settings(), salt=b"salt", now=NOW, **options)


def read(one, path, content):
    choice = one.choose(path, len(content))
    assert choice is not None, path
    one.name(path, len(content))
    one.read(path, content, choice=choice)
