"""A YAML document with the lines that its parts stand on, read field by field.

This module alone decides how a mistake in a configuration file is told: the file, the line, what is wrong there.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from rafsight.base.errors import CallerError, ExitStatus
from rafsight.base.units import MiB

SIZE: Final = 4 * MiB
"""[bytes] of one file."""
_LINE: Final = "\0line"
"""Key of each mapping's line: no YAML text can have it."""
_T = TypeVar("_T")


class MalformedConfiguration(CallerError):
    """A configuration file does not say what can be done."""

    code = "malformed-configuration"
    template = "{file}, line {line}: {what}"
    remedy = "docs/secrets.md has all keys; `rafsight rules test` checks a file."
    exit_status = ExitStatus.USAGE


class Fields:
    """One mapping; whoever has read all fields asks `finish` whether there were others."""

    def __init__(self, values: dict[str, Any], file: str) -> None:
        self._values = {key: value for key, value in values.items() if key != _LINE}
        self.line = int(values.get(_LINE, 1))
        self.file = file

    def fault(self, what: str) -> MalformedConfiguration:
        """Make an error about this mapping."""
        return MalformedConfiguration(file=self.file, line=self.line, what=what)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str, default: str | None = None) -> str:
        """Take a text.

        Raises: MalformedConfiguration: it is none, or missing without a default.
        """
        value = self._values.pop(key, None)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not value:
            raise self.fault(what=f"{key} has to be a text")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Take a list of texts, or one text.

        Raises: MalformedConfiguration.
        """
        value = self._values.pop(key, None)
        if value is None:
            return default
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            raise self.fault(what=f"{key} has to be a list of texts")
        return tuple(items)

    def choice(self, key: str, choices: Callable[[str], _T], names: Sequence[str], default: _T | None = None) -> _T:
        """Take one of some words.

        Raises: MalformedConfiguration.
        """
        if key not in self._values and default is not None:
            return default
        word = self.text(key)
        try:
            return choices(word)
        except (KeyError, ValueError):
            raise self.fault(what=f"{key} is '{word}', not one of {', '.join(names)}") from None

    def number(self, key: str, default: float) -> float:
        """Take a number that is not negative.

        Raises: MalformedConfiguration.
        """
        value = self._values.pop(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
            raise self.fault(what=f"{key} has to be a number")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Take `true` or `false`.

        Raises: MalformedConfiguration.
        """
        value = self._values.pop(key, default)
        if not isinstance(value, bool):
            raise self.fault(what=f"{key} has to be true or false")
        return value

    def mappings(self, key: str) -> list["Fields"]:
        """Take a list of mappings.

        Raises: MalformedConfiguration.
        """
        value = self._values.pop(key, None)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.fault(what=f"{key} has to be a list of mappings")
        return [Fields(item, self.file) for item in value]

    def mapping(self, key: str) -> "Fields":
        """Take a mapping; an empty one if it is missing.

        Raises: MalformedConfiguration.
        """
        value = self._values.pop(key, None)
        if value is None:
            return Fields({_LINE: self.line}, self.file)
        if not isinstance(value, dict):
            raise self.fault(what=f"{key} has to be a mapping")
        return Fields(value, self.file)

    def raw(self, key: str) -> Any:
        """Take whatever is there."""
        return self._values.pop(key, None)

    def keys(self) -> list[str]:
        """Return the keys that were not taken yet."""
        return [str(key) for key in self._values]

    def finish(self) -> None:
        """Refuse what nobody took.

        Raises: MalformedConfiguration.
        """
        if self._values:
            raise self.fault(what=f"there is no key {', '.join(map(str, self._values))} here")


def read_fields(content: bytes, file: str) -> Fields:
    """Read a YAML document that is a mapping.

    Args:
        content: the bytes of the file.
        file: its name, for messages.
    Raises: MalformedConfiguration.
    """
    import yaml

    if len(content) > SIZE:
        raise MalformedConfiguration(file=file, line=1, what=f"it has more than {SIZE} bytes")
    try:
        value = yaml.load(content, Loader=_loader())  # noqa: S506 - it is a safe loader that keeps lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MalformedConfiguration(file=file, line=line, what=str(error.problem)) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MalformedConfiguration(file=file, line=1, what=str(error).splitlines()[0]) from None
    if value is None:
        return Fields({}, file)
    if not isinstance(value, dict):
        raise MalformedConfiguration(file=file, line=1, what="it has to be a mapping")
    return Fields(value, file)


def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]  # PyYAML has no types
        """Keeps the line of each mapping, and takes no key twice."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[str] = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:  # the first one would be forgotten
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
                seen.add(key.value)
            found = super().construct_mapping(node, deep=deep)
            found[_LINE] = node.start_mark.line + 1
            return found

    return Loader
