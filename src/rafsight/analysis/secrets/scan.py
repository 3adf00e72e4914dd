"""The search for secrets in one image: contents and names go in, findings come out. Pure; the caller fetches.

    search = SecretSearch(settings, salt=..., now=...)
    for path, size in files: choice = search.choose(path, size)             # price, order, fetch: the caller's
    search.read(path, content)                                              # or search.give_up(path, why)
    search.read_text("config.Env[0]", b"TOKEN=...")
    report = search.finish()

This module alone ties names, forms, archives, rules and allow-lists together.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from rafsight.analysis.inventory import Gap, GapReason
from rafsight.analysis.secrets.archive import ArchiveGap, read_archive
from rafsight.analysis.secrets.excerpt import MaskedText
from rafsight.analysis.secrets.finding import SecretPlace
from rafsight.analysis.secrets.form import open_text
from rafsight.analysis.secrets.gathering import Gathering
from rafsight.analysis.secrets.globs import GlobTable, compile_globs
from rafsight.analysis.secrets.magic import begins_like
from rafsight.analysis.secrets.matching import Hit, Matcher
from rafsight.analysis.secrets.report import LookedAt, SecretReport
from rafsight.analysis.secrets.rule import FileRule
from rafsight.analysis.secrets.selection import MAX_SIZE, Care, Choice, Place, choose, is_large, place_of
from rafsight.analysis.secrets.settings import SecretSettings
from rafsight.base.text import escape

_EXTRACTOR: Final = "secrets"
_ARCHIVE_DEPTH: Final = 2
_GAPS: Final = 1000
"""Gaps that are named; the others are counted."""
HEAD_SIZE: Final = 64
"""[bytes] that tell whether a file is what its name says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """Where a content lies."""

    path: bytes
    place: str
    layer: str
    more_paths: tuple[bytes, ...]
    """Other names of the same file."""


class SecretSearch:
    """The state of the search. The result does not depend on the order in which contents come."""

    def __init__(self, settings: SecretSettings, *, salt: bytes, now: int, max_size: int = MAX_SIZE) -> None:
        """Begin.

        Args:
            settings: rules and what the user allows.
            salt: for the fingerprints.
            now: [s] since 1970, for tokens that expire.
            max_size: [bytes] of files that are read.
        """
        self._settings = settings
        self._max_size = max_size
        self._matcher = Matcher(settings.rules, stop_words=settings.stop_words, now=now)
        self._file_rules = settings.rules.file_rules
        self._names = GlobTable((number, rule.paths) for number, rule in enumerate(self._file_rules))
        self._exceptions = [compile_globs(rule.exceptions) for rule in self._file_rules]
        self._skips = compile_globs(settings.skips)
        self._gathering = Gathering(salt)
        self._pending: dict[tuple[bytes, str], list[FileRule]] = {}
        self._gaps: list[Gap] = []
        self._gap_count = 0
        self._counts: Counter[str] = Counter()

    def choose(self, path: bytes, size: int) -> Choice | None:
        """Decide whether a file is read, by its path and size; see `selection.choose`."""
        return None if self._skips.fullmatch(path) else choose(path, size, max_size=self._max_size)

    def name(self, path: bytes, size: int, *, layer: str = "") -> bool:
        """Take note of a file; tell whether its name makes it a finding that its first bytes may refute.

        Args:
            path: of a regular file.
            size: [bytes]
            layer: digest of the layer that has it, where an upper one hides it.
        """
        self._counts["names"] += 1
        if not size or self._skips.fullmatch(path):
            return False
        if is_large(path, size, max_size=self._max_size):
            self._gap(GapReason.TOO_LARGE, path, f"{size} bytes, more than the {self._max_size} that are searched")
        rules = [
            rule
            for rule, exception in (
                (self._file_rules[number], self._exceptions[number]) for number in self._names.owners(path)
            )
            if size >= rule.min_size and not exception.fullmatch(path)
        ]
        if rules and place_of(path) is not Place.PACKAGES:
            self._pending[path, layer] = rules
            return any(rule.magic for rule in rules)
        return False

    def read(
        self, path: bytes, content: bytes, *, choice: Choice, layer: str = "", more_paths: tuple[bytes, ...] = ()
    ) -> None:
        """Search a file.

        Args:
            path: of the file.
            content: all of it.
            choice: why it was read.
            layer: digest of the layer that has it, where an upper one hides it.
            more_paths: other names of the same file.
        """
        self._counts["files"] += 1
        self._counts["size"] += len(content)
        self._counts["hidden_files"] += bool(layer)
        where = _Where(path=path, place="", layer=layer, more_paths=more_paths)
        self._search(where, content, choice.care, depth=0 if choice.is_archive else _ARCHIVE_DEPTH)
        self._confirm(path, layer, content)

    def read_head(self, path: bytes, head: bytes, *, layer: str = "") -> None:
        """Take the first bytes of a file that is not searched."""
        self._confirm(path, layer, head)

    def read_text(self, place: str, text: bytes) -> None:
        """Search a text that is not in a file.

        Args:
            place: `config.Env[0]` and the like.
            text: the text.
        """
        self._counts["texts"] += 1
        self._search(_Where(path=b"", place=place, layer="", more_paths=()), text, Care.ALL, depth=_ARCHIVE_DEPTH)

    def give_up(self, path: bytes, why: str) -> None:
        """Say that a file could not be read."""
        self._gap(GapReason.UNREADABLE, path, why)

    def leave_out(self, subject: str, why: str, reason: GapReason = GapReason.TOO_LARGE) -> None:
        """Say that something was not searched."""
        self._gaps.append(Gap(reason=reason, subject=subject, detail=why, extractor=_EXTRACTOR))

    def finish(self, *, packaged: int = 0) -> SecretReport:
        """Give the result.

        Args:
            packaged: files that were left alone.
        """
        for (path, layer), rules in self._pending.items():
            for rule in rules:
                self._add_file(rule, path, layer, is_confirmed=not rule.is_confirmed_by_secret and not rule.magic)
        self._pending.clear()
        if self._gap_count > _GAPS:
            self.leave_out(f"{self._gap_count - _GAPS} more files", "they were not searched for reasons like these")
        counts = {name: self._counts[name] for name in ("files", "size", "members", "hidden_files", "texts", "names")}
        return SecretReport(
            secrets=self._gathering.finish(),
            gaps=tuple(self._gaps),
            looked_at=LookedAt(**counts, packaged=packaged),
            allowed=self._counts["allowed"],
        )

    def _search(self, where: _Where, content: bytes, care: Care, *, depth: int) -> None:
        """Search a content, and the members of one that is an archive."""
        if depth < _ARCHIVE_DEPTH and self._search_members(where, content, depth):
            return
        text = open_text(content)
        care = Care.TOKENS if text.is_binary else care
        matches = self._matcher.find(text.content, where.path or where.place.encode(), care)
        self._counts["allowed"] += matches.allowed
        if matches.is_cut:
            subject = escape(where.path) or where.place
            self.leave_out(subject, "it has more secrets, or what looks like them, than are listed")
        if not matches.hits:
            return
        spans = (*matches.masked, *self._matcher.find_all(text.content))  # a neighbour may be of less certain a kind
        masked = MaskedText(text.content, spans, is_binary=text.is_binary)
        for hit in matches.hits:
            excerpt = masked.excerpt(hit.start, hit.end)
            place = SecretPlace(
                path=where.path,
                place=where.place,
                start_line=excerpt.start_line,
                end_line=excerpt.end_line,
                offset=text.file_offset(hit.start),
                layer=where.layer,
            )
            if self._is_allowed(hit, where):
                self._counts["allowed"] += 1
                continue
            for path in (where.path, *where.more_paths):
                self._gathering.add(hit, excerpt, replace(place, path=path))

    def _search_members(self, where: _Where, content: bytes, depth: int) -> bool:
        """Search the members of an archive; tell whether it was one."""
        members = read_archive(content, where.path.rpartition(b"/")[2], max_size=self._max_size)
        if members is None:
            return False
        skipped: list[str] = []
        for member in members:
            if isinstance(member, ArchiveGap):
                skipped.append(member.what)
                continue
            choice = self.choose(member.name, len(member.content))
            inner = replace(where, path=where.path + b"!" + member.name, more_paths=())
            self._counts["members"] += choice is not None
            if choice is not None:
                self._search(inner, member.content, choice.care, depth=depth + 1)
        if skipped:
            more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
            self._gap(GapReason.UNSUPPORTED, where.path, skipped[0] + more)
        return True

    def _is_allowed(self, hit: Hit, where: _Where) -> bool:
        fingerprint = self._gathering.fingerprint(hit.value)
        return any(
            allowance.covers(hit.rule.id, where.path or where.place.encode(), hit.value, fingerprint)
            for allowance in self._settings.allowances
        )

    def _confirm(self, path: bytes, layer: str, content: bytes) -> None:
        """See whether a file is what its name says, now that its content is known."""
        for rule in self._pending.pop((path, layer), ()):
            if rule.is_confirmed_by_secret:
                continue  # a rule said it better, or there is no secret in it
            if not rule.magic or begins_like(content, rule.magic):
                self._add_file(rule, path, layer, is_confirmed=True)

    def _add_file(self, rule: FileRule, path: bytes, layer: str, *, is_confirmed: bool) -> None:
        if any(allowance.covers(rule.id, path, None, "") for allowance in self._settings.allowances):
            self._counts["allowed"] += 1
            return
        self._gathering.add_file(rule, SecretPlace(path=path, layer=layer), is_confirmed=is_confirmed)

    def _gap(self, reason: GapReason, path: bytes, detail: str) -> None:
        self._gap_count += 1
        if self._gap_count <= _GAPS:
            self._gaps.append(Gap(reason=reason, subject=escape(path), detail=detail, extractor=_EXTRACTOR))
