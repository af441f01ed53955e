"""A user's file is run as it is, although Python has kept the bytecode of what it was."""

import os
import py_compile
import sys

import pytest

from trainables.source_file import run_file


def test_a_file_that_was_changed_within_a_second_is_run_as_it_is(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("width = 8\n")
    py_compile.compile(str(path))
    before = path.stat()
    path.write_text("width = 9\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    module = run_file("a_file", path)
    assert module.width == 9 and module.__file__ == str(path)


def test_a_file_is_a_module_of_this_process_only_if_that_is_asked(tmp_path, monkeypatch):
    (tmp_path / "model.py").write_text("width = 8\n")
    run_file("a_file", tmp_path / "model.py")
    assert "a_file" not in sys.modules
    monkeypatch.setitem(sys.modules, "a_file", None)  # which is restored
    module = run_file("a_file", tmp_path / "model.py", is_kept=True)
    assert sys.modules["a_file"] is module


def test_a_file_that_is_no_python_is_refused(tmp_path):
    path = tmp_path / "model.txt"
    path.write_text("width = 8\n")
    with pytest.raises(ImportError, match="is no Python file"):
        run_file("a_file", path)
