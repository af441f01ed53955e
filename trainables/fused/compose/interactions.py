"""Records which axes affect a model only in combination.

This file imports no Keras, so that the driver can read it.

Terminology
    part    of a description: its signature, one of `PARTS`, or one number by its key
    kind    a part without the position of the layer or weight, which differs from group to group
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

SIGNATURE = "signature"


@dataclass(frozen=True)
class Interactions:
    """The axes that act together.

    Attributes:
        sets: pairs of a kind and the axes that act together on a part of this kind. For the signature, these are axes
            that change it only together.
        models: the number of models in the covering arrays.
        pairs: the smallest share of the pairs of values of two axes that met in one; below 1 if `MOST_MODELS` was too low.
        triples: the share of the triples of values of three axes that met in the first one.
        left_out: structures of models that were not studied, because `MOST_MODELS` was too low.
        sampled: axes of so many values that a few stood for all.
        complete: no study was needed, because the models of all points are built by themselves.
    """

    sets: frozenset[tuple[str, frozenset[str]]] = frozenset()
    models: int = 0
    pairs: float = 1.0
    triples: float = 1.0
    sampled: frozenset[str] = frozenset()
    left_out: int = 0
    complete: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user must know: which values were not tried together."""
        found = []
        if self.sampled:
            found.append(
                f"{' and '.join(sorted(self.sampled))} had many values, of which a few stood for all when values of two "
                "axes were tried together; `sweep verify` trains points again by Keras"
            )
        if self.pairs < 1.0:
            found.append(
                f"only {self.pairs:.0%} of the pairs of values of two axes were tried together, in {self.models} models; "
                "`sweep verify` trains points again by Keras"
            )
        if self.left_out:
            found.append(
                f"{self.left_out} of the structures that models have were left out when values of two axes were tried "
                f"together, in {self.models} models; `sweep verify` trains points again by Keras"
            )
        return tuple(found)

    def with_sets(self, more: Mapping[str, set[str]]) -> Interactions:
        """Return these interactions and `more`, the acting axes of each part."""
        found = {(kind(p), frozenset(axes)) for p, axes in more.items() if len(axes) > 1 or p == SIGNATURE}
        return replace(self, sets=self.sets | {one for one in found if one[1]})

    def joined(self, other: Interactions) -> Interactions:
        """Return the interactions that either has, with what the study of one of them tells of itself."""
        studied = max((self, other), key=lambda one: (not one.complete, one.models))
        return replace(studied, sets=self.sets | other.sets)

    def acting(self, part: str, alone: set[str], axes: Sequence[str]) -> set[str]:
        """Return the axes that act on a part in a group.

        Args:
            part: the part.
            alone: the axes that were seen to act on it by themselves.
            axes: the axes on which the points of the group differ.
        """
        found = set(alone)
        for of_kind, together in self.sets:
            here = together.intersection(axes)
            if of_kind == kind(part) and (here & alone or not alone):
                found |= here if len(here) > 1 or part == SIGNATURE else set()
        return found


def kind(part: str) -> str:
    """Return the kind of a part."""
    return re.sub(r"\.\d+\.", ".", part)
