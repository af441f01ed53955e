"""The sections of the report: each function makes one from tables and figures."""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from results import figures, fingerprint
from results.analysis import account, acting, curves, repeats
from results.analysis.importance import (
    MAX_VALUES,
    about_broken,
    about_missing,
    about_pruned,
    distribution,
    has_many_values,
    importance,
)
from results.analysis.leaderboard import leaderboard, pareto
from results.figures.runs import MOST_MARKS
from results.report.section import Section
from results.run import Run
from results.schema import SPLITS, Status, column_of
from results.verified import sentences, verification

if TYPE_CHECKING:
    from results.diagnosis.classification import Classification
    from results.diagnosis.diagnose import Diagnosis

SHOWN_CURVES = 5
"""The best points whose learning curves are shown."""

BANDS_OF = 20_000
"""The most points whose curves make bands; of more, this many are drawn at random."""


def what_matters(run: Run, rows: pd.DataFrame, by: str) -> Section:
    """Return the importance of the axes for the metric `by`; `rows` are what the report compares."""
    section = Section("What matters")
    try:
        space = run.conditional
        found = acting.importance(rows, space, by) if space else importance(rows, list(run.axes), by)
    except ValueError as error:
        section.notes.append(str(error))
        return section
    section.notes.append(f"Shares of the variance of {by}, {found.how}.")
    section.notes += found.notes
    section.notes += _without_pruned(run) + _without_values(rows, by)
    if run.repeats > 1:
        section.notes += repeats.about(rows, run.points, run.grid, run.repeats)
        section.notes += repeats.about_noise(_not_pruned(run), run.grid, by)
    section.add("Main effects and interactions", figures.importance_figure(found.shares))
    section.add("Which axes act together", figures.interactions_figure(found.shares))
    return section


def values(run: Run, rows: pd.DataFrame, by: str) -> Section:
    """Return the distribution of the metric for each value of each axis."""
    section = Section("What each value does", choose=True)
    mode = run.directions.chosen(by)[1]
    section.notes.append(
        f"{by} over all points with a value: boxes from 5% to 95%, the star is the best point."
    )
    section.notes += _without_pruned(run) + _without_values(rows, by)
    for axis in varying(run, rows):
        acts, note = acting.where_acting(rows, axis, run.conditional)
        section.notes += [note] if note else []
        if has_many_values(acts, axis):
            section.notes.append(_about_many_values(axis))
        else:
            section.add(axis, figures.distribution_figure(distribution(acts, axis, by, mode), axis, by))
    return section


def size(run: Run, points: pd.DataFrame, by: str) -> Section:
    """Return the metric over the number of parameters, for `points` that were not pruned."""
    section = Section("What size buys")
    mode = run.directions.chosen(by)[1]
    front = pareto(points, by, "params", mode)
    section.notes.append("The line joins the points that no other point beats in both.")
    if count := _left_out(run):
        section.notes.append(f"{count:,} pruned points are left out.")
    if len(points) > MOST_MARKS:
        section.notes.append(
            f"{MOST_MARKS:,} of {len(points):,} points are drawn: the best, and others evenly down to the worst."
        )
    section.add(f"{by} against params", figures.pareto_figure(points, front, by, "params", mode))
    return section


def learning_curves(run: Run, judged: pd.DataFrame, by: str) -> Section:
    """Return the curves of the best points, and of all points that were not pruned as bands for the values of each axis.

    `judged` are the rows that the report compares.
    """
    section, rows = Section("Learning curves", choose=True), _not_pruned(run)
    chosen = leaderboard(judged, SHOWN_CURVES, *run.directions.chosen(by))["idx"]
    # With repeats, a judged row has means, such as that of the best epochs; the curve is that of one repeat.
    best = run.points.set_index("idx", drop=False).loc[chosen].reset_index(drop=True)
    shown = curves.annotated(run.curves(chosen.tolist()), best)
    if shown.empty:
        section.notes.append("No point has a curve yet.")
        return section
    section.notes.append(
        "Dotted on the train rows, solid on the validation rows; a triangle where the learning rate was cut, a star at "
        "the best epoch. Bands go from the 10% to the 90% quantile around the median; a point that has stopped keeps "
        "its last value."
    )
    if len(rows) < len(run.points):
        section.notes.append(
            f"{len(run.points) - len(rows):,} pruned points are left out; `sweep curves` shows any of them."
        )
    section.add(f"the best {len(best)}", figures.curves_figure(shown, run.metrics))
    _add_bands(section, run, rows)
    return section


def _add_bands(section: Section, run: Run, rows: pd.DataFrame) -> None:
    """Add the bands of each axis, of at most `BANDS_OF` of the points: the curves of 10^6 points would fill the memory."""
    idx = None
    if len(rows) > BANDS_OF:
        idx = rows["idx"].sample(BANDS_OF, random_state=0).tolist()
        section.notes.append(f"The bands are of {BANDS_OF:,} points, drawn at random from {len(rows):,}.")
    read = run.curves(idx, list(dict.fromkeys([run.directions.log, "val_loss"])))
    log = run.directions.log if run.directions.log in read else "val_loss"
    for axis in varying(run, rows):
        acts, _ = acting.where_acting(rows, axis, run.conditional)
        if has_many_values(acts, axis):
            section.notes.append(_about_many_values(axis))
        else:
            section.add(f"by {axis}", figures.bands_figure(curves.bands(read, acts, axis, log), axis, log))


def ends(winner: pd.DataFrame, metrics: list[str], times: int = 1) -> Section:
    """Return the winner's metrics on each split."""
    section = Section("The winner")
    table = [
        {"metric": name, **{split: winner.iloc[0][column_of(name, key)] for key, split in SPLITS.items()}}
        for name in metrics
        if len(winner)
    ]
    section.add_table("Metrics", pd.DataFrame(table))
    if times > 1:
        section.notes.append("The numbers are means over the repeats.")
    section.notes.append(
        "`sweep report --diagnose` adds where it is good, what it is sensitive to, and simpler models; this "
        "rebuilds the model, so it runs the "
        "plan's builder."
    )
    return section


def diagnosed(winner: pd.DataFrame, found: Diagnosis | Classification) -> Section:
    """Return the diagnosis of the winner: a figure of each table that has one, and the other tables as they are."""
    from results.diagnosis.diagnose import tables
    from results.diagnosis.verdicts import verdicts

    section = Section(f"Diagnosis of the winner, point {winner['idx'].iloc[0]}")
    section.notes += [*found.notes, *verdicts(found).values()]
    for name, table in tables(found).items():
        draw = getattr(figures, f"{name}_figure", None)
        if draw is None:
            section.add_table(name.capitalize(), table)
            continue
        figure = draw(table)
        title = figure.layout.title.text
        section.add(title, figure.update_layout(title_text=None, margin_t=40))
    return section


def asha(run: Run, against: Run | None, by: str) -> Section | None:
    """Return ASHA's account; None if no point has reached a rung."""
    seen = run.rungs()
    if seen.empty:
        return None
    section, mode = Section("ASHA's account"), run.directions.chosen(by)[1]
    table = account.rungs(seen, run.directions.mode)
    spent = account.epochs(run.points, run.budget)
    section.notes.append(f"{spent['spent']:,} epochs were trained, {spent['pruned']:,} points pruned.")
    if against is None:
        section.notes.append(
            f"At most {spent['saved_at_most']:,} epochs were saved; some points would have stopped early by themselves."
        )
    else:
        lost = account.regret(run.points, against.points, by, mode)
        section.notes.append(
            f"Against the exhaustive run {account.saved(run.points, against.points):,} epochs were saved. The winner (point "
            f"{lost.winner}) is number {lost.rank:,} of {lost.points:,} there and loses {lost.lost:.4g} of {by} to the best "
            f"(point {lost.best})."
        )
        known = account.rank_correlation(seen, against.points, by, mode, run.directions.mode)
        section.add_table("How well each rung predicts the end", known)
    section.add("Points at each rung", figures.rungs_figure(table))
    section.add_table("Rungs", table)
    return section


def verified(run: Run) -> Section | None:
    """Return which points are known to be what Keras trains; None if none was verified."""
    found = verification(run.folder, run.points)
    if not found.entries:
        return None
    section = Section("What Keras trains")
    section.notes += sentences(found)
    table = [
        {"idx": idx, "column": column, "epoch": epoch or "", "in the run": is_, "by Keras": by_keras}
        for idx in found.differing
        for column, epoch, is_, by_keras in found.entries[idx].differences
    ]
    if table:
        section.add_table("Differences", pd.DataFrame(table))
    return section


def failures(points: pd.DataFrame) -> Section | None:
    """Return the messages of the points with errors; None if there are none."""
    failed = points[points["error"].notna()]
    if failed.empty:
        return None
    table = failed.groupby("error", sort=False)["idx"].agg(["size", "min"]).reset_index()
    table = table.sort_values("size", ascending=False)[["size", "min", "error"]].head(50)
    section = Section("What failed")
    section.add_table("Messages", table.set_axis(["points", "such as idx", "message"], axis=1))
    return section


def provenance(run: Run) -> Section:
    """Return the provenance of the run's numbers: builder, seed, table, versions, machine and plan."""
    section = Section("Where it comes from")
    ran, progress = fingerprint.read(run.folder), _json(run.folder.progress)
    spent, versions = (_mapping(progress.get(name)) for name in ("spent_s", "versions"))
    facts = {
        "folder": str(run.folder.path.resolve()),
        "builder": run.plan.get("builder"),
        "seed": ran.seed,
        "table's SHA-256": ran.table_sha256,
        "target": ran.target,
        "wall time of the last run": _seconds(progress.get("seconds")),
        **{f"core time, {what}": _seconds(value) for what, value in spent.items()},
        "versions": ", ".join(f"{name} {one}" for name, one in versions.items()),
        "machine": progress.get("machine") or "",
        "report made on": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }
    section.tables.append(("Facts", ["what", "value"], [[name, str(value)] for name, value in facts.items()]))
    section.texts.append(("The plan", yaml.safe_dump(run.plan, sort_keys=False, allow_unicode=True)))
    return section


def _not_pruned(run: Run) -> pd.DataFrame:
    return run.points[run.points["status"] != Status.PRUNED]


def _without_pruned(run: Run) -> list[str]:
    """Return a sentence about the effect of leaving pruned points out; an empty list if there are none."""
    count = _left_out(run)
    return [about_pruned(count, are_in=False)] if count else []


def _without_values(rows: pd.DataFrame, by: str) -> list[str]:
    """Return sentences about the rows that have no metric, or that of a training that broke."""
    return [said for said in (about_missing(rows, by), about_broken(rows, by)) if said]


def _left_out(run: Run) -> int:
    """Return how many pruned points the report leaves out: with repeats, others are in means."""
    return int(repeats.only_pruned(run.points, run.grid).sum())


def _about_many_values(axis: str) -> str:
    return f"{axis} is left out here: it has more than the {MAX_VALUES} values that can be shown one by one."


def varying(run: Run, rows: pd.DataFrame) -> list[str]:
    """Return the axes with more than one value among the rows."""
    return [name for name in run.axes if rows[name].nunique(dropna=False) > 1]


def _seconds(value: Any) -> str:
    return f"{value:,.0f} s" if isinstance(value, int | float) else ""


def _json(path: Any) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return _mapping(found)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
