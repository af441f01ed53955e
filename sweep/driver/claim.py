"""Claims a folder for a run: whether the run may write there, and the plan and fingerprint that mark it as the run's."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from results.fingerprint import read_fingerprint
from results.folder.errors import FolderError
from results.folder.files import replace_file, write_json
from results.folder.path import AnyPath, is_remote
from results.folder.run_folder import RunFolder
from results.schema import Status
from results.store.parquet import DamagedError
from results.store.read import read_parts, read_points
from sweep.plan.fingerprint import changes
from sweep.plan.form import PlanError
from sweep.plan.repeats import check_not_fewer, repeats_of

_CHECKPOINT = re.compile(r"\.?[0-9a-f]{24}\.(npz|tmp)")
"""The names of the files that a run keeps in its folder of checkpoints."""

_OPTIONS = {"budget.scheduler": ("--scheduler", ("budget", "scheduler")), "seed": ("--seed", ("seed",))}
"""The options of the command that change a part of the fingerprint, by that part, and where the part is."""


def check_free(folder: RunFolder, plan: str) -> None:
    """Check that a run may write into a folder, before anything in it is touched.

    A folder that a run was begun in may be used. So may one without files of the names that a run writes, except those that
    a start leaves which was interrupted before the fingerprint was there.

    Args:
        folder: which need not exist.
        plan: the text that the run will write as its plan.yaml.

    Raises:
        FolderError: the path is a file, or the folder holds files that the run would overwrite, remove or mix with its own.
    """
    if not is_remote(folder.path) and folder.path.is_file():
        raise FolderError(
            f"{folder.path} is a file, but a run needs a folder. Name another one: --out runs/NAME"
        )
    if folder.exists:
        return
    if any(folder.points.glob("*.parquet")):
        raise FolderError(
            f"{folder.path} has rows but no fingerprint.json, so they could be another plan's. "
            "Run into another folder with --out."
        )
    if found := list(_of_others(folder, plan)):
        raise FolderError(
            f"{folder.path} is not the folder of a run, and has {', '.join(found)}. A run would overwrite or remove what "
            "has such a name. Run into a new folder: --out runs/NAME"
        )


def claim(folder: RunFolder, plan: str, marks: dict[str, Any], repeats: int = 1) -> list[str]:
    """Write the plan and its fingerprint into a new folder, or check that the run in an old one has the same plan.

    Another plan may take the folder of a run that trained nothing or of which all points failed, as when a builder with an
    error is mended: there is no number that could be mixed with its own. The rows of the failed points are deleted. Any
    other run keeps all its repeats.

    Args:
        folder: of the run, held by this process.
        plan: the text of its plan.yaml.
        marks: the fingerprint of the plan.
        repeats: of the plan.

    Returns:
        A sentence for what was deleted, if anything was.

    Raises:
        PlanError: the folder holds another plan's run, or one with more repeats.
        FolderError: its fingerprint cannot be read, or it cannot be written.
    """
    notes: list[str] = []
    if folder.exists:
        old = read_fingerprint(folder)
        found = changes(old, marks)
        fewer = repeats_of(folder) > repeats
        failed = _failed(folder) if found or fewer else 0
        if failed is None:
            check_not_fewer(folder, repeats)
            raise _of_another_plan(folder.path, found, old)
        if found or fewer:  # a run that trained nothing may have been refused after its first model
            shutil.rmtree(folder.checkpoints, ignore_errors=True)
            for part in folder.points.glob("*.parquet"):
                part.unlink()
            # What describes the other plan's table and models goes before the new fingerprint is there.
            for path in (folder.preparation, folder.metrics, folder.verified):
                path.unlink(missing_ok=True)
            write_json(folder.fingerprint, marks)
        if failed:
            notes.append(
                f"all {failed:,} points of the run in this folder had failed. Their rows are deleted, since the plan or the "
                "builder has changed."
            )
    replace_file(folder.plan, plan.encode())
    # The fingerprint is written last: a folder with one counts as a run's folder.
    if not folder.exists:
        write_json(folder.fingerprint, marks)
    return notes


def _of_others(folder: RunFolder, plan: str) -> Iterator[str]:
    """Yield the name of each existing file or folder that a run would overwrite and no run has made."""
    for path in (folder.preparation, folder.progress, folder.metrics, folder.verified):
        if path.is_file():
            yield path.name
    if folder.plan.is_file() and folder.plan.read_bytes() != plan.encode():
        yield folder.plan.name
    if folder.lock.is_file() and not _names_a_process(folder.lock.read_bytes()):
        yield folder.lock.name
    for path in (folder.points, folder.curves, folder.weights, folder.rungs, folder.damaged):
        if any(path.glob("*")) or (not is_remote(path) and path.is_file()):
            yield path.name
    kept = folder.checkpoints
    if not is_remote(folder.path) and kept.exists() and not _has_only_checkpoints(kept):
        yield kept.name  # beside an object store, it is in a folder of our own


def _has_only_checkpoints(folder: Path) -> bool:
    return folder.is_dir() and all(_CHECKPOINT.fullmatch(path.name) for path in folder.iterdir())


def _names_a_process(content: bytes) -> bool:
    """Return whether this is what a run writes into its lock, which is empty at first."""
    if not content:
        return True
    try:
        found = json.loads(content)
    except ValueError:
        return False
    return isinstance(found, dict) and {"host", "pid", "since"} <= set(found)


def _of_another_plan(path: AnyPath, found: Sequence[str], old: Mapping[str, Any]) -> PlanError:
    """Return the error for a folder with another plan's run; it names the options that the command lacks."""
    changed = [(line.partition(": was ")[0], line) for line in found]
    if "budget.scheduler" in dict(changed):  # the settings of ASHA come and go with it
        changed = [(key, line) for key, line in changed if not key.startswith("budget.asha.")]
    missing = []
    for key, _ in changed:
        option, where = _OPTIONS.get(key, ("", ()))
        value: Any = old
        for part in where:
            value = value.get(part) if isinstance(value, Mapping) else None
        missing.append(f"{option} {value}" if option and value is not None else "")
    listed = "\n".join(f"  {line}" for _, line in changed)
    back = f"Add {' '.join(missing)} to the command" if all(missing) else "Put the plan back as it was"
    return PlanError(
        f"{path} holds the run of another plan, and their numbers cannot be mixed:\n{listed}\n"
        f"{back}, or run it into another folder with --out."
    )


def _failed(folder: RunFolder) -> int | None:
    """Return how many failed points a folder has; None if it has anything else that another plan could be mixed with.

    What is damaged was something, and so are finished points that wait for their object store.
    """
    if folder.spool.exists() and any(folder.spool.iterdir()):
        return None
    try:
        rows = read_points(folder) if any(folder.points.glob("*.parquet")) else None
        if any(part.num_rows for part in read_parts(folder.rungs)):
            return None
    except DamagedError:
        return None
    if rows is None:
        return 0
    return len(rows) if rows["status"].eq(Status.FAILED).all() else None
