"""What counts as code of the user, of a library, and of the libraries that a program is made of."""

import sys
import types

import keras
import numpy as np
import pytest

from trainables.fused.model import code


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A module in a package that is installed beside libraries."""
    module = types.ModuleType("my_package.models")
    module.__file__ = str(tmp_path / "site-packages" / "my_package" / "models.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(code, "_USERS", set())
    yield module.__name__
    code._is_installed.cache_clear()


def test_an_installed_package_is_a_library_unless_the_builder_is_in_it(installed):
    assert code.is_library(installed) and code.is_third_party(installed)
    code.count_as_users("my_package.builders")
    assert not code.is_library(installed) and not code.is_third_party(installed)


def test_keras_and_this_software_never_count_as_the_users(monkeypatch):
    monkeypatch.setattr(code, "_USERS", set())
    for module in (keras.layers.Dense.__module__, "tensorflow", "trainables.abalone"):
        code.count_as_users(module)
    assert not code._USERS and code.is_library(keras.layers.Dense.__module__)


@pytest.mark.parametrize(
    ("module", "is_library", "is_foundation", "is_third_party"),
    [
        (keras.layers.Dense.__module__, True, True, False),
        (np.linalg.norm.__module__, True, False, True),
        ("functools", True, False, False),
        ("builtins", True, False, False),
        (__name__, False, False, False),
        ("__main__", False, False, False),
        (None, True, False, False),
    ],
)
def test_modules_are_told_apart(module, is_library, is_foundation, is_third_party):
    found = code.is_library(module), code.is_foundation(module), code.is_third_party(module)
    assert found == (is_library, is_foundation, is_third_party)


def test_names_that_are_set_and_texts_are_found():
    def function(self):
        self.loss = getattr(self, "optimizer")  # noqa: B009
        return self.size

    names = code.names_in(function.__code__)
    assert names.stored == {"loss"} and "optimizer" in names.texts and "size" in names.attributes
