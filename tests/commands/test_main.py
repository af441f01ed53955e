import json

import pytest
import yaml
from click.testing import CliRunner

from cluster.errors import ClusterError
from results.errors import ResultsError
from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep.commands.main import main
from sweep.plan.form import PlanError
from tests.help.bad_input import BAD_FILES, BAD_PLANS, BAD_TABLES
from tests.help.plans import write_plan
from tests.help.rows import AXES, finished
from trainables.builder.find import BuilderError


@pytest.fixture
def command(workplace, monkeypatch):
    monkeypatch.chdir(workplace)

    def call(*arguments):
        result = CliRunner().invoke(main, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return call


def is_one_message(output):
    return output.startswith("Error: ") and "Traceback" not in output


@pytest.mark.parametrize("case", BAD_PLANS)
def test_a_bad_plan_is_one_message_and_exit_2(command, workplace, case):
    raw, fragments = BAD_PLANS[case]
    (workplace / "plan.yaml").write_text(yaml.safe_dump(raw))
    for arguments in (["run", "plan.yaml", "--out", "out"], ["plan", "plan.yaml"]):
        code, output = command(*arguments)
        assert code == 2 and is_one_message(output)
        assert all(fragment in output for fragment in fragments)
    assert not (workplace / "out").exists()


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_plan_is_one_message_and_exit_2(command, workplace, case):
    (workplace / "plan.yaml").write_text(BAD_FILES[case][0])
    code, output = command("run", "plan.yaml", "--out", "out")
    assert code == 2 and is_one_message(output) and BAD_FILES[case][1] in output
    assert not (workplace / "out").exists()


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_one_message_and_exit_2(command, workplace, case):
    spoil, options, fragments = BAD_TABLES[case]
    if spoil is not None:
        spoil(workplace / "table.csv")
    write_plan(workplace, data={"path": "table.csv", "target": "target", **options})
    code, output = command("run", "plan.yaml", "--out", "out")
    assert code == 2 and is_one_message(output)
    assert all(fragment in output for fragment in fragments)
    assert not (workplace / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--idx", "1,x"], "whole numbers"),
        (["run", "--idx", "17280"], "0 to 17279"),
        (["run", "--points", "0"], "at least 1"),
        (["run", "--points", "few"], "'few' is not a valid integer"),
        (["run", "--cpus", "0"], "at least 1"),
        (["run", "--seed", "-1"], "seed got -1"),
        (["run", "--engine", "torch"], "'torch' is not one of"),
        (["run", "none.yaml"], "no such plan"),
        (["run", "--pionts", "3"], "--points"),
        (["plan", "--points", "3", "--idx", "1", "--timed", "0"], "both given"),
        (["status", "nowhere"], "no sweep here"),
        (["top", "nowhere"], "no sweep here"),
        (["topp", "nowhere"], "top"),
        (["run", "--out", "model.py"], "model.py: cannot be written"),
    ],
)
def test_bad_arguments_are_one_message_and_exit_2(command, arguments, said):
    code, output = command(*arguments)
    assert code == 2 and said in output and "Traceback" not in output


@pytest.mark.parametrize(
    "error",
    [
        PlanError("the plan"),
        BuilderError("the builder"),
        FolderError("the folder"),
        ClusterError("the cluster"),
        type("AnotherError", (ResultsError,), {})("another"),
    ],
    ids=str,
)
def test_an_error_about_the_input_is_its_message(command, monkeypatch, error):
    raise_in_plan(monkeypatch, error)
    assert command("plan") == (2, f"Error: {error}\n")


@pytest.mark.parametrize("error", [ValueError, OSError, RuntimeError, KeyError])
def test_an_error_inside_the_program_is_not_hidden(command, monkeypatch, error):
    """Only errors about the input are shortened; one of ours keeps its traceback."""
    raise_in_plan(monkeypatch, error("a bug"))
    with pytest.raises(error, match="a bug"):
        command("plan")


def raise_in_plan(monkeypatch, error):
    from sweep.commands import main as cli

    def broken(*arguments, **options):
        raise error

    monkeypatch.setattr(cli, "loaded_plan", broken)


def test_help_teaches(command):
    code, output = command("--help")
    assert code == 0 and "sweep run --points 60" in output
    code, output = command("run", "--help")
    assert code == 0 and "resumes" in output
    for number, meaning in enumerate(
        ["every point has a row and none", "some failed", "bad input", "stopped"]
    ):
        assert any(line.strip().startswith(f"{number} ") and meaning in line for line in output.splitlines())


def test_plan_without_timing(command, workplace):
    write_plan(workplace)
    code, output = command("plan", "plan.yaml", "--timed", "0", "--json", "--points", "5", "--cpus", "7")
    answer = json.loads(output)
    assert code == 0
    assert answer["points"] == 5 and answer["points_in_space"] == 12 and answer["workers"] == 7
    assert answer["axes"] == {"batch_size": 2, "rate": 2, "units": 3} and len(answer["first_idx"]) == 5
    code, output = command("plan", "--timed", "0")
    assert "17,280 of 17,280" in output and "ASHA at epochs [10, 40, 160]" in output


def test_plan_times_a_few_points(sweeps):
    write_plan(sweeps.folder)
    code, output = sweeps.run("plan", "plan.yaml", "--timed", "1", "--json", "--engine", "keras")
    answer = json.loads(output)
    assert code == 0
    assert 0 < answer["epoch_s"] < answer["setup_s"]
    expected = 12 * (answer["setup_s"] + 3 * answer["epoch_s"]) / answer["workers"]
    assert answer["at_most_s"] == pytest.approx(expected)


def test_plan_shows_the_cohorts_and_what_cannot_be_fused(sweeps):
    space = {"units": [2, 3], "rate": [0.1, 0.2], "behaviour": ["fine", "raises"]}
    write_plan(sweeps.folder, space=space)
    code, output = sweeps.run("plan", "plan.yaml", "--points", "8", "--json", "--timed", "0")
    assert code == 0 and "cohorts" not in json.loads(output)
    write_plan(sweeps.folder, space={**space, "behaviour": ["fine"]})
    code, output = sweeps.run("plan", "plan.yaml", "--json")
    answer = json.loads(output)
    assert code == 0 and sorted(answer["cohorts"]) == [[2, ""], [2, ""]]
    assert 0 < answer["epoch_s"] < answer["setup_s"]
    expected = (2 * answer["setup_s"] + 4 * 3 * answer["epoch_s"]) / answer["workers"]
    assert answer["at_most_s"] == pytest.approx(expected)


def test_plan_says_what_a_builder_raises(sweeps):
    write_plan(sweeps.folder, space={"units": [2], "rate": [0.1], "behaviour": ["raises"]})
    code, output = sweeps.run("plan", "plan.yaml")
    assert code == 2 and "RuntimeError: cannot build 2 units" in output and "Traceback" not in output


def test_overrides_change_the_plan(command, workplace):
    write_plan(workplace)
    _, output = command("plan", "plan.yaml", "--timed", "0", "--json", "--seed", "9")
    _, other = command("plan", "plan.yaml", "--timed", "0", "--json")
    assert json.loads(output)["first_idx"] != json.loads(other)["first_idx"]


def test_a_damaged_part_is_said_not_shown(command, workplace):
    folder = RunFolder(workplace / "out")
    folder.create()
    Store(folder, AXES).commit([finished(idx) for idx in range(5)])
    (part,) = folder.points.iterdir()
    raw = bytearray(part.read_bytes())
    raw[len(raw) // 2] ^= 1
    part.write_bytes(raw)
    for name in ("top", "status"):
        code, output = command(name, "out")
        assert code == 2 and is_one_message(output) and "part-00000.parquet is damaged" in output


def test_the_entry_point_is_this_module():
    from importlib.metadata import entry_points

    (script,) = [item for item in entry_points(group="console_scripts") if item.name == "sweep"]
    assert script.load() is main
