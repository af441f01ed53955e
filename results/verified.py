"""The record of a run's verification: which points plain Keras trained again, and how they compared.

The file `verified.json` of a run's folder has one entry for each point that was checked. An entry counts only as long as
the point's row is the one that was checked.

Terminology
    best      the best points by the objective among those that the native or the fused engine trained
    others    points among the rest: those chosen at random, one in `ONE_IN`, and those that the user named
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from results import directions
from results.directions import Mode
from results.folder.files import write_json
from results.folder.run_folder import RunFolder
from results.schema import FINISHED_WELL, Status

MOST = 10
"""How many of the best points are checked, if a plan does not say."""

ONE_IN = 1000
"""One in so many of the other points is checked."""

_CHECKED_ENGINES = ("native", "fused")
_NOT_COMPARED = ("seconds", "has_weights", "engine", "error")


@dataclass(frozen=True)
class Entry:
    """How one point compared.

    Attributes:
        row: `mark_of` the row that was checked.
        epochs: how many epochs were compared.
        of: how many epochs the row has.
        whole: whether all was compared that can be compared.
        differences: for each column beyond the tolerance its name, the epoch (0 if it has none), the value in the run,
            and the value by Keras.
        note: why the point could not be checked, or no further; else empty.
    """

    row: str
    epochs: int
    of: int
    whole: bool
    differences: Sequence[Sequence[Any]] = ()
    note: str = ""

    @property
    def differs(self) -> bool:
        """Whether the point is not what Keras trains."""
        return bool(self.differences)

    @property
    def agrees(self) -> bool:
        """Whether the whole point is what Keras trains."""
        return self.whole and not self.differs and not self.note


@dataclass(frozen=True)
class Verification:
    """What is known about the points of a run that should be what Keras trains.

    Attributes:
        best: the best points, the best first.
        others: points among the rest.
        entries: how the points compared that were checked and have not changed since, by idx.
        why: why not all of them were checked; empty if that is not known.
        most: how many of the best points should be checked.
        seed: of the draw of the others.
    """

    best: Sequence[int]
    others: Sequence[int]
    entries: Mapping[int, Entry]
    why: str = ""
    most: int = MOST
    seed: int = 0

    @property
    def differing(self) -> list[int]:
        """The points that are not what Keras trains, in the order of `best`, then of the others."""
        order = dict.fromkeys([*self.best, *self.others, *sorted(self.entries)])
        return [idx for idx in order if idx in self.entries and self.entries[idx].differs]

    @property
    def waiting(self) -> list[int]:
        """The points that are still to be checked, in the order in which they should be."""
        done = {idx for idx, entry in self.entries.items() if entry.agrees or entry.differs}
        return [idx for idx in (*self.best, *self.others) if idx not in done]

    def agreeing(self, points: Sequence[int]) -> int:
        """Return how many of the points are, as a whole, what Keras trains."""
        return sum(idx in self.entries and self.entries[idx].agrees for idx in points)


def chosen(
    points: pd.DataFrame, most: int, seed: int, by: str = "loss_va", mode: Mode = "min"
) -> tuple[list[int], list[int]]:
    """Return the best points, the best first, and others that are drawn at random.

    Only points that the native or the fused engine trained for some epochs are chosen.

    Args:
        points: the rows of a run.
        most: how many of the best.
        seed: of the draw; the same rows and seed give the same points.
        by: the column that decides which points are the best.
        mode: whether a lower or a higher value of it is better.
    """
    if not most or by not in points or not len(points):
        return [], []
    statuses = [*FINISHED_WELL, Status.DIVERGED]
    trained = points[
        points["engine"].isin(_CHECKED_ENGINES) & points["status"].isin(statuses) & (points["epochs"] > 0)
    ]
    ranked = trained[trained["status"] != Status.DIVERGED].dropna(subset=[by])
    ranked = ranked.sort_values([by, "idx"], ascending=[mode == "min", True])
    best = [int(idx) for idx in ranked["idx"].head(most)]
    rest = np.sort(trained.loc[~trained["idx"].isin(best), "idx"].to_numpy())
    drawn = np.random.default_rng([seed, len(rest)]).permutation(rest)[: len(rest) // ONE_IN]
    return best, [int(idx) for idx in drawn]


def mark_of(row: Mapping[Any, Any]) -> str:
    """Return a mark of a row's content that changes if the point is trained again with another result."""
    # Rows of other points decide which columns there are, and whether a column of whole numbers is read as float.
    kept = {
        str(name): float(value) if isinstance(value, int | float) else value
        for name, value in row.items()
        if name not in _NOT_COMPARED and not _is_missing(value)
    }
    text = json.dumps(kept, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def verification(
    folder: RunFolder, points: pd.DataFrame, most: int | None = None, seed: int | None = None
) -> Verification:
    """Return what is known about a run, from its rows and its file; an entry of a row that has changed does not count.

    Args:
        folder: of the run.
        points: its rows.
        most: how many of the best points should be checked; None for as many as the last time.
        seed: of the plan; None for that of the last time.
    """
    last = _read(folder)
    stored = last.entries
    rows = points[points["idx"].isin(list(stored))]
    marks = {int(row["idx"]): mark_of(row) for row in rows.to_dict("records")}
    entries = {idx: entry for idx, entry in stored.items() if marks.get(idx) == entry.row}
    most, seed = last.most if most is None else most, last.seed if seed is None else seed
    ranked = directions.read(folder)
    best, others = chosen(points, most, seed, ranked.by, ranked.mode)
    # Points that an earlier run drew count, too.
    others += [idx for idx in sorted(entries) if idx not in best and idx not in others]
    return Verification(best, others, entries, last.why, most, seed)


def write(folder: RunFolder, found: Verification) -> None:
    """Replace the run's file, all or nothing.

    Raises:
        FolderError: it cannot be written.
    """
    points = {str(idx): asdict(entry) for idx, entry in sorted(found.entries.items())}
    why = found.why if found.waiting else ""
    write_json(folder.verified, {"points": points, "most": found.most, "seed": found.seed, "why": why})


def sentences(found: Verification, again: str = "") -> list[str]:
    """Return what a person should know: how many points are what Keras trains, then each that is not.

    Args:
        found: what is known.
        again: the command that checks the rest, without quotes.
    """
    if not found.best and not found.entries:
        return []
    if not found.entries:
        return [f"No point was verified by plain Keras{_because(found.why, again)}."]
    said = []
    best, others = found.agreeing(found.best), found.agreeing(found.others)
    if found.differing:
        checked = sum(one.agrees or one.differs for one in found.entries.values())
        said.append(
            f"{len(found.differing)} of {checked} checked points are not what Keras trains. Please report this; "
            "`engine: keras` trains all points by Keras itself."
        )
        said += [line for idx in found.differing for line in _different(idx, found.entries[idx])]
    else:
        rest = _because(found.why, again)
        checked_best = best == len(found.best)
        if best:
            more = (
                f", and {others} of {len(found.others)} others"
                if others or (found.others and checked_best)
                else ""
            )
            line = f"{best} of the {len(found.best)} best points {_are(best)} what Keras trains{more}"
            said.append(f"{line}{'' if checked_best else rest}.")
        elif others:
            said.append(f"{others} of {len(found.others)} other points {_are(others)} what Keras trains.")
        if found.best and not best:
            said.append(f"None of the {len(found.best)} best points was checked to its end{rest}.")
        elif checked_best and others < len(found.others) and again:
            said.append(f"The others were not checked{rest}.")
    for idx, entry in found.entries.items():
        if entry.note:
            said.append(f"Point {idx} could not be verified: {entry.note}.")
        elif not entry.differs and not entry.whole:
            said.append(
                f"The first {entry.epochs} of {entry.of} epochs of point {idx} are what Keras trains."
            )
    return said


def _different(idx: int, entry: Entry) -> list[str]:
    shown = [
        f"{column}{f' in epoch {epoch}' if epoch else ''} is {_short(is_)} in the run, {_short(by_keras)} by Keras"
        for column, epoch, is_, by_keras in entry.differences
    ]
    return [f"Point {idx}: {'; '.join(shown)}."]


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _because(why: str, again: str) -> str:
    parts = [part for part in (why, f"`{again}` checks the rest" if again else "") if part]
    return f" ({'; '.join(parts)})" if parts else ""


def _short(value: Any) -> str:
    return f"{value:.7g}" if isinstance(value, float) else str(value)


def _read(folder: RunFolder) -> Verification:
    """Return what the file says, without the points that it does not name. The folder may come from a stranger."""
    try:
        raw = json.loads(folder.verified.read_text(encoding="utf-8"))
        entries = {int(idx): _entry(one) for idx, one in raw["points"].items()}
        most, seed = int(raw["most"]), int(raw["seed"])
        if most < 0 or seed < 0:
            return Verification([], [], {})
        return Verification([], [], entries, str(raw["why"]), most, seed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Verification([], [], {})


def _entry(raw: Mapping[str, Any]) -> Entry:
    differences = tuple(
        (str(column), int(epoch), is_, by_keras) for column, epoch, is_, by_keras in raw["differences"]
    )
    return Entry(
        str(raw["row"]), int(raw["epochs"]), int(raw["of"]), bool(raw["whole"]), differences, str(raw["note"])
    )


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
