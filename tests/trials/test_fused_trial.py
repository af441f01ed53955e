"""The fused engine's trial, in this process: what it answers, step by step."""

from pathlib import Path

import numpy as np
import pytest

from cluster.connect import local
from results.space import Space
from sweep.driver.rungs import Rungs
from sweep.plan.asha import Asha
from tests.help import zoo
from tests.help.cohorts import RULES, by_point, small_table
from trainables.builder import find
from trainables.settings import Callbacks, Fit, Training
from trainables.trials import fused_trial as trial_module
from trainables.trials.checkpoints import Checkpoints
from trainables.trials.fused_trial import FusedTrial
from trainables.trials.keras_trial import PAYLOAD

TABLE = small_table()
SPACE = Space({"units": [4], "learning_rate": [0.01, 0.02, 0.03, 0.04]})


def trial(points, training, builder="custom_layer", space=SPACE, **handles):
    made = FusedTrial.__new__(FusedTrial)  # without Tune's own set-up, which needs a running Tune
    found = find.find(f"{zoo.__file__}:{builder}", Path.cwd())
    config = {"points": np.array(points)}
    made.setup(config, space=space, builder=found, table=TABLE, training=training, **handles)
    return made


def steps(made, most=100):
    """Step to the end; return the reports."""
    found = []
    while len(found) < most:
        result = made.step()
        found.append(result[PAYLOAD])
        if result["done"]:
            return found
    raise AssertionError("the trial does not end")


def finished(reports):
    return {
        idx: row
        for report in reports
        if "finished" in report
        for idx, row in by_point(report["finished"]).items()
    }


def test_a_group_is_trained_to_its_end_in_one_trial():
    reports = steps(trial([0, 1, 2, 3], Training(Fit(epochs=3, batch_size=32), RULES)))
    rows = finished(reports)
    assert sorted(rows) == [0, 1, 2, 3]
    assert all(row["status"] == "completed" and row["epochs"] == 3 for row, _, _ in rows.values())
    assert reports[-1]["open"] == 0 and reports[-1]["timing"]["compile"] > 0


def test_points_that_are_no_group_come_back_as_parts():
    space = Space({"units": [4, 5], "learning_rate": [0.01, 0.02], "batch_size": [16, 32]})
    training = Training(Fit(epochs=3), RULES)
    [report] = steps(trial(range(8), training, space=space))
    assert [part.tolist() for part in report["parts"]] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    [report] = steps(trial(report["parts"][0], training, space=space))
    assert sorted(part.tolist() for part in report["parts"]) == [[0, 2], [1, 3]] and len(report["costs"]) == 2


@pytest.mark.parametrize(("name", "why"), [("lstm", "recurrent"), ("stateful_python", "Python attributes")])
def test_what_no_program_can_train_is_left_alone_with_the_reason(name, why):
    space = Space({"learning_rate": zoo.SPACES[name]["learning_rate"]})
    [report] = steps(trial([0, 1], Training(Fit(epochs=3), RULES), builder=name, space=space))
    assert report["alone"].tolist() == [0, 1] and why in report["why"]


def test_a_model_too_large_to_gain_is_left_alone(monkeypatch):
    monkeypatch.setattr("trainables.fused.model.describe.MAX_WEIGHTS", 10)
    [report] = steps(trial([0, 1], Training(Fit(epochs=3), RULES)))
    assert report["alone"].tolist() == [0, 1] and "keeps a core busy by itself" in report["why"]


def test_a_group_is_no_larger_than_the_memory_it_may_use(monkeypatch):
    monkeypatch.setattr("trainables.fused.compose.members.LEAST_POINTS", 1)
    [report] = steps(trial([0, 1, 2, 3], Training(Fit(epochs=2, batch_size=32), RULES, memory_mb=0.01)))
    assert [part.tolist() for part in report["parts"]] == [[0, 1], [2, 3]] and "memory_mb" in report["why"]
    rows = finished(steps(trial([0, 1], Training(Fit(epochs=2, batch_size=32), RULES, memory_mb=0.01))))
    assert sorted(rows) == [0, 1]


def test_a_trial_that_takes_over_goes_on_from_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(trial_module, "STEP_S", 0.0)  # a step an epoch
    monkeypatch.setattr(trial_module, "CHECKPOINT_EVERY_S", 0.0)
    training, kept = (
        Training(Fit(epochs=6, batch_size=32), Callbacks()),
        Checkpoints(str(tmp_path / "checkpoints")),
    )
    undisturbed = finished(steps(trial([0, 1, 2, 3], training)))

    killed = trial([0, 1, 2, 3], training, checkpoints=kept)
    for _ in range(4):
        assert "finished" not in killed.step()[PAYLOAD]
    taken_over = trial([0, 1, 2, 3], training, checkpoints=kept)
    reports = [taken_over.step()[PAYLOAD]]
    assert (
        taken_over._cohort.epoch == 4
    )  # three epochs were in the checkpoint: the fourth step wrote it first
    reports += steps(taken_over)
    for idx, (row, curve, values) in finished(reports).items():
        # The same program of the same shape: the same numbers to the last bit.
        np.testing.assert_array_equal(curve["val_loss"], undisturbed[idx][1]["val_loss"])
        assert row["loss_te"] == undisturbed[idx][0]["loss_te"] and values == undisturbed[idx][2]
    assert list((tmp_path / "checkpoints").iterdir()) == []

    # Some of the points have a row by now, and another has never been begun.
    killed = trial([0, 1, 2], training, checkpoints=kept)
    for _ in range(3):
        killed.step()
    rows = finished(steps(trial([1, 2, 3], training, checkpoints=kept)))
    assert sorted(rows) == [1, 2, 3]
    for idx, (_, curve, _) in rows.items():
        np.testing.assert_allclose(curve["val_loss"], undisturbed[idx][1]["val_loss"], rtol=1e-3)


def test_the_rungs_say_who_goes_on():
    import ray

    from sweep.driver.rung_actor import COLUMNS

    asha = Asha(grace_period=2, reduction_factor=2)
    training = Training(Fit(epochs=6, batch_size=32), Callbacks(), milestones=asha.milestones(6))
    with local.started(cpus=1):
        rungs = ray.remote(num_cpus=0)(Rungs).remote(asha, 6, 0)
        reports = steps(trial([0, 1, 2, 3], training, rungs=rungs))
        seen = ray.get(rungs.entries.remote())
    rows = finished(reports)
    entered = [report["entered"] for report in reports if "entered" in report]
    told = {name: np.concatenate([part[name] for part in entered]) for name in COLUMNS}
    for name in COLUMNS:
        np.testing.assert_array_equal(np.sort(told[name]), np.sort(seen[name]))
    # By hand: the better half goes past epoch 2, and of these the better half past epoch 4.
    lowest = {idx: np.minimum.accumulate(curve["val_loss"]) for idx, (_, curve, _) in rows.items()}
    first = sorted(rows, key=lambda idx: lowest[idx][1])
    assert [rows[idx][0]["epochs"] for idx in first[2:]] == [2, 2]
    second = sorted(first[:2], key=lambda idx: lowest[idx][3])
    assert [rows[idx][0]["epochs"] for idx in second] == [6, 4]
    assert [rows[idx][0]["status"] for idx in second] == ["completed", "pruned"]
