"""The trainable of Ray Tune: a trial has one or more points, and an engine trains them for it."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import ray
from ray import tune

from trainables.engine import Engine, Report, Work
from trainables.fused.internals.errors import InternalsError
from trainables.limits import RETIRE_AFTER_MB, resident_mb
from trainables.trials.engines import WAIT, engine_of

PAYLOAD = "payload"
"""The key of a trial's `Report` in a Tune result."""

COLLECT_AFTER_MB = 64.0
"""Growth of a worker's resident memory, in MiB, after which garbage is collected at the end of a trial.

A collection takes 0.15 core seconds, about as long as a short trial trains. The memory that it frees is used again and not
given back, so the memory of the worker grows no more by fewer collections than by this.
"""


class Trial(tune.Trainable):
    """Trains the points `config["points"]`, an int array, by the engine that `config["engine"]` names.

    `config["given"]` has more arguments of that engine's `begin`, if it takes any. All points of a trial have the same
    repeat, and so the same seed.
    """

    def setup(  # type: ignore[override]  # Tune passes the arguments of with_parameters
        self, config: dict[str, Any], work: Work, guard: Callable[[], None] | None = None
    ) -> None:
        """Set the worker up and take the first points.

        Args:
            config: `{"points": array, "engine": name}`, as Tune passes it.
            work: the engines' inputs; the table comes from Ray's object store.
            guard: called first; it raises an error if no point may be trained in this worker.
        """
        if guard is not None:
            guard()
        self.work, self._first_seed = work, work.training.seed
        self._engines: dict[str, Engine] = {}
        self._first_mb: float | None = None  # resident memory of this worker after its first trial
        self._collected_mb = 0.0  # the same after the last collection of garbage
        self._broken = ""  # why no engine can work here
        try:
            self.prepare()
        except InternalsError as error:
            self._broken = str(error)
        self.reset_config(config)

    def prepare(self) -> None:
        """Set up TensorFlow and the builder, once for all engines of this worker and before the first one is made."""
        from trainables.fused.internals import start, xla

        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        xla.set_up()
        with start.uncollected():
            set_up_tensorflow(self.work.training.threads)
            start.import_keras()

        # The collection after each trial then skips what the imports made, half a million objects that stay anyway.
        gc.freeze()
        self.work = replace(self.work, builder=self.work.builder.arrived())

    def make_engine(self, name: str) -> Engine:
        """Return a new engine of this name."""
        return engine_of(name, self.work)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next points in this worker; end the worker instead if its memory has grown too much."""
        if self._first_mb is not None and resident_mb() - self._first_mb > RETIRE_AFTER_MB:
            ray.actor.exit_actor()
        name, points = new_config["engine"], np.asarray(new_config["points"], np.int64)
        if len(points):
            self._of_repeat(points)
        self._waits = name == WAIT
        if name not in self._engines:
            self._engines[name] = self._made(name)
        self._engine = self._engines[name]
        self._engine.begin(points, **new_config.get("given", {}))
        return True

    def _made(self, name: str) -> Engine:
        """Return a new engine, or one that reports why there can be none.

        An error would end the worker. The driver would start one worker after the other, and the user would not see why.
        """
        try:
            return _Broken(self.work, self._broken) if self._broken else self.make_engine(name)
        except InternalsError as error:
            return _Broken(self.work, str(error))

    def _of_repeat(self, points: np.ndarray) -> None:
        """Take the seed of the points' repeat. Engines of another seed are forgotten: the builder is imported anew."""
        [repeat] = np.unique(self.work.space.repeat(points)).tolist()
        work = self.work.of_seed(self._first_seed + repeat)
        if work is not self.work:
            self.work, self._engines = work, {}

    def give(self) -> None:
        """Ask the trial to give half of its open points away at its next step; see `Engine.give`."""
        self._engine.give()

    def step(self) -> dict[str, Any]:
        """Train for a while and report. The result says under the key `WAIT` whether the trial is a wait."""
        report = self._engine.step()
        if report.done:
            if resident_mb() - self._collected_mb > COLLECT_AFTER_MB:
                gc.collect()
                self._collected_mb = resident_mb()
            self._first_mb = self._first_mb or resident_mb()
        report = replace(report, notes=(*report.notes, *self.work.maker.notes))
        return {"done": report.done, PAYLOAD: report, WAIT: self._waits}


class _Broken(Engine):
    """Stands for an engine that cannot work with the installed libraries.

    Args:
        work: the inputs of an engine.
        why: the message for the user.
    """

    def __init__(self, work: Work, why: str) -> None:
        super().__init__(work)
        self._why = why

    def begin(self, points: np.ndarray, known: Any = None, most: int | None = None) -> None:
        """Take the next trial; all arguments are ignored."""

    def step(self) -> Report:
        """Report why nothing can be trained, which ends the sweep."""
        return Report(done=True, broken=self._why)


def set_up_tensorflow(threads: int) -> None:
    """Give TensorFlow `threads` threads, and memory growth on each visible GPU; works once per process."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # other code in this process has started TensorFlow already
        pass
