"""The packages are found wherever the user works, also after an editable installation."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.help.repository import ROOT

PACKAGES = ("sweep", "trainables", "results", "cluster")
BUILD = "import sys; from setuptools.build_meta import build_editable; build_editable(sys.argv[1])"
SEE = """
import site, sys
site.addsitedir(sys.argv[1])
import sweep, trainables, results, cluster
for package in (sweep, trainables, results, cluster):
    print(package.__file__)
"""


@pytest.mark.heavy
def test_a_folder_of_the_user_does_not_hide_a_package_that_is_installed_editable(tmp_path):
    """Such a folder is made by `--out results/houses`. The packages are empty here, and no kernel is built."""
    project, wheel, installed, work = (tmp_path / name for name in ("project", "wheel", "installed", "work"))
    for name in PACKAGES:
        (project / name).mkdir(parents=True)
        (project / name / "__init__.py").write_text("")
        (work / name).mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    wheel.mkdir()
    subprocess.run([sys.executable, "-c", BUILD, wheel], cwd=project, check=True, capture_output=True)
    [made] = wheel.glob("*.whl")
    zipfile.ZipFile(made).extractall(installed)
    # With -S and without PYTHONPATH: else the packages that run this test would be found.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-S", "-c", SEE, installed]
    found = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert found.stdout.splitlines() == [str(project / name / "__init__.py") for name in PACKAGES], found
