"""Makes the report: one HTML page about a run that needs no network.

Everything from the run (names of axes, values, messages) is in one JSON block, which no text in it can end. The page's
script shows it as text, never as HTML. The page lists the hashes of its own scripts, so the browser runs no others.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results import figures
from results.analysis import account, repeats
from results.analysis.condition import numbers, unknown_column
from results.analysis.leaderboard import leaderboard
from results.figures.runs import cell_key, ordered
from results.figures.style import plain
from results.report import sections
from results.run import Run
from results.schema import NOT_WELL, Status, on_split

if TYPE_CHECKING:
    from results.diagnosis.classification import Classification
    from results.diagnosis.diagnose import Diagnosis

MOST_POINTS = 100_000
"""The most rows of the table; of more points, it has the best."""


def page(
    run: Run,
    by: str | None = None,
    against: Run | None = None,
    diagnosis: Diagnosis | Classification | None = None,
    version: str = "",
) -> str:
    """Return the report of a run as HTML.

    Args:
        run: it may be running, stopped or finished.
        by: the metric that decides which point wins, and whose variance is analysed; None for the objective on the
            validation rows.
        against: an exhaustive run of the same plan, to measure what pruning lost.
        diagnosis: of the winner, if one was made; see `sweep report --diagnose`.
        version: of a served page, which reloads itself when the version changes; see `results.report.serve`.

    Raises:
        ValueError: there is no such metric, it is not numeric, or the other run has another plan.
    """
    points = run.points
    by, mode = run.directions.chosen(by)
    numbers(points, by)
    for name in run.axes:
        if name not in points:
            raise unknown_column(name, points)
    if against is not None:
        account.check_comparable(run, against)
    trained = _trained(run)
    well = run.judged(trained, by)
    winner = leaderboard(well, 1, by, mode)
    parts = [
        sections.what_matters(run, well, by),
        sections.values(run, well, by),
        sections.size(run, well, by),
        sections.learning_curves(run, well, by),
        sections.diagnosed(winner, diagnosis)
        if diagnosis
        else sections.ends(winner, run.metrics, run.repeats),
        sections.asha(run, against, by),
        sections.verified(run),
        sections.failures(points),
        sections.provenance(run),
    ]
    # One list for the table and the plot, since a filter takes a code of one for a code of the other.
    orders = {name: ordered(points[name]) for name in run.axes}
    content = {
        "title": run.folder.path.resolve().name,
        "by": by,
        "mode": mode,
        "version": version,
        "cards": _cards(run, points, well, winner, by),
        "table": _table(run, points, by, orders),
        "parallel": json.loads(
            figures.parallel_figure(well, list(run.axes), by, mode=mode, orders=orders).to_json()
        ),
        "left_out": int(len(points) - len(trained)),
        "sections": [vars(section) for section in parts if section is not None],
    }
    return _html(content)


def winner_of(run: Run, by: str | None = None) -> int:
    """Return the idx of the best point that was trained to its end; `by` is as in `page`.

    Raises:
        ValueError: there is none, or no such metric.
    """
    by, mode = run.directions.chosen(by)
    best = leaderboard(run.judged(_trained(run), by), 1, by, mode)
    if best.empty:
        raise ValueError(f"{run.folder.path}: no point that was trained to its end has a {by} yet.")
    return int(best["idx"].iloc[0])


def _trained(run: Run) -> pd.DataFrame:
    """Return the points without those whose losses are of unfinished trainings: see `repeats.only_pruned`."""
    return run.points[~repeats.only_pruned(run.points, run.grid)]


def _cards(
    run: Run, points: pd.DataFrame, well: pd.DataFrame, winner: pd.DataFrame, by: str
) -> list[tuple[str, str, str]]:
    """Return label, value and explanation of each number at the top of the page."""
    cards = [
        (
            "points",
            f"{len(points):,}",
            f"of {run.size:,} {'different points ' if run.conditional else ''}in the grid",
        )
    ]
    test = on_split(by, "te")
    if len(winner):
        best = winner.iloc[0]
        what, where = f"best {by}", f"point {best['idx']}"
        if run.repeats > 1:
            what = f"best mean {by}"
            where = f"of {best[repeats.COUNT]} repeats, ± {best[repeats.std_of(by)]:.2g}; the best is point {best['idx']}"
        cards.append((what, f"{best[by]:.4g}", where))
        if test != by and test in points and np.isfinite(best[test]):
            cards.append((f"its {test}", f"{best[test]:.4g}", "on rows it was not picked by"))
            mode = run.directions.chosen(test)[1]
            first = leaderboard(well, 1, test, mode).iloc[0]
            cards.append(
                (
                    f"{'lowest' if mode == 'min' else 'highest'} {test}",
                    f"{first[test]:.4g}",
                    f"point {first['idx']}; picked by these rows, so optimistic",
                )
            )
    failed = int(points["status"].isin(NOT_WELL).sum())
    pruned, diverged = (
        int((points["status"] == status).sum()) for status in (Status.PRUNED, Status.DIVERGED)
    )
    cards.append(("not finished well", f"{failed + diverged:,}", f"{failed:,} failed, {diverged:,} diverged"))
    if pruned:
        cards.append(("pruned", f"{pruned:,}", "stopped by ASHA before their end"))
    cards.append(
        (
            "epochs",
            f"{int(points['epochs'].sum()):,}",
            f"{points['seconds'].sum() / 60:,.1f} minutes of training",
        )
    )
    return cards


def _table(run: Run, points: pd.DataFrame, by: str, orders: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the leaderboard's columns: numbers directly, other columns as a list of texts and a code for each row.

    `orders` are the values of each axis in the order of their codes.
    """
    hidden = {"error", "seed"}
    ascending = run.directions.chosen(by)[1] == "min"
    points = run.judged(points, by)
    rows = points.sort_values([by, "idx"], ascending=[ascending, True]).head(MOST_POINTS)
    if "note" in rows and "note" not in run.axes and rows["note"].isna().all():
        hidden.add("note")
    columns = []
    for name in (str(n) for n in rows.columns if n not in hidden):
        values = rows[name]
        if name in run.axes or values.dtype.kind not in "iuf":
            distinct = orders[name] if name in orders else ordered(values)
            codes = {cell_key(value): position for position, value in enumerate(distinct)}
            texts = [plain(value) for value in distinct]
            columns.append(
                {"name": name, "texts": texts, "values": [codes[cell_key(value)] for value in values]}
            )
        elif values.dtype.kind == "f":
            columns.append({"name": name, "values": [_number(value) for value in values.tolist()]})
        else:
            columns.append({"name": name, "values": values.tolist()})
    return {"columns": columns, "axes": sections.varying(run, points), "rows": len(rows), "of": len(points)}


def _html(content: Mapping[str, Any]) -> str:
    from plotly.offline import get_plotlyjs

    parts = resources.files("results.report")
    own, style = (parts.joinpath(f"report.{kind}").read_text("utf-8") for kind in ("js", "css"))
    scripts = [get_plotlyjs(), own]
    # Without these characters, no text can end the block.
    data = json.dumps(content, allow_nan=False, separators=(",", ":"), default=_plain)
    for character in "<>&\u2028\u2029":
        data = data.replace(character, f"\\u{ord(character):04x}")
    filled = parts.joinpath("report.html").read_text("utf-8")
    # In one pass, so that "{{" in an inserted piece is not taken for another placeholder.
    pieces = {
        "hashes": " ".join(f"'sha256-{_sha256(script)}'" for script in scripts),
        "style": style,
        "data": data,
        "plotly": scripts[0],
        "script": own,
    }
    head, *rest = filled.split("{{")
    return head + "".join(pieces[name] + text for name, text in (piece.split("}}", 1) for piece in rest))


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else str(value)


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None
