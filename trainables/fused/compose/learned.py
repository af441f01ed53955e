"""The record of what one worker tells the others about models that it has built.

This file imports no Keras, so that the driver can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from trainables.fused.compose.interactions import Interactions

MOST_BYTES = 4 * 2**20
"""The most bytes of descriptions that are passed on: each trial gets all of them with its points."""


@dataclass(frozen=True)
class Learned:
    """What trials have learned about the models of a sweep.

    Attributes:
        interactions: the axes that act together.
        models: packed descriptions of models, by machine, seed and configuration; `Builds` packs and reads them.
    """

    interactions: Interactions
    models: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def joined(self, other: Learned) -> Learned:
        """Return what either has learned; as many of the other's models as `MOST_BYTES` allows."""
        models = dict(self.models)
        left = MOST_BYTES - sum(map(len, models.values()))
        for key, packed in other.models.items():
            if key not in models and len(packed) <= left:
                models[key] = packed
                left -= len(packed)
        return Learned(self.interactions.joined(other.interactions), models)
