"""`Rules` against the callbacks that Keras itself would call, one point at a time."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import hypothesis.strategies as st
import keras
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings

from trainables.fused.training.rules import Rules
from trainables.objective import Watch, Watched, watched
from trainables.settings import Callbacks, EarlyStopping, Objective, ReduceLROnPlateau
from trainables.single import rules as keras_rules

EPOCHS = 16
MIN_DELTAS = st.sampled_from([0.0, 0.0, 1e-9, 2e-8, 3e-8, 1e-4, 0.1])
RATES = st.sampled_from([0.1, 0.3, 1e-2, 1e-3, 1e-5, 1e-30]) | st.floats(1e-6, 1.0)
LOGS = ("loss", "val_loss", "score", "val_score")
MODES = st.sampled_from(["min", "max"])
MONITORS = st.sampled_from([None, None, "loss", "val_loss", "val_score"])
OBJECTIVES = st.builds(Objective, st.sampled_from(["loss", "score"]), MODES)
SETTINGS = st.builds(
    Callbacks,
    early_stopping=st.none()
    | st.builds(
        EarlyStopping,
        patience=st.integers(0, 6),
        min_delta=MIN_DELTAS,
        monitor=MONITORS,
        mode=MODES,
        start_from_epoch=st.sampled_from([0, 0, 1, 3, EPOCHS]),
        baseline=st.none() | st.sampled_from([0.0, 0.5, 1.0, 0.1 + 1e-9]),
    ),
    reduce_lr_on_plateau=st.none()
    | st.builds(
        ReduceLROnPlateau,
        factor=st.sampled_from([0.1, 0.5, 0.3, 0.999]),
        patience=st.integers(0, 4),
        min_lr=st.sampled_from([0.0, 1e-5, 0.1, 0.3, 5e-4]) | st.floats(0, 0.2),
        min_delta=MIN_DELTAS,
        cooldown=st.integers(0, 4),
        monitor=MONITORS,
        mode=MODES,
    ),
)


@dataclass(frozen=True)
class Case:
    """A point to come: its first rate and, an epoch each, its logs, shape (EPOCHS,) float32."""

    rate: float
    scheduled: bool
    logs: dict[str, np.ndarray]


@dataclass(frozen=True)
class After:
    """What is known of a point after an epoch."""

    rate: bytes  # of the float32, so that nothing passes that is only nearly equal
    best_epoch: int
    best_value: float
    diverged: bool
    stopped: bool


# What a value is beside the best so far, of which 0.0 is a tie; "edge" is better by just about min_delta.
STEPS = st.sampled_from([-0.25, -0.01, "edge", "edge", 0.0, 0.01, 0.25])
STARTS = st.sampled_from([1.0, 0.5, 0.1, 0.0, -0.5, 1e-20, 3e38])


@st.composite
def curves(draw, settings, sign):
    """Draw a log with plateaus, ties and improvements around the settings' min_delta; it falls if `sign` is 1."""
    rules = [rule for rule in (settings.early_stopping, settings.reduce_lr_on_plateau) if rule is not None]
    best = np.float32(draw(STARTS))
    curve = [best]
    for step in draw(st.lists(STEPS, min_size=EPOCHS - 1, max_size=EPOCHS - 1)):
        if step == "edge":
            least = best - np.float64(draw(st.sampled_from(rules)).min_delta if rules else 0)
            nudge = draw(st.integers(-1, 1))
            value = (
                np.nextafter(np.float32(least), np.float32(nudge * np.inf)) if nudge else np.float32(least)
            )
            # Not a number that TensorFlow takes for zero.
            value = value if abs(value) > 1e-37 else np.float32(0)
        else:
            value = np.float32(best + np.float64(step))
        curve.append(value)
        best = min(best, value)
    return np.float32(sign) * np.array(curve, np.float32)


BROKEN = st.sampled_from([np.nan, np.inf, -np.inf])
PLACES = st.integers(0, EPOCHS - 1)


@st.composite
def cases(draw, settings):
    """Draw a point. A loss that is not finite ends it; a score that is not, which may be each of its scores, does not."""
    logs = {
        name: draw(curves(settings, draw(st.sampled_from([1, -1])))) for name in ("val_loss", "val_score")
    }
    logs |= {name: np.ones(EPOCHS, np.float32) for name in ("loss", "score")}
    if draw(st.integers(0, 2)) == 0:
        for name in draw(st.sampled_from([("loss",), ("val_loss",), ("loss", "val_loss")])):
            logs[name][draw(PLACES)] = draw(BROKEN)
    for place in draw(st.lists(st.sampled_from([0, 0, 1]) | PLACES, max_size=4)):
        logs["val_score"][place] = draw(BROKEN)
    scheduled = draw(st.integers(0, 3)) == 0
    return Case(draw(RATES), scheduled, logs)


@st.composite
def plans(draw):
    """Draw an objective, settings and the points that they apply to."""
    settings = draw(SETTINGS)
    return draw(OBJECTIVES), settings, draw(st.lists(cases(settings), min_size=1, max_size=4))


def by_keras(objective: Objective, settings: Callbacks, case: Case, ours: bool = False) -> list[After]:
    """Call the real callbacks as `fit` would, until they stop the point; one entry an epoch."""
    schedules = keras.optimizers.schedules
    rate = schedules.ExponentialDecay(case.rate, 10, 0.9) if case.scheduled else case.rate
    model = SimpleNamespace(optimizer=keras.optimizers.SGD(rate), stop_training=False, get_weights=list)
    recorder = keras_rules.Recorder(objective, settings)
    made = keras_rules.rules(settings, recorder) if ours else own_callbacks(objective, settings)
    called = [recorder, *made]
    for callback in called:
        callback.set_model(model)
        callback.on_train_begin()
    found = []
    for epoch in range(EPOCHS):
        logs = {name: float(case.logs[name][epoch]) for name in LOGS}
        for callback in called:
            callback.on_epoch_end(epoch, logs)
        # Rules keeps the rate of a point with a schedule as it was given.
        now = np.float32(case.rate) if case.scheduled else np.float32(model.optimizer.learning_rate)
        found.append(
            After(
                now.tobytes(),
                recorder.best_epoch or 0,
                recorder.best_value,
                recorder.diverged,
                model.stop_training,
            )
        )
        if model.stop_training:
            break
    return found


def own_callbacks(objective: Objective, settings: Callbacks) -> list[keras.callbacks.Callback]:
    """Return Keras' callbacks as a user would make them, with nothing of ours."""
    made: list[keras.callbacks.Callback] = []
    if (plateau := settings.reduce_lr_on_plateau) is not None:
        made.append(LeavesOutSchedules(**{**vars(plateau), "monitor": plateau.monitor or objective.log}))
    if (stopping := settings.early_stopping) is not None:
        made.append(
            keras.callbacks.EarlyStopping(**{**vars(stopping), "monitor": stopping.monitor or objective.log})
        )
    return made


class LeavesOutSchedules(keras.callbacks.ReduceLROnPlateau):
    """Keras raises where a schedule sets the rate."""

    def on_epoch_end(self, epoch, logs=None):
        if isinstance(self.model.optimizer._learning_rate, keras.Variable):
            super().on_epoch_end(epoch, logs)


def new_rules(objective: Objective, settings: Callbacks, points: list[Case]) -> Rules:
    return Rules(
        settings,
        watched(objective, settings, LOGS, {}),
        np.array([case.rate for case in points], np.float32),
        np.array([case.scheduled for case in points]),
    )


def after(rules: Rules, point: int) -> After:
    return After(
        rules.learning_rate[point].tobytes(),
        int(rules.best_epoch[point]),
        float(rules.best_value[point]),
        bool(rules.diverged[point]),
        bool(rules.stopped[point]),
    )


def go_on(rules: Rules, points: list[Case], epochs: range) -> list[list[After]]:
    """Let the points that are not stopped train `epochs`; what is known of each after each, stopped or not."""
    found: list[list[After]] = [[] for _ in points]
    for epoch in epochs:
        # In an order that changes, since a row number and a place in a batch are not the same thing.
        running = np.random.default_rng(epoch).permutation(np.flatnonzero(~rules.stopped))
        logs = {name: np.array([points[i].logs[name][epoch] for i in running], np.float32) for name in LOGS}
        better = rules.after_epoch(epoch, running, logs)
        assert better.dtype == bool
        np.testing.assert_array_equal(better, rules.best_epoch[running] == epoch + 1)
        for point, known in enumerate(found):
            known.append(after(rules, point))
    return found


# The sum of a val_loss and this min_delta is just short of half way between two float32s, but only in 64 bits.
HALF_WAY = Callbacks(EarlyStopping(1, 2**-26 * (1 - 1e-9)))
SHORT = np.array([0.5] + [0.5 - 2**-25] * (EPOCHS - 1), "f4")
LAST_BIT = Case(0.1, False, {**{name: np.ones(EPOCHS, "f4") for name in LOGS}, "val_loss": SHORT})


@pytest.mark.slow
@hypothesis_settings(max_examples=300)
@given(plans())
@example((Objective("loss", "min"), HALF_WAY, [LAST_BIT]))
def test_many_points_fare_as_keras_lets_each_of_them_fare(plan):
    objective, settings, points = plan
    rules = new_rules(objective, settings, points)
    found = go_on(rules, points, range(EPOCHS))
    for case, known in zip(points, found, strict=True):
        expected = by_keras(objective, settings, case)
        assert by_keras(objective, settings, case, ours=True) == expected
        assert known[: len(expected)] == expected
        # Others still train: nothing may happen to a point that is over.
        assert known[len(expected) :] == [expected[-1]] * (EPOCHS - len(expected))
    dtypes = {
        "learning_rate": "f4",
        "best_value": "f4",
        "best_epoch": "i4",
        "diverged": "?",
        "stopped": "?",
    }
    assert {name: getattr(rules, name).dtype for name in dtypes} == dtypes


@given(plans(), st.integers(0, EPOCHS))
def test_a_restored_state_goes_on_as_if_never_interrupted(plan, interruption):
    objective, settings, points = plan
    first = new_rules(objective, settings, points)
    go_on(first, points, range(interruption))
    state = first.state()
    uninterrupted = go_on(first, points, range(interruption, EPOCHS))
    second = new_rules(objective, settings, points)
    second.learning_rate[:] = 7
    second.restore(state)
    assert go_on(second, points, range(interruption, EPOCHS)) == uninterrupted
    for name, array in second.state().items():
        np.testing.assert_array_equal(array, first.state()[name])


def test_a_state_of_other_points_is_refused():
    one, two = (Rules(Callbacks(), Watched(), np.ones(n, np.float32), np.zeros(n, bool)) for n in (1, 2))
    with pytest.raises(ValueError, match=r"\"learning_rate\" has shape \(1,\), but needs \(2,\)"):
        two.restore(one.state())


def test_the_given_rates_stay_the_callers():
    rates = np.ones(1, np.float32)
    rules = Rules(Callbacks(None, ReduceLROnPlateau(patience=1)), Watched(), rates, np.zeros(1, bool))
    for epoch in range(3):
        rules.after_epoch(epoch, np.array([0]), dict.fromkeys(("loss", "val_loss"), np.ones(1, np.float32)))
    assert rules.learning_rate[0] < 1 and rates[0] == 1


def test_a_real_fit_has_the_rates_and_the_end_of_the_rules():
    # That the logs of `fit` are what the tests above feed to the callbacks.
    stopping = EarlyStopping(4, 1e-3, "val_r2_score", start_from_epoch=2)
    settings = Callbacks(stopping, ReduceLROnPlateau(0.3, 1, 1e-3, 1e-2, 1))
    chance = np.random.default_rng(0)
    x, y = chance.normal(size=(24, 2)), chance.normal(size=24)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.3), "mse", metrics=["r2_score"])
    recorder = keras_rules.Recorder(Objective("r2_score"), settings)
    model.fit(
        *(x[:16], y[:16]),
        epochs=40,
        validation_data=(x[16:], y[16:]),
        callbacks=[recorder, *keras_rules.rules(settings, recorder)],
        verbose=0,
    )
    assert recorder.watched.objective == Watch("val_r2_score", "max")
    rules = Rules(settings, recorder.watched, np.array([0.3], np.float32), np.array([False]))
    for epoch, entry in enumerate(recorder.curve):
        assert not rules.stopped[0]
        assert rules.learning_rate[0] == entry["learning_rate"]
        logs = {name: np.array([value], np.float32) for name, value in entry.items()}
        assert all(logs[name][0] == entry[name] for name in entry)
        rules.after_epoch(epoch, np.array([0]), logs)
    assert rules.stopped[0] and len(recorder.curve) < 40
    assert rules.best_epoch[0] == recorder.best_epoch
    assert rules.learning_rate[0] < 0.3
