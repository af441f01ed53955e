"""The comparison of a training with Keras' own, on curves that are made up here."""

import dataclasses

import numpy as np
import pytest

from trainables.objective import Watched
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau, Training
from trainables.single.compare import FACTOR, RTOL, Trained, compare

EPOCHS = 20
FREE = Training(Fit(epochs=EPOCHS), Callbacks())
RULED = Training(
    Fit(epochs=EPOCHS), Callbacks(EarlyStopping(patience=4), ReduceLROnPlateau(patience=2, min_delta=0.0))
)


def curve(epochs=EPOCHS, **changes):
    falling = 1 + 1 / np.arange(1, epochs + 1)
    logs = {"loss": falling, "mae": falling / 2, "val_loss": falling * 2, "val_mae": falling / 3}
    logs["learning_rate"] = np.full(epochs, 0.01, "float32")
    return {**logs, **changes}


def made(logs=None, status="completed", metrics=None, **changes):
    logs = curve() if logs is None else logs
    epochs = len(logs["loss"])
    metrics = {"loss_tr": 1.0, "loss_va": 2.0, "loss_te": 3.0} if metrics is None else metrics
    finite = np.isfinite(logs["val_loss"])
    best = int(np.nanargmin(logs["val_loss"])) + 1 if finite.any() else None
    return dataclasses.replace(Trained(status, epochs, best, logs, metrics, 17), **changes)


def scaled(log, by, since=0):
    """The curve with one log multiplied by `by` from an epoch on, counted from 0."""
    values = np.array(curve()[log])
    values[since:] *= by
    return curve(**{log: values})


def columns(*arguments, **named):
    return [(one.column, one.epoch) for one in compare(*arguments, **named).differences]


def test_the_same_training_does_not_differ():
    found = compare(made(), made(), FREE)
    assert (found.epochs, found.parted, found.differences) == (EPOCHS, False, ())


@pytest.mark.parametrize("log", ["loss", "mae", "val_loss", "val_mae", "learning_rate"])
@pytest.mark.parametrize("since", [0, 7, EPOCHS - 1])
def test_every_log_is_compared_in_every_epoch(log, since):
    assert columns(made(scaled(log, 1 + RTOL / 2, since)), made(), FREE) == []
    assert columns(made(scaled(log, 1 + 2 * RTOL, since)), made(), FREE) == [(log, since + 1)]
    [difference] = compare(made(scaled(log, 1 + 2 * RTOL, since)), made(), FREE).differences
    assert difference.found == pytest.approx(difference.keras * (1 + 2 * RTOL))


@pytest.mark.parametrize("name", ["loss_tr", "loss_va", "loss_te"])
def test_every_metric_is_compared(name):
    right = {"loss_tr": 1.0, "loss_va": 2.0, "loss_te": 3.0}
    near, far = ({**right, name: right[name] * (1 + by * RTOL)} for by in (0.5, 2))
    assert columns(made(metrics=near), made(), FREE) == []
    assert columns(made(metrics=far), made(), FREE) == [(name, 0)]


@pytest.mark.parametrize(
    ("changes", "column"),
    [({"status": "early_stopped"}, "status"), ({"best_epoch": 3}, "best_epoch"), ({"params": 18}, "params")],
)
def test_what_is_no_number_of_the_training_is_compared_too(changes, column):
    assert columns(made(**changes), made(), FREE) == [(column, 0)]


def test_names_are_compared():
    without = {name: values for name, values in curve().items() if not name.endswith("mae")}
    assert (
        columns(made(without), made(), FREE)
        == columns(made(), made(without), FREE)
        == [("mae", 1), ("val_mae", 1)]
    )
    more = {"loss_tr": 1.0, "loss_va": 2.0, "loss_te": 3.0, "f1_te": 0.5}
    assert (
        columns(made(metrics=more), made(), FREE)
        == columns(made(), made(metrics=more), FREE)
        == [("f1_te", 0)]
    )


def test_a_metric_may_cross_zero():
    crossing = np.linspace(-1, 1, EPOCHS + 1)[1:]
    crossing[EPOCHS // 2 - 1] = 1e-9
    rounded = crossing + 1e-6
    assert columns(made(curve(val_mae=rounded)), made(curve(val_mae=crossing)), FREE) == []
    assert columns(made(curve(val_mae=crossing + 1e-3)), made(curve(val_mae=crossing)), FREE) != []


def test_a_metric_that_counts_rows_may_be_two_rows_off():
    hits = np.full(EPOCHS, 0.9)
    two, three = (np.where(np.arange(EPOCHS) == 5, 0.9 + more / 100, 0.9) for more in (2, 3))
    rows = {"fitted": 400, "tr": 500, "va": 100, "te": 100}
    keras = made(curve(val_mae=hits))
    assert columns(made(curve(val_mae=two)), keras, FREE, rows=rows) == []
    assert columns(made(curve(val_mae=three)), keras, FREE, rows=rows) == [("val_mae", 6)]
    assert columns(made(curve(val_mae=two)), keras, FREE) == [("val_mae", 6)]
    # A loss counts no rows, whatever its numbers.
    assert columns(made(curve(val_loss=two)), made(curve(val_loss=hits)), FREE, rows=rows) != []
    right = {"loss_tr": 1.0, "loss_va": 2.0, "loss_te": 3.0, "mae_te": 0.8}
    keras = made(curve(val_mae=hits), metrics=right)
    assert columns(made(curve(val_mae=hits), metrics={**right, "mae_te": 0.82}), keras, FREE, rows=rows) == []
    assert columns(made(curve(val_mae=hits), metrics={**right, "mae_te": 0.83}), keras, FREE, rows=rows) != []


def test_a_weighted_metric_that_counts_rows_may_be_two_of_the_heaviest_rows_off():
    keras = made(curve(val_mae=np.full(EPOCHS, 0.9)))
    two, three = (made(curve(val_mae=np.full(EPOCHS, 0.9 + by * 0.0137))) for by in (2, 3))
    rows = {"fitted": 400, "tr": 500, "va": 100, "te": 100}
    shares = {"mae": {"fitted": 0.001, "tr": 0.001, "va": 0.0137, "te": 0.02}}
    assert columns(two, keras, FREE, rows=rows) == [("val_mae", 1)]
    assert columns(two, keras, FREE, rows=rows, shares=shares) == []
    assert columns(three, keras, FREE, rows=rows, shares=shares) == [("val_mae", 1)]
    assert columns(two, keras, FREE, rows=rows, shares={"auc": shares["mae"]}) == [("val_mae", 1)]
    right = {"loss_tr": 1.0, "loss_va": 2.0, "loss_te": 3.0, "mae_te": 0.8}
    keras = made(metrics=right)
    assert columns(made(metrics={**right, "mae_te": 0.84}), keras, FREE, rows=rows, shares=shares) == []
    assert columns(made(metrics={**right, "mae_te": 0.86}), keras, FREE, rows=rows, shares=shares) != []


def growing(by, since=5):
    """The curve with a val_loss that leaves the other by a factor that doubles each epoch."""
    off = by * 2.0 ** (np.arange(EPOCHS) - since)
    return curve(val_loss=curve()["val_loss"] * (1 + np.where(np.arange(EPOCHS) >= since, off, 0.0)))


def test_a_chaotic_point_may_be_some_times_as_far_from_keras_as_keras_from_itself():
    nudged = [made(growing(1e-3), best_epoch=EPOCHS)]
    assert columns(made(growing(4e-3), best_epoch=EPOCHS), made(), FREE) == [("val_loss", 6)]
    assert columns(made(growing(4e-3), best_epoch=EPOCHS), made(), FREE, nudged) == []
    assert columns(made(growing(2 * FACTOR * 1e-3), best_epoch=EPOCHS), made(), FREE, nudged) == [
        ("val_loss", 6)
    ]
    # What was far apart once stays allowed, and nothing is allowed before.
    once = curve(val_loss=curve()["val_loss"] * np.where(np.arange(EPOCHS) == 5, 1.001, 1.0))
    later = made(scaled("val_loss", 1.003, 9), best_epoch=EPOCHS)
    assert columns(later, made(), FREE, [made(once, best_epoch=EPOCHS)]) == []
    assert columns(made(scaled("val_loss", 1.003, 9), best_epoch=EPOCHS), made(), FREE, nudged) == []
    assert columns(made(scaled("val_loss", 1.003, 3), best_epoch=EPOCHS), made(), FREE, nudged) == [
        ("val_loss", 4)
    ]
    assert columns(made(scaled("loss", 1.003, 9), best_epoch=EPOCHS), made(), FREE, nudged) == [("loss", 10)]


def test_metrics_of_a_chaotic_point_are_allowed_as_much():
    right = {"loss_tr": 1.0, "loss_va": 2.0, "loss_te": 3.0}
    off, far = {**right, "loss_te": 3.06}, {**right, "loss_te": 3.6}
    nudged = [made(metrics={**right, "loss_te": 3.03})]
    assert columns(made(metrics=off), made(), FREE) == [("loss_te", 0)]
    assert columns(made(metrics=off), made(), FREE, nudged) == []
    assert columns(made(metrics=far), made(), FREE, nudged) == [("loss_te", 0)]


def test_a_training_that_goes_on_is_compared_as_far_as_it_is():
    half = {name: values[:8] for name, values in curve().items()}
    keras = made(half, status="running", metrics={})
    assert compare(made(), keras, FREE).epochs == 8 and columns(made(), keras, FREE) == []
    assert columns(made(scaled("loss", 2, 7)), keras, FREE) == [("loss", 8)]
    assert columns(made(scaled("loss", 2, 8)), keras, FREE) == []
    nudged = [made({name: values[:5] for name, values in curve().items()}, status="running", metrics={})]
    assert compare(made(), keras, FREE, nudged).epochs == 5


def test_a_pruned_point_is_compared_with_as_many_epochs_of_keras():
    half = {name: values[:8] for name, values in curve().items()}
    keras = made(half, status="running")
    assert columns(made(half, status="pruned"), keras, FREE) == []
    off = {**half, "loss": half["loss"] * 1.01}
    assert columns(made(off, status="pruned"), keras, FREE) == [("loss", 1)]
    assert columns(made(half, status="pruned"), made(half, status="running", params=3), FREE) == [
        ("params", 0)
    ]


def test_a_diverged_point_diverges_in_the_same_epoch():
    def nan_since(epoch):
        logs = curve(epoch)
        for name in ("loss", "val_loss"):
            logs[name] = np.where(np.arange(epoch) == epoch - 1, np.nan, logs[name])
        return made(logs, status="diverged", metrics={})

    assert columns(nan_since(5), nan_since(5), FREE) == []
    assert ("loss", 5) in columns(nan_since(5), nan_since(6), FREE)


TIE = 2.0
FLAT = np.array([3.0, TIE, *[TIE + 0.5] * (EPOCHS - 2)])


def ruled(val_loss):
    """A training whose rate, best epoch and end follow from these losses."""
    from trainables.fused.training.rules import Rules

    rules = Rules(RULED.callbacks, Watched(), np.array([0.01], "float32"), np.array([False]))
    rates, losses = [], np.asarray(val_loss, "float32")
    for epoch, loss in enumerate(losses):
        rates.append(rules.learning_rate[0])
        rules.after_epoch(epoch, np.array([0]), {"loss": losses[:1], "val_loss": np.array([loss])})
        if rules.stopped[0]:
            break
    length = len(rates)
    logs = {"loss": np.repeat(losses[:1], length), "val_loss": losses[:length]}
    logs["learning_rate"] = np.array(rates, "float32")
    status = "early_stopped" if length < EPOCHS else "completed"
    return made(logs, status, {}, best_epoch=int(rules.best_epoch[0]))


@pytest.mark.parametrize(("at", "parted", "epochs"), [(3, True, 4), (4, False, 6)])
def test_losses_that_tie_may_be_decided_otherwise(at, parted, epochs):
    """One of them improves on its best loss by a rounding, and so keeps its rate or stops later."""
    one, other = (np.where(np.arange(EPOCHS) == at, TIE + by, FLAT) for by in (-1e-6, 1e-6))
    found, keras = ruled(one), ruled(other)
    assert found.epochs > keras.epochs and found.best_epoch != keras.best_epoch
    for a, b in ((found, keras), (keras, found)):
        compared = compare(a, b, RULED)
        assert (compared.parted, compared.epochs, compared.differences) == (parted, epochs, ())
    # Where losses differ by more than the tolerance, another decision is a difference.
    far = ruled(np.where(np.arange(EPOCHS) == at, TIE * (1 - 3 * RTOL), FLAT))
    assert columns(far, keras, RULED) != []


def test_other_decisions_are_differences():
    keras = ruled(FLAT)
    cut = made({name: values[:-1] for name, values in keras.curve.items()}, "early_stopped", {}, best_epoch=2)
    assert columns(cut, keras, RULED) == [("epochs", 0)]
    late = dict(keras.curve)
    late["learning_rate"] = np.roll(late["learning_rate"], 1)
    late["learning_rate"][0] = keras.curve["learning_rate"][0]
    found = columns(dataclasses.replace(keras, curve=late), keras, RULED)
    assert [column for column, _ in found] == ["learning_rate"]
    wrong = dataclasses.replace(keras, best_epoch=4)
    assert columns(wrong, keras, RULED) == [("best_epoch", 0)]
