"""Everything that this software uses of Ray beyond its public interface: private names, variables, texts, requests.

All of it was found in the source of Ray 2.60.0. Ray is imported only when a name is needed, and a missing name raises
`ClusterError`. The parts of trials and of what runs them are checked by `check_trial`, before the first trial begins.
Changed variables, texts and requests cannot be detected in these ways; tests that start Ray detect them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cluster.errors import ClusterError

KNOWN, READ = "2.60", "2.60.0"
"""The versions of Ray that are supported, and the one whose source was read."""

LOOPBACK_VARIABLE = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""An environment variable: with 0, Ray's processes listen on the loopback address."""

HEAD_TIMEOUT_VARIABLE = "RAY_gcs_rpc_server_reconnect_timeout_s"
"""An environment variable: seconds after which a process of Ray gives up on a head that it cannot reach."""

OWN_RUNTIME_ENV_VARIABLE = "RAY_OVERRIDE_JOB_RUNTIME_ENV"
"""An environment variable: with 1, the workers of a submitted driver get its runtime environment, not that of its job."""

PRELOAD_VARIABLE = "RAY_preload_python_modules"
"""An environment variable: the module that each worker imports before its first task or actor."""

SOFT_LIMIT_VARIABLE = "RAY_num_workers_soft_limit"
"""An environment variable: Ray ends workers that have been idle for a second if there are more than these."""

CHDIR_VARIABLE = "RAY_CHDIR_TO_TRIAL_DIR"
"""An environment variable of trials: with 0, they do not leave the driver's working directory."""

OUTPUT_VARIABLE = "RAY_AIR_NEW_OUTPUT"
"""An environment variable: with 0, Tune reports in its older way, which `verbose=0` silences."""


@dataclass(frozen=True)
class Private:
    """A private name of Ray.

    Attributes:
        module: the module that has it.
        name: the name.
        use: what it is.
        instead: what would replace it: something public, or what is without it.
        parts: the attributes of it that are used. Objects of a class may have them from its `__init__`.
    """

    module: str
    name: str
    use: str
    instead: str
    parts: tuple[str, ...] = ()


READ_ADDRESS = Private(
    "ray._private.utils",
    "read_ray_address",
    "what `ray.init(address='auto')` attaches to",
    "`ray.init`, which attaches before it can be asked",
)
ON_NETWORK = Private(
    "ray._private.ray_constants",
    "ENABLE_RAY_CLUSTER",
    "the value of `LOOPBACK_VARIABLE` when Ray was imported",
    "the variable in the environment of a new process",
)
SETTINGS = Private(
    "ray._raylet",
    "Config",
    "all settings of the environment, read when Ray was imported",
    "the variables in the environment of a new process",
    ("initialize",),
)
TOKENS = Private(
    "ray._raylet",
    "AuthenticationTokenLoader",
    "the token, kept since Ray first read it",
    "the token in the environment of a new process",
    ("instance", "reset_cache"),
)

TRIAL_CLASSES = Private(
    "ray.tune.execution.class_cache",
    "_ActorClassCache",
    "makes actors of trainables",
    "nothing: each trial then begins in a new worker",
    ("get",),
)

NODE_SERVICES = ("start_monitor", "start_api_server")
"""Methods of `NODE`, without a result: they start the autoscaler, and the server of the dashboard and of jobs."""

NODE = Private(
    "ray._private.node",
    "Node",
    "starts the processes of a Ray on this machine",
    "nothing: the services then start, too",
    NODE_SERVICES,
)

GIVEN_CONTROLLER = Private(
    "ray.tune.execution.tune_controller",
    "TrialRunnerWrapper",
    "what schedulers get: it warns of what they should not read",
    "the controller's public part, which does not tell which workers are being started",
    ("_tune_controller",),
)
CONTROLLER = Private(
    "ray.tune.execution.tune_controller",
    "TuneController",
    "runs the trials; knows the actor of each, and those whose trial has ended",
    "an own queue of trials, instead of Tune's",
    ("_trial_to_actor", "_actor_manager", "_actor_cache"),
)
ACTORS = Private(
    "ray.air.execution._internal.actor_manager",
    "RayActorManager",
    "tells whether an actor was asked for",
    "as for `CONTROLLER`",
    ("is_actor_started",),
)
CACHED_ACTORS = Private(
    "ray.tune.utils.object_cache",
    "_ObjectCache",
    "counts the actors whose trial has ended",
    "as for `CONTROLLER`",
    ("num_cached_objects",),
)

TRIAL_PARTS = ("run_metadata", "storage", "placement_group_factory", "config", "evaluated_params")
"""The attributes of a trial of Tune that take most of its memory."""

TRIAL_RESULTS = ("last_result", "metric_analysis", "metric_n_steps")
"""The attributes of a trial's `run_metadata` that hold what the trial reported."""

TRIAL_STATE = ("ray_actor",)
"""The attribute of a trial's `temporary_state` that holds the handle of its worker."""

UPLOAD_LOGGERS = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")
"""Loggers that report each upload of a job's folder."""

CHECK_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
"""The gRPC method of a head that reports whether nodes are alive; an empty request is harmless."""

NODES_SUMMARY = "/nodes?view=summary"
"""The dashboard's list of nodes, as JSON: data, summary, of each `raylet`: state, nodeManagerAddress and -Port."""

VERSIONS_DIFFER = "ersion mismatch"
"""Part of the error of `ray.init` if the cluster has another version of Ray or Python."""

NO_NODE_HERE = ("node_ip_address.json", "is not a part of", "on this node")
"""Parts of the errors of `ray.init` on a machine that is not a node of the cluster."""

NO_AGENT = "No available agent to submit job"
"""Part of the error of a Jobs server whose head has just started."""

NODE_LOST = (
    "node has died",
    "node was terminated",
    "node is dead",
    "node failure",
    "is unavailable:",
    "preempted",
    "RpcError",
    "rpc_code",
)
"""Parts of the errors of a trial whose actor was lost with its node or could not be reached."""

LAST_FAILURE = "Failure # "
"""The beginning of each entry in the file in which Tune records the errors of a trial."""

NEEDED = ("raylet", "gcs_server")
"""The processes that a Ray on this machine starts as children and needs."""

LONGEST_SOCKET = "{folder}/session_2026-01-01_00-00-00_000000_{pid}/sockets/plasma_store"
"""The longest path of a socket of a Ray that the process `pid` starts with its files in `folder`."""

HEADS_PYTHON = (
    "$(sed -n 's/.*--python_worker_command=\\([^ ]*\\) .*/\\1/p' "
    "/proc/$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)/cmdline)"
)
"""Shell code for a job: prints the Python that runs Ray on the head. Ray itself would use the PATH of `ray start`.

The shell's parent is Ray's job supervisor. The parent of that is the raylet, whose arguments name the worker's Python.
"""


def address_of_this_machine() -> str | None:
    """Return the `HOST:PORT` of the head of the cluster that this machine is a node of; None if it is not a node."""
    found = _found(READ_ADDRESS)()
    return str(found) if found else None


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Make a Ray that is started in a `with` block listen on the loopback address.

    Ray uses the machine's network address, except on systems whose firewall asks the user about each program that listens
    there. This makes Ray in this process believe that it is on one; `LOOPBACK_VARIABLE` does so for Ray's other processes.
    """
    before = _found(ON_NETWORK)
    constants = importlib.import_module(ON_NETWORK.module)
    setattr(constants, ON_NETWORK.name, False)
    try:
        yield
    finally:
        setattr(constants, ON_NETWORK.name, before)


@contextlib.contextmanager
def without_services() -> Iterator[None]:
    """Make a Ray that is started in a `with` block leave out the autoscaler, and the server of the dashboard and of jobs.

    Nobody uses them in a sweep on one machine. They would take 1.3 core seconds, and Ray would wait 1.6 s for them.
    """
    node = _found(NODE)
    before = {name: getattr(node, name) for name in NODE_SERVICES}
    for name in NODE_SERVICES:
        setattr(node, name, lambda self, **options: None)
    try:
        yield
    finally:
        for name, method in before.items():
            setattr(node, name, method)


def read_settings_again() -> None:
    """Make Ray read its settings and the token again; by itself it reads them only when it is imported."""
    settings, tokens = _found(SETTINGS), _found(TOKENS)
    settings.initialize("")
    tokens.instance().reset_cache()


def check_trial() -> None:
    """Check that Tune has the parts that `free_trial` replaces and those that the other functions for trials read.

    Raises:
        ClusterError: one is missing.
    """
    from ray.tune.experiment import Trial

    for private in (GIVEN_CONTROLLER, CONTROLLER, ACTORS, CACHED_ACTORS):
        _found(private)
    trial = Trial("specimen", stub=True)
    missing = [name for name in TRIAL_PARTS if not hasattr(trial, name)]
    missing = missing or [name for name in TRIAL_RESULTS if not hasattr(trial.run_metadata, name)]
    missing = missing or [name for name in TRIAL_STATE if not hasattr(trial.temporary_state, name)]
    if missing:
        raise _lacks(f"{missing[0]} of a trial")


def free_trial(trial: Any, first: Any) -> None:
    """Free what Tune would keep of a finished trial until the end of its loop: most of 30 kB a trial.

    From now on Tune only counts the trial, so all finished trials can share the parts of one.

    Args:
        trial: the trial that has finished.
        first: the trial that finished first; its parts are kept, without its results.
    """
    if trial is first:
        for name in TRIAL_RESULTS:
            setattr(trial.run_metadata, name, {})
    for name in TRIAL_PARTS:
        setattr(trial, name, getattr(first, name))


def is_starting(controller: Any, trial: Any) -> bool:
    """Return whether a worker with the resources of a pending trial is being started.

    Args:
        controller: what Tune passes to a scheduler.
        trial: one that is pending.

    Raises:
        ClusterError: Tune does not have the parts that tell.
    """
    try:
        controller = controller._tune_controller
        actor = controller._trial_to_actor.get(trial)
        return actor is not None and bool(controller._actor_manager.is_actor_started(actor))
    except AttributeError as error:
        raise _lacks(f"{error.name} of Tune's controller") from None


def preloading(module: str, cpus: int) -> dict[str, str]:
    """Return the environment for a Ray whose workers import `module` when they start, and wait for their first use.

    Args:
        module: name of the module.
        cpus: cores of this Ray, and so workers that it starts by itself.
    """
    # Beside the workers for the cores, an actor without a core has one, and another one may be starting.
    return {PRELOAD_VARIABLE: module, SOFT_LIMIT_VARIABLE: str(cpus + 2), CHDIR_VARIABLE: "0"}


@contextlib.contextmanager
def in_any_worker() -> Iterator[None]:
    """Let trials that begin in a `with` block run in the workers that Ray has started before.

    Tune gives trials a runtime environment, with some variables of the driver's environment, and so each needs a new worker.
    The workers of a Ray on this machine have these variables anyway if they were set when Ray started.
    """
    import ray

    made: dict[type, Any] = {}

    def actor_class(_: Any, kind: type) -> Any:
        if kind not in made:
            made[kind] = ray.remote(kind)
        return made[kind]

    classes = _found(TRIAL_CLASSES)
    before, classes.get = classes.get, actor_class
    try:
        yield
    finally:
        classes.get = before


def has_free_worker(controller: Any) -> bool:
    """Return whether Tune keeps a worker whose trial has ended, for the next trial.

    Args:
        controller: what Tune passes to a scheduler.

    Raises:
        ClusterError: Tune does not have the parts that tell.
    """
    try:
        return bool(controller._tune_controller._actor_cache.num_cached_objects)
    except AttributeError as error:
        raise _lacks(f"{error.name} of Tune's controller") from None


def call_worker(trial: Any, method: str) -> None:
    """Call a method of the worker of a trial that has just reported: it runs before the trial's next step.

    Nobody waits for it: what a trial does with it, its later results say.
    """
    getattr(trial.temporary_state.ray_actor, method).remote()


def _found(private: Private) -> Any:
    """Return what a private name stands for.

    Raises:
        ClusterError: this Ray has no such name, or it lacks a part.
    """
    try:
        found = getattr(importlib.import_module(private.module), private.name)
    except (AttributeError, ImportError):
        raise _lacks(f"{private.module}.{private.name}") from None
    for part in private.parts:
        # A controller cannot be made for a look: it needs a running Ray. What its code names, it has.
        if not hasattr(found, part) and part not in getattr(_code(found), "co_names", ()):
            raise _lacks(f"{private.module}.{private.name}.{part}")
    return found


def _code(kind: Any) -> Any:
    return getattr(getattr(kind, "__init__", None), "__code__", None)


def _lacks(what: str) -> ClusterError:
    return ClusterError(
        f"This version of Ray is not supported: ray {importlib.metadata.version('ray')} (supported: {KNOWN}) lacks "
        f"{what}. Install ray=={READ}."
    )
