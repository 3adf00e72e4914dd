"""The rules about secrets: which there are, and whether they do what their examples say."""

from dataclasses import dataclass
from pathlib import Path

from rafsight.access.settings_file import read_settings_file
from rafsight.analysis.secrets.configuration import default_settings, read_settings
from rafsight.analysis.secrets.examples import ExampleOutcome, run_examples
from rafsight.analysis.secrets.rule import RuleSet
from rafsight.base.severity import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFacts:
    """One rule, for people."""

    id: str
    category: str
    title: str
    severity: Severity
    confidence: str
    kind: str
    """`token`, `context`, `generic`; `file` for those about names."""
    source: str
    """`built in`, or a file and a line."""
    example_count: int


class Rules:
    """The rules that apply with a configuration."""

    def __init__(self, config: Path | None = None) -> None:
        """Read the rules.

        Args:
            config: a `rafsight.yaml` or `trivy-secret.yaml`; None: the rules of the package alone.
        Raises: ConfigurationUnreadable, MalformedConfiguration.
        """
        file = read_settings_file(config) if config is not None else None
        settings = default_settings() if file is None else read_settings(file.content, file.name)
        self._rules: RuleSet = settings.rules
        self._is_shipped = file is None

    def found(self) -> tuple[RuleFacts, ...]:
        """Return all rules, in the order in which they count."""
        facts = [
            RuleFacts(
                id=rule.id,
                category=rule.category,
                title=rule.title,
                severity=rule.severity,
                confidence=rule.confidence.value,
                kind=rule.kind.value,
                source=rule.source,
                example_count=len(rule.examples),
            )
            for rule in self._rules.rules
        ]
        facts += [
            RuleFacts(
                id=file_rule.id,
                category=file_rule.category,
                title=file_rule.title,
                severity=file_rule.severity,
                confidence=file_rule.confidence.value,
                kind="file",
                source=file_rule.source,
                example_count=0,
            )
            for file_rule in self._rules.file_rules
        ]
        return tuple(facts)

    def test(self) -> tuple[ExampleOutcome, ...]:
        """Run the examples that stand beside the rules: of a configuration, those of its own rules.

        Returns: what became of each, in the order of the rules.
        Cost: all rules are tried on each example: some milliseconds.
        """
        own = frozenset(rule.id for rule in self._rules.rules if self._is_shipped or rule.source != "built in")
        return tuple(run_examples(self._rules, only=own))
