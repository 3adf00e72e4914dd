"""The steps of a build, from a config's history, whoever wrote it: classic builder, BuildKit, buildah, kaniko.

This module alone knows how they differ: `#(nop)` before what runs nothing, `|2 A=1 B=2` before a shell with build
arguments, `# buildkit` and `|key=value` behind.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rafsight.formats.oci.config import History

TEXT_SIZE: Final = 64 * 1024
"""[characters] of one step; what follows is not looked at."""
STEP_COUNT: Final = 10_000
_WORDS: Final = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER VOLUME"
    " WORKDIR"
)
_INSTRUCTIONS: Final = frozenset(_WORDS.split())
_NOP: Final = re.compile(r"#\(nop\)\s*+")
_BUILDAH: Final = re.compile(r"\|(?:inheritLabels|unsetLabel|forceMtime|force-mtime|sourceDateEpoch|stage)=")
_MOUNT: Final = re.compile(r"--(?:mount|network|security)=\S+")
_ARGUMENT: Final = re.compile(r"""[A-Za-z_][A-Za-z0-9_]*+=""")
_SHELL: Final = re.compile(
    r"(?:/usr)?(?:/bin/)?(?:ba|da|a|k|z)?sh(?:\s++-(?!\w*c\b)(?:o\s++)?\w++|\s++pipefail)*+\s++-\w*c\s++"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a build."""

    index: int
    """In the history, from 0."""
    instruction: str
    """`RUN`, `ADD`, ...; empty if nobody knows."""
    text: str
    """What stands behind it: of RUN the command line."""
    options: tuple[str, ...] = ()
    """`--mount=type=cache,...` of RUN, where the builder kept it."""
    comment: str = ""

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"history[{self.index}]"


def read_steps(history: Sequence[History]) -> tuple[Step, ...]:
    """Take the steps of a history apart. Cost: linear in what `TEXT_SIZE` and `STEP_COUNT` leave of it."""
    return tuple(_step(index, entry) for index, entry in enumerate(history[:STEP_COUNT]))


def _step(index: int, entry: History) -> Step:
    text = entry.created_by[:TEXT_SIZE].strip()
    text = text.removesuffix("# buildkit").rstrip()
    nop = _NOP.search(text, 0, 64)
    if nop is not None:
        text = text[nop.end() :]
        own = _BUILDAH.search(text)
        text = text[: own.start()].rstrip() if own else text
    word, _, rest = text.partition(" ")
    options: tuple[str, ...] = ()
    if word.upper() in _INSTRUCTIONS:
        instruction, text = word.upper(), rest.strip()
    else:
        instruction = "RUN" if nop is None and _runs(text) else ""
    if instruction == "RUN":
        options, text = _command_line(text)
    return Step(index=index, instruction=instruction, text=text, options=options, comment=entry.comment[:TEXT_SIZE])


def _runs(text: str) -> bool:
    """Tell whether a step without an instruction is a command of the classic builder."""
    return _SHELL.match(text) is not None or re.match(r"\|[0-9]++ ", text) is not None


def _command_line(text: str) -> tuple[tuple[str, ...], str]:
    """Return options and the command line of RUN, without build arguments and the shell."""
    options = []
    while found := _MOUNT.match(text):
        options.append(found[0])
        text = text[found.end() :].lstrip()
    counted = re.match(r"\|([0-9]{1,3}) ", text)
    if counted:
        text = _after_arguments(text[counted.end() :], int(counted[1]))
    shell = _SHELL.match(text)
    return tuple(options), text[shell.end() :] if shell else text


def _after_arguments(text: str, count: int) -> str:
    """Return what stands behind `NAME=value` pairs; a value may have blanks, so that the shell ends the last one."""
    shell = re.search(r"(?:^|\s)(?=/(?:usr/)?bin/\w*sh\s)", text)
    if shell:
        return text[shell.end() :]
    for _ in range(count):
        if not _ARGUMENT.match(text):
            break
        text = text.partition(" ")[2]
    return text
