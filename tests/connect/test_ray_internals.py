"""Private names of Ray: all in one file, and each is missed with a message that says what to install."""

import ast
import importlib
import re
from types import SimpleNamespace

import pytest

from cluster.connect import ray_internals
from cluster.errors import ClusterError
from tests.help import private_names
from tests.help.repository import ROOT

NAMES = [value for value in vars(ray_internals).values() if isinstance(value, ray_internals.Private)]
LACKS = r"supported: 2\.60\) lacks {}\. Install ray==2\.60\.0"


PARTS = [(private, part) for private in NAMES for part in private.parts]


def use_all():
    ray_internals.address_of_this_machine()
    ray_internals.check_trial()
    ray_internals.read_settings_again()
    for block in (ray_internals.on_loopback, ray_internals.in_any_worker, ray_internals.without_services):
        with block():
            pass


def test_this_ray_lacks_nothing():
    assert len(NAMES) == 10 and all(private.instead for private in NAMES)
    use_all()


@pytest.mark.parametrize("private", NAMES, ids=lambda private: private.name)
def test_a_name_that_ray_lacks_is_told(private, monkeypatch):
    monkeypatch.delattr(importlib.import_module(private.module), private.name)
    with pytest.raises(ClusterError, match=LACKS.format(rf"{private.module}\.{private.name}")):
        use_all()


@pytest.mark.parametrize(("private", "part"), PARTS, ids=lambda item: getattr(item, "name", item))
def test_a_part_that_a_name_lacks_is_told(private, part, monkeypatch):
    lacking = type("Lacking", (), {name: None for name in private.parts if name != part})
    monkeypatch.setattr(importlib.import_module(private.module), private.name, lacking)
    with pytest.raises(ClusterError, match=LACKS.format(rf"{private.module}\.{private.name}\.{part}")):
        use_all()


def test_the_modules_that_are_named_are_there():
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


DOCUMENTED = {
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_JOB_STOP_WAIT_TIME_S",
    "RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT",
    "RAY_TMPDIR",
    "RAY_USAGE_STATS_ENABLED",
}
"""Environment variables that are not in the one file, because Ray's documentation has them."""


def private_of_ray(tree):
    """Yield the private modules and attributes, and the variables that Ray does not document, with their lines."""
    for owner, name, line in private_names.foreign(tree):
        yield f"{owner}.{name}", line
    for node in ast.walk(tree):
        module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
        named = [f"{module}{one.name}" for one in getattr(node, "names", []) if hasattr(one, "name")]
        named.append(getattr(node, "value", None))
        for text in filter(lambda text: isinstance(text, str), named):
            if text.startswith("ray._"):
                yield text, node.lineno
            yield from (
                (name, node.lineno) for name in re.findall(r"\bRAY_\w+", text) if name not in DOCUMENTED
            )


@pytest.mark.heavy  # takes seconds
def test_nothing_private_of_ray_is_named_elsewhere():
    found = []
    for path in private_names.files():
        tree = ast.parse(path.read_text())
        found += [f"{path}:{line}: {name}" for name, line in private_of_ray(tree)]
    assert not found


def test_each_private_part_of_ray_that_the_file_uses_is_listed():
    tree = ast.parse((ROOT / "cluster" / "connect" / "ray_internals.py").read_text())
    listed = set().union(*(private_names.private_parts(f"{one.module}.{one.name}") for one in NAMES))
    listed |= {part for _, part in PARTS}
    used = private_names.used_in(tree, "Private")
    assert {"_tune_controller", "_actor_cache"} <= used <= listed


def test_what_is_private_of_ray_is_found_wherever_it_stands():
    text = "import ray._one\nfrom ray._two import three\ncontroller._four\nx = {'RAY_FIVE': 'RAY_ADDRESS'}\nf'a RAY_SIX'"
    found = {name for name, _ in private_of_ray(ast.parse(text))}
    assert found == {"ray._one", "ray._two.three", "controller._four", "RAY_FIVE", "RAY_SIX"}


def test_a_tune_without_the_parts_that_tell_whether_a_worker_is_starting_is_named():
    with pytest.raises(ClusterError, match="lacks _trial_to_actor of Tune's controller"):
        ray_internals.is_starting(SimpleNamespace(_tune_controller=SimpleNamespace()), None)
