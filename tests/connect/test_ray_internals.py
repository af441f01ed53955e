"""Private names of Ray: all in one file, and each is missed with a message that says what to install."""

import ast
import importlib

import pytest

from cluster.connect import ray_internals
from cluster.errors import ClusterError
from tests.help.repository import ROOT


@pytest.mark.parametrize(("module", "name"), ray_internals.NAMES)
def test_a_name_that_ray_lacks_is_told(module, name, monkeypatch):
    monkeypatch.delattr(importlib.import_module(module), name)
    with pytest.raises(
        ClusterError, match=rf"supported: 2\.60\) lacks {module}\.{name}\. Install ray==2\.60\.0"
    ):
        for use in (ray_internals.address_of_this_machine, ray_internals.read_settings_again):
            use()
        with ray_internals.on_loopback():
            pass


@pytest.mark.parametrize("name", ["NAMES", "UPLOAD_LOGGERS"])
def test_the_modules_that_are_named_are_there(name):
    for entry in getattr(ray_internals, name):
        importlib.import_module(entry if isinstance(entry, str) else entry[0])


def test_ray_listens_on_the_loopback_address_for_the_block_alone():
    constants = importlib.import_module("ray._private.ray_constants")
    before = constants.ENABLE_RAY_CLUSTER
    with pytest.raises(KeyError), ray_internals.on_loopback():
        assert constants.ENABLE_RAY_CLUSTER is False
        raise KeyError
    assert constants.ENABLE_RAY_CLUSTER is before


def test_no_private_module_of_ray_is_named_elsewhere():
    found = []
    for package in ("cluster", "sweep", "trainables", "results"):
        for path in (ROOT / package).rglob("*.py"):
            if path == ROOT / "cluster" / "connect" / "ray_internals.py":
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                named = [f"{module}{one.name}" for one in getattr(node, "names", []) if hasattr(one, "name")]
                named.append(getattr(node, "value", None))
                if any(isinstance(text, str) and text.startswith("ray._") for text in named):
                    found.append(f"{path}:{node.lineno}")
    assert not found
