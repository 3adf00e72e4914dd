"""What the options become: a command of our own takes them as every verb does."""

import io
import sys
from pathlib import Path

import click
import pytest

from rafsight import Options
from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.options import global_options, registry_options, with_ui
from rafsight.interfaces.cli.settings import Settings


@click.group()
@global_options
def group():
    """Stand for the whole program."""


@group.command("verb", cls=SectionedCommand)
@registry_options
@with_ui
def verb(*, options, ui):
    """Stand for a verb."""
    return options, ui._settings


def call(*arguments):
    return group.main(list(arguments), prog_name="test", standalone_mode=False, obj=Settings())


def test_nothing_said_means_the_defaults():
    options, settings = call("--cache-dir", "/c", "verb")
    defaults = Options(cache_dir=Path("/c"), environment=options.environment)
    assert options == defaults
    assert settings == Settings(cache_dir=Path("/c"))


def test_everything_said_arrives(tmp_path, capsys):
    files = [tmp_path / name for name in ("a.pem", "b.pem", "cert.pem", "key.pem")]
    for file in files:
        file.touch()
    first, second, certificate, key = files
    options, _ = call(
        *("verb", "--platform", "linux/arm64", "--plain-http", "--insecure", "--offline", "--timeout", "2.5"),
        *("--ca-file", str(first), "--ca-file", str(second), "--cert", str(certificate), "--key", str(key)),
        *("--blob-dir", str(tmp_path)),
    )
    assert options.platform == "linux/arm64"
    assert options.plain_http is True
    assert options.insecure is True
    assert options.offline is True
    assert options.timeout == 2.5
    assert options.ca_files == (first, second)
    assert (options.certificate, options.key) == (certificate, key)
    assert options.blob_dir == tmp_path


@pytest.mark.parametrize(("typed", "seconds"), [("10", 10), ("0.5", 0.5), ("90s", 90), ("1.5m", 90), ("5M", 300)])
def test_a_timeout_is_a_number_of_seconds_or_has_its_unit(typed, seconds):
    options, _ = call("verb", "--timeout", typed)
    assert options.timeout == seconds


@pytest.mark.parametrize("place", ["before", "after", "both"])
def test_global_options_stand_before_or_after_the_command(place):
    said = ["--quiet", "--debug", "--no-progress", "--cache-dir", "/c"]
    _, settings = call(*(said if place != "after" else []), "verb", *(said if place != "before" else []))
    assert settings == Settings(quiet=True, debug=True, no_progress=True, cache_dir=Path("/c"))


def test_the_nearer_cache_folder_wins():
    options, _ = call("--cache-dir", "/outer", "verb", "--cache-dir", "/inner")
    assert options.cache_dir == Path("/inner")


@pytest.mark.parametrize(
    ("typed", "password"),
    [("secret\n", "secret"), ("secret", "secret"), ("a b\r\n", "a b"), ("two\nlines\n", "two\nlines")],
)
def test_the_password_comes_from_standard_input(typed, password):
    before, sys.stdin = sys.stdin, io.StringIO(typed)
    try:
        options, _ = call("verb", "--username", "me", "--password-stdin")
    finally:
        sys.stdin = before
    assert (options.username, options.password) == ("me", password)
