"""Whether the content of a file is what is asked for: by digest, by a regular expression, by YARA rules.

Content comes from strangers and may be made to keep an engine busy. So expressions are matched by RE2, whose time is
linear in the content whatever the expression, and rules by YARA-X, which is stopped after a while. Both are imported
when they are needed. This module alone decides what counts as a match.
"""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from rafsight.base.errors import CallerError, ExitStatus, HostLimit, ImageFault
from rafsight.base.text import escape, printable
from rafsight.base.units import MiB
from rafsight.hunt.question import FileQuestion, MalformedQuestion
from rafsight.reports.hunting import Evidence

if TYPE_CHECKING:
    from types import ModuleType

_SHOWN: Final = 80
"""[bytes] of a match that are shown."""
_ENGINE_MEMORY: Final = 64 * MiB
"""[bytes] that RE2 may take for one expression."""
_PATIENCE: Final = 60
"""[s] that YARA may take for one file."""
_RULES_SHOWN: Final = 10
_SPECIAL: Final = frozenset(r"\.^$*+?{}[]|()")


class NoContentEngine(HostLimit):
    """A package that looks into content is not installed."""

    code = "no-content-engine"
    template = "{option} needs {package}, which is not installed"
    remedy = "Install it: `pip install 'rafsight[{extra}]'`."


class MalformedRules(CallerError):
    """YARA rules do not compile."""

    code = "malformed-yara-rules"
    template = "the YARA rules cannot be used: {why}"
    remedy = "Mend the rules; includes and modules that are not built in are not read."
    exit_status = ExitStatus.USAGE


class NotLookedInto(ImageFault):
    """An engine gave a content up."""

    code = "content-given-up"
    template = "its content was given up: {why}"
    remedy = "Look at the file by hand: `rafsight cat REF PATH`."


class Check(Protocol):
    """One condition on a content. Thread-safe."""

    def evidence(self, content: bytes) -> Evidence | None:
        """Return why a content matches; None if it does not.

        Raises: NotLookedInto.
        """
        ...


class DigestCheck:
    """The content has one of some digests."""

    def __init__(self, digests: Sequence[str]) -> None:
        self._digests = frozenset(digests)

    def evidence(self, content: bytes) -> Evidence | None:
        """See Check."""
        return self.evidence_of(hashlib.sha256(content).hexdigest())

    def evidence_of_pieces(self, pieces: Iterator[bytes]) -> Evidence | None:
        """Return as `evidence` does, of a content that is never in memory as a whole."""
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        return self.evidence_of(digest.hexdigest())

    def evidence_of(self, digest: str) -> Evidence | None:
        """Return why a content of a digest (hex) matches; None if it does not."""
        return Evidence(kind="sha256", text=digest) if digest in self._digests else None


class LiteralCheck:
    """Some bytes stand in the content."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted

    def evidence(self, content: bytes) -> Evidence | None:
        """See Check."""
        offset = content.find(self._wanted)
        return _shown(self._wanted, offset) if offset >= 0 else None


class PatternCheck:
    """A regular expression is found in the content."""

    def __init__(self, pattern: str) -> None:
        """Compile it.

        Raises: NoContentEngine, MalformedQuestion.
        """
        engine: Any = _import("re2", option="--content with an expression", package="google-re2", extra="re2")
        options = engine.Options()
        options.encoding = engine.Options.Encoding.LATIN1
        options.log_errors = False
        options.max_mem = _ENGINE_MEMORY
        try:
            self._search = engine.compile(pattern_bytes(pattern), options).search
        except engine.error as error:
            reason = error.args[0] if error.args else error
            why = printable(reason if isinstance(reason, bytes) else str(reason))
            raise MalformedQuestion(option="--content", text=pattern, why=why) from error

    def evidence(self, content: bytes) -> Evidence | None:
        """See Check."""
        found = self._search(content)
        return None if found is None else _shown(found.group(), found.start())


class YaraCheck:
    """One of some YARA rules matches."""

    def __init__(self, rules: str) -> None:
        """Compile them.

        Raises: NoContentEngine, MalformedRules.
        """
        self._engine: Any = _import("yara_x", option="--yara", package="yara-x", extra="yara")
        compiler = self._engine.Compiler()
        compiler.enable_includes(False)
        try:
            compiler.add_source(rules)
        except self._engine.CompileError as error:
            raise MalformedRules(why=" ".join(str(error).split())) from error
        self._rules = compiler.build()
        self._of_thread = threading.local()

    def evidence(self, content: bytes) -> Evidence | None:
        """See Check."""
        scanner = getattr(self._of_thread, "scanner", None)
        if scanner is None:  # one for each thread: they must not be shared
            scanner = self._of_thread.scanner = self._engine.Scanner(self._rules)
            scanner.set_timeout(_PATIENCE)
        try:
            found = scanner.scan(content).matching_rules
        except (self._engine.TimeoutError, self._engine.ScanError) as error:
            raise NotLookedInto(why=str(error)) from error
        if not found:
            return None
        names = [rule.identifier for rule in found]
        more = f" and {len(names) - _RULES_SHOWN} more" if len(names) > _RULES_SHOWN else ""
        places = [place.offset for rule in found for pattern in rule.patterns for place in pattern.matches]
        text = ", ".join(names[:_RULES_SHOWN]) + more
        return Evidence(kind="yara", text=text, offset=min(places, default=None))


def make_checks(question: FileQuestion) -> tuple[Check, ...]:
    """Make the checks of a question ready, the cheapest first; all have to find something.

    Raises: NoContentEngine, MalformedQuestion, MalformedRules.
    """
    checks: list[Check] = []
    if question.digests:
        checks.append(DigestCheck(question.digests))
    if question.content:
        is_literal = _SPECIAL.isdisjoint(question.content)
        wanted = pattern_bytes(question.content)
        checks.append(LiteralCheck(wanted) if is_literal else PatternCheck(question.content))
    if question.yara:
        checks.append(YaraCheck(question.yara))
    return tuple(checks)


def pattern_bytes(pattern: str) -> bytes:
    """Return the bytes that an expression is written in: UTF-8, undecodable ones as they were typed."""
    return pattern.encode("utf-8", "surrogateescape")


def judge(checks: Sequence[Check], content: bytes) -> tuple[Evidence, ...] | None:
    """Return why a content matches all checks; None if it does not.

    Raises: NotLookedInto.
    """
    found: list[Evidence] = []
    for check in checks:
        evidence = check.evidence(content)
        if evidence is None:
            return None
        found.append(evidence)
    return tuple(found)


def _shown(found: bytes, offset: int) -> Evidence:
    more = "…" if len(found) > _SHOWN else ""
    return Evidence(kind="content", text=escape(found[:_SHOWN]) + more, offset=offset)


def _import(name: str, *, option: str, package: str, extra: str) -> "ModuleType":
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError as error:
        raise NoContentEngine(option=option, package=package, extra=extra) from error
