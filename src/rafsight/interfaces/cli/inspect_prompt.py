"""The prompt of `rafsight inspect` on a terminal: editing, completion, history.

This module alone decides what keys do. It imports prompt_toolkit, so it is imported when there is a terminal, never
before.
"""

import os
from collections.abc import Callable, Iterable
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, get_common_complete_suffix
from prompt_toolkit.document import Document
from prompt_toolkit.history import History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output

from rafsight.base.errors import ExitStatus
from rafsight.base.text import printable
from rafsight.interfaces.cli.inspect_history import RequestHistory
from rafsight.interfaces.cli.output import flush_output

if TYPE_CHECKING:
    from rafsight import Inspector


class _RequestCompleter(Completer):
    """Asks the inspector what the word before the cursor could become."""

    def __init__(self, inspector: "Inspector") -> None:
        self._inspector = inspector

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what may stand instead of the word."""
        del complete_event
        completion = self._inspector.complete(_typed(document.text_before_cursor))
        size = len(completion.word.decode("utf-8", "surrogateescape"))
        for candidate in completion.candidates:
            text = candidate.text.decode()
            above, slash, _ = text.rstrip("/").rpartition("/")
            shown = text[len(above) + len(slash) :]
            yield Completion(text, start_position=-size, display=shown, display_meta=candidate.note)


def converse(
    inspector: "Inspector",
    handle: Callable[[bytes], ExitStatus | None],
    *,
    prompt: str,
    history_file: Path,
    warn: Callable[[str], None],
) -> int:
    """Take requests from the terminal until the user leaves.

    Args:
        inspector: says what completes a word, and where it is.
        handle: answers a request, or says why not; None if the user wants to leave.
        prompt: stands before what is typed.
        history_file: where requests are kept for the next time.
        warn: told if they cannot be.
    """
    session: PromptSession[str] = PromptSession(
        prompt,
        history=_history(history_file, warn),
        completer=_RequestCompleter(inspector),
        complete_while_typing=False,
        auto_suggest=AutoSuggestFromHistory(),
        enable_history_search=True,
        enable_suspend=True,
        output=_output(),
        key_bindings=_keys(),
        bottom_toolbar=lambda: f" {printable(b'/' + inspector.directory)}   Tab completes   help   Ctrl-D leaves",
    )
    was_interrupted = False
    while True:
        try:
            text = session.prompt()
        except KeyboardInterrupt:
            continue  # an empty line, as shells have it
        except EOFError:
            break
        outcome = _answer_all(text, handle)
        was_interrupted |= outcome is _Outcome.INTERRUPTED
        if outcome is _Outcome.LEAVE:
            break
    if was_interrupted:  # its threads may still wait for a registry, and the interpreter would wait for them
        flush_output()
        os._exit(ExitStatus.OK)
    return ExitStatus.OK


def _output() -> Output:
    """Return the terminal, which is not asked where its cursor is: those that do not answer would be complained of."""
    output = create_output()
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False
    return output


def _keys() -> KeyBindings:
    keys = KeyBindings()
    keys.add("tab")(_complete)
    return keys


def _complete(event: KeyPressEvent) -> None:
    """Complete at once as far as it is certain, before the next key is looked at; then show what is left to choose."""
    buffer = event.current_buffer
    if buffer.complete_state:
        buffer.complete_next()
        return
    asked = CompleteEvent(completion_requested=True)
    found = [] if buffer.completer is None else list(buffer.completer.get_completions(buffer.document, asked))
    if len(found) == 1:
        buffer.delete_before_cursor(-found[0].start_position)
        buffer.insert_text(found[0].text)
    elif found:
        buffer.insert_text(get_common_complete_suffix(buffer.document, found))
        buffer.start_completion()


class _Outcome(Enum):
    GO_ON = auto()
    LEAVE = auto()
    INTERRUPTED = auto()


def _answer_all(text: str, handle: Callable[[bytes], ExitStatus | None]) -> _Outcome:
    """Answer the requests of a text, one a line (pasted ones are several)."""
    try:
        is_done = all(handle(_typed(line)) is not None for line in text.split("\n") if line.strip())
    except KeyboardInterrupt:  # of an answer that takes too long
        click.echo(err=True)
        return _Outcome.INTERRUPTED
    return _Outcome.GO_ON if is_done else _Outcome.LEAVE


def _history(file: Path, warn: Callable[[str], None]) -> History:
    try:
        return RequestHistory(file)
    except OSError as error:
        warn(f"requests are not kept for the next time: {printable(file.name)}: {error.strerror or error}")
        return InMemoryHistory()


def _typed(text: str) -> bytes:
    """Return the bytes that came from the keyboard."""
    return text.encode("utf-8", "surrogateescape")
