"""The grammar of conditions such as `activation == "relu" and params < 200`: a text is parsed and never run as code.

A condition consists of names, numbers, strings, True, False, None, lists, comparisons, `in`, `and`, `or`, `not` and
brackets. Names that are not plain words need backticks. `results.analysis.condition` finds the rows that fulfil a
condition, `results.conditional` the points of a space.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.errors import ResultsError

FLIPPED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
"""The comparison that has the same meaning when its two sides change places; others keep theirs."""

MAX_CHARACTERS = 10_000

_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`([^`]*)`""")


class ConditionError(ResultsError, ValueError):
    """The condition cannot be used; the message quotes it and says what is expected."""


@dataclass(frozen=True)
class Parsed:
    """A condition that was parsed.

    Attributes:
        text: the condition.
        tree: its expression.
        quoted: the name behind each placeholder that stands in the tree for a name in backticks.
    """

    text: str
    tree: ast.expr
    quoted: Mapping[str, str]

    def name(self, node: ast.Name) -> str:
        """Return the name that `node` means."""
        return self.quoted.get(node.id, node.id)

    @property
    def names(self) -> list[str]:
        """All names in the condition, each once, in their order."""
        found = (self.name(node) for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        return list(dict.fromkeys(found))

    @property
    def plain(self) -> str:
        """The condition in one way of writing, whatever its spaces, quotes and brackets are."""
        return ast.unparse(self.tree)

    def constant(self, node: ast.expr) -> Any:
        """Return the value of `node`, a number, a string, True, False, None, or a list of these.

        Raises:
            ConditionError: it is something else.
        """
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self.constant(node.operand)
            if isinstance(inner, int | float) and not isinstance(inner, bool):
                return -inner
        if isinstance(node, ast.List | ast.Tuple):
            return [self.constant(item) for item in node.elts]
        raise self.refused(node)

    def refused(self, node: ast.expr) -> ConditionError:
        """Return the error for a part that no condition may have."""
        part = ast.unparse(node)
        return ConditionError(
            f"The condition {self.text!r} has {part[:80]!r}, but may have names, numbers, strings and lists, "
            'compared and joined by and, or, not: activation == "relu" and params < 200.'
        )


def parsed(text: str) -> Parsed:
    """Parse a condition.

    Raises:
        ConditionError: the text is too long, or no expression.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(
            f"The condition has {len(text):,} characters, but may have {MAX_CHARACTERS:,} at most."
        )
    names: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        if match[1] is not None:  # a string, whose backticks quote no name
            return match[1]
        return names.setdefault(match[2], f"quoted_column_{len(names)}_")

    try:
        tree = ast.parse(_QUOTED.sub(plain, text).strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ConditionError(
            f"The condition {text!r} cannot be read ({getattr(error, 'msg', error)}). "
            'It needs the form activation == "relu" and params < 200.'
        ) from None
    return Parsed(text, tree.body, {placeholder: name for name, placeholder in names.items()})
