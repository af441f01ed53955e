"""A builder is found by its name, its arguments are read without an import, and what cannot be found is refused."""

import subprocess
import sys

import pytest

from trainables.builder.find import BuilderError, find


@pytest.fixture(autouse=True)
def own_path(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])


def write(folder, text, name="model.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_signature_is_read_without_importing(tmp_path):
    write(tmp_path, "raise SystemExit\ndef build(units, *, rate=0.1, **more): ...")
    builder = find("model.py:build", tmp_path)
    assert builder.parameters == ("units", "rate")
    assert builder.required == {"units"}
    assert builder.takes_any and builder.takes("anything")
    assert builder.signature == "build(units, rate=..., **kwargs)"


def test_the_reference_builder_is_found_without_keras():
    code = (
        "import sys; from pathlib import Path; from trainables.builder.find import find;"
        "b = find('trainables.abalone:build_and_compile_model', Path.cwd());"
        "print(b.required == {'input_shape', 'normalizer'}, len(b.parameters), 'keras' in sys.modules)"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == ["True", "10", "False"]


@pytest.mark.parametrize(
    "source",
    [
        "import functools\ndef make(units, rate): ...\nbuild = functools.partial(make, rate=1)",
        "import functools\ndef same(f): return functools.wraps(f)(lambda *a, **k: f(*a, **k))\n"
        "@same\ndef build(units, rate=1): ...",
        "build = lambda units, rate=1: None",
        "if True:\n    def build(units, rate=1): ...",
        "\ufefftry:\n    def build(units, rate=1): ...\nfinally: pass",
        "class Make:\n    def __call__(self, units, rate=1): ...\nbuild = Make()",
        "class Make:\n    @staticmethod\n    def build(units, rate=1): ...\nbuild = Make.build",
    ],
)
def test_what_only_an_import_can_tell_is_imported(tmp_path, source):
    write(tmp_path, source)
    builder = find("model.py:build", tmp_path)
    assert builder.required == {"units"} and builder.takes("rate") and not builder.takes("other")


def test_files_and_modules_load_with_their_neighbours(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "value = 42", "neighbour_of_model.py")
    write(tmp_path, "import neighbour_of_model\ndef build(units): return units + neighbour_of_model.value")
    assert find("model.py:build", tmp_path).load()(units=1) == 43
    write(tmp_path, "def build(units): return -units", "some_package/inner/models.py")
    write(
        tmp_path,
        "raise RuntimeError('parents are not imported to find a module')",
        "some_package/__init__.py",
    )
    found = find("some_package.inner.models:build", tmp_path)
    assert found.required == {"units"}
    write(tmp_path, "", "some_package/__init__.py")
    assert found.load()(units=1) == -1


def test_a_file_cannot_hide_a_module(tmp_path):
    write(tmp_path, "def build(units): return units", "json.py")
    assert find("json.py:build", tmp_path).load()(units=3) == 3
    code = "import json; json.dumps(1)"
    subprocess.run([sys.executable, "-c", f"import sys; sys.path = {sys.path!r}; {code}"], check=True)


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("model.py", "", "Add a colon"),
        ("model:", "", "Add a colon"),
        ("other.py:build", "", "there is no file"),
        ("nowhere.models:build", "", 'there is no module "nowhere.models"'),
        ("model.py:biuld", "def build(): ...", 'Did you mean "build"?'),
        ("model.py:zzz", "def build(): ...", "It has: build."),
        ("model.py:build", "def build(:", "line 1"),
        ("model.py:build", "def build(units, /): ...", "by position only"),
        ("model.py:build", "1 / 0\nbuild = lambda: 1", "ZeroDivisionError"),
        ("sys:exit", "", "is no Python file"),
        ("model.py:build", "import sys; sys.exit(0)\nbuild = lambda: 1", "raised SystemExit"),
        ("results:build", "", "has no function"),
    ],
)
def test_what_cannot_be_found_is_refused(tmp_path, name, source, message):
    write(tmp_path, source)
    with pytest.raises(BuilderError) as error:
        find(name, tmp_path)
    assert message in str(error.value)
