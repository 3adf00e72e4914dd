import pytest

from rafsight.base.digest import MalformedDigest
from rafsight.base.errors import ExitStatus
from rafsight.interfaces.cli.failure import show_failure
from rafsight.interfaces.cli.output import OutputFailed


def test_a_known_error_is_what_and_what_to_do(capsys):
    assert show_failure(MalformedDigest(text="sha1:x"), debug=False) == ExitStatus.REFERENCE
    assert capsys.readouterr().err == (
        "rafsight: error: 'sha1:x' is not a digest\n"
        "  hint: A digest is `sha256:` followed by 64 lower-case hexadecimal digits.\n"
    )


def test_an_unforeseen_error_is_our_mistake(capsys):
    assert show_failure(KeyError("x\x1b[31m\ny"), debug=False) == ExitStatus.DEFECT
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("rafsight: error: this is a mistake in rafsight: KeyError: ")
    assert "--debug" in second


def fill_the_disk():
    raise OutputFailed(where="x", why="full")


def test_debug_shows_where(capsys):
    with pytest.raises(OutputFailed) as caught:
        fill_the_disk()
    assert show_failure(caught.value, debug=True) == ExitStatus.OUTPUT
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in fill_the_disk" in err
    assert err.endswith("rafsight: error: cannot write x: full\n  hint: " + caught.value.advice + "\n")


def test_what_the_system_refuses_is_not_our_mistake(capsys):
    error = PermissionError(13, "Permission denied", "/cache/x")
    assert show_failure(error, debug=False) == ExitStatus.HOST
    assert capsys.readouterr().err.startswith("rafsight: error: the system refused: Permission denied /cache/x\n")


@pytest.mark.parametrize("hostile", ["a\x1b]0;x\x07", "line\nline", "\u202e", "\udc80"])
def test_messages_are_printable(hostile, capsys):
    show_failure(ValueError(hostile), debug=False)
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())
    assert len(capsys.readouterr().err) == 0
