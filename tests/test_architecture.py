"""One arrow: sweep -> {trainables, results, cluster}; and who may load what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.help.repository import ROOT

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
        ("import cluster.connect.local", {"ray", "tensorflow", "keras"}),
    ],
)
def test_heavy_packages_are_loaded_late(code, absent):
    assert not loaded(code) & absent


def test_the_top_level_is_as_agreed():
    tracked = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).split()
    top = {name.split("/")[0] for name in tracked if not name.startswith(".")}
    files = {"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"}
    assert top <= {*HOUSE, "tests", *files, "pyproject.toml", "Makefile", "requirements.lock"}


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
