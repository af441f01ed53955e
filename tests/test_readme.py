"""What the README says is true: its example runs, its snippets read a folder, its commands and links exist."""

import os
import re
import shlex
import subprocess
import sys

import click
import duckdb
import pandas as pd
import pytest

from results import schema
from sweep import Plan
from sweep.commands.main import main
from tests.help.plans import write_table
from tests.help.repository import README, ROOT, blocks


@pytest.fixture
def houses(tmp_path):
    write_table(tmp_path / "houses.csv")
    table = pd.read_csv(tmp_path / "houses.csv").rename(columns={"target": "price"})
    table.to_csv(tmp_path / "houses.csv", index=False)
    (tmp_path / "my_sweep.py").write_text(blocks("python")[0])
    return tmp_path


@pytest.mark.slow
@pytest.mark.ci
def test_the_example_runs_as_written(houses):
    ran = subprocess.run(
        [sys.executable, "my_sweep.py"],
        cwd=houses,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),  # one worker is enough
    )
    assert ran.returncode == 0, ran.stderr
    rows = pd.read_parquet(houses / "runs/houses/points")
    assert sorted(rows["idx"]) == [0, 1, 2, 3]
    assert ran.stdout.splitlines()[-1].startswith("{'loss_te': ")


def test_the_plan_file_is_the_same_plan_but_for_its_callbacks(houses):
    (houses / "plan.yaml").write_text(blocks("yaml")[0])
    plan = Plan.load(houses / "plan.yaml")
    made = Plan(
        data={"path": "houses.csv", "target": "price"},
        builder="my_sweep.py:build",
        space={"units": [4, 8], "rate": [1e-2, 1e-3], "batch_size": [32]},
        fit={"epochs": 50},
        callbacks=plan.callbacks,
        base=houses,
    )
    assert plan.to_dict() == made.to_dict()


def test_the_snippets_read_a_folder(abalone_run, capsys):
    exec(blocks("python")[1], {})
    assert "learning_rate" in capsys.readouterr().out
    found = duckdb.sql(blocks("sql")[0]).df()
    assert found["points"].sum() == 18 and found["best"].is_monotonic_increasing


def test_every_column_is_explained(abalone_run):
    names = [column.name for column in schema.points_columns({}, ["loss", "MAE"])]
    names += [column.name for column in schema.curves_columns(["loss", "MAE"])]
    names += [column.name for column in (*schema.WEIGHTS, *schema.RUNGS)]
    assert not [name for name in names if f"`{name}`" not in README]
    assert not [status for status in schema.Status if f"`{status}`" not in README]


def commands():
    for block in blocks("sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == "sweep":
                yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_can_be_parsed(words):
    name, command, rest = main.resolve_command(click.Context(main), words)
    command.make_context(name, rest)


def test_every_link_leads_somewhere():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert len(links) > 5
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"make ([a-z-]+)", README)):
        assert f"\n{target}:" in makefile, target
