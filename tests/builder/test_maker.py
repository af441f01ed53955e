"""Points of builders that keep state, built and trained in one process, against a fresh process for each."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from results.space import Space
from tests.help import stateful
from tests.help.repository import ROOT
from tests.help.trials import reports_of
from trainables.builder import build, modules
from trainables.builder.configuration import Configuration, at_start
from trainables.builder.examine import examine, most_different
from trainables.builder.find import find
from trainables.builder.maker import Maker
from trainables.engine import Work
from trainables.fused.compose.builds import Builds, Failed
from trainables.fused.internals import operations
from trainables.settings import Callbacks, Fit, Training
from trainables.single.engine import KerasEngine
from trainables.table.data import Table

X, Y = stateful.table_arrays()
TABLE = Table(X, Y, X[:9], Y[:9], ("a", "b", "c", "d"), "y", "0")
FIT = Fit(epochs=stateful.EPOCHS, batch_size=stateful.BATCH, shuffle=False)
TRAINING = Training(FIT, Callbacks(), seed=stateful.SEED)
SPACE = Space(stateful.SPACE)

KEPT = {
    "generator_at_top": "made when the file is imported",
    "numbers_at_top": "initial values",
    "attributes": "the attribute w of RandomFeatures 'random_features'",
    "closure": "the global draw",
    "default": "the global build",
    "optimizer_at_top": "the Adam 'adam' is made when the file is imported",
    "layer_at_top": "the Dense 'dense' is made when the file is imported",
    "cache": "the same model 'functional",
    "counter": "shapes",
    "helper": "initial values",
    "global_of_a_loss": "the global LOW",
    "array_at_top": "the global W",
    "settings_at_top": "the global A",
    "regularizer_at_top": "the global LIGHT",
    "outside": "the global LOW",
}
"""What is said of the builders whose module must be imported anew."""

FEW = ("generator_at_top", "helper", "policy_at_top", "draws")
"""Some cases of different kinds, for a fast test."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("builders é")
    stateful.write_cases(made)
    return made


@pytest.fixture(autouse=True)
def on_path(folder, monkeypatch):
    monkeypatch.syspath_prepend(folder / "src")


def made_by_fresh_processes(folder, names):
    """Return what fresh processes make of the points of some cases."""
    command = [sys.executable, "-m", "tests.help.stateful", str(folder), *names]
    return json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout)


@pytest.fixture(scope="module")
def fresh(folder):
    return made_by_fresh_processes(folder, [name for name in stateful.CASES if name not in stateful.CHANCE])


@pytest.fixture(scope="module")
def fresh_few(folder):
    return made_by_fresh_processes(folder, FEW)


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Leave the path, the modules and Keras' settings as they are."""
    at_start()
    monkeypatch.setattr(sys, "path", [*sys.path])
    loaded = set(sys.modules)
    yield
    for name in set(sys.modules) - loaded:
        if name in ("parts", "outside_helper") or name.startswith("_builder_"):
            del sys.modules[name]
    keras.utils.clear_session(free_memory=False)
    at_start().restore()


def maker_of(folder, name):
    return Maker(find("model.py:build", folder / name), stateful.SEED)


def examined(folder, name, point=0):
    maker = maker_of(folder, name)
    others = [stateful.POINTS[-1 - point]]
    assert examine(maker, TABLE, stateful.SEED, 60.0, stateful.POINTS[point], others)
    return maker


def built(maker, config):
    return build.build(maker, maker.builder, config, TABLE, stateful.SEED)


@pytest.mark.ci
@pytest.mark.parametrize("name", FEW)
def test_models_of_some_are_those_of_fresh_processes(folder, fresh_few, name):
    assert_made_as_by(fresh_few, folder, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in stateful.CASES if name not in stateful.CHANCE])
def test_models_are_those_of_fresh_processes(folder, fresh, name):
    assert_made_as_by(fresh, folder, name)


def assert_made_as_by(fresh, folder, name):
    maker = examined(folder, name)
    assert maker.anew == (name in KEPT) and not maker.chance
    for idx in (0, 1, 2, 3, 1, 0):
        found, expected = stateful.initial(built(maker, stateful.POINTS[idx])), fresh[name][idx]
        assert found == {key: expected[key] for key in found}, idx


@pytest.mark.parametrize("name", KEPT)
def test_the_user_is_told_what_the_builder_keeps(folder, name):
    [note] = examined(folder, name).notes
    assert KEPT[name] in note and "imported anew for each point" in note
    assert note.startswith(f"builder: build in {folder / name / 'model.py'} keeps state between calls (")


@pytest.mark.parametrize("which", "ABCDEFGH")
@pytest.mark.parametrize("point", [0, 3])
def test_settings_of_all_kinds_are_found_whichever_point_is_built_first(tmp_path, which, point):
    (tmp_path / "model.py").write_text(
        stateful.HEAD + stateful.CASES["settings_at_top"].replace('WHICH = "A"', f'WHICH = "{which}"')
    )
    maker = Maker(find("model.py:build", tmp_path), stateful.SEED)
    examine(maker, TABLE, stateful.SEED, 60.0, stateful.POINTS[point], [stateful.POINTS[3 - point]])
    assert maker.anew and not maker.chance
    if point == 0:
        assert f"the global {which}" in maker.notes[0]


def test_state_in_an_installed_package_is_told_of_as_no_import_resets_it(tmp_path, monkeypatch):
    (tmp_path / "site-packages").mkdir()
    (tmp_path / "site-packages" / "installed_for_a_test.py").write_text(stateful.OUTSIDE)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    text = stateful.CASES["outside"].replace("outside_helper", "installed_for_a_test")
    (tmp_path / "model.py").write_text(stateful.HEAD + text)
    maker = Maker(find("model.py:build", tmp_path), stateful.SEED)
    examine(maker, TABLE, stateful.SEED, 60.0, stateful.POINTS[0], [stateful.POINTS[3]])
    assert maker.anew and "differ in what they compute from the same rows" in maker.chance


@pytest.mark.parametrize("name", ["plain", "memory", "seeded", "policy_by_axis", "draws"])
def test_nothing_is_said_of_others(folder, name):
    assert examined(folder, name).notes == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", stateful.TRAINED)
def test_points_are_trained_as_in_fresh_processes(folder, fresh, name):
    engine = KerasEngine(Work(SPACE, find("model.py:build", folder / name), TABLE, TRAINING))
    for idx in (3, 0):
        [report] = reports_of(engine, [idx])
        [row] = report.rows.points.to_pylist()
        assert row["status"] == "completed" and row["note"] is None, row
        for log, values in fresh[name][idx]["curve"].items():
            found = report.rows.curves[log].to_numpy()
            # An epoch that is run by one call sums in another order; bfloat16 has 8 bits.
            np.testing.assert_allclose(
                found, values, rtol=1e-2 if name == "policy_at_top" else 1e-5, err_msg=log
            )


@pytest.mark.parametrize("name", sorted(stateful.CHANCE))
def test_a_builder_that_is_not_deterministic_is_told_of_and_left_to_keras(folder, name):
    maker = examined(folder, name)
    assert maker.anew and maker.chance.startswith(
        "the builder is not deterministic: two models of one point differ in "
    )
    [note] = maker.notes
    assert f"build in {folder / name / 'model.py'} is not deterministic" in note
    described = Builds(maker, maker.builder, TABLE, stateful.SEED, 60.0).describe(stateful.POINTS[0])
    assert described == Failed(f"refused: {maker.chance}", maker.chance)


def test_rows_of_such_points_say_so(folder):
    engine = KerasEngine(Work(SPACE, find("model.py:build", folder / "entropy"), TABLE, TRAINING))
    [report] = reports_of(engine, [0])
    [row] = report.rows.points.to_pylist()
    assert row["status"] == "completed" and row["note"] == engine.work.maker.chance != ""


@pytest.mark.ci
@pytest.mark.parametrize("name", FEW)
def test_programs_start_from_the_same_values(folder, fresh_few, name):
    maker = examined(folder, name)
    builds = Builds(maker, maker.builder, TABLE, stateful.SEED, 60.0)
    for idx in (2, 1, 2):
        model = builds.build(stateful.POINTS[idx])
        assert stateful.initial(model)["values"] == fresh_few[name][idx]["values"]


def test_a_raw_operation_with_a_state_is_found_where_kernels_are_kept(folder, monkeypatch):
    """Keras' own `fit` is right with it, as its models are built without keeping kernels."""
    monkeypatch.setattr(operations._Kernels, "have_state", False)  # as in a new process
    with operations.kept():
        maker = examined(folder, "raw_draws")
    assert maker.chance


def test_points_whose_builder_changes_the_settings_are_in_programs_of_their_own(folder):
    maker = examined(folder, "policy_by_axis")
    builds = Builds(maker, maker.builder, TABLE, stateful.SEED, 60.0)
    plain, other = (builds.describe({"units": units, "size": 2}) for units in (2, 3))
    assert maker.configured() and ("epsilon", "0.001") in maker.configured()
    assert plain.signature != other.signature
    builds.build({"units": 2, "size": 2})
    assert not maker.configured()


def test_a_call_begins_with_the_environment_of_the_process(tmp_path, monkeypatch):
    monkeypatch.setenv("OF_THE_PROCESS", "1")
    (tmp_path / "model.py").write_text(
        "import keras, os\n"
        "def build(units):\n"
        "    width = units + int(os.environ.get('OF_A_POINT', 0)) + int(os.environ['OF_THE_PROCESS'])\n"
        "    if units == 2:\n"
        "        os.environ.update(OF_A_POINT='5', OF_THE_PROCESS='7')\n"
        "    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(width)])\n"
        "    model.compile(loss='mse')\n"
        "    return model\n"
    )
    maker = Maker(find("model.py:build", tmp_path), 0)
    found = []
    for units in (2, 3, 2):
        found.append((built(maker, {"units": units}).layers[0].units, dict(maker.environment)))
    set_by_it = {"OF_A_POINT": "5", "OF_THE_PROCESS": "7"}
    assert found == [(3, set_by_it), (4, {}), (3, set_by_it)]


@pytest.mark.parametrize("state", ["COUNT['calls'] += 1", "Kept.seen += 1"])
def test_what_a_call_of_the_loss_leaves_is_found_before_the_next_model(tmp_path, state):
    (tmp_path / "model.py").write_text(
        "import keras\n"
        "COUNT = {'calls': 0}\n"
        "class Kept:\n"
        "    seen = 0\n"
        "def loss(y, p):\n"
        f"    if len(y) == 2:\n        {state}\n"
        "    return keras.ops.mean(keras.ops.square(y - p), -1)\n"
        "def build(units):\n"
        "    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])\n"
        "    model.compile(loss=loss)\n"
        "    return model\n"
    )
    maker = Maker(find("model.py:build", tmp_path), 0)
    assert examine(maker, TABLE, 0, 60.0, {"units": 2}, [{"units": 3}]) and not maker.anew
    model = built(maker, {"units": 2})
    built(maker, {"units": 2})
    assert not maker.anew
    model.loss(np.zeros((2, 1)), np.ones((2, 1)))
    built(maker, {"units": 2})
    assert maker.anew and "changes when a model is trained or its loss is called" in maker.notes[0]
    assert not maker.compare(maker.globals())


@pytest.mark.parametrize(
    ("made", "is_anew"),
    [
        ("loss = tf.function(lambda y, p: keras.config.epsilon() * (y - p))", True),
        ("loss = tf.function(lambda y, p: keras.ops.abs(y - p))", False),
        (
            "class Loss(keras.losses.Loss):\n    call = tf.function(lambda self, y, p: y - p)\nloss = Loss()",
            True,
        ),
    ],
)
def test_a_trace_that_may_be_old_is_found_before_the_next_model(tmp_path, made, is_anew):
    (tmp_path / "model.py").write_text(
        "import keras\n"
        "import tensorflow as tf\n"
        f"{made}\n"
        "def build(units):\n"
        "    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])\n"
        "    model.compile(loss=loss)\n"
        "    return model\n"
    )
    maker = Maker(find("model.py:build", tmp_path), 0)
    built(maker, {"units": 2})
    before = maker.globals()
    assert not maker.compare(before)
    built(maker, {"units": 2}).loss(np.zeros((2, 1)), np.ones((2, 1)))
    assert maker.compare(before) is is_anew and maker.anew is is_anew


def test_what_the_examination_leaves_by_calling_the_loss_does_not_stay(tmp_path):
    (tmp_path / "model.py").write_text(
        "import keras\n"
        "COUNT = {'calls': 0}\n"
        "def loss(y, p):\n"
        "    COUNT['calls'] += 1\n"
        "    return keras.ops.mean(keras.ops.square(y - p), -1)\n"
        "def build(units):\n"
        "    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units)])\n"
        "    model.compile(loss=loss)\n"
        "    return model\n"
    )
    maker = Maker(find("model.py:build", tmp_path), 0)
    assert examine(maker, TABLE, 0, 60.0, {"units": 2}, [{"units": 3}])
    assert (
        "the global COUNT changes when a model or its loss is called" in maker.notes[0] and not maker.chance
    )
    assert built(maker, {"units": 2}).loss.__globals__["COUNT"] == {"calls": 0}


def test_the_settings_of_a_file_stay(tmp_path):
    (tmp_path / "model.py").write_text(
        "import keras\n"
        "import tensorflow as tf\n"
        "tf.config.run_functions_eagerly(True)\n"
        "tf.config.experimental.enable_tensor_float_32_execution(False)\n"
        "keras.config.set_floatx('float16')\n"
        "keras.config.set_epsilon(1e-4)\n"
        "keras.config.set_image_data_format('channels_first')\n"
        "keras.config.set_max_steps_per_epoch(7)\n"
        "keras.config.set_max_epochs(8)\n"
        "keras.config.disable_flash_attention()\n"
        "keras.config.disable_interactive_logging()\n"
        "keras.config.disable_traceback_filtering()\n"
        "def build(): pass\n"
    )
    maker = Maker(find("model.py:build", tmp_path), 0)
    expected = Configuration("float16", 1e-4, "channels_first", 8, 7, False, None, False, False, True, False)
    for _ in range(2):
        maker.function()
        assert Configuration.now() == expected
        at_start().restore()  # as if the builder had set them
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.enable_flash_attention()
    assert at_start() not in (expected, None)


def test_an_import_begins_with_the_settings_of_the_process(tmp_path):
    (tmp_path / "model.py").write_text(
        "import keras\nFOUND = keras.config.floatx(), keras.config.dtype_policy().name\ndef build(): pass\n"
    )
    keras.config.set_floatx("float16")
    keras.config.set_dtype_policy("mixed_bfloat16")
    maker = Maker(find("model.py:build", tmp_path), 0)
    assert maker.function().__globals__["FOUND"] == ("float32", "float32")


def test_a_builder_that_raises_for_the_other_point_is_examined_all_the_same(tmp_path):
    source = stateful.HEAD + stateful.CASES["cache"].replace(
        "    return kept", "    assert units < 3\n    return kept"
    )
    (tmp_path / "model.py").write_text(source)
    maker = Maker(find("model.py:build", tmp_path), 0)
    assert not examine(maker, TABLE, 0, 60.0, {"units": 3, "size": 1})
    assert not maker.anew
    assert examine(maker, TABLE, 0, 60.0, {"units": 2, "size": 1}, [{"units": 3, "size": 1}])
    assert maker.anew


def test_an_examination_without_another_point_is_not_the_last(folder):
    maker = maker_of(folder, "plain")
    assert not examine(maker, TABLE, 0, 60.0, stateful.POINTS[0])
    assert not maker.anew


def test_only_modules_of_the_author_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {
        "lab/__init__.py": "",
        "lab/model.py": "import json, keras\nfrom lab.inner import layers\nfrom . import late as renamed\n"
        "def build():\n    import alone_in_lab",
        "lab/inner/__init__.py": "",
        "lab/inner/layers.py": "",
        "lab/late.py": "",
        "lab/unused.py": "",
        "alone_in_lab.py": "",
        "site-packages/installed_in_lab.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    builder = find("lab.model:build", tmp_path)
    builder.load()()
    import lab.unused  # noqa: F401

    own = {"lab", "lab.model", "lab.inner", "lab.inner.layers", "lab.late", "alone_in_lab"}
    assert set(modules.own_modules(builder)) == own
    modules.forget(builder)
    assert not own & set(sys.modules)
    assert {"json", "keras", "lab.unused"} <= set(sys.modules)
    del sys.modules["lab.unused"]


def test_the_software_is_not_taken_for_the_authors():
    builder = find("trainables.abalone:build_and_compile_model", ROOT)
    builder.load()
    assert set(modules.own_modules(builder)) == {"trainables.abalone"}


def test_the_most_different_points_come_first():
    space = Space({"a": [1, 2], "b": [1, 2, 3], "c": [1]})
    points = np.array([1, 2, 4, 5])
    first = space[1]
    for idx, count in zip(most_different(space, points), (2, 1, 1), strict=True):
        assert sum(first[name] != value for name, value in space[idx].items()) == count
    assert most_different(space, np.array([3])) == []
