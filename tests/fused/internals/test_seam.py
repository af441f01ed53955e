"""Private names of Keras and TensorFlow: all in one folder, and each is missed at once if a version lacks it."""

import ast
import contextlib
import importlib.util
import sys

import keras as public_keras
import pytest

from tests.help.repository import ROOT
from trainables.fused import internals
from trainables.fused.compose.members import Composer
from trainables.fused.internals import devices, errors, keras, kernels, operations, private, slices, tracing

SEAM = ROOT / "trainables" / "fused" / "internals"
MODULES = (keras, kernels, operations, tracing, slices, devices)
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
    assert text.startswith(f"this {title} is not the one the fused engine knows: {library} ")
    assert f"(known: {known}) lacks {name};" in text
    assert text.endswith(f"install {library}=={read}, or run with `--engine keras`")


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda item: getattr(item, "name", ""))
def test_a_name_that_a_module_or_class_lacks_is_told(module, name, deleted):
    deleted(private.part(name.owner), name.name)
    with pytest.raises(errors.InternalsError) as error:
        private.check(module.NAMES)
    assert_says(error, module, name)


@pytest.mark.parametrize("path", sorted({name.owner.partition(":")[0] for _, name in NAMES}))
def test_a_module_that_is_not_there_is_told(path, monkeypatch):
    module, name = next(pair for pair in NAMES if pair[1].owner.partition(":")[0] == path)
    monkeypatch.setitem(sys.modules, path, None)  # an import of it raises
    with pytest.raises(errors.InternalsError) as error:
        private.check(module.NAMES)
    assert_says(error, module, name)


@pytest.mark.parametrize("name", keras.OBJECT_NAMES, ids=lambda name: name.name)
def test_a_name_that_an_object_lacks_is_told_before_the_first_model_is_built(name, monkeypatch):
    model = keras.specimen()
    vars(keras.OBJECTS[name.owner](model)).pop(name.name)
    monkeypatch.setattr(keras, "specimen", lambda: model)
    keras.check_objects.cache_clear()
    with pytest.raises(errors.InternalsError) as error:
        Composer(None, None, None, 0)
    assert_says(error, keras, name)


def test_the_folder_lists_its_files():
    listed = [line.split()[0] for line in internals.__doc__.splitlines()[2:] if line]
    assert sorted(listed) == sorted(path.stem for path in SEAM.glob("*.py") if path.stem != "__init__")


def test_each_name_is_listed_once():
    listed = [str(name) for _, name in NAMES] + [str(name) for name in keras.OBJECT_NAMES]
    assert len(listed) == len(set(listed))


def test_the_small_model_uses_up_no_automatic_name():
    public_keras.utils.clear_session(free_memory=False)
    keras.check_objects.cache_clear()
    keras.check_objects()
    assert public_keras.layers.Dense(1).name == "dense"
    assert public_keras.Sequential().name == "sequential"


def test_a_list_is_checked_when_its_file_is_imported(monkeypatch):
    monkeypatch.setattr(private, "check", lambda names: checked.append(names))
    for module in MODULES:
        checked = []
        # A second copy under another name: the first is in use.
        spec = importlib.util.spec_from_file_location(f"copy_of_{module.__name__}", module.__file__)
        copy = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, copy)
        spec.loader.exec_module(copy)
        assert checked == [module.NAMES]


def attributes(tree):
    """Yield owner, name and line of each attribute that is read, set or asked for by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr, node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant):
                yield ast.unparse(node.args[0]), str(name.value), node.lineno


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
    """Of any object but `self` and `cls`, which are of our own classes."""
    found = []
    for path in sorted((ROOT / "trainables").rglob("*.py")):
        if path.is_relative_to(SEAM):
            continue
        tree = ast.parse(path.read_text())
        position = path.relative_to(ROOT)
        found += [f"{position}: {text}" for text in dotted(tree) if text.startswith(ELSEWHERE_PRIVATE)]
        for owner, name, line in attributes(tree):
            is_private = name.startswith("_") and not (name.startswith("__") and name.endswith("__"))
            if is_private and owner not in ("self", "cls"):
                found.append(f"{position}:{line}: {owner}.{name}")
    assert not found
