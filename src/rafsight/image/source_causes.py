"""Why an image differs from its source, where that can be known for sure.

This module alone decides which differences have a cause. A difference is the converter's known mistake with
directories that archives do not name only if a model of that mistake (`misplacement`), fed with the same archives,
predicts what the image has. Everything else that is said here the layers say themselves: whiteouts, links, entries.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Final

from rafsight.base.text import escape
from rafsight.formats.judge import Fault, Rule
from rafsight.formats.tables import Placement, Rows
from rafsight.image import source_rules as rules
from rafsight.image.misplacement import Detour, Misplacer
from rafsight.image.source_comparer import ContentComparer
from rafsight.image.source_difference import Difference, value_of
from rafsight.image.source_history import WHITEOUT, LayerHistory
from rafsight.image.tree import ImageTree

_OF_LINKS: Final = (rules.MISSING, rules.TYPE, rules.SIZE, rules.CONTENT, rules.LINKS)
_IMPLIED: Final = (rules.MISPLACED, rules.IMPLIED_ATTRIBUTES)
_OF_DIRECTORIES: Final = (rules.MODE, rules.OWNER, rules.XATTR, rules.MTIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The tree that the converter's mistake would make of the layers."""

    tree: ImageTree
    placement: Placement
    layer: Rows
    """(n,) layer that set each entry."""
    misplacer: Misplacer


class Causes:
    """Makes faults of differences. Differences of entries have to come in path order, each directory before its own."""

    def __init__(
        self,
        *,
        tree: ImageTree,
        source: ImageTree,
        layer: Rows,
        history: LayerHistory,
        model: Model | None,
        comparer: ContentComparer,
    ) -> None:
        self._tree = tree
        self._source = source
        self._layer = layer
        """(n,) layer that set each entry of the source."""
        self._history = history
        self._model = model
        self._comparer = comparer
        self._extra: dict[int, tuple[Rule, str]] = {}
        """What was said of entries of the image that the source does not have: rule, and what to say of those below."""
        self._missing: dict[int, Rule] = {}
        """What was said of entries of the source that the image does not have."""
        self._implied: set[int] = set()
        """Entries that are still here because a whiteout was lost with its directory, and what lies below them."""
        self.implied_count = 0
        """How many differences are the converter's mistake for certain."""
        self.implied_directories: set[bytes] = set()
        """The directories without entries that they follow from."""
        self._confirmed: set[int] = set()
        """Detours that explain a difference."""
        self._unnamed: dict[bytes, int] = {}
        """Directories that no layer names, and how many entries that lay there are missing."""
        self._ways = sorted(model.misplacer.by_path) if model is not None else []
        """Paths of the entries that took a detour."""

    def fault_of(self, difference: Difference) -> Fault:
        """Make a fault of a difference: of its cause if it is known, else of the field."""
        fault = self._fault_of(difference)
        self.implied_count += fault.rule in _IMPLIED or difference.row in self._implied
        return fault

    def _fault_of(self, difference: Difference) -> Fault:
        if difference.row < 0:
            return self._of_missing(difference)
        if difference.source_row < 0:
            return self._of_extra(difference)
        return self._of_changed(difference)

    def explanations(self) -> list[Fault]:
        """Say once for each directory what became of it for want of an entry; after the last `fault_of`."""
        found = []
        for index in sorted(self._confirmed):
            assert self._model is not None
            detour = self._model.misplacer.detours[index]
            where = self._layer_name(detour.layer)
            found.append(
                Fault(rule=rules.IMPLIED_DIRECTORY, where=where, path=detour.directory, detail=self._say(detour))
            )
        for path, count in self._unnamed.items():
            detail = f"no layer has an entry for it, and {_entries(count)} below it are missing here"
            found.append(Fault(rule=rules.IMPLIED_DIRECTORY, where="layers", path=path, detail=detail))
        return found

    def _say(self, detour: Detour) -> str:
        examples = ", ".join("/" + escape(path) for path in detour.examples)
        more = ", ..." if detour.count > len(detour.examples) else ""
        end = ", which is no directory, so that they were lost" if detour.is_lost else ""
        return (
            f"its archive has no entry for this directory; the converter attached {_entries(detour.count)} "
            f"({examples}{more}) below /{escape(detour.landing)}{end}"
        )

    def _of_missing(self, difference: Difference) -> Fault:
        row = difference.source_row
        path, kind = self._source.path(row), self._source.kind(row)
        rule, detail = difference.rule, difference.detail
        parent = path.rpartition(b"/")[0]
        above = self._missing.get(int(self._source.entries.parent[row]))
        if self._model is not None and _exact(self._model.tree, path) is None:
            detour = self._detour_of_entry(path)
            if detour is not None or above is rules.MISPLACED:
                rule, detail = rules.MISPLACED, detail + self._blame(detour)
        elif self._is_lost_link(path, row):
            rule, detail = rules.LOST_LINK, detail + self._first_name(path)
        elif parent not in self._history.named and parent:
            self._unnamed[parent] = self._unnamed.get(parent, 0) + 1
            detail += f"; no layer has an entry for /{escape(parent)}"
        self._missing[row] = rule
        return Fault(rule=rule, where=kind, path=path, detail=detail)

    def _of_extra(self, difference: Difference) -> Fault:
        row = difference.row
        path, kind = self._tree.path(row), self._tree.kind(row)
        rule, detail, below = difference.rule, difference.detail, ""
        above = self._extra.get(int(self._tree.entries.parent[row]))
        misplaced = self._misplaced_at(path)
        removal = self._history.removal_of(path)
        if above is not None and above[0] in (rules.WHITEOUT, rules.UNREMOVED):
            rule, below = rules.UNREMOVED, above[1]
            if int(self._tree.entries.parent[row]) in self._implied:
                self._implied.add(row)
            detail += below
        elif misplaced is not None and self._predicted(path):
            rule, detail = rules.MISPLACED, f"{detail}; it is /{escape(misplaced[1])} of the source"
            detail += self._blame(misplaced[0])
        elif self._tree.name(row).startswith(WHITEOUT):
            rule = rules.MARKER
        elif removal is not None:
            rule = rules.WHITEOUT
            layer, marker = removal
            detail += f"; {self._layer_name(layer)} removes it by /{escape(marker)}"
            detour = self._detour_of_entry(marker)
            detail += self._blame(detour, after=layer)
            if detour is not None:
                self._implied.add(row)
            below = f"; /{escape(path)} was removed by {self._layer_name(layer)}"
        self._extra[row] = rule, below
        return Fault(rule=rule, where=kind, path=path, detail=detail)

    def _of_changed(self, difference: Difference) -> Fault:
        row = difference.row
        path, kind = self._tree.path(row), self._tree.kind(row)
        fault = Fault(rule=difference.rule, where=kind, path=path, detail=difference.detail)
        if difference.rule is rules.MTIME and self._has_no_certain_time(path, difference):
            return replace(fault, rule=rules.DIRECTORY_MTIME)
        if difference.rule in _OF_LINKS and self._is_lost_link(path, difference.source_row):
            return replace(fault, rule=rules.LOST_LINK, detail=fault.detail + self._first_name(path))
        there = _exact(self._model.tree, path) if self._model is not None else None
        if there is None or self._model is None:
            return fault
        layer = int(self._model.layer[there])
        if difference.rule in _OF_DIRECTORIES and (layer, path) in self._model.misplacer.implied:
            if self._is_predicted(difference, there, is_implied=True):
                blame = self._blame(self._detour_of_entry(path, exactly=True))
                self.implied_directories |= set() if blame else {path}
                reason = blame or f"; {self._layer_name(layer)} changes what is in it and has no entry for it"
                return replace(fault, rule=rules.IMPLIED_ATTRIBUTES, detail=fault.detail + reason)
            return fault
        misplaced = self._misplaced_at(path)
        if misplaced is not None and self._is_predicted(difference, there, is_implied=False):
            reason = f"; /{escape(misplaced[1])} came to lie over it" + self._blame(misplaced[0])
            return replace(fault, rule=rules.MISPLACED, detail=fault.detail + reason)
        return fault

    def _is_predicted(self, difference: Difference, there: int, *, is_implied: bool) -> bool:
        """Tell whether the model has the very value that the image has; `there` is the entry's row in the model."""
        assert self._model is not None
        if difference.rule is rules.CONTENT:
            key = self._comparer.key_of(there, self._model.tree, self._model.placement)
            return self._comparer.is_content_of(difference.row, key)
        predicted = value_of(difference.rule, self._model.tree, there)
        if predicted is None or predicted == value_of(difference.rule, self._source, difference.source_row):
            return False
        if difference.rule is rules.MTIME and is_implied:
            return True  # a time that was lost is 0 at first, and any other once such an image was unpacked and packed
        if difference.rule is rules.MTIME:
            return int(self._tree.entries.mtime[difference.row]) == int(self._model.tree.entries.mtime[there])
        return predicted == value_of(difference.rule, self._tree, difference.row)

    def _predicted(self, path: bytes) -> bool:
        return self._model is not None and _exact(self._model.tree, path) is not None

    def _has_no_certain_time(self, path: bytes, difference: Difference) -> bool:
        """Tell whether the last layer that changed a directory, or something in it, has no entry for it."""
        if not self._tree.is_directory(difference.row):
            return False
        return self._history.unnamed.get(path, -1) >= int(self._layer[difference.source_row])

    def _misplaced_at(self, path: bytes) -> tuple[int, bytes] | None:
        return self._model.misplacer.by_place.get(path) if self._model is not None else None

    def _detour_of_entry(self, path: bytes, *, exactly: bool = False) -> int | None:
        """Return the detour that an entry of an archive took, a directory above it, or something below it."""
        if self._model is None:
            return None
        by_path = self._model.misplacer.by_path
        above = path
        while above not in by_path and above and not exactly:
            above = above.rpartition(b"/")[0]
        if above in by_path:
            return by_path[above]
        place = bisect_left(self._ways, path + b"/")
        if not exactly and place < len(self._ways) and self._ways[place].startswith(path + b"/"):
            return by_path[self._ways[place]]
        return None

    def _blame(self, detour: int | None, after: int = -1) -> str:
        """Name the directory whose missing entry made a difference; it will be explained once.

        Args:
            detour: of the entry; None if it took none.
            after: the layer that the sentence so far ends with.
        """
        if detour is None or self._model is None:
            return ""
        self._confirmed.add(detour)
        one = self._model.misplacer.detours[detour]
        self.implied_directories.add(one.directory)
        subject = " and" if one.layer == after else f"; {self._layer_name(one.layer)}"
        return f"{subject} has no entry for /{escape(one.directory)}"

    def _is_lost_link(self, path: bytes, source_row: int) -> bool:
        target = self._history.links.get(path)
        if target is None or not self._source.is_file(source_row):
            return False
        there = _exact(self._source, target)
        links = self._source.entries.link_row
        return there is None or int(links[there]) != int(links[source_row])

    def _first_name(self, path: bytes) -> str:
        return f"; it was linked with /{escape(self._history.links[path])}, which is gone"

    def _layer_name(self, layer: int) -> str:
        return f"layer {layer + 1} of {self._history.layer_count}"


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"


def _exact(tree: ImageTree, path: bytes) -> int | None:
    """Return the row of a path; no link is followed."""
    row: int | None = 0
    for name in path.split(b"/") if path else ():
        assert row is not None
        row = tree.child(row, name)
        if row is None:
            return None
    return row
