"""The arguments that several commands share: a folder may be in the user's home."""

import pytest

from results.folder.path import any_path
from sweep.commands.main import imported
from sweep.commands.options import Location
from tests.help.commands import refused, sweep


def test_a_folder_in_the_home_is_found_where_the_shell_leaves_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Location().convert("~/runs/a", None, None) == tmp_path / "runs" / "a"
    assert Location().convert("runs/~a", None, None) == any_path("runs/~a")
    uri = "s3://bucket/~/a"
    assert Location().convert(uri, None, None) == any_path(uri)


def test_a_run_in_the_home_is_read(abalone_run, monkeypatch):
    monkeypatch.setenv("HOME", str(abalone_run.path.parent))
    assert "18 completed" in sweep("status", "~/abalone").output


def test_a_file_in_the_home_is_written(grid_run, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert sweep("curves", grid_run, "--csv", "--html=~/a.html").exit_code == 0
    assert (tmp_path / "a.html").is_file()
    for name, option in (("predict", "out"), ("effects", "html"), ("slurm", "file"), ("kuberay", "file")):
        [found] = [each for each in imported(name).params if each.name == option]
        assert found.type.convert("~/a", found, None) == tmp_path / "a"


@pytest.mark.parametrize("words", [("status", "~nobody-here/runs"), ("run", "--out=~nobody-here/runs")])
def test_the_home_of_nobody_is_one_message(words):
    assert "home directory" in refused(*words)
