"""A plan of seven axes: blocks, schedules, clipping, a loss of one's own with a weight, penalties of outputs, and rates."""

import pytest

import results
import sweep
from sweep.models.verify import verified
from sweep.plan.form import PlanError
from tests.help.cases import numbers, written

pytestmark = pytest.mark.long(150)

BUILDER = '''
import keras
from keras import layers, ops


class WeightedMSE(keras.losses.Loss):
    """As one writes it: correct if y has the shape of p, (rows, 1); of (rows,) it compares every row with every other."""

    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def call(self, y, p):
        return ops.mean(ops.square(y - p) * (1.0 + self.weight * ops.cast(y > 1.0, "float32")), axis=-1)


def build(width, blocks, schedule, clipnorm, weight, activity, rate, *, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    x = layers.Dense(width)(normalizer(inputs))
    for _ in range(blocks):
        y = layers.Dense(width, activation="relu", kernel_regularizer=keras.regularizers.L1L2(1e-5, 1e-4),
                         activity_regularizer=keras.regularizers.L1(activity) if activity else None)(x)
        x = layers.ReLU()(layers.Add()([x, layers.Dropout(0.2)(layers.BatchNormalization()(y))]))
    model = keras.Model(inputs, layers.Dense(1)(x))
    rate = keras.optimizers.schedules.ExponentialDecay(rate, 1000, 0.9) if schedule == "exponential" else rate
    loss = WeightedMSE(weight) if weight else "mse"
    model.compile(keras.optimizers.Adam(rate, clipnorm=clipnorm), loss, metrics=["mae"])
    return model
'''

SPACE = {
    "width": [8, 16],
    "blocks": [1, 2],
    "schedule": ["plain", "exponential"],
    "clipnorm": [None, 1.0],
    "weight": [0, 1.0, 2.0],
    "activity": [0, 1e-5],
    "rate": [1e-2, 1e-3],
}


def plan_of(folder, **keys):
    return written(folder, numbers(240), BUILDER, space=SPACE, fit={"epochs": 2, "batch_size": 64}, **keys)


@pytest.mark.slow
def test_all_points_fuse_where_the_target_has_the_shape_of_the_outputs(tmp_path):
    plan = plan_of(tmp_path, data={"target_shape": "column"}, objective="mae")
    out = sweep.run(plan, tmp_path / "out", in_process=True, show=False)
    assert out.exit_code == 0 and not any("every other" in note for note in out.tally.notes)
    run = results.open(tmp_path / "out")
    assert len(run.points) == 192 and set(run.points["engine"]) == {"native"}
    for axis, values in SPACE.items():
        assert run.points[axis].nunique(dropna=False) == len(values), axis
    weighted = run.points[run.points["weight"] > 0]["idx"].tolist()
    checks = [entry for _, entry, done in verified(run, plan, weighted[:2]) if done]
    assert len(checks) == 2 and not any(entry.differences for entry in checks)


def test_the_losses_of_the_weights_are_not_compared(tmp_path):
    plan = plan_of(tmp_path, data={"target_shape": "column"}, scheduler="asha", asha={"grace_period": 1})
    with pytest.raises(PlanError) as error:
        sweep.run(plan, tmp_path / "out", points=24, in_process=True, show=False)
    assert "WeightedMSE(weight=1.0)" in str(error.value) and str(error.value).endswith("\n  objective: mae")


def test_a_loss_that_compares_every_row_with_every_other_is_told(tmp_path):
    plan = plan_of(tmp_path, objective="mae", engine="keras")
    idx = [idx for idx in range(len(plan.space)) if plan.space[idx]["weight"] == 2.0][:1]
    out = sweep.run(plan, tmp_path / "out", idx=idx, in_process=True, show=False)
    [note] = [note for note in out.tally.notes if "the loss WeightedMSE" in note]
    assert "compares every row with every other" in note and "data: {target_shape: column}" in note
