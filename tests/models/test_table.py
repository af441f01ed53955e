"""The table of a run is the one that the sweep was run on, or a message says what to do."""

import json

import pytest
import yaml

from results.folder.run_folder import RunFolder
from sweep import Plan
from sweep.errors import InputError
from sweep.models.table import plan_with_table
from sweep.plan.form import PlanError
from tests.help.plans import small_plan


@pytest.fixture
def run(workplace):
    folder = RunFolder(workplace / "out")
    folder.create()
    data = {"path": str(workplace / "table.csv"), "target": "target"}
    write(folder, data=data, builder=str(workplace / "model.py:build"))
    sha256 = Plan.load(folder.plan).table.sha256
    folder.fingerprint.write_text(json.dumps({"data": {"sha256": sha256}}))
    return folder


def write(folder, **changes):
    folder.plan.write_text(yaml.safe_dump(small_plan(**changes)))


def test_a_table_that_was_moved_is_found_where_the_plan_says_it_is_now(run, workplace):
    before = plan_with_table(run).table
    (workplace / "table.csv").rename(workplace / "moved.csv")
    with pytest.raises(InputError) as error:
        plan_with_table(run)
    assert f"{workplace / 'table.csv'}: there is no such file" in str(error.value)
    assert f"put it back, or write where it is now as data.path in {run.plan}." in str(error.value)
    run.plan.write_text(run.plan.read_text().replace("table.csv", "moved.csv"))
    assert (plan_with_table(run).table.x_test == before.x_test).all()


def test_another_table_is_refused_unless_the_run_does_not_tell(run, workplace):
    lines = (workplace / "table.csv").read_text().splitlines()
    (workplace / "table.csv").write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(InputError, match=r"table.csv is not the table that the sweep was run on"):
        plan_with_table(run)
    run.fingerprint.unlink()
    assert len(plan_with_table(run).table.y_train) > 0


def test_a_builder_that_is_not_there_is_no_fault_of_the_table(run, workplace):
    (workplace / "model.py").unlink()
    with pytest.raises(PlanError, match=r"builder: there is no file"):
        plan_with_table(run)
