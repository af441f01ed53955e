"""Says what to write in a plan instead of an argument that only Keras has: a reason, and a line to paste.

The keys are those of `Model.fit` and of Keras' callbacks, also in the spelling of Keras' classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_KEPT = "It is always so: weights/ keeps those of each point's best epoch, and its row has their metrics. Remove the key."
_QUIET = "A sweep shows its own progress, and `sweep status DIR` shows it at any time. Remove the key."
_WHOLE_VALIDATION = (
    "All validation rows are evaluated after each epoch, in batches of fit: {batch_size: 32}. Remove the key."
)
_IN_BUILDER = (
    "The builder gives it to model.compile; to vary it, make it an argument of the builder and an axis: "
)
_STOPPING = "callbacks: {early_stopping: {patience: 20}}"
_PLATEAU = "callbacks: {reduce_lr_on_plateau: {factor: 0.1, patience: 10}}"
_SCHEDULE = "keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(rate, 1000, 0.9))"
_RESUMED = "The same `sweep run` command resumes a sweep, so it is not needed. Remove the key."
_ROWS_WEIGHT = "Name the column that weights the rows: data: {weight: COLUMN}."
_VALIDATION = (
    "Name a file with the validation rows: data: {validation_path: validation.csv}; or have them split from the table: "
    "data: {split: {kind: time, column: day, test: 0.2}} or fit: {validation_split: 0.2}."
)

_FIT: Mapping[str, str] = {
    "x": "The table gives it: data: {path: my.csv, target: price}.",
    "y": "The table gives it: data: {path: my.csv, target: price}.",
    "verbose": _QUIET,
    "callbacks": f"Callbacks are a section beside fit: {_STOPPING}.",
    "validation_data": _VALIDATION,
    "sample_weight": _ROWS_WEIGHT,
    "initial_epoch": f"Each point begins with its first epoch. {_RESUMED}",
    "steps_per_epoch": "An epoch takes each fitted row once; the batches follow from fit: {batch_size: 32}. Remove the key.",
    "validation_steps": _WHOLE_VALIDATION,
    "validation_batch_size": _WHOLE_VALIDATION,
    "validation_freq": "Early stopping and ASHA need val_loss after each epoch. Remove the key.",
    "workers": "Say how many cores a trial has: resources: {cpu: 1}.",
    "use_multiprocessing": "Say how many cores a trial has: resources: {cpu: 1}.",
    "max_queue_size": "The table is in memory, so there is no queue. Remove the key.",
    "optimizer": f"{_IN_BUILDER}space: {{optimizer: [adam, sgd]}}.",
    "learning_rate": f"{_IN_BUILDER}space: {{learning_rate: [1e-2, 1e-3]}}.",
    "loss": f"{_IN_BUILDER}space: {{loss: [mse, mae]}}.",
    "metrics": "The builder gives them to model.compile: metrics=['mae']. Remove the key.",
    **dict.fromkeys(("early_stopping", "earlystopping"), f"It is a key of callbacks: {_STOPPING}."),
    **dict.fromkeys(("reduce_lr_on_plateau", "reducelronplateau"), f"It is a key of callbacks: {_PLATEAU}."),
}

_CALLBACKS: Mapping[str, str] = {
    "earlystopping": f'Did you mean "early_stopping"? Write {_STOPPING}.',
    "reducelronplateau": f'Did you mean "reduce_lr_on_plateau"? Write {_PLATEAU}.',
    "modelcheckpoint": "The weights of each point's best epoch are kept by keep_weights: true; "
    "`sweep export DIR IDX best.keras` writes a model.",
    "tensorboard": "Each epoch is in curves/; `sweep export-to tensorboard DIR logs` writes it for TensorBoard.",
    "csvlogger": "Each epoch is in curves/; `sweep curves DIR IDX --csv > log.csv` writes it as CSV.",
    "history": "Each epoch is in curves/; `sweep curves DIR IDX` shows it.",
    "proglogger": _QUIET,
    "progbarlogger": _QUIET,
    "learningratescheduler": f"Give the optimizer a schedule in the builder, such as {_SCHEDULE}; "
    f"or write {_PLATEAU}.",
    "terminateonnan": "It is always on: a point with a loss of NaN ends, and its row says diverged. Remove the key.",
    "backupandrestore": _RESUMED,
    "swapemaweights": "Have the builder's optimizer do it: keras.optimizers.Adam(rate, use_ema=True).",
    "lambdacallback": "A callback of your own cannot run, because many points are trained as one program. "
    "Have a layer, loss or metric of the builder do it.",
    "remotemonitor": "`sweep export-to mlflow DIR URL` sends the curves to a server.",
    "restorebestweights": _KEPT,
    "verbose": _QUIET,
    "patience": f"It is a key of the callback: {_STOPPING}.",
    "factor": f"It is a key of the callback: {_PLATEAU}.",
}

_RULES: Mapping[str, str] = {"restorebestweights": _KEPT, "verbose": _QUIET}

_AXES: Mapping[str, str] = {
    "x": "The table is the same for all points. Remove the axis.",
    "y": "The target is the same for all points. Remove the axis, and write a plan for each target.",
    "verbose": "A sweep shows its own progress. Remove the axis.",
    "callbacks": f"They are the same for all points: {_STOPPING}.",
    "validation_data": "The validation rows are the same for all points: data: {validation_path: validation.csv}; "
    "their share can be an axis: space: {validation_split: [0.1, 0.2]}.",
    "sample_weight": "The axis is called weight, and its values are columns of the table: space: {weight: [null, COLUMN]}. "
    "It weights the validation rows, too, so name an objective that is not weighted: objective: mae.",
    **dict.fromkeys(("seed", "random_state"),
                    "To train each point with several seeds, remove the axis, and write repeats: 3 beside the space."),
    "initial_epoch": "Each point begins with its first epoch. Remove the axis.",
    "steps_per_epoch": "An epoch takes each fitted row once. Vary the batches instead: space: {batch_size: [32, 128]}.",
    "validation_steps": "All validation rows are evaluated after each epoch. Remove the axis.",
    "validation_batch_size": "All validation rows are evaluated after each epoch. Remove the axis.",
    "validation_freq": "Early stopping and ASHA need val_loss after each epoch. Remove the axis.",
    **dict.fromkeys(("patience", "min_delta", "early_stopping", "restore_best_weights"),
                    f"Callbacks are the same for all points: {_STOPPING}."),
    **dict.fromkeys(("factor", "min_lr", "cooldown", "reduce_lr_on_plateau"),
                    f"Callbacks are the same for all points: {_PLATEAU}."),
}  # fmt: skip

_DATA = "It is a key of data: data: {path: my.csv, target: price}."

_TOP: Mapping[str, str] = {
    **_FIT,
    "epochs": "It is a key of fit: write fit: {epochs: 50}.",
    "batchsize": "It is a key of fit: write fit: {batch_size: 32}. To vary it, write space: {batch_size: [32, 128]}.",
    "validationsplit": "It is a key of fit: write fit: {validation_split: 0.2}.",
    "classweight": "It is a key of fit: write fit: {class_weight: balanced}.",
    "shuffle": "It is a key of fit: write fit: {shuffle: true}.",
    "patience": f"It is a key of the callback: {_STOPPING}.",
    **dict.fromkeys(("path", "target"), _DATA),
    **dict.fromkeys(("testpath", "validationpath", "testfraction"), _DATA.replace("}", ", ...}")),
}

_SECTIONS: Mapping[tuple[str, ...], Mapping[str, str]] = {
    (): _TOP,
    ("fit",): _FIT,
    ("callbacks",): _CALLBACKS,
    ("callbacks", "early_stopping"): _RULES,
    ("callbacks", "reduce_lr_on_plateau"): _RULES,
    ("space",): _AXES,
}


def instead_of(where: tuple[str, ...], key: str) -> str:
    """Return what to write instead of a key; empty if nothing is known about it.

    Args:
        where: the path of the section, such as `("fit",)`; `("space",)` for an axis.
        key: as it was written, such as `EarlyStopping`.
    """
    known = _SECTIONS.get(where, {})
    return known.get(key) or known.get(key.replace("_", "").lower(), "")


def example_of(where: tuple[str, ...]) -> str:
    """Return an example of a section, in brackets after a space; empty if the section is easy to guess."""
    if where == ("data",):
        return " (or the word abalone)"
    if where == ("objective",):
        return " (or only the name of a metric, such as auc)"
    return f", such as {_STOPPING}" if where == ("callbacks",) else ""


_EXPECTED: Mapping[tuple[str, ...], str] = {
    ("keep_weights",): "true, false, or a number of best points, at least 1",
    ("data", "target"): "the name of a column, or a list of names",
}
"""What a key may have, where it may have several types."""

_PAIRS: Mapping[tuple[str, ...], str] = {
    ("only",): "{width_2: layers >= 2}",
    ("data", "categories"): "{city: ordinal}",
    ("resources", "custom"): "{big_disk: 1}",
    ("resources", "labels"): "{zone: north}",
}
"""An example for each key that has keys and values of the user's own."""


def expected_of(where: tuple[str, ...], kind: str, given: Any) -> str:
    """Return what a key needs, in the words of a plan; empty if pydantic's words are good enough.

    Args:
        where: the path of the key.
        kind: pydantic's name of the fault, such as `list_type`.
        given: the value with the fault.
    """
    if where in _EXPECTED:
        return _EXPECTED[where]
    if kind == "list_type":
        return f"a list, such as [{given if isinstance(given, str | int | float) else 'city'}]"
    if kind in ("dict_type", "dataclass_type"):
        return f"keys and values{f', such as {_PAIRS[where]}' if where in _PAIRS else ''}"
    return ""


def about_epochs(values: Sequence[Any]) -> str:
    """Return what to write instead of an axis `epochs` with these values."""
    budgets = sorted({v for v in values if isinstance(v, int) and not isinstance(v, bool) and v > 0}) or [
        50,
        100,
    ]
    least, most = budgets[0], budgets[-1]
    contained = f", so a training of {most} epochs has one of {least} in it" if least < most else ""
    return (
        f'axis "epochs" is an argument of Model.fit that cannot be an axis and needs none: curves/ has each epoch of each '
        f"point{contained}. Remove the axis and write fit: {{epochs: {most}}}. Then `sweep curves DIR IDX` shows a point's "
        f"epochs, and these words of Python the best points within {least} epochs: "
        f'import results; results.open("DIR").curves().query("epoch <= {least}").groupby("idx")["val_loss"].min()'
        ".nsmallest(10)"
    )
