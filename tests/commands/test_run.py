"""`sweep run` refuses bad input by one message, before it has made anything."""

import pandas as pd
import pytest
import yaml

from results.directions import Directions
from results.folder.run_folder import RunFolder
from results.store.read import read_points
from results.store.store import Store
from sweep.commands.run import _what_came_out
from tests.help.bad_input import BAD_FILES, BAD_PLANS, BAD_TABLES
from tests.help.commands import message, refused, sweep
from tests.help.plans import write_plan
from tests.help.rows import AXES, finished


@pytest.mark.parametrize("case", BAD_PLANS)
def test_a_bad_plan_is_one_message(here, case):
    raw, fragments = BAD_PLANS[case]
    (here / "plan.yaml").write_text(yaml.safe_dump(raw))
    said = message("run", "plan.yaml", "--out", "out")
    assert all(fragment in said for fragment in fragments)
    assert not (here / "out").exists()


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_plan_is_one_message(here, case):
    (here / "plan.yaml").write_text(BAD_FILES[case][0])
    assert BAD_FILES[case][1] in message("run", "plan.yaml", "--out", "out")
    assert not (here / "out").exists()


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_one_message(here, case):
    spoil, options, fragments = BAD_TABLES[case]
    if spoil is not None:
        spoil(here / "table.csv")
    write_plan(here, data={"path": "table.csv", "target": "target", **options})
    said = message("run", "plan.yaml", "--out", "out")
    assert all(fragment in said for fragment in fragments)
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--idx", "1,x"], "whole numbers"),
        (["--idx", "17280"], "0 to 17279"),
        (["--points", "0"], "at least 1"),
        (["--points", "few"], "'few' is not a valid integer"),
        (["--cpus", "0"], "at least 1"),
        (["--seed", "-1"], "seed got -1"),
        (["--engine", "torch"], "'torch' is not one of"),
        (["none.yaml"], "no such plan"),
        (["--pionts", "3"], "--points"),
        (["--out", "model.py"], "model.py is a file, but a run needs a folder"),
    ],
)
def test_bad_arguments_are_refused(here, arguments, said):
    assert said in refused("run", *arguments)


def test_help_says_what_the_exit_codes_mean():
    found = sweep("run", "--help")
    assert found.exit_code == 0 and "resumes" in found.output
    lines = [line.strip() for line in found.output.splitlines()]
    for number, meaning in enumerate(
        ["every point has a row and none", "some failed", "bad input", "stopped"]
    ):
        assert any(line.startswith(f"{number} ") and meaning in line for line in lines)


STACK = (
    "Detected at node lambda/MatMul defined at (most recent call last):\n"
    + '  File "a.py", line 1, in call\n' * 30
)
CAUSE = "Matrix size-incompatible: In[0]: [32,1], In[1]: [32,3]"


def failed(idx, error):
    return finished(idx, status="failed", epochs=0, error=error)


def test_failed_points_are_counted_by_their_cause_whose_end_is_shown(tmp_path, capsys):
    folder = RunFolder(tmp_path)
    folder.create()
    errors = [
        # The same cause, at two nodes.
        f"InvalidArgumentError: Graph execution error:\n\n{STACK}{CAUSE}\n\t [[{{{{node a}}}}]] [Op:__inference_7]",
        f"InvalidArgumentError: Graph execution error:\n\n{STACK}{CAUSE}\n\t [[{{{{node b}}}}]] [Op:__inference_9]",
        f"ValueError: {'x' * 400}, but the axis needs 5",
        None,
    ]
    Store(folder, AXES).commit([failed(idx, error) for idx, error in enumerate(errors)])
    _what_came_out(read_points(folder), Directions())
    printed = capsys.readouterr().out
    assert "4 points failed" in printed
    assert f"  2 x InvalidArgumentError: {CAUSE}\n" in printed
    assert "  1 x ValueError: xxx" in printed and "xxx, but the axis needs 5\n" in printed
    assert max(map(len, printed.splitlines())) < 220


def test_failed_points_without_a_message_are_counted(capsys):
    rows = pd.DataFrame({"idx": [1], "status": ["failed"], "error": [None], "loss_va": [None]})
    _what_came_out(rows, Directions())
    assert "1 points failed" in capsys.readouterr().out


def test_further_reasons_of_failed_points_are_counted(capsys):
    rows = pd.DataFrame(
        {"idx": range(9), "status": "failed", "error": [f"E{min(n, 6)}: no" for n in range(9)]}
    )
    _what_came_out(rows, Directions())
    said = capsys.readouterr().out
    assert "9 points failed" in said and "  3 x E6: no" in said and said.count(" x E") == 5
    assert "  2 for 2 other reasons: see the column error" in said
