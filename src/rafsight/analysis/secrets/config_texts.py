"""What an image says about itself, as texts to search: environment, commands, labels, history, annotations.

This module alone decides what these texts are called.
"""

from collections.abc import Iterator, Mapping, Sequence

from rafsight.formats.oci.annotations import Annotations
from rafsight.formats.oci.config import ImageConfig
from rafsight.formats.oci.manifest import decode


def config_texts(config: ImageConfig) -> Iterator[tuple[str, bytes]]:
    """Yield (place, text) for each value of a config: `config.Env[0]`, `config.Labels[NAME]`, `history[3]`, ...

    Raises: MalformedDocument: its runtime part has members of other types; the history came before.
    """
    for number, step in enumerate(config.history):
        for text in (step.created_by, step.comment):
            if text:
                yield f"history[{number}]", _encode(text)
    from rafsight.formats.oci import wire

    runtime = decode(config.raw, wire.RuntimeConfig, "image config").config
    if runtime is None:
        return
    for number, text in enumerate(runtime.env or ()):
        yield f"config.Env[{number}]", _encode(text)
    yield from _command("config.Entrypoint", runtime.entrypoint)
    yield from _command("config.Cmd", runtime.cmd)
    yield from _named("config.Labels", runtime.labels or {})


def annotation_texts(annotations: Annotations) -> Iterator[tuple[str, bytes]]:
    """Yield (place, text) for each annotation of a manifest."""
    yield from _named("annotations", dict(annotations.pairs))


def _command(place: str, words: Sequence[str] | None) -> Iterator[tuple[str, bytes]]:
    """A command is searched as one text, as a shell has it: a flag and its value belong together."""
    if words:
        yield place, _encode(" ".join(words))


def _named(place: str, values: Mapping[str, str | None]) -> Iterator[tuple[str, bytes]]:
    for name, value in values.items():
        if value:
            yield f"{place}[{name}]", _encode(f"{name}={value}")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
