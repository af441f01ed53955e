"""Exports points and learning curves as runs to an MLflow server, or to any other tracking URI that MLflow accepts.

Each point is a run `idx 123`. Its settings are params, its final metrics are metrics, and the rest of its row is tags. If
curves are exported, they are metrics such as `curves/val_loss`, with a step for each epoch. MLflow stores params as
text, so None and "null" look the same there, and so do 8 and "8". If a point was trained again since an earlier export, its
run is deleted, as MLflow deletes, so it can be restored; and there is a new one.

How names are changed
    MLflow accepts letters, digits, `_`, `-`, `.`, blanks and some signs that can separate folders. In the name of an axis
    or a metric, any other character becomes `_`. A name that is empty or begins with a dot gets a leading `_`. A name
    of more than 230 characters is cut. Names that have become equal get the suffixes `_2`, `_3` and so on.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from results.export_to.chosen_points import ChosenPoints, Point, identity

CURVES = "curves/"
"""The prefix of the keys of curves."""

MAX_PARAM_CHARACTERS = 6000
MAX_TAG_CHARACTERS = 5000
_MAX_KEY_CHARACTERS = 230  # MLflow allows 250; the rest is for prefix and suffix
_MAX_METRICS, _MAX_PARAMS = 900, 90  # in one request; MLflow allows 1000 entities, 100 of them params or tags

_AT_ONCE = 4
"""The number of points that are sent to the server at the same time."""

_RUN_TAG, _ROW_TAG, _CURVES_TAG = "sweep.run_id", "sweep.row", "sweep.curves"
_WHILE_WRITING = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # MLflow's default would take minutes
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
_AT_FIRST = {**_WHILE_WRITING, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}


def write(chosen: ChosenPoints, uri: str, experiment: str) -> Iterator[bool]:
    """Write the points to an MLflow experiment. A point of an earlier export is completed if anything is missing.

    Args:
        chosen: the points.
        uri: of the server, such as `http://localhost:5000`, or another tracking URI of MLflow.
        experiment: its name; it is created if it does not exist.

    Yields:
        For each point, whether anything was written.

    Raises:
        ValueError: MLflow is not installed, does not answer, or refuses something.
    """
    with _environment(_AT_FIRST):
        client, number = _opened(uri, experiment)
    return _written(client, number, chosen, uri)


def _opened(uri: str, name: str) -> tuple[Any, str]:
    """Return a client and the number of the experiment."""
    try:
        import mlflow
    except ModuleNotFoundError:
        raise ValueError('MLflow is not installed. Type: pip install "keras-grid-sweep[mlflow]"') from None
    try:
        client = mlflow.MlflowClient(uri)
        found = client.get_experiment_by_name(name)
        if found is None:
            return client, client.create_experiment(name)
    except Exception as error:  # each of MLflow's stores raises the errors of its own library
        raise _failed(uri, error) from error
    if found.lifecycle_stage != "active":
        raise ValueError(f'The experiment "{name}" was deleted at {uri}. Restore it there, or name another.')
    return client, found.experiment_id


def _written(client: Any, number: str, chosen: ChosenPoints, uri: str) -> Iterator[bool]:
    from mlflow.exceptions import MlflowException

    with _environment(_WHILE_WRITING):
        try:
            yield from _Experiment(client, number, chosen).write()
        except (MlflowException, OSError) as error:
            raise _failed(uri, error) from error


def _failed(uri: str, error: Exception) -> ValueError:
    why: BaseException = error
    beneath: BaseException | None = error
    while beneath is not None:  # "Connection refused" is the root of a chain of errors
        if isinstance(beneath, OSError):
            why = beneath
        beneath = beneath.__context__
    said = " ".join(str(why).split()) or type(why).__name__
    return ValueError(
        f"MLflow at {uri} cannot be written ({said[:300]}). Check the address and whether a server answers there, "
        "then run the same command again: it goes on where it stopped."
    )


class _Experiment:
    """The MLflow experiment that the points of one run are exported to."""

    def __init__(self, client: Any, number: str, chosen: ChosenPoints) -> None:
        self._client, self._number, self._chosen = client, number, chosen
        self._run = identity(chosen.run.folder)
        self._params = keys(chosen.axes)
        self._metrics = keys(chosen.metrics)
        self._logged = keys(chosen.logged)
        self._builder = str(chosen.run.plan.get("builder"))

    def write(self) -> Iterator[bool]:
        there = self._there()
        waiting: deque[Future[bool]] = deque()
        with ThreadPoolExecutor(_AT_ONCE) as pool:  # most of the time is spent waiting for the server
            for point in self._chosen:
                waiting.append(pool.submit(self._complete, point, there.get(str(point.idx))))
                if len(waiting) > _AT_ONCE:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _complete(self, point: Point, run: Any) -> bool:
        """Write what is missing of a point; return whether anything was."""
        if run is not None and _is_of_other_row(run, point):
            self._client.delete_run(run.info.run_id)  # its params and metrics cannot be taken back
            run = None
        if run is None:
            run = self._create(point)
        elif run.info.status != "RUNNING" and (not point.curve or _CURVES_TAG in run.data.tags):
            return False
        self._log(point, run)
        return True

    def _there(self) -> dict[str, Any]:
        """Return the MLflow runs of earlier exports, by idx."""
        found: dict[str, Any] = {}
        token = None
        while True:
            page = self._client.search_runs(
                [self._number], f"tags.`{_RUN_TAG}` = '{self._run}'", max_results=1000, page_token=token
            )
            found |= {run.data.tags.get("idx", ""): run for run in page}
            token = page.token
            if not token:
                return found

    def _create(self, point: Point) -> Any:
        start_ms = round((time.time() - point.seconds) * 1000)
        named = {_RUN_TAG: self._run, _ROW_TAG: point.digest, **tags(point, self._builder)}
        return self._client.create_run(self._number, start_ms, named, run_name=f"idx {point.idx}")

    def _log(self, point: Point, run: Any) -> None:
        """Log what is missing. Values that are logged again have the same times as before, so MLflow keeps one copy."""
        from mlflow.entities import Metric, Param, RunTag

        start_ms, run_id, is_open = run.info.start_time, run.info.run_id, run.info.status == "RUNNING"
        end_ms = start_ms + round(point.seconds * 1000)
        metrics, params = [], []
        if is_open:
            step = int(point.metrics.get("best_epoch", 0))
            metrics = [Metric(self._metrics[name], v, end_ms, step) for name, v in point.metrics.items()]
            params = [Param(self._params[name], text(value)) for name, value in point.settings.items()]
        for epoch, values in point.curve:
            at_ms = start_ms + round(point.seconds * 1000 * epoch / len(point.curve))
            metrics += [Metric(CURVES + self._logged[name], v, at_ms, epoch) for name, v in values.items()]
        for some_metrics, some_params in batches(metrics, params):
            self._client.log_batch(run_id, some_metrics, some_params)
        if point.curve:
            self._client.log_batch(run_id, tags=[RunTag(_CURVES_TAG, "true")])
        if is_open:
            self._client.set_terminated(run_id, "FINISHED" if point.well else "FAILED", end_ms)


def _is_of_other_row(run: Any, point: Point) -> bool:
    """Return whether the point was trained again since an export made the run."""
    written = run.data.tags.get(_ROW_TAG)
    if written is None:  # by an earlier version
        return bool(run.data.tags.get("status") != point.row["status"])
    return bool(written != point.digest)


def keys(names: Iterable[str]) -> dict[str, str]:
    """Return the name in MLflow for each name, by the rules in the module's docstring; all are different."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        key = re.sub(r"[^\w.\- ]", "_", name)[:_MAX_KEY_CHARACTERS]
        if not key or key.startswith("."):
            key = f"_{key}"
        others = (f"{key}_{n}" for n in itertools.count(2))
        found[name] = next(option for option in itertools.chain([key], others) if option not in taken)
        taken.add(found[name])
    return found


def text(value: str | bool | int | float) -> str:
    """Return a setting as the text of a param; a text that is too long for MLflow is cut and ends with "..."."""
    return _cut(value if isinstance(value, str) else json.dumps(value), MAX_PARAM_CHARACTERS)


def tags(point: Point, builder: str) -> dict[str, str]:
    """Return the values of the point's row that are no metrics."""
    row: Mapping[str, Any] = {"builder": builder, **point.row}
    names = ("idx", "status", "engine", "seed", "builder", "error")
    return {name: _cut(str(row[name]), MAX_TAG_CHARACTERS) for name in names if _is_there(row.get(name))}


def batches(metrics: Sequence[Any], params: Sequence[Any]) -> Iterator[tuple[Sequence[Any], Sequence[Any]]]:
    """Yield both in parts that are small enough for one request to MLflow."""
    for n in itertools.count():
        some = metrics[n * _MAX_METRICS :][:_MAX_METRICS], params[n * _MAX_PARAMS :][:_MAX_PARAMS]
        if not any(some):
            return
        yield some


def _cut(value: str, most: int) -> str:
    return value if len(value) <= most else f"{value[: most - 3]}..."


def _is_there(value: Any) -> bool:
    return value is not None and value == value  # NaN


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set the variables that the user has not set, for the length of a `with` block."""
    mine = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(mine)
    try:
        yield
    finally:
        for name in mine:
            del os.environ[name]
