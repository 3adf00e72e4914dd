"""`rafsight completion`: a script by which a shell completes commands, options and their values."""

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from rafsight.interfaces.cli.lazy import SectionedCommand
from rafsight.interfaces.cli.output import write_text

SHELLS: Final[dict[str, type[ShellComplete]]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
_VARIABLE: Final = "_RAFSIGHT_COMPLETE"
"""The variable by which click is asked for completions: made of the program's name."""


@click.command("completion", cls=SectionedCommand, short_help="Write a script that lets a shell complete by Tab.")
@click.argument("shell", type=click.Choice(tuple(SHELLS)))
def completion(shell: str) -> None:
    """Write a script that lets SHELL complete commands, options and their values by Tab: bash, zsh or fish.

    \b
    For this shell, and for those to come:
      bash  eval "$(rafsight completion bash)"         in ~/.bashrc
      zsh   eval "$(rafsight completion zsh)"          in ~/.zshrc, below compinit
      fish  rafsight completion fish > ~/.config/fish/completions/rafsight.fish
    """  # noqa: D301 - click wants a backspace
    root = click.get_current_context().find_root().command
    made = SHELLS[shell](root, {}, "rafsight", _VARIABLE)
    script = made.source_template % made.source_vars()
    # what we have nothing for, such as a REF, may be a file
    write_text(script.replace("complete -o nosort -F", "complete -o nosort -o default -F").strip() + "\n")
