"""Which kind of file is it, and what does it say: the one way into ignore files and VEX documents.

This module alone decides how the kinds are told apart, and how large a file may be.
"""

from typing import Any, Final, TypeVar

import msgspec

from rafsight.base.units import MiB
from rafsight.matching.suppression import csaf, cyclonedx_vex, openvex
from rafsight.matching.suppression.ignore_lines import parse_ignore_lines
from rafsight.matching.suppression.ignore_yaml import parse_ignore_yaml
from rafsight.matching.suppression.rule import RULE_COUNT, MalformedRules, Rule

IGNORE_SIZE: Final = 4 * MiB
VEX_SIZE: Final = 64 * MiB

Shape = TypeVar("Shape")


class _Head(msgspec.Struct):
    """What tells the kinds of VEX apart."""

    context: Any = msgspec.field(name="@context", default=None)
    bom_format: Any = msgspec.field(name="bomFormat", default=None)
    document: msgspec.Raw = msgspec.Raw(b"")
    statements: msgspec.Raw = msgspec.Raw(b"")


def parse_ignore_file(content: bytes, name: str) -> tuple[Rule, ...]:
    """Read an ignore file: YAML by its ending, else lines.

    Args:
        content: of the file.
        name: of the file, for the report.
    Raises: MalformedRules.
    """
    if len(content) > IGNORE_SIZE:
        raise MalformedRules(name=name, where="its end", what=f"more than {IGNORE_SIZE} bytes")
    if name.endswith((".yaml", ".yml")):
        return parse_ignore_yaml(content, name)
    return parse_ignore_lines(content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"), name)


def parse_vex(content: bytes, name: str) -> tuple[Rule, ...]:
    """Read a VEX document: OpenVEX, CycloneDX or CSAF, told apart by their members.

    Args:
        content: of the file, JSON.
        name: of the file, for the report.
    Raises: MalformedRules.
    """
    if len(content) > VEX_SIZE:
        raise MalformedRules(name=name, where="its end", what=f"more than {VEX_SIZE} bytes")
    head = _decode(content, _Head, name)
    if head.bom_format == "CycloneDX":
        found = cyclonedx_vex.rules_of(_decode(content, cyclonedx_vex.CycloneDx, name), name)
    elif isinstance(head.context, str) and head.context.startswith("https://openvex.dev/ns"):
        found = openvex.rules_of(_decode(content, openvex.OpenVex, name), name)
    elif b"csaf_version" in bytes(head.document):
        found = csaf.rules_of(_decode(content, csaf.Csaf, name), name)
    else:
        raise MalformedRules(name=name, where="its top", what="neither OpenVEX, CycloneDX nor CSAF")
    rules: list[Rule] = []
    for rule in found:
        rules.append(rule)
        if len(rules) > RULE_COUNT:
            raise MalformedRules(name=name, where="its end", what=f"more than {RULE_COUNT} statements")
    return tuple(rules)


def _decode(content: bytes, shape: type[Shape], name: str) -> Shape:
    try:
        return msgspec.json.decode(content, type=shape)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise MalformedRules(name=name, where="its text", what=str(error)) from error
    except RecursionError as error:
        raise MalformedRules(name=name, where="its text", what="JSON nested too deeply") from error
