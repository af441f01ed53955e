"""A user's file is run as it is, although Python has kept the bytecode of what it was."""

import importlib.util
import os
import py_compile

import pytest

from trainables.source_file import spec_of


def run(path):
    spec = spec_of("a_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_file_that_was_changed_within_a_second_is_run_as_it_is(tmp_path):
    path = tmp_path / "model.py"
    path.write_text("width = 8\n")
    py_compile.compile(str(path))
    before = path.stat()
    path.write_text("width = 9\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(path).width == 9 and run(path).__file__ == str(path)


def test_a_file_that_is_no_python_is_refused(tmp_path):
    path = tmp_path / "model.txt"
    path.write_text("width = 8\n")
    with pytest.raises(ImportError, match="is no Python file"):
        run(path)
