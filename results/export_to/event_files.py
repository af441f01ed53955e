"""Exports points and learning curves as TensorBoard's event files, for its tabs HParams and Time Series.

The log folder has a run named `idx-123` for each point, with its settings and its final metrics (tags such as
`final/loss_te`, at the step of the best epoch). If curves are exported, the run also has the point's curves (tags such as
`curves/val_loss`, a step for each epoch). TensorBoard keeps scalars as float32. Every file is written atomically under a
fixed name, so an export that was interrupted leaves a readable folder and can be repeated to complete it. A digest beside
the files of a point tells whether it was trained again since; then they are replaced.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorboardX.proto import api_pb2, plugin_hparams_pb2
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboardX.record_writer import RecordWriter

from results.export_to.chosen_points import ChosenPoints, Point, identity
from results.folder.files import explained, write_json

FINAL, CURVES = "final/", "curves/"
"""The prefixes of the tags of final metrics and of curves."""

_MARK, _ROW = "sweep-export.json", "sweep-row"
# TensorBoard reads files with "tfevents" in their name, in the order of their names.
_EXPERIMENT, _POINT, _CURVE = (f"events.out.tfevents.{n}" for n in ("0.experiment", "1.point", "2.curve"))
_DATASETS = {"tr": api_pb2.DATASET_TRAINING, "va": api_pb2.DATASET_VALIDATION}


def write(chosen: ChosenPoints, logdir: Path) -> Iterator[bool]:
    """Write the points to `logdir`, a folder that is new or empty or already has points of the same run.

    Args:
        chosen: the points.
        logdir: the folder.

    Yields:
        For each point, whether anything was written.

    Raises:
        ValueError: the folder holds something else.
        FolderError: the folder cannot be written.
    """
    _claim(chosen, logdir)
    return _written(chosen, logdir)


def _claim(chosen: ChosenPoints, logdir: Path) -> None:
    """Create the folder and mark it as this run's, or check that it is."""
    mark, run = logdir / _MARK, identity(chosen.run.folder)
    with explained(logdir):
        logdir.mkdir(parents=True, exist_ok=True)
        if mark.is_file():
            try:
                owner = json.loads(mark.read_bytes())["run"]
            except (ValueError, KeyError, TypeError):
                owner = None
            if owner != run:
                raise ValueError(
                    f"{logdir} holds the points of another run. Name another folder, such as one beside it: TensorBoard "
                    "shows all folders below the one that it is given."
                )
        elif any(logdir.iterdir()):
            raise ValueError(
                f"{logdir} is not empty, and has no points of this run. Name a folder that is new or empty."
            )
    write_json(mark, {"run": run, "folder": str(chosen.run.folder.path)})


def _written(chosen: ChosenPoints, logdir: Path) -> Iterator[bool]:
    _write_file(logdir / _EXPERIMENT, [_event(_experiment(chosen), 0, time.time())])
    for point in chosen:
        folder, new = logdir / f"idx-{point.idx}", False
        row, known = folder / _ROW, _text(folder / _ROW)
        is_other = known != point.digest  # trained again since, or not exported, or by an earlier version
        for name, events in ((_POINT, _point_events(point)), (_CURVE, _curve_events(point))):
            if events and (is_other or not (folder / name).exists()):
                _write_file(folder / name, events)
                new = True
            elif is_other and known:
                (folder / name).unlink(missing_ok=True)  # the curve of the other training
        if is_other:
            with explained(row):
                row.write_text(
                    point.digest
                )  # the last, so an export that was interrupted here writes all again
        yield new


def _text(path: Path) -> str:
    """Return the text of a file, an empty one if it does not exist."""
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""


def _experiment(chosen: ChosenPoints) -> list[Summary.Value]:
    """Return the summary that tells the HParams tab the names of axes and metrics."""
    axes = []
    for name, values in chosen.axes.items():
        info = api_pb2.HParamInfo(name=name, type=_type_of(values))
        info.domain_discrete.extend(values)
        axes.append(info)
    metrics = [
        api_pb2.MetricInfo(
            name=api_pb2.MetricName(tag=FINAL + column.name),
            display_name=column.name,
            description=column.meaning + (f" ({column.unit})" if column.unit else ""),
            dataset_type=_DATASETS.get(column.name[-2:], api_pb2.DATASET_UNKNOWN),
        )
        for column in chosen.columns
    ]
    experiment = api_pb2.Experiment(
        name=str(chosen.run.folder.path.absolute().name), hparam_infos=axes, metric_infos=metrics
    )
    return [_hparams("experiment", experiment=experiment)]


def _type_of(values: Sequence[str | bool | int | float]) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_FLOAT64 if kinds <= {int, float} else api_pb2.DATA_TYPE_STRING


def _point_events(point: Point) -> list[Event]:
    end_s = time.time()
    start = plugin_hparams_pb2.SessionStartInfo(start_time_secs=end_s - point.seconds)
    for name, value in point.settings.items():
        if isinstance(value, str):
            start.hparams[name].string_value = value
        elif isinstance(value, bool):
            start.hparams[name].bool_value = value
        else:
            start.hparams[name].number_value = value
    status = api_pb2.STATUS_SUCCESS if point.well else api_pb2.STATUS_FAILURE
    end = plugin_hparams_pb2.SessionEndInfo(status=status, end_time_secs=end_s)
    scalars = [Summary.Value(tag=FINAL + name, simple_value=value) for name, value in point.metrics.items()]
    return [
        _event([_hparams("session_start_info", session_start_info=start)], 0, start.start_time_secs),
        _event(scalars, int(point.metrics.get("best_epoch", 0)), end_s),
        _event([_hparams("session_end_info", session_end_info=end)], 0, end_s),
    ]


def _curve_events(point: Point) -> list[Event]:
    events, end_s = [], time.time()
    for epoch, values in point.curve:
        scalars = [Summary.Value(tag=CURVES + name, simple_value=value) for name, value in values.items()]
        events.append(_event(scalars, epoch, end_s - point.seconds * (1 - epoch / len(point.curve))))
    return events


def _hparams(tag: str, **content: Any) -> Summary.Value:
    """Return a summary for the HParams plugin; its content is in the metadata."""
    data = plugin_hparams_pb2.HParamsPluginData(**content)
    plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=data.SerializeToString())
    return Summary.Value(tag=f"_hparams_/{tag}", metadata=SummaryMetadata(plugin_data=plugin))


def _event(values: Sequence[Summary.Value], step: int, wall_s: float) -> Event:
    return Event(wall_time=wall_s, step=step, summary=Summary(value=values))


def _write_file(path: Path, events: Iterable[Event]) -> None:
    part = path.with_name(".part")  # a name that TensorBoard ignores
    with explained(path):
        path.parent.mkdir(exist_ok=True)
        try:
            with contextlib.closing(RecordWriter(str(part.absolute()))) as writer:
                for event in (Event(wall_time=time.time(), file_version="brain.Event:2"), *events):
                    writer.write(event.SerializeToString())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
