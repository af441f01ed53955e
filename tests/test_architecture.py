"""One arrow: sweep -> {trainables, results, cluster}; and who may load what."""

import ast
import builtins
import subprocess
import sys
from functools import cache
from importlib import import_module

import pytest

import results
import sweep
from cluster.errors import ClusterError
from results.errors import ResultsError
from sweep.commands.main import COMMANDS, module_of
from sweep.errors import SweepError
from tests.help.imports import Import, between_folders, circles, imports_of, modules_of
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


MODULES = modules_of(ROOT, HOUSE)
BY_NAME = [  # imports that are carried out from a name in a table
    *(
        Import(package.__name__, 0, home, for_types=False)
        for package, table in ((sweep, sweep._HOME), (results, results._HOME), (results, results._MODULES))
        for home in table.values()
    ),
    *(Import("sweep.commands.main", 0, module_of(name), for_types=False) for name in COMMANDS),
]


@cache
def imports() -> list[Import]:
    """Return all imports of the house. They are read once, and only in the process that runs these tests."""
    return imports_of(MODULES)


def package_of(module: str) -> str:
    return module.split(".")[0]


def test_imports_follow_the_arrow():
    assert {package_of(one.importer) for one in imports()} == set(HOUSE)
    for one in imports():  # also those for types
        importer, target = package_of(one.importer), package_of(one.target)
        assert target not in NEVER.get(importer, ()), f"{one}, which {importer} does without"
        if target in HOUSE and target != importer:
            assert target in MAY_IMPORT[importer], f"{one}, which is not below it"


def test_there_is_no_circle_of_imports():
    assert {one.target for one in BY_NAME} <= MODULES.keys()
    found = circles([*imports(), *BY_NAME])
    assert not found, "\n".join(found)


def test_there_is_no_circle_of_folders():
    """What a folder gives to others could not be moved or read alone if they gave something to it, too."""
    found = circles(between_folders([*imports(), *BY_NAME], MODULES))
    assert not found, "\n".join(found)


def test_circles_and_imports_for_types_are_found(tmp_path):
    """The finder itself, on a package that has what the house has not."""
    files = {
        "__init__": "",
        "a": "from box import b\nfrom box.inner.c import thing",
        "b": "def late():\n    import box.inner.c",
        "inner/__init__": "from box.inner import c",
        "inner/c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import box.b\nelse:\n    import box.a",
        "alone": "import box.alone, json",
    }
    (tmp_path / "box" / "inner").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / "box" / f"{name}.py").write_text(text)
    found = imports_of(modules_of(tmp_path, ["box"]))
    assert [str(one) for one in found if one.for_types] == ["box.inner.c, line 3: imports box.b"]
    assert circles(found) == [
        "box.a -> box.inner.c -> box.a",
        "box.alone -> box.alone",
        "box.b -> box.inner.c -> box.a -> box.b",
    ]
    assert not circles([one for one in found if one.target not in ("box.a", "box.alone")])


def test_circles_of_folders_are_found(tmp_path):
    """Of modules of which no two import each other; a folder and its own subfolder may."""
    files = {
        "one/a": "import box.two.b",
        "one/alone": "import box.one.inner.c",
        "one/inner/c": "import box.one.a",
        "two/b": "",
        "two/d": "from box.three import e",
        "three/e": "import box.one.inner.f",
        "one/inner/f": "",
    }
    for name, text in files.items():
        path = tmp_path / "box" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    modules = modules_of(tmp_path, ["box"])
    found = imports_of(modules)
    assert not circles(found) and not circles(between_folders(found, modules))
    added = Import("box.one.inner.f", 1, "box.two.b", for_types=False)
    assert not circles([*found, added])
    [circle] = circles(between_folders([*found, added], modules))
    assert circle == "box.one.inner -> box.two -> box.three -> box.one.inner"


def loaded(code: str) -> set[str]:
    output = subprocess.check_output(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], text=True
    )
    return {name.split(".")[0] for name in output.split()}


@pytest.mark.heavy  # takes long
@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import sweep", {"ray", "tensorflow", "keras", "pandas", "pydantic", "pyarrow"}),
        (
            "import sweep.commands.main",
            {"ray", "tensorflow", "keras", "pandas", "pydantic", "pyarrow", "rich"},
        ),
        (
            "from click.testing import CliRunner; from sweep.commands.main import main; "
            "assert 'Commands:' in CliRunner().invoke(main, ['--help']).output",
            {"ray", "tensorflow", "keras", "pandas", "pydantic", "pyarrow", "rich"},
        ),
        (
            "from sweep.commands.main import COMMANDS, imported; list(map(imported, COMMANDS))",
            {"ray", "tensorflow", "keras"},
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
        pytest.param(
            "import sweep.driver.tuning, sweep.driver.collector, sweep.driver.rung_actor, sweep.driver.runner",
            {"tensorflow", "keras"},
            marks=pytest.mark.heavy,  # it loads Ray
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
    "UnsupportedError": "XLA trains the points, or Keras",
    "NoExpressionError": "becomes an UnsupportedError, or Keras computes the metric",
    "UnreadableError": "an UnfusableError says where the value was found",
    "TimeUpError": "the point's row says timeout",
    "StopRequested": "the command ends with its own exit code",
}


def exceptions() -> set[tuple[str, str]]:
    """Return module and name of each class of the house that is an exception."""
    classes = {
        (module, node.name): {ast.unparse(base).split(".")[-1] for base in node.bases}
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    known = {name for name, value in vars(builtins).items() if is_exception(value)}
    found: set[tuple[str, str]] = set()
    while new := {position for position, bases in classes.items() if bases & known} - found:
        found |= new
        known |= {name for _, name in new}
    return found


def is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


@pytest.mark.heavy  # takes long
def test_every_error_that_a_command_lets_through_has_its_package_s_base():
    found = exceptions()
    assert {name for _, name in found} >= {*NEVER_LET_THROUGH, *(base.__name__ for base in BASES.values())}
    for module, name in found:
        if name in NEVER_LET_THROUGH:
            continue
        error = getattr(import_module(module), name)
        base = BASES[package_of(module)]
        assert issubclass(error, base), f"{module}.{name} is no {base.__name__}, so its traceback is shown"
        if error is not base:  # who calls us as a library knows only Python's own errors
            assert issubclass(error, ValueError | OSError | RuntimeError), f"{module}.{name}"


def test_the_top_level_is_as_agreed():
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    top = {name.split("/")[0] for name in tracked if not name.startswith(".")}
    files = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"}
    assert top <= {*HOUSE, "tests", *files, "pyproject.toml", "setup.py", "Makefile", "requirements.lock"}


def test_the_lock_names_no_registry_and_hashes_everything():
    lock = (ROOT / "requirements.lock").read_text()
    assert "://" not in lock and "--index" not in lock
    packages = lock.replace("\\\n", " ").splitlines()
    assert len(packages) > 50
    assert all("==" in line and "--hash=sha256:" in line for line in packages)


@pytest.mark.heavy  # takes long
def test_every_file_says_what_it_is():
    tests = (path for path in (ROOT / "tests").rglob("*.py") if path.name.startswith("test_"))
    for path in (*MODULES.values(), *tests):
        assert ast.get_docstring(ast.parse(path.read_text())), path


ABOUT_THE_WHOLE = {
    "architecture", "benchmarks", "cases", "imbalanced", "installation", "readme", "scaling", "seven_axes"
}  # fmt: skip
"""Tests at the top that are about no single module: this file, the cases, the documents, the set-up and the benchmarks."""


def test_tests_mirror_the_folders():
    """The tests of sweep/plan are in tests/plan: the name of the package is left out."""
    homes = {(package_of(module), path.parent) for module, path in MODULES.items()}
    folders = [parent.relative_to(ROOT / package).as_posix() for package, parent in homes]
    inner = [folder for folder in folders if folder != "."]
    assert len(set(inner)) == len(inner), "two packages have a folder of one name, so their tests would mix"
    at_the_top = {path.stem for path in MODULES.values() if path.parent.parent == ROOT} | ABOUT_THE_WHOLE
    seen = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        folder = path.parent.relative_to(ROOT / "tests").as_posix()
        seen.add(folder)
        assert folder in folders, f"{path.relative_to(ROOT)}: no package has a folder {folder}"
        if folder == ".":
            subject = path.stem.removeprefix("test_")
            assert subject in at_the_top, (
                f"{path.relative_to(ROOT)}: no package has a module {subject} at its top"
            )
    assert seen == set(folders), f"no test is about the folders {sorted(set(folders) - seen)}"
