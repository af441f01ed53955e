"""The group: a table of commands that are imported when asked for, and errors as messages."""

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points

import click
import pytest

from cluster.errors import ClusterError
from results.errors import ResultsError
from results.folder.errors import FolderError
from sweep.commands import main as module
from sweep.commands.main import COMMANDS, imported, main, module_of
from sweep.plan.form import PlanError
from tests.help.commands import message, refused, sweep
from tests.help.exports import make_run
from tests.help.repository import ROOT
from trainables.builder.find import BuilderError


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_module_of_its_name_and_its_help_is_the_table_s(name):
    command = imported(name)
    assert isinstance(command, click.Command) and command.name == name
    for width in (45, 1000):
        assert command.get_short_help_str(width) == main.commands[name].get_short_help_str(width)
    assert command.get_short_help_str(1000) == COMMANDS[name]
    assert name in re.findall(r"[a-z-]+", main.help)


def test_every_module_that_has_a_command_is_in_the_table():
    files = [path.stem for path in (ROOT / "sweep" / "commands").glob("*.py")]
    found = {
        f"sweep.commands.{name}"
        for name in files
        if isinstance(getattr(import_module(f"sweep.commands.{name}"), name, None), click.Command)
    }
    assert found - {module.__name__} == {module_of(name) for name in COMMANDS}


def test_a_misspelt_command_is_refused_with_the_nearest_one():
    assert "'status'" in refused("statsu", "nowhere")
    assert "'--help'" in refused("--helpp")


def test_the_shell_completes_commands_and_their_options():
    from click.shell_completion import ShellComplete

    completed = ShellComplete(main, {}, "sweep", "_SWEEP_COMPLETE").get_completions
    assert [item.value for item in completed([], "sta")] == ["status"]
    assert [item.value for item in completed(["top"], "--pa")] == ["--pareto"]
    assert not completed(["topp"], "--pa")


@pytest.mark.parametrize("closed", ["..", "points", "points/part-00000.parquet"])
def test_files_of_another_user_are_refused_by_one_message(tmp_path, closed):
    run = make_run(tmp_path / "theirs" / "run", {"units": [1, 2]}, [{"idx": 0}, {"idx": 1}]).folder.path
    words = [("top", run), ("curves", run), ("status", run)]
    assert [sweep(*each).exit_code for each in words] == [0, 0, 0]  # imports what they need
    (run / closed).chmod(0)
    try:
        with another_user(tmp_path):
            said = [message(*each) for each in words]
    finally:
        (run / closed).chmod(0o755)
    assert all("Permission denied" in one and str(tmp_path) in one for one in said), said


@contextmanager
def another_user(folder):
    """Give up the rights of root, which may read all files; the folders above `folder` stay open."""
    if os.geteuid():
        yield
        return
    closed = {
        each: each.stat().st_mode for each in (folder, *folder.parents) if not each.stat().st_mode & 0o1
    }
    for each, mode in closed.items():
        each.chmod(mode | 0o5)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for each, mode in closed.items():
            each.chmod(mode)


def test_help_is_the_map():
    found = sweep("--help")
    assert found.exit_code == 0 and "sweep run --points 60" in found.output
    listed = re.findall(r"^  ([a-z-]+)  ", found.output.split("Commands:")[1], re.MULTILINE)
    assert listed == sorted(COMMANDS)


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
def test_an_error_about_the_input_is_its_message(monkeypatch, error):
    raise_in_plan(monkeypatch, error)
    assert refused("plan") == f"Error: {error}\n"


@pytest.mark.parametrize("error", [ValueError, OSError, RuntimeError, KeyError])
def test_an_error_inside_the_program_is_not_hidden(monkeypatch, error):
    """Only errors about the input are shortened; one of ours keeps its traceback."""
    raise_in_plan(monkeypatch, error("a bug"))
    with pytest.raises(error, match="a bug"):
        sweep("plan")


def test_ctrl_c_before_a_command_handles_it_is_one_line(monkeypatch):
    raise_in_plan(monkeypatch, KeyboardInterrupt())
    found = sweep("plan")
    assert found.exit_code == 3 and found.output == "Stopped.\n"


def raise_in_plan(monkeypatch, error):
    def broken(*arguments, **options):
        raise error

    monkeypatch.setattr("sweep.commands.plan.loaded_plan", broken)


def test_the_entry_point_is_this_module():
    (script,) = [item for item in entry_points(group="console_scripts") if item.name == "sweep"]
    assert script.load() is main


def test_the_former_address_still_works():
    ran = subprocess.run([sys.executable, "-m", "sweep.cli", "--help"], capture_output=True, text=True)
    assert ran.returncode == 0 and "sweep run --points 60" in ran.stdout, ran.stderr
