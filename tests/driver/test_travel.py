"""Tests that workers find the builder, and that a submitted plan keeps its meaning."""

import subprocess
import sys
from pathlib import Path

import pytest

from cluster.connect import parcel
from sweep import Plan
from sweep.driver import travel
from sweep.plan.fingerprint import fingerprint
from tests.help.plans import BUILDER, small_plan, write_table

LIGHT = "def build(units, rate):\n    import keras\n"
"""A builder that is imported in no time, since it imports Keras only when it is called."""

ARRIVE = """
import pickle, sys
from pathlib import Path
builder = pickle.loads(Path("builder.pickle").read_bytes()).arrived()
function = builder.load()
print(function.__module__, Path(sys.modules[function.__module__].__file__).relative_to({root!r}), Path.cwd().name)
"""


def arrived(plan, into):
    """Return what a process in the parcel imports as the builder: module, file, working directory."""
    import pickle

    made = parcel.make(into, travel.user_folder(plan))
    (made / "builder.pickle").write_bytes(pickle.dumps(travel.moved_builder(plan)))
    code = ARRIVE.format(root=str(made.resolve()))
    environment = {"PATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    output = subprocess.check_output([sys.executable, "-c", code], cwd=made, text=True, env=environment)
    return output.splitlines()[-1]


@pytest.mark.heavy
def test_a_builder_s_file_arrives_with_its_neighbours(workplace, tmp_path):
    (workplace / "layers.py").write_text("WIDTH = 3\n")
    (workplace / "model.py").write_text("from layers import WIDTH\n" + LIGHT)
    plan = Plan(**small_plan(), base=workplace)
    assert travel.user_folder(plan) == workplace
    assert arrived(plan, tmp_path / "parcel") == "_builder_model user/model.py user"


@pytest.mark.heavy
def test_a_builder_s_package_arrives(workplace, tmp_path):
    (workplace / "luggage").mkdir()
    (workplace / "luggage" / "__init__.py").write_text("")
    (workplace / "luggage" / "model.py").write_text(LIGHT)
    plan = Plan(**small_plan(builder="luggage.model:build"), base=workplace)
    assert travel.user_folder(plan) == workplace
    assert arrived(plan, tmp_path / "parcel") == "luggage.model user/luggage/model.py user"


def test_a_builder_s_module_is_sent_even_if_a_plain_import_finds_it_here(workplace, tmp_path, monkeypatch):
    """As with `python -m sweep` in its folder, a script beside it, or PYTHONPATH."""
    elsewhere = tmp_path / "modules"
    elsewhere.mkdir()
    (elsewhere / "satchel.py").write_text(LIGHT)
    monkeypatch.syspath_prepend(elsewhere)
    plan = Plan(**small_plan(builder="satchel:build"), base=workplace)
    assert travel.user_folder(plan) == elsewhere
    made = parcel.make(tmp_path / "parcel", travel.user_folder(plan))
    assert (made / parcel.USER / "satchel.py").read_text() == LIGHT


@pytest.mark.heavy
def test_the_builder_of_this_software_travels_with_it(tmp_path):
    plan = Plan.load()
    assert travel.user_folder(plan) is None
    assert arrived(plan, tmp_path / "parcel") == "trainables.abalone trainables/abalone.py parcel"


@pytest.mark.parametrize("kind", ["file", "package", "own"])
def test_a_submitted_plan_means_the_same(workplace, tmp_path, kind, monkeypatch):
    if kind == "package":
        (workplace / "suitcase.py").write_text(BUILDER)
    builder = {"file": "model.py:build", "package": "suitcase:build", "own": None}[kind]
    plan = Plan.load() if builder is None else Plan(**small_plan(builder=builder), base=workplace)
    job = tmp_path / "job"
    path = job / travel.make_job(plan, job)
    moved = tmp_path / "elsewhere"
    job.rename(moved)
    monkeypatch.chdir(moved)
    (workplace / "table.csv").unlink()
    (workplace / "model.py").unlink()
    again = Plan.load(moved / path.relative_to(job))
    assert again.found_builder.path.is_relative_to(moved) or kind == "own"
    assert fingerprint(again) == fingerprint(plan)
    # What is stored in the run's folder has the paths of who submitted it.
    original = (moved / path.relative_to(job)).with_name(travel.ORIGINAL_FILE).read_text()
    assert original == plan.to_yaml()
    if kind == "file":
        assert str(workplace / "table.csv") in original.replace("\n    ", " ") and str(moved) not in original


def test_the_table_does_not_travel_to_the_workers(workplace, tmp_path):
    plan = Plan(**small_plan(), base=workplace)
    made = parcel.make(tmp_path / "parcel", travel.user_folder(plan))
    assert not list((made / parcel.USER).rglob("*.csv"))
    job = tmp_path / "job"
    travel.make_job(plan, job)
    assert [path.relative_to(job) for path in job.rglob("*.csv")] == [Path("user/submitted-table/table.csv")]
    # Nor with a driver that was submitted, from where it was unpacked.
    assert not [path for path in parcel.files_to_send(job / parcel.USER) if path.suffix == ".csv"]


def test_a_hostile_table_name_stays_a_name(workplace, tmp_path):
    write_table(workplace / "a 'table', é.csv")
    plan = Plan(**small_plan(data={"path": "a 'table', é.csv", "target": "target"}), base=workplace)
    job = tmp_path / "job"
    assert Plan.load(job / travel.make_job(plan, job)).table.sha256 == plan.table.sha256


def test_a_text_that_looks_like_a_number_stays_a_text(workplace, tmp_path):
    data = {**small_plan()["data"], "na": ["1e20"]}
    job = tmp_path / "job"
    made = travel.make_job(Plan(**small_plan(data=data), base=workplace), job)
    assert Plan.load(job / made).data_spec.na == ["1e20"]


def test_the_files_of_all_parts_and_what_a_function_returns_are_sent(workplace, tmp_path):
    (workplace / "more").mkdir()
    write_table(workplace / "more" / "table.csv")
    (workplace / "my_data.py").write_text(
        "import pandas as pd\ndef load():\n    return pd.read_csv('gone.csv')\n"
    )
    data = {**small_plan()["data"], "test_path": "more/table.csv"}
    made = travel.make_job(Plan(**small_plan(data=data), base=workplace), tmp_path / "one")
    sent = Plan.load(tmp_path / "one" / made)
    assert sent.table.sha256 == Plan(**small_plan(data=data), base=workplace).table.sha256
    body = "import numpy as np\n\ndef load():\n    return np.ones((60, 4)), np.resize(['b', 'a'], 60)\n"
    (workplace / "my_data.py").write_text(body)
    plan = Plan(**small_plan(data="my_data.py:load"), base=workplace)
    made = travel.make_job(plan, tmp_path / "two")
    (workplace / "my_data.py").unlink()
    sent = Plan.load(tmp_path / "two" / made)
    assert sent.table.sha256 == plan.table.sha256 and sent.table.classes == ("a", "b")
