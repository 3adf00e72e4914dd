"""What was found at many places becomes one finding for each secret value.

This module alone decides what makes two findings one. Values are turned into fingerprints on the way in and forgotten.
"""

import hmac
from dataclasses import dataclass, field, replace
from typing import Final

from rafsight.analysis.secrets.excerpt import Excerpt
from rafsight.analysis.secrets.finding import Confidence, Secret, SecretPlace
from rafsight.analysis.secrets.matching import Hit
from rafsight.analysis.secrets.rule import FileRule
from rafsight.base.severity import Severity

PLACE_COUNT: Final = 1000
"""Places of one secret that are kept."""


@dataclass(slots=True, kw_only=True)
class _Group:
    """All that is known of one value."""

    secret: Secret
    order: tuple[int, int]
    places: list[SecretPlace] = field(default_factory=list)


class Gathering:
    """Collects findings. The result does not depend on the order in which they come."""

    def __init__(self, salt: bytes) -> None:
        """Begin.

        Args:
            salt: for the fingerprints.
        """
        self._salt = salt
        self._groups: dict[str, _Group] = {}

    def fingerprint(self, value: bytes) -> str:
        """Return the salted hash of a value, hex."""
        return hmac.digest(self._salt, value, "sha256").hex()

    def add(self, hit: Hit, excerpt: Excerpt, place: SecretPlace) -> None:
        """Take a secret that was found in a text."""
        rule = hit.rule
        fingerprint = self.fingerprint(hit.value)
        secret = Secret(
            rule_id=rule.id,
            category=rule.category,
            title=rule.title,
            severity=hit.severity,
            confidence=rule.confidence,
            places=(place,),
            match=excerpt.match,
            lines=excerpt.lines,
            fingerprint=fingerprint,
            remedy=rule.remedy,
        )
        self._add(f"value {fingerprint}", secret, hit.order)

    def add_file(self, rule: FileRule, place: SecretPlace, *, is_confirmed: bool) -> None:
        """Take a file that is a finding by its name.

        Args:
            rule: that says so.
            place: the file.
            is_confirmed: its content was read and bears that out, or need not.
        """
        secret = Secret(
            rule_id=rule.id,
            category=rule.category,
            title=rule.title,
            severity=rule.severity,
            confidence=rule.confidence if is_confirmed else Confidence.LOW,
            places=(place,),
            match="",
            remedy=rule.remedy,
        )
        self._add(f"file {rule.id} {secret.confidence}", secret, (0, 0))

    def finish(self) -> tuple[Secret, ...]:
        """Return the findings, the worst first."""
        found = [
            _with_places(group.secret, sorted(set(group.places), key=_place_key)) for group in self._groups.values()
        ]
        return tuple(sorted(found, key=_secret_key))

    def _add(self, key: str, secret: Secret, order: tuple[int, int]) -> None:
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _Group(secret=secret, order=order)
        elif (order, _place_key(secret.places[0])) < (group.order, _place_key(group.secret.places[0])):
            group.secret, group.order = secret, order
        if len(group.places) < PLACE_COUNT:
            group.places.append(secret.places[0])


def _with_places(secret: Secret, places: list[SecretPlace]) -> Secret:
    return replace(secret, places=tuple(places))


def _place_key(place: SecretPlace) -> tuple[bool, bool, bytes, str, int, int, str]:
    """Order places: what is visible in files first."""
    return (bool(place.layer), not place.path, place.path, place.place, place.start_line, place.offset, place.layer)


def _secret_key(secret: Secret) -> tuple[Severity, int, str, tuple[bool, bool, bytes, str, int, int, str], str]:
    rank = (Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW).index(secret.confidence)
    return (
        Severity(Severity.CRITICAL - secret.severity),
        rank,
        secret.rule_id,
        _place_key(secret.places[0]),
        secret.match,
    )
