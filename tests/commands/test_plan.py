"""`sweep plan` says what a plan would do, and refuses bad input as `sweep run` does."""

import json

import pytest
import yaml

from sweep.commands.main import main
from sweep.commands.plan import _cohorts
from tests.help.bad_input import BAD_PLANS
from tests.help.commands import answer, message, refused, sweep
from tests.help.plans import write_plan


@pytest.mark.parametrize("case", BAD_PLANS)
def test_a_bad_plan_is_one_message(here, case):
    raw, fragments = BAD_PLANS[case]
    (here / "plan.yaml").write_text(yaml.safe_dump(raw))
    said = message("plan", "plan.yaml")
    assert all(fragment in said for fragment in fragments)


def test_two_ways_to_choose_points_are_refused(here):
    assert "both given" in refused("plan", "--points", "3", "--idx", "1", "--timed", "0")


def test_plan_without_timing(here):
    write_plan(here)
    found = answer("plan", "plan.yaml", "--timed", "0", "--points", "5", "--cpus", "7")
    assert found["points"] == 5 and found["points_in_space"] == 12
    assert found["workers"] == 5  # the other two would have no point
    assert found["axes"] == {"batch_size": 2, "rate": 2, "units": 3} and len(found["first_idx"]) == 5
    output = sweep("plan", "--timed", "0").output
    assert "17,280 of 17,280" in output and "ASHA at epochs [10, 40, 160]" in output


@pytest.mark.heavy
def test_plan_times_a_few_points_and_prints_the_answer_alone(sweeps):
    write_plan(sweeps.folder)
    code, output = sweeps.run("plan", "plan.yaml", "--timed", "1", "--json", "--engine", "keras")
    found = json.loads(output)
    assert code == 0
    assert 0 < found["epoch_s"] < found["setup_s"]
    rounds = -(-12 // found["workers"])
    expected = rounds * (found["setup_s"] + 3 * found["epoch_s"])
    assert found["at_most_s"] == pytest.approx(expected)


def test_no_more_workers_are_counted_than_the_gpus_hold(here, monkeypatch):
    write_plan(here, resources={"gpu": 0.25})
    asked = ("plan", "plan.yaml", "--timed", "0", "--cpus", "9")
    for gpus, workers in ((1, 4), (2, 8), (9, 9), (0, 9)):  # without NVIDIA's tool none are listed
        monkeypatch.setattr("sweep.process.hardware.gpus", lambda gpus=gpus: ["H200"] * gpus)
        assert answer(*asked)["workers"] == workers


@pytest.mark.parametrize("words", [("plan", "--timed", "0"), ("run", "--out", "out")])
def test_more_points_than_one_run_can_take_are_refused(here, words):
    many = list(range(1, 1001))
    write_plan(here, space={"units": many, "rate": [one / 1e4 for one in many], "batch_size": many})
    command, *options = words
    said = refused(command, "plan.yaml", *options)
    assert "1,000,000,000 points are asked for" in said and "--points 1000" in said
    assert not (here / "out").exists()
    assert answer("plan", "plan.yaml", "--timed", "0", "--points", "5")["points"] == 5


def test_a_pruning_that_cannot_be_is_noted(here):
    write_plan(here, scheduler="asha", asha={"grace_period": 4})
    [note] = answer("plan", "plan.yaml", "--timed", "0")["notes"]
    assert "ASHA prunes no point" in note and "asha.grace_period=4" in note and "trains 4 at most" in note
    write_plan(here, scheduler="asha", asha={"grace_period": 3})
    assert answer("plan", "plan.yaml", "--timed", "0")["notes"] == []


def planned(capfd, *words):
    """Return the exit code of the command and what it printed, in a process that has a real standard error."""
    code = main(["plan", *words], standalone_mode=False)
    return code or 0, "".join(capfd.readouterr())


def test_plan_shows_the_cohorts_and_what_cannot_be_fused(here, capfd):
    space = {"units": [2, 3], "rate": [0.1, 0.2], "behaviour": ["fine", "raises"]}
    write_plan(here, space=space)
    assert "cohorts" not in answer("plan", "plan.yaml", "--points", "8", "--timed", "0")
    write_plan(here, space={**space, "behaviour": ["fine"]})
    code, output = planned(capfd, "plan.yaml", "--json")
    found = json.loads(output)
    assert code == 0 and found["cohorts"] == [{"points": 2, "engine": "native", "why": ""}] * 2
    assert 0 < found["epoch_s"] < found["setup_s"]
    expected = (2 * found["setup_s"] + 4 * 3 * found["epoch_s"]) / found["workers"]
    assert found["at_most_s"] == pytest.approx(expected)


def test_equal_cohorts_are_one_line_that_says_what_trains_them():
    cohorts = [
        {"points": 720, "engine": "native", "why": ""},
        {"points": 4, "engine": "fused", "why": "the kernel does not compute the loss `own`"},
        {"points": 720, "engine": "native", "why": ""},
        {"points": 1, "engine": "keras", "why": "the model has a train_step of its own"},
    ]
    assert list(_cohorts(cohorts, "auto")) == [
        "cohort     2 x 720 points, by the native kernel",
        "cohort     4 points, by XLA: the kernel does not compute the loss `own`",
        "cohort     1 points, by Keras, one by one: the model has a train_step of its own",
    ]
    assert list(_cohorts(cohorts, "fused"))[-1].startswith("cohort     1 points fail, since")


def test_plan_says_what_a_builder_raises(here, capfd):
    write_plan(here, space={"units": [2], "rate": [0.1], "behaviour": ["raises"]})
    code, output = planned(capfd, "plan.yaml")
    assert code == 2 and "RuntimeError: cannot build 2 units" in output and "Traceback" not in output


def test_overrides_change_the_plan(here):
    write_plan(here)
    plain = answer("plan", "plan.yaml", "--timed", "0")["first_idx"]
    assert answer("plan", "plan.yaml", "--timed", "0", "--seed", "9")["first_idx"] != plain
