"""The model of one point as a fitted estimator of scikit-learn, which can be pickled and copied without its run's folder."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from results.folder.run_folder import RunFolder
from results.run import Run
from sweep.driver.here import process_as_before
from sweep.models import preparation
from sweep.models.heads import named
from sweep.models.predict import BATCH_ROWS, predicted, prepared_rows
from sweep.plan.plan import Plan
from sweep.python.function import pickled

if TYPE_CHECKING:
    import keras


def by_value(build: Callable[..., Any] | str) -> bytes | None:
    """Return the pickle of a builder by value; None if a pickle by its name does, as of a function in a module.

    Raises:
        InputError: a value that the function uses cannot be pickled.
    """
    try:
        # Another process has another module __main__.
        is_named = b"__main__" not in pickle.dumps(build)
    except Exception:  # a closure or a lambda; also whatever the methods of its values raise
        is_named = False
    return None if is_named else pickled(build).content  # type: ignore[arg-type]  # a name can be pickled


class FittedPoint(BaseEstimator):
    """A point of a sweep, with the weights of its best epoch.

    Attributes:
        params: the point's value of each axis.
    """

    _model: keras.Model | None = None

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    @classmethod
    def of(cls, run: Run, idx: int, build: Callable[..., Any] | str) -> FittedPoint:
        """Return a point of a run.

        Args:
            run: the run.
            idx: of the point.
            build: the builder, or its name.
        """
        found = cls(run.config(idx))
        plan = Plan.load(run.folder.plan)
        found._build = plan.found_builder.load() if isinstance(build, str) else build
        found._builder, found._seed = plan.found_builder, run.seed(idx)
        found._spec = plan.data_spec
        found._prepared = preparation.of_run(RunFolder(run.folder.path), plan)
        found._weights = [np.array(weight) for weight in run.weights(idx)]
        return found

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_weights")

    def __getstate__(self) -> dict[str, Any]:
        # The model is built again: not every model can be pickled, but its function can.
        return {**super().__getstate__(), "_model": None, "_build": pickled(self._build).content}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__({**state, "_build": cloudpickle.loads(state["_build"])})

    @property
    def model_(self) -> keras.Model:
        """The compiled model."""
        if self._model is None:
            with process_as_before():
                from trainables.builder import build

                table, moments = self._prepared.table(), self._prepared.moments
                model = build.build(
                    self._build, self._builder, self.params, table, self._seed, moments=moments
                )
                if not model.built:
                    model(self._prepared.rows(1))
                model.set_weights(self._weights)
            self._model = model
        return self._model

    def table(self, x: pd.DataFrame | np.ndarray) -> pd.DataFrame:
        """Return the predictions for rows as `results.run.Run.predict` returns them for a data frame.

        Args:
            x: raw rows, or features of the shape (rows, ...), as in the sweep.
        """
        if isinstance(x, pd.DataFrame):
            rows = prepared_rows(x, self._prepared, self._spec, "X")
            # A classifier's codes of its labels are classes, and its table says so.
            return predicted(self.model_, rows, self._prepared, "X", are_surely_classes=True)
        from trainables.builder.configuration import without_limit

        with without_limit():
            outputs = self.model_.predict(np.asarray(x, "float32"), batch_size=BATCH_ROWS, verbose=0)
        return named(outputs, self.model_, self._prepared)[0]
