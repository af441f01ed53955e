"""Models that are made up from functions of the configuration, grouped without Keras."""

import numpy as np

from trainables.fused.compose.builds import PARTS, Failed, same, value_of
from trainables.fused.compose.members import Composer, Refused
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.model.describe import Described
from trainables.settings import Fit


def _tuple(value):
    return value if isinstance(value, tuple) else (value,)


class MadeUp:
    """Describes models whose parts are given functions of the configuration, without Keras; counts them."""

    def __init__(self, parts):
        self.parts, self.known = parts, {}

    def learn(self, models):
        pass

    def describe(self, config, itself=False):
        key = repr(sorted(config.items()))
        if key not in self.known:
            found = {name: effect(config) for name, effect in self.parts.items()}
            if found.get("raises"):
                self.known[key] = Failed("raised", "it raised")
            else:
                numbers = {k: v for k, v in found.items() if "." in k and v is not None}
                initial = (np.array([found.get("initial", 0.0)], "float32"),)
                self.known[key] = Described(
                    _tuple(found.get("signature", 0)),
                    found.get("variant", 0),
                    found.get("optimizer", 0),
                    numbers,
                    initial,
                )
        return self.known[key]


def composer_of(parts):
    composer = object.__new__(Composer)
    composer._builds, composer._seed, composer._memory_bytes = MadeUp(parts), 0, 1e9
    composer._builder = type("Builder", (), {"parameters": ("a", "b", "c", "d", "e", "f")})
    composer.known = None
    return composer


def groups(composer, space):
    """Yield the rows of each group of the whole space with its columns; None for points that are refused."""
    waiting = [np.arange(len(space))]
    while waiting:
        part = waiting.pop()
        while True:
            found = composer._study(Points.of(space, part), Fit())
            if isinstance(found, Split | Refused) or not composer._learn(found, range(min(2, len(part)))):
                break
        if isinstance(found, Split):
            waiting += [part[rows] for rows in found.parts]
        else:
            yield part, None if isinstance(found, Refused) else found.columns


def assert_composed_as_described(parts, space):
    composer = composer_of(parts)
    seen = 0
    for part, columns in groups(composer, space):
        for row, idx in enumerate(part.tolist()):
            described = MadeUp(parts).describe(space[idx])
            if isinstance(described, Failed) or columns is None:
                assert isinstance(described, Failed) and columns is None, space[idx]
                continue
            for key in dict.fromkeys((*PARTS, *columns, *described.numbers)):
                given = columns[key][row] if key in columns else None
                assert same(value_of(described, key), given), (space[idx], key)
        seen += len(part)
    assert seen == len(space)
    return composer
