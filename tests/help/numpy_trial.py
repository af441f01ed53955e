"""A trial whose training is made up by NumPy in milliseconds: for what a sweep does around the training.

The numbers of a point depend on its idx alone, and losses fall from epoch to epoch, so the best epoch is the last.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import ray

from trainables.engine import Engine, Report, Rows, checkpoint_name, curves_of, weights_of, without_training
from trainables.trials.engines import WAIT
from trainables.trials.trial import Trial
from trainables.trials.wait import WaitEngine

WEIGHTS = 400
"""Numbers in a model."""

LAYOUT = f'[["weights", "float32", [{WEIGHTS}]]]'


class NumpyEngine(Engine):
    """Makes up the numbers of its points.

    A step takes as many seconds more as the variable SWEEP_TEST_STEP_S says. With the variable SWEEP_TEST_SAVES_S, a step is
    an epoch, and the engine says that it would save so many seconds to give points away, and does so if it is asked. A point
    misbehaves as its value on an axis "behaviour" says: "dies", or "dies once", for which the variable SWEEP_TEST_MARK names
    a file to be made; "nan" and "sleeps" end as they do in the real engine, which needs no time for it here. A group that is
    larger than `COHORT` is split.

    Attributes:
        hold: a file; while it is there, only the points end whose idx it lists, by spaces between. None for no such file.
            Points that may be given away wait after their first epoch, and can be given away meanwhile.
        record: a file for a line of JSON of each trial that begins: its points, the epochs that they have been trained, the
            labels of its node and the process. None for none.
    """

    COHORT = 1000
    hold: Path | None = None
    record: Path | None = None

    def begin(self, points, known=None, most=None):
        self._points, self._epoch, self._asked = points, 0, False
        self._gives_s = float(os.environ.get("SWEEP_TEST_SAVES_S", "0"))
        found = self.work.checkpoints.find(points) if self._gives_s and self.work.checkpoints else ()
        for present, state in found:
            if len(present) == len(points):
                self._epoch = int(state["epoch"])
                break
        if self.record:
            labels = ray.get_runtime_context().get_node_labels()
            with self.record.open("a") as file:
                told = {
                    "points": points.tolist(),
                    "epoch": self._epoch,
                    "labels": labels,
                    "process": os.getpid(),
                }
                file.write(json.dumps(told) + "\n")

    def give(self):
        self._asked = True

    def step(self):
        points, training = self._points, self.work.training
        if len(points) > self.COHORT:
            parts = np.array_split(points, -(-len(points) // self.COHORT))
            return Report(done=True, parts=parts, why="a cohort has so many points at most")
        time.sleep(float(os.environ.get("SWEEP_TEST_STEP_S", "0")))
        if (rows := self._misbehave()) is not None:
            return Report(done=True, rows=rows)
        if self._asked and len(points) > 1:
            return self._give()
        if self._gives_s and self._epoch == 1 and self._held():
            time.sleep(0.01)
            return Report(open=len(points), saves_s=self._saves_s())
        while not self._gives_s and self._held():
            time.sleep(0.01)
        epochs = training.fit.epochs
        later = [milestone for milestone in training.milestones if milestone > self._epoch]
        self._epoch = self._epoch + 1 if self._gives_s else min([*later, epochs])
        going = np.ones(len(points), bool)
        if self.work.rungs and self._epoch in training.milestones:
            going = self.work.rungs.enter(self._epoch, points, self._losses(points)[:, -1], together=True)
        over = self._epoch >= epochs
        ended = points if over else points[~going]
        status = np.where(going, "completed", "pruned")[slice(None) if over else ~going]
        self._points = points[:0] if over else points[going]
        return Report(
            done=not len(self._points),
            open=len(self._points),
            saves_s=self._saves_s(),
            rows=self._rows(ended, status) if len(ended) else None,
            rungs=self.work.rungs.entered() if self.work.rungs else None,
        )

    def _saves_s(self):
        return self._gives_s if len(self._points) > 1 and self._epoch else 0.0

    def _give(self):
        half = len(self._points) // 2
        self._asked, self._points, given = False, self._points[:half], self._points[half:]
        state = {"idx": given, "alive": np.ones(len(given), bool), "epoch": np.array(self._epoch)}
        assert self.work.checkpoints.hand_over(checkpoint_name(given), state)
        return Report(open=half, given=given, saves_s=self._saves_s())

    def _held(self):
        try:
            may_end = self.hold.read_text() if self.hold else None
        except FileNotFoundError:
            return False
        return may_end is not None and not set(self._points) <= set(map(int, may_end.split()))

    def _misbehave(self):
        """End the worker, or return the row of a point that is not trained to its end."""
        if "behaviour" not in self.work.space.to_dict():
            return None
        for behaviour in (self.work.space[int(idx)]["behaviour"] for idx in self._points):
            mark = Path(os.environ.get("SWEEP_TEST_MARK", "/"))
            if behaviour == "dies" or (behaviour == "dies once" and not mark.exists()):
                if behaviour == "dies once":
                    mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if behaviour in ("nan", "sleeps"):
                assert len(self._points) == 1, "such points are trained one by one"
                return self._diverged() if behaviour == "nan" else self._out_of_time()
        return None

    def _diverged(self):
        row = {
            "idx": self._points,
            "status": ["diverged"],
            "epochs": np.ones(1, "int32"),
            "engine": ["numpy"],
        }
        logs = dict.fromkeys(("loss", "val_loss"), np.full(1, np.nan, "float32"))
        return Rows(pa.record_batch(row), curves_of(self._points, row["epochs"], logs))

    def _out_of_time(self):
        training = self.work.training
        error = f"The point took longer than timeout_s={training.timeout_s:g}."
        return without_training(self._points, "timeout", error, "numpy", training.seed)

    def _losses(self, points):
        """Losses up to this epoch: float32, shape (points, epochs)."""
        level = (points * 2654435761 % 2**32 / 2**32).astype("float32")
        return level[:, None] + 1 / np.arange(1, self._epoch + 1, dtype="float32")

    def _rows(self, points, status):
        count, losses = len(points), self._losses(points)
        final = losses[:, -1].astype("float64")
        rows = {
            "idx": points,
            **{f"{name}_{split}": final for name in ("loss", "MAE") for split in ("tr", "va", "te")},
            "status": pa.array(status, pa.string()),
            "epochs": np.full(count, self._epoch, "int32"),
            "best_epoch": np.full(count, self._epoch, "int32"),
            "params": np.full(count, WEIGHTS),
            "seed": np.full(count, self.work.training.seed),
            "seconds": np.zeros(count),
            "engine": pa.array(["numpy"]).take(pa.array(np.zeros(count, int))),
            "error": pa.nulls(count, pa.string()),
        }
        logs = dict.fromkeys(("loss", "MAE", "val_loss", "val_MAE", "learning_rate"), losses.ravel())
        weights = (
            np.repeat(losses[:, -1:], WEIGHTS, 1).view("uint8") if self.work.training.keep_weights else None
        )
        return Rows(
            pa.record_batch({name: pa.array(column) for name, column in rows.items()}),
            curves_of(points, np.full(count, self._epoch), logs),
            None if weights is None else weights_of(points, weights, LAYOUT),
        )


class NumpyTrial(Trial):
    """A trial of `NumpyEngine`, which needs no TensorFlow."""

    def prepare(self):
        """Take as many seconds as the variable SWEEP_TEST_PREPARE_S says, as importing TensorFlow does."""
        time.sleep(float(os.environ.get("SWEEP_TEST_PREPARE_S", "0")))

    def make_engine(self, name):
        return WaitEngine(self.work) if name == WAIT else NumpyEngine(self.work)
