"""One arrow: sweep -> {trainables, results, cluster}; and who may load what."""

import ast
import builtins
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from cluster.errors import ClusterError
from results.errors import ResultsError
from sweep.errors import SweepError
from tests.help.repository import ROOT
from trainables.errors import TrainablesError

HOUSE = ("sweep", "trainables", "results", "cluster")
MAY_IMPORT = {
    "sweep": {"trainables", "results", "cluster"},
    "trainables": set(),
    "results": set(),
    "cluster": set(),
}
NEVER = {"results": {"ray", "tensorflow", "keras"}, "cluster": {"tensorflow", "keras"}}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module).split(".")[0])
    return found


@pytest.mark.parametrize("package", HOUSE)
def test_imports_follow_the_arrow(package):
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        found = imports(path)
        assert found & set(HOUSE) <= MAY_IMPORT[package] | {package}, path
        assert not found & NEVER.get(package, set()), path


def loaded(code: str) -> set[str]:
    output = subprocess.check_output(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], text=True
    )
    return {name.split(".")[0] for name in output.split()}


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import sweep", {"ray", "tensorflow", "keras", "pandas", "pydantic", "pyarrow"}),
        (
            "import sweep.commands.main",
            {"ray", "tensorflow", "keras", "pandas", "pydantic", "pyarrow", "rich"},
        ),
        ("from sweep import Plan, Space; Plan.load().table", {"ray", "tensorflow", "keras"}),
        ("import results.store.store, results.analysis.leaderboard", {"ray", "tensorflow", "keras"}),
        (
            "import results.diagnosis.verdicts, results.figures.diagnoses",
            {"ray", "tensorflow", "keras", "sklearn", "plotly"},
        ),
        (
            "import results.export_to.event_files, results.export_to.mlflow_server",
            {"ray", "tensorflow", "keras", "mlflow"},
        ),
        (
            "import sweep.driver.tuning, sweep.driver.collector, sweep.driver.rung_actor, sweep.driver.runner",
            {"tensorflow", "keras"},
        ),
        (
            "import sweep.errors, trainables.errors, results.errors, cluster.errors",
            {"ray", "tensorflow", "keras", "pandas", "pydantic", "pyarrow", "numpy", "yaml"},
        ),
        ("import cluster.connect.local", {"ray", "tensorflow", "keras"}),
    ],
)
def test_heavy_packages_are_loaded_late(code, absent):
    assert not loaded(code) & absent


BASES = {
    "sweep": SweepError,
    "trainables": TrainablesError,
    "results": ResultsError,
    "cluster": ClusterError,
}
NEVER_LET_THROUGH = {
    "UnfusableError": "the points are trained one by one, by Keras",
    "TimeUpError": "the point's row says timeout",
    "StopRequested": "the command ends with its own exit code",
}


def exceptions() -> set[tuple[str, str]]:
    """Return module and name of each class of the house that is an exception."""
    classes = {
        (".".join(path.relative_to(ROOT).with_suffix("").parts), node.name): {
            ast.unparse(base).split(".")[-1] for base in node.bases
        }
        for package in HOUSE
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    known = {name for name, value in vars(builtins).items() if is_exception(value)}
    found: set[tuple[str, str]] = set()
    while new := {place for place, bases in classes.items() if bases & known} - found:
        found |= new
        known |= {name for _, name in new}
    return found


def is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def test_every_error_that_a_command_lets_through_has_its_package_s_base():
    found = exceptions()
    assert {name for _, name in found} >= {*NEVER_LET_THROUGH, *(base.__name__ for base in BASES.values())}
    for module, name in found:
        if name in NEVER_LET_THROUGH:
            continue
        error = getattr(import_module(module), name)
        base = BASES[module.split(".")[0]]
        assert issubclass(error, base), f"{module}.{name} is no {base.__name__}, so its traceback is shown"
        if error is not base:  # who calls us as a library knows only Python's own errors
            assert issubclass(error, ValueError | OSError | RuntimeError), f"{module}.{name}"


def test_the_top_level_is_as_agreed():
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    top = {name.split("/")[0] for name in tracked if not name.startswith(".")}
    assert top <= {*HOUSE, "tests", "pyproject.toml", "README.md", "Makefile", "requirements.lock", "LICENSE"}


def test_the_lock_names_no_registry_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock and "--index" not in lock
    packages = lock.replace("\\\n", " ").splitlines()
    assert len(packages) > 50
    assert all("==" in line and "--hash=sha256:" in line for line in packages)


def test_every_file_says_what_it_is():
    for package in HOUSE:
        for path in (ROOT / package).rglob("*.py"):
            assert ast.get_docstring(ast.parse(path.read_text())), path
