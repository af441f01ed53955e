"""`sweep top` and its questions: where, per, pareto."""

import csv
import io

import pytest

from tests.help.commands import answer, message, sweep


def test_top_answers_where_per_and_pareto(abalone_run):
    some = answer("top", abalone_run.path, "--where", "batch_size == 128")
    assert some and {row["batch_size"] for row in some} == {128}
    each = answer("top", abalone_run.path, "--per", "optimizers")
    assert len(each) == len({row["optimizers"] for row in each}) > 1
    front = answer("top", abalone_run.path, "--pareto", "epochs")
    assert len({row["epochs"] for row in front}) == len(front) > 0
    rows = list(csv.DictReader(io.StringIO(sweep("top", abalone_run.path, "-n", 3, "--csv").output)))
    assert len(rows) == 3 and rows[0]["idx"]
    assert "no such point" in sweep("top", abalone_run.path, "--where", "idx < 0").output


def test_points_without_a_value_are_not_ranked_and_others_are_shown_with_their_status(ended_run):
    assert [row["idx"] for row in answer("top", ended_run)] == [1, 0, 3, 2]
    title, header, *rows = sweep("top", ended_run).output.splitlines()
    assert title.strip() == "The best 4 of 7 by loss_te"
    assert header.split() == ["idx", "units", "status", "epochs", "loss_tr", "loss_te", "has_weights"]
    assert rows[0].split()[:6] == ["1", "2", "early_stopped", "3", "0.5000", "0.5000"]
    assert [row.split()[2] for row in rows] == ["early_stopped", "completed", "completed", "pruned"]
    # Ranked by what every point has, those that diverged, failed or ran out of time are there, without losses.
    rows = sweep("top", ended_run, "--by", "epochs", "--descending").output.splitlines()[2:]
    shown = {row.split()[2]: row.split()[3:6] for row in rows}
    assert len(rows) == 7 and shown["diverged"] == ["2", "-", "-"]
    assert shown["timeout"] == shown["failed"] == ["0", "-", "-"]
    assert "no such point" in sweep("top", ended_run, "--where", "status == 'timeout'").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--where", "batch_sise == 1"], 'Did you mean "batch_size"'),
        (["--where", "exit()"], "--where: The condition"),
        (["--per", "optimizer"], 'Did you mean "optimizers"'),
        (["--pareto", "parms"], 'Did you mean "params"'),
        (["--pareto", "params", "--per", "optimizers"], "only one can choose the points"),
        (["--pareto", "params", "--descending"], "Leave --descending out"),
    ],
)
def test_bad_questions_are_one_message(abalone_run, words, said):
    assert said in message("top", abalone_run.path, *words)


def test_the_best_of_each_value_is_one_at_which_the_axis_acts(layers_run):
    each = answer("top", layers_run, "--per", "width_3")
    assert sorted(row["width_3"] for row in each) == [2, 4] and {row["layers"] for row in each} == {3}
    said = sweep("top", layers_run, "--per", "width_3").output
    assert "3 points are left out, because width_3 acts only where layers >= 3." in said
    assert "left out" not in sweep("top", layers_run, "--per", "layers").output
    assert len(answer("top", layers_run, "--where", "width_2 == None")) == 1
