"""`sweep.search`: it sweeps a function and data of a Python session, such as a notebook's.

The function and the data are written into the run's folder, and the plan names these files. So the folder is a run like any
other: `sweep report`, `sweep run`, `sweep export` and `results.open` take it.
"""

from __future__ import annotations

import dataclasses
import difflib
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from results.fingerprint import read_fingerprint
from results.folder.files import replace_file, write_json
from results.folder.run_folder import RunFolder
from results.run import Run
from sweep.driver import runner
from sweep.errors import InputError, SweepError
from sweep.plan.fingerprint import changes, fingerprint
from sweep.plan.plan import Plan
from sweep.plan.repeats import repeats_of
from sweep.process.exits import EXIT_STOPPED
from sweep.process.tally import sentence
from sweep.python import function
from sweep.python.rows import Rows, rows_of
from trainables.builder.find import PICKLED
from trainables.errors import TrainablesError
from trainables.table.data import DataSpec
from trainables.table.given import DIGEST

GIVEN = "given"
"""The folder in a run's folder that has the function and the data."""

_OWN = ("data", "builder", "space", "base")
"""Fields of a plan that the other arguments of `search` give."""


class SearchError(SweepError, RuntimeError):
    """The search stopped before its end; what is finished is kept, and the same call resumes."""


def search(
    build: Callable[..., Any] | str,
    x: Any,
    y: Any = None,
    *,
    space: Mapping[str, Any],
    objective: Any = "loss",
    epochs: int | None = None,
    out: str | Path | None = None,
    sample_weight: Any = None,
    validation_data: Any = None,
    data: Mapping[str, Any] | None = None,
    points: int | None = None,
    idx: Iterable[int] | None = None,
    cpus: int | None = None,
    in_process: bool = False,
    retry_failed: bool = False,
    show: bool = True,
    **plan: Any,
) -> Run:
    """Train every point of `space`, and return the run.

    The same call resumes a search that was stopped. Ctrl-C stops it, keeps what is finished, and raises KeyboardInterrupt.

    Args:
        build: a function of the axes that returns a compiled Keras model; or the name of one, `my_sweep.py:build`. A
            function of a notebook or script is pickled with the values that it uses; modules that it imports must be
            installed, or be in the current folder.
        x, y: the rows, in one of these forms:

            - a data frame, and the name of its target, a list of several, or a Series of targets. Texts become categories.
            - arrays of the shapes (rows, ...) and (rows,) or (rows, targets), taken as they are; for a model with several
              inputs or outputs, a dictionary with an array for each, by its name
            - `(x_train, y_train), (x_test, y_test)`, as `*keras.datasets.mnist.load_data()`; frames, too

            Without test rows, a fifth of the rows is kept for the test (`data={"split": {"test": 0.1}}` changes that).
        space: the values of each axis.
        objective: what the points are ranked by, as in a plan.
        epochs: the most epochs of a point.
        out: the run's folder, on this machine. None: `runs/NAME`, with the function's name, or the next free one of
            `runs/NAME-2`, `runs/NAME-3`, ... if that holds a run of other rows, of another function or plan.
        sample_weight: weights of the rows, shape (rows,), or the name of a column of x.
        validation_data: `(x, y)` or `(x, y, weights)`, instead of a share of the train rows.
        data: further keys of a plan's `data`, such as `{"missing": "fill", "task": "multiclass"}`.
        points, idx, cpus, retry_failed: as in `sweep.run`.
        in_process: train in this process, without Ray. It starts at once, uses one core, and verifies nothing.
        show: whether to print the progress.
        **plan: further keys of a plan: fit, callbacks, scheduler, asha, engine, seed, repeats, ...

    Raises:
        InputError: the message names everything that is wrong with the arguments.
        SearchError: the search stopped before its end, for example because the disk is full.
        KeyboardInterrupt: a person stopped it.
    """
    counts = {"points": points, "cpus": cpus}
    asked = _asked(build, x, y, space, objective, epochs, sample_weight, validation_data, data, counts, plan)
    folder, made = _written(asked, out)
    outcome = runner.run(
        made, folder.path, points=points, idx=idx, cpus=cpus, show=show, in_process=in_process, verify=not in_process,
        resume="the same call", retry_failed=retry_failed,
    )  # fmt: skip
    if show:
        for note in [*outcome.notes, *(note for note in outcome.tally.notes if note not in outcome.told)]:
            print(f"Note: {sentence(note)}")
        failed = outcome.tally.not_well
        if failed:
            print(f"Warning: {failed:,} points failed or ran out of time; the column error says why.")
        print(f"The run is in {_shown(folder)}.")
    if outcome.exit_code == EXIT_STOPPED:
        message = f"{outcome.tally.open:,} points are open. What is finished is in {_shown(folder)}; the same call resumes."
        if outcome.error is None:
            raise KeyboardInterrupt(message)
        raise SearchError(f"{outcome.error}\n{message}")
    return Run(folder.path)


@dataclass(frozen=True)
class _Asked:
    """Checked arguments.

    Attributes:
        function: the builder by value; None if a file has it.
        builder: the builder's name if a file has it.
        name: of the function.
        rows: the data.
        keys: the keys of the plan but for data and builder.
        data: further keys of the plan's data.
    """

    function: function.Pickled | None
    builder: str
    name: str
    rows: Rows
    keys: dict[str, Any]
    data: dict[str, Any]

    def plan(self, base: Path) -> Plan:
        """Return the plan, with the files of function and data in the folder `base`."""
        paths = {key: str(base / value) for key, value in self.rows.spec.items() if key.endswith("path")}
        builder = f"{base / self.pickle}:{self.name}" if self.function else self.builder
        return Plan.from_mapping(
            {**self.keys, "data": {**self.rows.spec, **self.data, **paths}, "builder": builder}
        )

    @property
    def pickle(self) -> Path:
        """The file of the function in the folder of the files."""
        return Path("builder") / f"{self.name}{PICKLED}"

    def write_function(self, base: Path) -> None:
        """Write the files of the function into the folder `base`."""
        if self.function is not None:
            path = base / self.pickle
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path.with_suffix(".py"), self.function.source.encode())
            replace_file(path, self.function.content)

    def write_rows(self, base: Path) -> None:
        """Write the files of the rows into the folder `base`, and the checksum of their content."""
        base.mkdir(parents=True, exist_ok=True)
        for name, content in self.rows.files.items():
            replace_file(base / name, content)
        write_json(base / DIGEST, self.rows.digest)


def _asked(
    build: Any, x: Any, y: Any, space: Any, objective: Any, epochs: Any, sample_weight: Any, validation_data: Any, data: Any,
    counts: Mapping[str, Any], plan: Mapping[str, Any],
) -> _Asked:  # fmt: skip
    """Check the arguments, as far as that needs no plan."""
    wrong: list[str] = []
    pickled, builder, name = None, "", "build"
    if isinstance(build, str):
        builder, name = build, build.rpartition(":")[2].rpartition(".")[2] or "build"
    elif not callable(build):
        wrong.append(
            f"build got {type(build).__name__}, but needs a function that returns a compiled Keras model, or its name."
        )
    elif found := function.named(build):
        builder, name = found, found.rpartition(":")[2]
    else:
        try:
            pickled = function.pickled(build)
            name = pickled.name
        except InputError as error:
            wrong.append(str(error))
    rows = Rows()
    try:
        rows = rows_of(x, y, sample_weight, validation_data)
    except InputError as error:
        wrong.append(str(error))
    for key, count in counts.items():
        if count is not None and (
            isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1
        ):
            wrong.append(f"{key} got {count!r}, but needs a whole number from 1, or None for all.")
    keys = dict(plan)
    if not isinstance(space, Mapping) or not space:
        wrong.append(
            f'space got {space!r}, but needs a list of values for each axis, such as {{"units": [4, 8]}}.'
        )
    if epochs is not None:
        fit = keys.get("fit") or {}
        fit = dataclasses.asdict(fit) if dataclasses.is_dataclass(fit) else fit  # type: ignore[arg-type]
        if isinstance(fit, Mapping) and "epochs" in fit and fit["epochs"] != epochs:
            wrong.append(f"epochs={epochs} and fit={{'epochs': {fit['epochs']}}} are both given. Remove one.")
        keys["fit"] = {**fit, "epochs": epochs}
    if objective != "loss":
        keys["objective"] = objective
    wrong += _unknown(keys, {item.name for item in fields(Plan)} - set(_OWN), "")
    known = {item.name for item in fields(DataSpec)}
    if data is not None and not isinstance(data, Mapping):
        wrong.append(f'data got {data!r}, but needs keys of a plan\'s data, such as {{"missing": "fill"}}.')
        data = None
    given = dict(data or {})
    wrong += _unknown(given, known, " in data")
    wrong += [
        f"data has the key {key!r}, which follows from x and y. Remove it."
        for key in given
        if key in rows.spec
    ]
    keys["space"] = dict(space) if isinstance(space, Mapping) else {}
    if wrong:
        raise InputError("\n".join(wrong))
    return _Asked(pickled, builder, name, rows, keys, given)


def _unknown(given: Mapping[str, Any], known: set[str], where: str) -> list[str]:
    found = []
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"Did you mean {near[0]!r}?" if near else f"The keys are {', '.join(sorted(known))}."
            found.append(f"unknown argument {key!r}{where}. {hint}")
    return found


def _written(asked: _Asked, out: str | Path | None) -> tuple[RunFolder, Plan]:
    """Write the files into the run's folder, unless it has them; return the folder and the plan.

    Raises:
        InputError: the plan or the data cannot be used, or the folder holds another run. Nothing is written then.
    """
    if out is not None and "://" in str(out):
        raise InputError(
            f"out got {str(out)!r}, but needs a folder of this machine, since function and data are written into it."
        )
    with tempfile.TemporaryDirectory(prefix="sweep-search-") as scratch:
        staged = Path(scratch).resolve()
        asked.write_function(staged)
        asked.write_rows(staged)
        try:
            tried = asked.plan(staged)
            marks = fingerprint(tried)
        except (SweepError, TrainablesError) as error:
            raise InputError(str(error).replace(f"{staged}/", "")) from None
    if out is not None:
        folder = RunFolder(Path(out).expanduser().resolve())
        if differences := _differences(asked, folder, marks):
            listed = "\n".join(f"  {line}" for line in differences)
            raise InputError(
                f"{folder.path} holds another run, and their numbers cannot be mixed:\n{listed}\n"
                "Give another out, or none for a new folder."
            )
    else:
        names = itertools.chain([asked.name], (f"{asked.name}-{number}" for number in itertools.count(2)))
        folders = (RunFolder((Path("runs") / name).resolve()) for name in names)
        folder = next(one for one in folders if not _differences(asked, one, marks))
    base = folder.state / GIVEN  # of a run on this machine, that is the folder itself
    if not folder.exists:
        folder.create()
        asked.write_rows(base)
    asked.write_function(
        base
    )  # also into an old folder: another version of Python may not read the old pickle
    made = asked.plan(base)
    if not folder.exists:
        made.__dict__["table"] = tried.table  # it was read from a copy of the same files
    return folder, made


def _differences(asked: _Asked, folder: RunFolder, marks: Mapping[str, Any]) -> list[str]:
    """Return in which lines the run in a folder differs from what is asked; empty if it is the same, or there is none."""
    if not folder.exists:
        path = Path(str(folder.path))
        # A call that died before the run began has left the folder GIVEN.
        others = [one for one in path.iterdir() if one.name != GIVEN] if path.exists() else []
        return ["the folder has files of something else"] if others else []
    try:
        old = read_fingerprint(folder)
        digest = json.loads((folder.path / GIVEN / DIGEST).read_text())
    except (OSError, ValueError):
        return ["it was not made by search"]
    if digest != asked.rows.digest:
        return ["the data: other rows were given"]
    asked_for = asked.keys.get("repeats", 1)
    if (before := repeats_of(folder)) > asked_for:
        return [f"repeats: was {before}, is {asked_for}, and repeats can only be added"]
    # Another version of pandas may write other bytes for the same rows.
    data = {**marks["data"], "sha256": old.get("data", {}).get("sha256")}
    return changes(old, {**marks, "data": data})


def _shown(folder: RunFolder) -> str:
    path = Path(str(folder.path))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
