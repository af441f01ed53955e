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
