"""What Python or pip has put into a folder is installed; what only this process finds is not."""

import sys
from pathlib import Path

import numpy
import pytest

from trainables.builder.installed import is_installed


@pytest.fixture
def path(monkeypatch):
    """The path of modules, which a test may change."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    return sys.path


def test_packages_and_the_standard_library_are_installed(tmp_path, path):
    assert is_installed(Path(numpy.__file__).parents[1], tmp_path)
    assert is_installed(Path(pytest.__file__).parents[1], tmp_path)
    import json

    assert is_installed(Path(json.__file__).parents[1], tmp_path)


def test_what_pip_put_elsewhere_is_installed_even_if_a_variable_names_the_folder(tmp_path, monkeypatch, path):
    packages = tmp_path / "target"
    (packages / "thing-1.0.dist-info").mkdir(parents=True)
    path.append(str(packages))
    monkeypatch.setenv("PYTHONPATH", str(packages))
    assert is_installed(packages, tmp_path)


def test_what_only_this_process_finds_is_not_installed(tmp_path, monkeypatch, path):
    plans, here, script, named, added = (tmp_path / name for name in ("p", "h", "s", "n", "a"))
    for folder in (plans, here, script, named, added):
        folder.mkdir()
        path.append(str(folder))
    monkeypatch.chdir(here)
    path.insert(0, str(script))
    monkeypatch.setenv("PYTHONPATH", f"/nowhere:{named}")
    for folder in (plans, here, script, named, added):
        assert not is_installed(folder, plans), folder


def test_a_folder_of_an_editable_installation_is_installed_unless_it_is_where_the_user_works(
    tmp_path, monkeypatch, path
):
    packages, project = tmp_path / "site-packages", tmp_path / "project"
    packages.mkdir()
    project.mkdir()
    assert is_installed(project, tmp_path)  # a finder of its own knows it, since no entry of sys.path does
    path += [str(packages), str(project)]
    assert not is_installed(project, tmp_path)
    (packages / "project.pth").write_text(f"import sys\n# a remark\n\n{project}\n")
    assert is_installed(project, tmp_path)
    monkeypatch.chdir(project)
    assert not is_installed(project, tmp_path)
