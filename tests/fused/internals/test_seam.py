"""Private names of Keras and TensorFlow: all in one folder, and each is missed at once if a version lacks it."""

import ast
import contextlib
import importlib.util
import subprocess
import sys

import keras as public_keras
import pytest

from tests.help import private_names
from tests.help.repository import ROOT
from trainables.fused import internals
from trainables.fused.compose.members import Composer
from trainables.fused.internals import (
    devices,
    directions,
    errors,
    keras,
    kernels,
    measures,
    models,
    operations,
    private,
    slices,
    start,
    tracing,
)
from trainables.trials.engines import SINGLE, engine_of

SEAM = ROOT / "trainables" / "fused" / "internals"
MODULES = (models, keras, measures, directions, kernels, operations, tracing, slices, devices, start)
OF_EVERY_ENGINE = (models, measures, directions, start)
OBJECT_NAMES = [(module, name) for module in (models, keras) for name in module.OBJECT_NAMES]
NAMES = [(module, name) for module in MODULES for name in module.NAMES]
ELSEWHERE_PRIVATE = ("keras.src", "tensorflow.python", "tensorflow.compiler")


@pytest.fixture
def deleted():
    """Return a function that deletes an attribute from an object or from the class that defines it, until the test ends."""
    with contextlib.ExitStack() as undo:

        def delete(owner, name):
            if isinstance(owner, type):
                owner = next(kind for kind in owner.__mro__ if name in vars(kind))
                undo.callback(setattr, owner, name, vars(owner)[name])
            else:
                undo.callback(setattr, owner, name, getattr(owner, name))
            delattr(owner, name)

        yield delete


def assert_says(error, module, name):
    text = str(error.value)
    library, (title, known, read) = name.library, errors.KNOWN[name.library]
    every = module in OF_EVERY_ENGINE
    knows = "the engines know" if every else "the fused engine knows"
    assert text.startswith(f"this {title} is not the one {knows}: {library} ")
    assert f"(known: {known}) lacks {name};" in text
    assert text.endswith(f"install {library}=={read}" + ("" if every else ", or run with `--engine keras`"))


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda item: getattr(item, "name", ""))
def test_a_name_that_a_module_or_class_lacks_is_told(module, name, deleted):
    deleted(private.part(name.owner), name.name)
    with pytest.raises(errors.InternalsError) as error:
        private.check(module.NAMES, every_engine=module in OF_EVERY_ENGINE)
    assert_says(error, module, name)


@pytest.mark.parametrize("path", sorted({name.owner.partition(":")[0] for _, name in NAMES}))
def test_a_module_that_is_not_there_is_told(path, monkeypatch):
    module, name = next(pair for pair in NAMES if pair[1].owner.partition(":")[0] == path)
    monkeypatch.setitem(sys.modules, path, None)  # an import of it raises
    with pytest.raises(errors.InternalsError) as error:
        private.check(module.NAMES, every_engine=module in OF_EVERY_ENGINE)
    assert_says(error, module, name)


@pytest.fixture
def unchecked():
    """The checks of the names of objects, as if none had been made."""
    for module in (models, keras):
        module.check_objects.cache_clear()


@pytest.mark.parametrize(("module", "name"), OBJECT_NAMES, ids=lambda item: getattr(item, "name", ""))
def test_a_name_that_an_object_lacks_is_told_before_the_first_model_is_built(
    module, name, monkeypatch, unchecked
):
    model = models.specimen()
    vars(models.OBJECTS[name.owner](model)).pop(name.name)
    monkeypatch.setattr(models, "specimen", lambda: model)
    with pytest.raises(errors.InternalsError) as error:
        Composer(None, None, None, 0)
    assert_says(error, module, name)
    if module is models:
        with pytest.raises(errors.InternalsError) as error:
            engine_of(SINGLE, None)
        assert_says(error, module, name)


def test_the_engine_that_uses_fit_needs_no_name_that_only_programs_need():
    only_programs = [module.__name__ for module in MODULES if module not in (*OF_EVERY_ENGINE, devices)]
    code = f"""
import importlib, pkgutil, sys
import trainables.builder, trainables.single
for package in (trainables.builder, trainables.single):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{{package.__name__}}.{{module.name}}")
import trainables.trials.trial, trainables.fused.model.parts
print([name for name in {only_programs} if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split("\n")[-2] == "[]"


def test_the_folder_lists_its_files():
    listed = [line.split()[0] for line in internals.__doc__.splitlines()[2:] if line]
    assert sorted(listed) == sorted(path.stem for path in SEAM.glob("*.py") if path.stem != "__init__")


def test_each_name_is_listed_once():
    listed = [str(name) for _, name in NAMES + OBJECT_NAMES]
    assert len(listed) == len(set(listed))


def test_the_small_model_uses_up_no_automatic_name(unchecked):
    public_keras.utils.clear_session(free_memory=False)
    keras.check_objects()
    assert public_keras.layers.Dense(1).name == "dense"
    assert public_keras.Sequential().name == "sequential"


def test_a_list_is_checked_when_its_file_is_imported(monkeypatch):
    monkeypatch.setattr(
        private, "check", lambda names, every_engine=False: checked.append((names, every_engine))
    )
    for module in MODULES:
        if module is start:  # which is imported before Keras, and checks when it has imported Keras
            continue
        checked = []
        # A second copy under another name: the first is in use.
        spec = importlib.util.spec_from_file_location(f"copy_of_{module.__name__}", module.__file__)
        copy = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, copy)
        spec.loader.exec_module(copy)
        assert checked == [(module.NAMES, module in OF_EVERY_ENGINE)]


def dotted(tree):
    """Yield the dotted names in a file, also of what it imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def test_nothing_private_is_used_elsewhere():
    """Of any object that is not of a class of the file."""
    found = []
    for path in private_names.files():
        tree = ast.parse(path.read_text())
        position = path.relative_to(ROOT)
        found += [f"{position}: {text}" for text in dotted(tree) if text.startswith(ELSEWHERE_PRIVATE)]
        found += [f"{position}:{line}: {owner}.{name}" for owner, name, line in private_names.foreign(tree)]
    assert not found


def listed_names():
    """Return the private names that are listed, and those that are parts of a module's or class's name."""
    lists = [*(module.NAMES for module in MODULES), models.OBJECT_NAMES, keras.OBJECT_NAMES]
    parts = [private_names.private_parts(f"{one.owner}.{one.name}") for names in lists for one in names]
    return set().union(*parts, *({one.name} for names in lists for one in names if one.name.startswith("_")))


def test_exactly_the_private_names_that_are_used_are_listed():
    used = set()
    for path in SEAM.glob("*.py"):
        used |= private_names.used_in(ast.parse(path.read_text()), "Private")
    assert used == listed_names()


def test_a_private_name_is_found_wherever_it_stands():
    tree = ast.parse(
        "class Own:\n    def __init__(self): self._own = 1\n    def _method(self): return self._method\n"
        "one._read\none._set = 1\ngetattr(one, '_asked', None)\nvars(one).pop('_taken')\nNAMES = ('_named', 'b c')\n"
        "'keras._module.part'\nPrivate('a model', '_listed', 'x')\none.__dict__\n_text = '_text'\n"
    )
    attributes = {"_read", "_set", "_asked"}
    assert private_names.used_in(tree, "Private") == attributes | {"_taken", "_named", "_module"}
    assert {name for _, name, _ in private_names.foreign(tree)} == attributes
