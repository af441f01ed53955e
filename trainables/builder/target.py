"""Finds the shape in which a model takes the target, by trying its compiled loss and metrics.

Terminology
    flat      shape (rows,), as in the table
    column    shape (rows, 1)
    onehot    shape (rows, n): a 1 in the column of the row's class, else 0
    columns   shape (rows, k): several target columns, as in the table
    width     the last dimension of a model's output
    trial     losses and metrics of a few real rows, with made-up predictions: the model is not called

Keras' fit takes the target as it gets it. So the first shape that is accepted is taken, and flat comes first.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.builder import target_range
from trainables.builder.mismatch import mismatches
from trainables.builder.target_range import TargetError
from trainables.error_text import cause_of
from trainables.table import inputs
from trainables.table.data import Table

LEAST_ROWS = 7
"""Rows of a trial. There are more if a model has so many outputs, because an error of the shapes would not show."""

SHOWN = {"flat": "(rows,)", "column": "(rows, 1)", "columns": "as it is"}


@dataclass(frozen=True)
class Target:
    """How a model takes the target.

    Attributes:
        shapes: flat, column, onehot or columns, for each output.
        widths: of each output; 0 if it is unknown.
        columns: the position of each output's target column; empty if there is one output.
        names: the outputs' names, if the model returns a dictionary; else empty.
        note: what the user must know about the shape, or about parts that do not fit each other; else empty.
    """

    shapes: tuple[str, ...] = ("flat",)
    widths: tuple[int, ...] = (0,)
    columns: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    note: str = ""

    def of(self, y: np.ndarray) -> Any:
        """Return the target of some rows as the model takes it: an array, or a tuple or dictionary of arrays.

        Args:
            y: as in the table: shape (rows,) or (rows, targets).
        """
        if not self.columns:
            return shaped(y, self.shapes[0], self.widths[0])
        each = zip(self.columns, self.shapes, self.widths, strict=True)
        found = [shaped(y[:, column], shape, width) for column, shape, width in each]
        return dict(zip(self.names, found, strict=True)) if self.names else tuple(found)


def shaped(y: np.ndarray, shape: str, width: int) -> np.ndarray:
    """Return one target in a shape.

    Args:
        y: shape (rows,), or (rows, targets) for the shape `columns`.
        shape: see the module's terminology.
        width: number of classes of the shape `onehot`.
    """
    if shape == "column":
        return y[:, None]
    if shape != "onehot":
        return y
    found = np.zeros((len(y), width), "float32")
    found[np.arange(len(y)), np.rint(y).astype(int)] = 1.0
    return found


def target_of(model: keras.Model, table: Table) -> Target:
    """Find out how a compiled model takes the target of a table. No variable of the model changes.

    Raises:
        TargetError: the model cannot be trained on this target; the message says why.
    """
    outputs, names = _outputs(model, table)
    widths = tuple(int(shape[-1]) if len(shape) == 2 and shape[-1] else 0 for shape in outputs)
    several = len(outputs) > 1
    y = table.y_train
    columns = _columns(model, table, names or list(getattr(model, "output_names", ()))) if several else ()
    named = tuple(names) if several else ()
    given = target_range.losses_of(model, len(outputs), names or getattr(model, "output_names", None))
    for position, (loss, width) in enumerate(zip(given, widths, strict=True)):
        target_range.check(loss, width, table, columns[position] if several else None)
    if (
        not outputs
        or not all(map(_is_known, outputs))
        or type(model).train_step is not keras.Model.train_step
    ):
        # Nothing can be tried.
        asked = "columns" if y.ndim > 1 and not several else "flat" if table.target_shape == "auto" else ""
        shapes = (asked or table.target_shape,) * (len(outputs) or 1)
        return Target(shapes, widths or (len(table.classes),), columns, named)
    choices = [_candidates(width, table, several) for width in widths]
    rows = _rows(table, widths)
    causes = []
    for shapes in itertools.product(*choices):
        target = Target(shapes, widths, columns, named)
        try:
            values = _try(model, table, rows, target, outputs)
        except Exception as error:
            causes.append(f"{_words(target, table)}: {cause_of(error)}")
            if len(choices[0]) > 1 or several:
                _forget(model)
            continue
        _refuse_vectors(values)
        told = {} if several else mismatches(model, given[0], widths[0], shapes[0], table)
        others = {name: value for name, value in values.items() if name not in told}
        notes = [*told.values(), _note(model, table, rows, target, outputs, others)]
        return Target(shapes, widths, columns, named, ". ".join(filter(None, notes)))
    from trainables.fused.model.parts import has_users_parts

    if has_users_parts(
        model
    ):  # which may need a whole batch of rows, or a graph: Keras will tell what is wrong
        return Target(tuple(choice[0] for choice in choices), widths, columns, named)
    raise TargetError(
        f'The loss and the metrics of the model do not take the target "{table.target}". {" ".join(causes)}'
    )


def _outputs(model: keras.Model, table: Table) -> tuple[list[tuple[int | None, ...]], list[str]]:
    """Return the shape of each output, and the outputs' names if they are in a dictionary; no shape if none is known."""
    found = getattr(model, "outputs", None)
    names: list[str] = []
    if found:
        with contextlib.suppress(AttributeError):  # Sequential has none before it is called
            if isinstance(model.output, Mapping):
                names = list(model.output)
                found = [model.output[name] for name in names]
    else:
        try:
            with _same_chance():
                spec = model.compute_output_spec(
                    keras.tree.map_structure(
                        lambda x: keras.KerasTensor((None, *x.shape[1:]), "float32"), table.x_train
                    )
                )
        except Exception:  # the user's call needs something else: Keras will tell
            return [], []
        names = list(spec) if isinstance(spec, Mapping) else []
        found = [spec[name] for name in names] if names else keras.tree.flatten(spec)
    return [tuple(output.shape) for output in found], names


def _is_known(shape: Sequence[int | None]) -> bool:
    return len(shape) >= 1 and None not in shape[1:]


def _columns(model: keras.Model, table: Table, names: Sequence[str]) -> tuple[int, ...]:
    """Return the target column of each output: that of the output's name if all have one, else in order."""
    count = table.y_train.shape[1] if table.y_train.ndim > 1 else 1
    outputs = len(model.outputs) if getattr(model, "outputs", None) else len(names)
    if outputs != count:
        raise TargetError(
            f"The model has {outputs} outputs, but there {'is' if count == 1 else 'are'} {count} target "
            f'column{"s" * (count > 1)}: {table.target}. Name a column for each output: "data: {{target: [A, B]}}".'
        )
    if set(names) == set(table.targets):
        return tuple(table.targets.index(name) for name in names)
    return tuple(range(count))


def _candidates(width: int, table: Table, several: bool) -> list[str]:
    if table.y_train.ndim > 1 and not several:
        return ["columns"]
    if table.target_shape != "auto":
        return [table.target_shape]
    return ["flat"] if not width else ["flat", "column"] if width == 1 else ["flat", "onehot"]


def _rows(table: Table, widths: Sequence[int]) -> np.ndarray:
    """Return the positions of a few train rows, whose targets differ if any do."""
    count = next(n for n in itertools.count(LEAST_ROWS) if n not in widths)
    y = table.y_train if table.y_train.ndim == 1 else table.y_train[:, 0]
    _, first = np.unique(y, return_index=True)
    different = first[np.linspace(0, len(first) - 1, min(len(first), count)).astype(int)]
    return np.resize(np.concatenate([different, np.arange(len(y))]), count)


def _try(
    model: keras.Model,
    table: Table,
    rows: np.ndarray,
    target: Target,
    outputs: Sequence[Sequence[int | None]],
) -> dict[str, np.ndarray]:
    """Return loss and metrics of a few rows with the target in a shape, as a trial.

    Raises:
        Exception: loss or metrics do not take it.
    """
    for width, shape, column in zip(target.widths, target.shapes, target.columns or (None,), strict=True):
        if shape == "onehot":
            target_range.check_classes(width, table, column)
    chance = np.random.default_rng(0)
    predicted = []
    for output in outputs:
        # Between 0 and 1, so that losses of probabilities take it too; rows differ, although a fresh model may not.
        made = chance.uniform(0.1, 0.9, (len(rows), *(int(n or 1) for n in output[1:]))).astype("float32")
        predicted.append(made / made.sum(-1, keepdims=True) if len(output) == 2 and output[1] != 1 else made)
    taken = inputs.taken(table.x_train, rows), target.of(table.y_train[rows])
    x, y = keras.tree.map_structure(keras.ops.convert_to_tensor, taken)
    each = [keras.ops.convert_to_tensor(one) for one in predicted]
    p: Any = each if target.columns else each[0]
    if target.names:
        p = dict(zip(target.names, each, strict=True))
    values = [(variable, variable.value) for variable in model.variables]  # which regularizers read
    with _same_chance(), keras.StatelessScope(values):
        found = dict(model.compute_metrics(x, y, p, sample_weight=None))
        if model.loss is not None:
            found["loss"] = model.compute_loss(x, y, p, None)
        return {name: np.asarray(value) for name, value in found.items()}


def _refuse_vectors(values: Mapping[str, np.ndarray]) -> None:
    for name, value in values.items():
        if value.size != 1:
            raise TargetError(
                f"The metric {name} gives {value.size} numbers, one for each class, but a column of the results has one. "
                'Give it average="macro", "micro" or "weighted", if it is F1Score or FBetaScore.'
            )


def _note(
    model: keras.Model,
    table: Table,
    rows: np.ndarray,
    target: Target,
    outputs: Sequence[Sequence[int | None]],
    values: Mapping[str, np.ndarray],
) -> str:
    """Return what to tell about a flat target that gives other numbers than a column does; empty if it does not."""
    if table.target_shape != "auto" or target.shapes != ("flat",) or not target.widths[0]:
        return ""
    try:
        column = _try(model, table, rows, Target(("column",), target.widths), outputs)
    except Exception:
        return ""
    differ = [
        name
        for name, value in values.items()
        if name in column and not np.allclose(value, column[name], rtol=1e-4, atol=1e-6, equal_nan=True)
    ]
    if not differ:
        return ""
    loss = target_range.name_of(model.loss)
    parts = [f"the loss {loss}" if name == "loss" else f"the metric {name}" for name in sorted(differ)]
    return (
        f"{' and '.join(parts)} {'gives' if len(parts) == 1 else 'give'} other numbers for the target of shape (rows,), "
        "which Keras' fit gets, than of shape (rows, 1), which the predictions have: (rows,) minus (rows, 1) compares "
        "every row with every other. The points are trained like that, as by Keras. To give the target as a column, "
        "write data: {target_shape: column}. If it is right as it is, write data: {target_shape: flat}"
    )


def _words(target: Target, table: Table) -> str:
    each = zip(target.shapes, target.widths, strict=True)
    words = [f"(rows, {width}), one-hot" if shape == "onehot" else SHOWN[shape] for shape, width in each]
    return " and ".join(words)


def _forget(model: keras.Model) -> None:
    """Let a model build its losses and metrics again, because they were built for a target of another shape."""
    from trainables.fused.internals.models import forget_shapes

    forget_shapes(model)


@contextlib.contextmanager
def _same_chance() -> Iterator[None]:
    """Put back the global random states that the user's functions may draw from."""
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(drawn)
        np.random.set_state(drawn_by_numpy)
