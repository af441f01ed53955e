"""Private names of Ray: all in one file, and each is missed with a message that says what to install."""

import ast
import importlib
from types import SimpleNamespace

import pytest

from cluster.connect import ray_internals
from cluster.errors import ClusterError
from tests.help.repository import ROOT

NAMES = [value for value in vars(ray_internals).values() if isinstance(value, ray_internals.Private)]
LACKS = r"supported: 2\.60\) lacks {}\. Install ray==2\.60\.0"


@pytest.mark.parametrize("private", NAMES, ids=lambda private: private.name)
def test_a_name_that_ray_lacks_is_told(private, monkeypatch):
    monkeypatch.delattr(importlib.import_module(private.module), private.name)
    with pytest.raises(ClusterError, match=LACKS.format(rf"{private.module}\.{private.name}")):
        for use in (ray_internals.address_of_this_machine, ray_internals.read_settings_again):
            use()
        with ray_internals.on_loopback():
            pass
        with ray_internals.in_any_worker():
            pass
        with ray_internals.without_services():
            pass


def test_the_modules_that_are_named_are_there():
    assert len(NAMES) == 6
    for module in (*(private.module for private in NAMES), *ray_internals.UPLOAD_LOGGERS):
        importlib.import_module(module)


@pytest.mark.parametrize("name", [*ray_internals.TRIAL_PARTS, *ray_internals.TRIAL_RESULTS])
def test_a_part_that_a_trial_lacks_is_told(name, monkeypatch):
    from ray.tune import experiment

    class Lacking(experiment.Trial):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            delattr(self if name in vars(self) else self.run_metadata, name)

    ray_internals.check_trial()
    monkeypatch.setattr(experiment, "Trial", Lacking)
    with pytest.raises(ClusterError, match=LACKS.format(f"{name} of a trial")):
        ray_internals.check_trial()


def test_ray_listens_on_the_loopback_address_for_the_block_alone():
    constants = importlib.import_module("ray._private.ray_constants")
    before = constants.ENABLE_RAY_CLUSTER
    with pytest.raises(KeyError), ray_internals.on_loopback():
        assert constants.ENABLE_RAY_CLUSTER is False
        raise KeyError
    assert constants.ENABLE_RAY_CLUSTER is before


@pytest.mark.parametrize("name", ray_internals.NODE_SERVICES)
def test_services_are_left_out_for_the_block_alone_and_a_missing_one_is_told(name, monkeypatch):
    node = importlib.import_module("ray._private.node").Node
    before = getattr(node, name)
    with ray_internals.without_services():
        assert getattr(node, name) is not before
        assert getattr(node, name)(None, include_dashboard=False) is None
    assert getattr(node, name) is before
    monkeypatch.delattr(node, name)
    lacks = LACKS.format(rf"ray\._private\.node\.Node\.{name}")
    with pytest.raises(ClusterError, match=lacks), ray_internals.without_services():
        pass


def test_tune_gives_trials_no_environment_of_their_own_for_the_block_alone():
    classes = importlib.import_module("ray.tune.execution.class_cache")._ActorClassCache
    before = classes.get
    with ray_internals.in_any_worker():
        kind = classes().get(SimpleNamespace)
        assert kind is classes().get(SimpleNamespace) and not kind._default_options.get("runtime_env")
    assert classes.get is before and classes().get(SimpleNamespace)._default_options["runtime_env"]


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


def test_a_tune_without_the_parts_that_tell_whether_a_worker_is_starting_is_named():
    with pytest.raises(ClusterError, match="lacks _trial_to_actor of Tune's controller"):
        ray_internals.is_starting(SimpleNamespace(_tune_controller=SimpleNamespace()), None)
