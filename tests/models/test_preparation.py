"""What is kept of a table is enough to build the models, and survives JSON."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from results.folder.run_folder import RunFolder
from sweep import Plan
from sweep.errors import InputError
from sweep.models import preparation
from sweep.models.preparation import Preparation
from tests.help.plans import small_plan
from trainables.builder import build
from trainables.table import data
from trainables.table.data import DataSpec


@pytest.fixture
def table(tmp_path):
    chance = np.random.default_rng(3)
    frame = pd.DataFrame({"a": chance.normal(size=60), "kind": chance.choice(["x", "é,'"], 60)})
    frame["y"] = chance.choice(["low", "high", "mid"], 60)
    frame.loc[4, "a"] = np.nan
    frame.to_csv(tmp_path / "table.csv", index=False)
    return data.load(DataSpec(str(tmp_path / "table.csv"), "y", missing="fill"))


def test_it_survives_json(table):
    kept = Preparation.of(table)
    again = Preparation.from_dict(json.loads(json.dumps(kept.to_dict())))
    assert again == kept
    assert again.classes == ("high", "low", "mid") and again.recipe.features == table.features
    made = again.table()
    assert made.x_train.shape == (0, len(table.features)) and made.features == table.features


def test_the_normalizer_is_the_adapted_one_to_the_last_bit(table):
    kept = Preparation.from_dict(json.loads(json.dumps(Preparation.of(table).to_dict())))
    adapted, made = build.normalizer(table), build.normalizer(kept.table(), kept.moments)
    for one, other in zip(adapted.get_weights(), made.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    x = table.x_test
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(adapted(x)), keras.ops.convert_to_numpy(made(x)))


def test_images_keep_their_shape():
    x = np.random.default_rng(0).random((30, 4, 5, 3), "float32")
    table = data.Table(x, np.zeros(30, "float32"), x[:2], np.zeros(2, "float32"), (), "y", "")
    kept = Preparation.of(table)
    assert kept.table().x_train.shape == (0, 4, 5, 3)
    layer = keras.layers.Normalization()
    layer.adapt(x)
    for one, other in zip(layer.get_weights()[:2], kept.moments, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def run(workplace):
    folder = RunFolder(workplace / "out")
    folder.create()
    plan = Plan.from_mapping(small_plan(), base=workplace)
    folder.fingerprint.write_text(json.dumps({"data": {"sha256": plan.table.sha256}}))
    return folder, plan


def test_it_is_kept_once_and_read_without_the_table(run, workplace):
    folder, plan = run
    preparation.keep(folder, plan.table)
    written = folder.preparation.read_text()
    expected = Preparation.of(plan.table)
    preparation.keep(folder, plan.table)
    assert folder.preparation.read_text() == written
    (workplace / "table.csv").unlink()
    assert preparation.of_run(folder, Plan.from_mapping(small_plan(), base=workplace)) == expected


def test_an_earlier_run_has_it_from_the_table_if_that_is_the_same(run, workplace):
    folder, plan = run
    assert preparation.of_run(folder, plan) == Preparation.of(plan.table)
    text = (workplace / "table.csv").read_text()
    (workplace / "table.csv").write_text(text + text.splitlines()[-1] + "\n")
    with pytest.raises(
        InputError, match=r"table.csv is not the table that the sweep was run on: its SHA-256"
    ):
        preparation.of_run(folder, Plan.from_mapping(small_plan(), base=workplace))


@pytest.mark.parametrize("text", ["", "[", "{}", '{"recipe": 3}'])
def test_a_damaged_file_is_said(run, text):
    folder, plan = run
    folder.preparation.write_text(text)
    with pytest.raises(InputError, match=r"preparation.json: is damaged .* Remove it"):
        preparation.of_run(folder, plan)
