"""Estimators of scikit-learn that sweep a grid of Keras models in `fit`, and predict by the best one.

They are used like scikit-learn's `GridSearchCV`, but each point is trained once, and judged by validation rows that are
split off from the given rows, as `MLPClassifier` does with `early_stopping=True`.
"""

from __future__ import annotations

import functools
import inspect
import numbers
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    _check_sample_weight,
    check_is_fitted,
    check_X_y,
    column_or_1d,
    validate_data,
)

from cluster.connect.local import available_cpus
from results.run import Run
from sweep.python.features import check_features, check_no_columns
from sweep.python.fitted import FittedPoint, by_value
from sweep.python.held_out import check_keys, held_out, how_of
from sweep.python.ranked import ranked
from sweep.python.search import search
from trainables.builder.find import find

TARGET = "target of the sweep"
"""The name of the target in the table that a data frame becomes."""


class _KerasSweep(BaseEstimator):
    """What the two estimators share; `KerasSweepClassifier` documents the arguments."""

    def __init__(
        self,
        build: Callable[..., Any],
        space: Mapping[str, Any],
        *,
        epochs: int = 50,
        repeats: int = 1,
        validation_fraction: float = 0.2,
        n_jobs: int | None = None,
        out: str | Path | None = None,
        data: Mapping[str, Any] | None = None,
        plan: Mapping[str, Any] | None = None,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.build = build
        self.space = space
        self.epochs = epochs
        self.repeats = repeats
        self.validation_fraction = validation_fraction
        self.n_jobs = n_jobs
        self.out = out
        self.data = data
        self.plan = plan
        self.random_state = random_state
        self.verbose = verbose

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        if content := by_value(self.build):
            state = {**state, "build": None, "_build_by_value": content}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if content := state.get("_build_by_value"):
            state = {name: value for name, value in state.items() if name != "_build_by_value"}
            state["build"] = cloudpickle.loads(content)
        super().__setstate__(state)

    def _fit(self, x: Any, y: np.ndarray, weight: Any, task: str, about: dict[str, int]) -> None:
        """Sweep.

        Args:
            x: checked rows: a data frame, or float32.
            y: targets; codes of classes.
            weight: of the rows, or None.
            task: of the plan.
            about: further arguments of `build`, if it names them.
        """
        if not isinstance(self.validation_fraction, numbers.Real) or not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction got {self.validation_fraction!r}, but needs a share between 0 and 1, such as 0.2."
            )
        cpus = _cpus(self.n_jobs)
        check_keys(self.plan, self.data, task)
        random = self.random_state
        seed = (
            random if isinstance(random, numbers.Integral) else check_random_state(random).randint(2**31 - 1)
        )
        how = how_of(self.data)
        fit, held = held_out(x, y, task, how, float(self.validation_fraction), int(seed))
        if isinstance(x, pd.DataFrame):
            check_features(x, self.data)
        else:
            check_no_columns(self.data)
        build = self.build
        if not isinstance(build, str):
            named = inspect.signature(build).parameters
            if extra := {
                name: value for name, value in about.items() if name in named and name not in self.space
            }:
                build = functools.partial(build, **extra)
        rows = [_rows(x, y, weight, part) for part in (fit, held)]
        data = {"task": task, **(self.data or {})}
        data.pop("split", None)
        if how is not None and how.column is not None:  # so that the column is no feature
            data["split"] = {"kind": how.kind, "column": how.column}
        plan = {"scheduler": "none", "seed": int(seed), "repeats": self.repeats, **(self.plan or {})}
        space = self._coded_weights(plan)
        in_process = self.n_jobs in (None, 1)
        with tempfile.TemporaryDirectory(prefix="sweep-fit-") as scratch:
            run = search(
                build, rows[0], rows[1], validation_data=rows[1], space=space, epochs=self.epochs,
                out=self.out or Path(scratch) / "run", data=data, in_process=in_process, show=bool(self.verbose),
                cpus=None if in_process else cpus, **plan,
            )  # fmt: skip
            self._take(run, build)

    def _coded(self, class_weight: Any) -> Any:
        """Return a value of `class_weight` as the sweep takes it, whose targets of a classifier are codes."""
        return class_weight

    def _coded_weights(self, plan: dict[str, Any]) -> Mapping[str, Any]:
        """Return the space with `class_weight` by codes, and put it so into the plan's arguments of `fit`."""
        fit = plan.get("fit")
        if isinstance(fit, Mapping) and "class_weight" in fit:
            plan["fit"] = {**fit, "class_weight": self._coded(fit["class_weight"])}
        elif is_dataclass(fit) and not isinstance(fit, type):
            plan["fit"] = replace(fit, class_weight=self._coded(getattr(fit, "class_weight", None)))
        if not self._weighs_by_axis():
            return self.space
        return {**self.space, "class_weight": [self._coded(value) for value in self.space["class_weight"]]}

    def _weighs_by_axis(self) -> bool:
        """Return whether `class_weight` is an axis of the arguments of `fit`, and not of the builder."""
        values = self.space.get("class_weight") if isinstance(self.space, Mapping) else None
        if not isinstance(values, list | tuple):
            return False
        build = self.build
        named = find(build, Path.cwd()) if isinstance(build, str) else inspect.signature(build)
        return "class_weight" not in named.parameters

    def _take(self, run: Run, build: Callable[..., Any]) -> None:
        """Keep the scores of all points, and the best point with its weights."""
        found = ranked(run, self.space["class_weight"] if self._weighs_by_axis() else None)
        self.cv_results_: dict[str, Any] = found.results
        self.best_index_ = found.best
        self.best_params_ = found.results["params"][found.best]
        self.best_score_ = float(found.results["mean_test_score"][found.best])
        self.best_estimator_ = FittedPoint.of(run, found.idx, build)
        self.n_iter_ = found.epochs

    def _checked(self, x: Any) -> Any:
        """Return rows to predict."""
        check_is_fitted(self)
        _check_no_name_twice(x)
        if not self._takes_frames:
            return validate_data(self, x, dtype="float32", reset=False)
        if isinstance(x, pd.DataFrame):
            _check_feature_names(self, x, reset=False)
            _check_n_features(self, x, reset=False)
            return x
        # The columns of an array are those of the fitted data frame, in its order, and are prepared as these were.
        array = validate_data(self, x, dtype=None, ensure_all_finite=False, reset=False)
        return pd.DataFrame(array, columns=self._columns).infer_objects()

    def _checked_both(self, x: Any, y: Any, **options: Any) -> tuple[Any, Any]:
        """Return rows and targets of `fit`; a data frame stays one if its columns have to be prepared."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        _check_no_name_twice(x)
        self._takes_frames = isinstance(x, pd.DataFrame) and (bool(self.data) or not _are_numbers(x))
        if not self._takes_frames:
            return validate_data(self, x, y, dtype="float32", ensure_min_samples=2, **options)
        _check_feature_names(self, x, reset=True)
        _check_n_features(self, x, reset=True)
        self._columns = [str(name) for name in x.columns]
        _, y = check_X_y(np.zeros((len(x), 1)), y, **options)
        return x, y


class KerasSweepClassifier(ClassifierMixin, _KerasSweep):
    """A classifier that sweeps a grid of Keras models in `fit`, and predicts by the best one.

    Labels of any kind are learned as their codes. So losses such as "sparse_categorical_crossentropy", with an output for
    each class, or "binary_crossentropy", with one output for two classes, fit.

    Args:
        build: a function of the axes that returns a compiled Keras model. It also gets, if it names them, `input_shape` and
            `normalizer`, and `n_classes` (of a classifier) or `n_outputs` (of a regressor).
        space: the values of each axis.
        epochs: the most epochs of a point.
        repeats: how often each point is trained, with different seeds. The best one has the best mean.
        validation_fraction: share of the rows, or of their groups, that are the validation rows. They are drawn at random;
            stratified for a classifier if it can be.
        n_jobs: None or 1 trains in this process, without Ray. Another number uses Ray with so many cores; -1 means all
            cores, -2 all but one, and so on.
        out: the run's folder, to look at the sweep later; the same fit resumes there. None: a folder that is deleted.
        data: further keys of a plan's `data`, for data frames, such as `{"missing": "fill"}`. `{"split": {"kind": "group",
            "column": "household"}}` puts all rows of a household into one part, and the kind `time` takes the last rows
            as the validation rows. The column is no feature. The kinds `random` and `stratified` need no column.
        plan: further keys of a plan, such as `{"scheduler": "none", "callbacks": {"early_stopping": {"patience": 5}}}`. A
            `class_weight` in its `fit`, or as an axis, has the labels as keys, as in scikit-learn. Keys that an argument
            here gives, such as `seed`, are refused, and so is a `keep_weights` other than True.
        random_state: seed of the split, of the initial weights and of the order of rows.
        verbose: whether to print the progress.

    Attributes:
        best_estimator_: the best point by the objective on the validation rows, with the weights of its best epoch. It
            is not trained again on all rows. Its attribute `model_` is the `keras.Model`. With `repeats`, it is the best
            repeat of the point with the best mean.
        best_params_: its value of each axis.
        best_score_: its score: the objective on the validation rows, or minus it if a lower one is better.
        best_index_: its row in `cv_results_`.
        cv_results_: columns as of `GridSearchCV`, with one split: params, param_*, split0_test_score, mean_test_score,
            std_test_score, rank_test_score, mean_train_score, mean_fit_time. A score is as `best_score_`; test stands for
            the validation rows. `mean_train_score` is measured on all given rows: it includes the validation rows, so it
            is too close to the test score to tell how much a point overfits. A point that failed has NaN. With `repeats`,
            each repeat is a split, on the same rows.
        n_features_in_, feature_names_in_: as usual.
        classes_: the labels.
    """

    def _coded(self, class_weight: Any) -> Any:
        if not isinstance(class_weight, Mapping):
            return class_weight
        codes = {label: code for code, label in enumerate(self.classes_.tolist())}
        if unknown := [label for label in class_weight if label not in codes]:
            shown = ", ".join(map(repr, list(codes)[:10])) + (", ..." if len(codes) > 10 else "")
            raise ValueError(
                f"class_weight names {', '.join(map(repr, unknown))}, but the classes are {shown}. Write "
                f"class_weight: {{{next(iter(codes))!r}: 2.0}}, or 'balanced'."
            )
        return {codes[label]: weight for label, weight in class_weight.items()}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = True  # the score is that of the user's models
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KerasSweepClassifier:  # noqa: N803
        """Train every point, and keep the best.

        Args:
            X: an array of the shape (rows, features); or a data frame. A data frame with texts or gaps, or with the argument
                `data`, is prepared as the table of a sweep: texts become categories. It needs at least 20 fitted rows.
            y: the label of each row, shape (rows,).
            sample_weight: weights of the rows, shape (rows,).

        Raises:
            ValueError: an argument cannot be used.
            RuntimeError: no point could be trained; the message has the first error.
        """
        x, y = self._checked_both(X, y)
        check_classification_targets(y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, np.asarray(y))
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"The target has one class, {self.classes_[0]!r}, but a classifier needs at least two classes."
            )
        self._fit(x, codes, weight, "multiclass", {"n_classes": len(self.classes_)})
        return self

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the probability of each class, float64, shape (rows, classes), in the order of `classes_`.

        Raises:
            ValueError: the outputs of the model are no probabilities.
        """
        table = (
            self.best_estimator_.table(self._checked(X))
            if hasattr(self, "best_estimator_")
            else self._checked(X)
        )
        names = [f"p_{code}" for code in range(len(self.classes_))]
        if not set(names) <= set(table):
            raise ValueError(
                f"The outputs of the model are no probabilities of {len(names)} classes; they are "
                f"{', '.join(map(str, table.columns))}."
            )
        found = table[names].to_numpy("float64")
        return found / found.sum(axis=1, keepdims=True)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the label of each row, shape (rows,)."""
        x = self._checked(X)
        table = self.best_estimator_.table(x)
        if (name := table.columns[0]).startswith("output_"):
            raise ValueError(
                f"The model has {table.shape[1]} outputs, which say nothing of {len(self.classes_)} classes."
            )
        return self.classes_[table[name].to_numpy("int64")]


class KerasSweepRegressor(RegressorMixin, _KerasSweep):
    """A regressor that sweeps a grid of Keras models in `fit`, and predicts by the best one.

    Arguments and attributes are those of `KerasSweepClassifier`, but for `classes_`. A builder gets `n_outputs` instead of
    `n_classes`, if it names it.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # the score is that of the user's models
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> KerasSweepRegressor:  # noqa: N803
        """Train every point, and keep the best.

        Args:
            X: an array of the shape (rows, features); or a data frame. A data frame with texts or gaps, or with the argument
                `data`, is prepared as the table of a sweep: texts become categories. It needs at least 20 fitted rows.
            y: the targets, shape (rows,) or (rows, targets).
            sample_weight: weights of the rows, shape (rows,).

        Raises:
            ValueError: an argument cannot be used.
            RuntimeError: no point could be trained; the message has the first error.
        """
        x, y = self._checked_both(X, y, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected.",
                DataConversionWarning,
                stacklevel=2,
            )
            y = column_or_1d(y)
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, np.asarray(y))
        self._fit(x, y, weight, "regression", {"n_outputs": 1 if y.ndim == 1 else y.shape[1]})
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """Return the prediction for each row, float32, shape (rows,) or (rows, targets)."""
        x = self._checked(X)
        found = self.best_estimator_.table(x).to_numpy("float32")
        return found[:, 0] if found.shape[1] == 1 else found


def _cpus(n_jobs: Any) -> int | None:
    """Return the cores that `n_jobs` means, as joblib counts; None for all.

    Raises:
        ValueError: it means no number of cores.
    """
    if n_jobs is None or n_jobs == -1:
        return None
    if not isinstance(n_jobs, numbers.Integral) or n_jobs == 0:
        raise ValueError(
            f"n_jobs got {n_jobs!r}, but needs a number of cores from 1, -1 for all cores, -2 for all but one, or None to "
            "train in this process."
        )
    count = int(n_jobs)
    return count if count > 0 else max(1, available_cpus() + 1 + count)


def _are_numbers(frame: pd.DataFrame) -> bool:
    """Return whether a data frame has only numbers, and no gaps."""
    return all(map(pd.api.types.is_numeric_dtype, frame.dtypes)) and not frame.isna().to_numpy().any()


def _check_no_name_twice(x: Any) -> None:
    """Check that each column of a data frame has a name of its own.

    Raises:
        ValueError: the message names the columns that have not.
    """
    if isinstance(x, pd.DataFrame) and x.columns.has_duplicates:
        twice = ", ".join(map(repr, dict.fromkeys(x.columns[x.columns.duplicated()].tolist())))
        raise ValueError(
            f"X has more than one column of the name {twice}, but each needs a name of its own. Rename or remove them."
        )


def _rows(x: Any, y: np.ndarray, weight: Any, part: np.ndarray) -> tuple[Any, ...]:
    """Return some of the rows as `search` takes them."""
    if isinstance(x, pd.DataFrame):
        names = [TARGET] if y.ndim == 1 else [f"{TARGET} {number}" for number in range(y.shape[1])]
        target = pd.DataFrame(y[part].reshape(len(part), -1), columns=names)
        found: tuple[Any, ...] = (x.iloc[part].reset_index(drop=True), target)
    else:
        found = (x[part], y[part])
    return found if weight is None else (*found, weight[part])
