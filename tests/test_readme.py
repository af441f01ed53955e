"""What the documents say is true: their examples run, their commands parse, and what they name exists."""

import importlib.util
import os
import re
import shlex
import subprocess
import sys

import click
import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from results import schema
from sweep import Plan, Space
from sweep.commands.main import main
from tests.help.plans import write_table
from tests.help.repository import DOCUMENTS, README, ROOT, blocks, spans, text, without_blocks

EXAMPLES = {
    (README, "python"): 1,
    ("sweep/README.md", "yaml"): 3,
    ("sweep/README.md", "python"): 2,
    ("trainables/README.md", "python"): 1,  # in tests/native/expressions/test_translate.py
    ("results/README.md", "python"): 3,  # the first here, the others in test_run.py
    ("results/README.md", "sql"): 1,
}
"""How many blocks of a language a document has, each of which a test runs."""


@pytest.fixture
def houses(tmp_path):
    write_table(tmp_path / "houses.csv")
    table = pd.read_csv(tmp_path / "houses.csv").rename(columns={"target": "price"})
    table.to_csv(tmp_path / "houses.csv", index=False)
    (tmp_path / "my_sweep.py").write_text(blocks("python")[0])
    return tmp_path


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
    assert ran.stdout.splitlines()[-1].startswith("{'by': 'loss_va', 'loss_va': ")


@pytest.mark.ci
def test_the_notebook_s_examples_run_as_written(houses):
    (houses / "cell.py").write_text("\n".join(blocks("python", "sweep/README.md")))
    ran = subprocess.run(
        [sys.executable, "cell.py"],
        cwd=houses,
        capture_output=True,
        text=True,
        timeout=300,
        preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}),
    )
    assert ran.returncode == 0, ran.stderr
    assert len(pd.read_parquet(houses / "runs/build/points")) == 4
    *_, first, _, _, _, _, _, scores = ran.stdout.splitlines()
    assert first.split() == ["price"] and len(scores.strip("[]").split()) == 3


def test_the_plan_file_is_the_same_plan_but_for_its_callbacks(houses):
    (houses / "plan.yaml").write_text(blocks("yaml", "sweep/README.md")[0])
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


def test_axes_that_act_at_some_points_only_leave_as_many_points_as_said():
    example = yaml.safe_load(blocks("yaml", "sweep/README.md")[1])
    space = Space(example["space"], example["only"])
    said = re.search(r"so (\d+) of these (\d+) points are trained", text("sweep/README.md"))
    assert said and (space.different, len(space)) == (int(said[1]), int(said[2]))


def test_the_options_of_a_table_are_taken_together(tmp_path):
    chance = np.random.default_rng(0)
    table = pd.DataFrame(
        {"id": range(90), "age": chance.normal(size=90), "city": [f"city {n % 200}" for n in range(90)]}
    )
    table["household"], table["w"], table["income"] = (
        np.arange(90) // 3,
        1.0,
        chance.choice(["low", "high"], 90),
    )
    table.loc[::9, "age"] = None
    (tmp_path / "model.py").write_text("def build():\n    pass\n")
    table.reset_index().to_csv(
        tmp_path / "people.csv", index=False
    )  # the first column is dropped by position
    options = yaml.safe_load(blocks("yaml", "sweep/README.md")[2])["data"]
    plan = Plan(data=options, builder="model.py:build", space={"batch_size": [8]}, base=tmp_path)
    prepared = plan.table
    assert prepared.classes == ("high", "low") and prepared.features[0] == "age"
    assert prepared.features[-1] == "age_missing" and 20 < len(prepared.features) <= 34


def test_the_snippets_read_a_folder(abalone_run, capsys):
    exec(blocks("python", "results/README.md")[0], {})
    assert "learning_rate" in capsys.readouterr().out
    found = duckdb.sql(blocks("sql", "results/README.md")[0]).df()
    assert found["points"].sum() == 18 and found["best"].is_monotonic_increasing


def test_no_example_is_left_out():
    found = {
        (document, language): len(blocks(language, document))
        for document in DOCUMENTS
        for language in ("python", "yaml", "sql")
    }
    assert {key: count for key, count in found.items() if count} == EXAMPLES
    known = {"sh", "text", *(language for _, language in EXAMPLES)}
    for document in DOCUMENTS:  # a block without a language would be run by no test
        opened = re.findall(r"^ *```(.*)$", text(document), re.MULTILINE)[::2]
        assert set(opened) <= known, document


def test_every_column_is_explained():
    names = [column.name for column in schema.points_columns({}, ["loss", "MAE"])]
    names += [column.name for column in schema.curves_columns(["loss", "MAE"])]
    names += [column.name for column in (*schema.WEIGHTS, *schema.RUNGS)]
    explained = spans("results/README.md")
    assert not [name for name in names if name not in explained]
    assert not [status for status in schema.Status if status not in explained]


def commands():
    for document in DOCUMENTS:
        for block in blocks("sh", document):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if words and words[0] == "sweep":
                    yield words[1:]


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_can_be_parsed(words):
    name, command, rest = main.resolve_command(click.Context(main), words)
    command.make_context(name, rest)


def test_every_command_is_listed_and_no_other():
    names = {
        match[1]
        for document in DOCUMENTS
        for span in spans(document)
        if (match := re.match(r"sweep ([a-z][a-z-]*)", span))
    }
    known = set(main.list_commands(click.Context(main)))
    assert names <= known
    listed = spans("sweep/README.md")
    assert not [name for name in known if f"sweep {name}" not in listed]


def links(document):
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text(document)) if not link.startswith("http")]


def heading_links(document):
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_blocks(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_leads_somewhere(document):
    folder = (ROOT / document).parent
    for link in links(document):
        path, _, anchor = link.partition("#")
        target = folder / path if path else ROOT / document
        assert target.exists(), link
        assert not anchor or anchor in heading_links(target.read_text()), link


def test_the_front_page_is_short_and_leads_to_all_others():
    assert len(text(README).splitlines()) <= 200
    found, new = set(), {README}
    while new:
        found |= new
        to = {(ROOT / one).parent / link.partition("#")[0] for one in new for link in links(one)}
        new = {
            document for document in DOCUMENTS if (ROOT / document) in {path.resolve() for path in to}
        } - found
    assert found == set(DOCUMENTS)


def typed(document):
    """Return what a reader types in a shell: lines of shell blocks, and what stands between backticks."""
    return [line for block in blocks("sh", document) for line in block.splitlines()] + spans(document)


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    found = {
        match[1]
        for document in DOCUMENTS
        for line in typed(document)
        if (match := re.match(r"make ([a-z][a-z-]*)", line))
    }
    assert {"sweep", "test", "bench"} <= found
    assert not [target for target in found if f"\n{target}:" not in makefile]


def test_every_benchmark_exists():
    figures = "tests/benchmarks/README.md"
    names = {name for line in typed(figures) for name in re.findall(r"^make bench ARGS=(\w+)", line)}
    names |= {
        name for line in typed(figures) for name in re.findall(r"^python -m tests\.benchmarks\.(\w+)", line)
    }
    assert len(names) > 5
    assert not [name for name in names if not (ROOT / f"tests/benchmarks/{name}.py").exists()]


def test_every_module_is_where_the_changelog_says():
    moved = re.findall(r"^\| `([\w.]+)` \| `([\w.]+)` \|$", text("CHANGELOG.md"), re.MULTILINE)
    assert len(moved) > 40
    assert not [now for _, now in moved if importlib.util.find_spec(now) is None]
