"""Words of other programs: each gets an answer that is true of the command that refused it."""

import itertools
import re

import click
import pytest

from rafsight.interfaces.cli import COMMANDS, root, run
from rafsight.interfaces.cli.familiar import _COMMANDS, _OPTIONS, _REQUESTS, command_advice, option_advice

CONTEXT = click.Context(root, info_name="rafsight")


def commands():
    """Yield the words of each command, and the command."""
    yield ("rafsight",), root
    for entry in COMMANDS:
        command = root.get_command(CONTEXT, entry.name)
        yield ("rafsight", entry.name), command
        if isinstance(command, click.Group):
            for name, member in command.commands.items():
                yield ("rafsight", entry.name, name), member


ALL = dict(commands())


def options_of(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}


def known_in(advice, command):
    """Return the options that an advice may name: of the command, the whole, and commands that it writes out."""
    known = options_of(command) | options_of(root) | {"--version", "--help", "--url"}
    for written in re.findall(r"`(rafsight [a-z]+(?: [a-z]+)?)", advice):
        words = tuple(written.split())
        known |= options_of(ALL.get(words) or ALL[words[:2]])
    return known


CASES = [
    (word, path) for (path, command), foreign in itertools.product(ALL.items(), _OPTIONS) for word in foreign.words
]


def test_options_that_an_advice_names_are_there():
    told = set()
    for word, path in CASES:
        command = ALL[path]
        if word in options_of(command):
            continue
        if advice := option_advice(word, command):
            told.add(word)
            named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", advice))
            assert named <= known_in(advice, command), (path, word, advice)
            assert "{" not in advice
    assert told == {word for foreign in _OPTIONS for word in foreign.words}


@pytest.mark.parametrize("word", [*_COMMANDS, *sorted(_REQUESTS)])
def test_commands_that_an_advice_names_are_there(word):
    assert word not in [entry.name for entry in COMMANDS]
    advice = command_advice(word)
    for name in re.findall(r"`rafsight ([a-z]+)", advice):
        assert ("rafsight", name) in ALL
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", advice)) <= known_in(advice, root) | {"--username"}


def test_requests_are_those_of_inspect(capsys):
    run(["inspect", "--help"])
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    assert words >= _REQUESTS


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        (["image", "x"], "No such command 'image'.", "`rafsight scan REF`"),
        (["mount", "x"], "No such command 'mount'.", "`rafsight view REF DIR`"),
        (["diff", "x"], "No such command 'diff'.", "`rafsight inspect REF -R 'diff ...'`"),
        (["scan", "--input", "x"], "No such option '--input'.", "docker-archive:FILE"),
        (["scan", "--skip-db-update", "x"], "No such option '--skip-db-update'.", "`rafsight db update`"),
        (["check", "--json", "x"], "No such option '--json'.", "here: text, json, junit."),
        (["ls", "--format", "json", "x"], "No such option '--format'.", "`--json`"),
        (["scan", "--password=x", "y"], "No such option '--password'.", "--password-stdin"),
        (["find", "x", "-name", "*.pem"], "No such option '-n'.", "`rafsight find REF '*.pem'`"),
        (["find", "x", "a", "b"], "Got unexpected extra argument (b)", "quotes"),
        (["inspect", "x", "stats"], "Got unexpected extra argument (stats)", "-R"),
        (["-v"], "No such option '-v'.", "`rafsight --version`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_foreign_word_is_told_what_stands_for_it(arguments, said, hint, capsys):
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    first, second = err.splitlines()
    assert first == f"rafsight: error: {said}"
    assert hint in second


def test_help_is_a_word_too(capsys):
    for words, options in ((["help"], ["--help"]), (["help", "db", "update"], ["db", "update", "--help"])):
        assert run(words) == 0
        asked = capsys.readouterr().out
        assert run(options) == 0
        assert asked == capsys.readouterr().out != ""
