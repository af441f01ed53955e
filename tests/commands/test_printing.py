"""What is typed to call the command again, and pages that are written."""

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sweep.commands.printing import command, even_unread, printable, write_page
from sweep.commands.tables import plain_table
from sweep.errors import InputError


def test_the_command_is_its_name_or_its_path_if_the_shell_would_not_find_it(tmp_path, monkeypatch):
    script = tmp_path / "bin" / "sweep"
    script.parent.mkdir()
    script.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(script), "run"])
    assert command() == "bin/sweep"
    monkeypatch.setattr("sys.argv", ["/somewhere/ipykernel_launcher.py", "run"])
    assert command() == "sweep"
    monkeypatch.setattr("sys.argv", ["/somewhere/sweep/__main__.py", "run"])
    monkeypatch.setattr("sys.executable", str(tmp_path / "my venv" / "bin" / "python"))
    assert command() == "'my venv/bin/python' -m sweep"
    monkeypatch.setattr("sys.executable", "/py")  # not by a path that first climbs to the root
    assert command() == "/py -m sweep"
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr("sys.argv", [str(script), "run"])
    assert command() == "sweep"


def test_what_a_terminal_would_obey_is_replaced():
    assert printable("é \x1b]0;title\x07\u202e") == "é ?]0;title??"


UNREAD = """
import sys
from sweep.commands.printing import even_unread
with even_unread():
    print("more than a pipe holds " * 10_000)
print("and more")
sys.exit(3)
"""


@pytest.mark.parametrize("where", ["a pipe that nobody reads", "a full disk"])
def test_the_exit_code_does_not_tell_of_the_reader(where):
    if where == "a full disk":
        output = os.open("/dev/full", os.O_WRONLY)
    else:
        reads, output = os.pipe()
        os.close(reads)
    ran = subprocess.run([sys.executable, "-c", UNREAD], stdout=output, stderr=subprocess.PIPE, text=True)
    os.close(output)
    assert (ran.returncode, ran.stderr) == (3, "")


def test_a_table_that_nobody_reads_is_left_to_who_prints_it(monkeypatch):
    """rich would end the process with code 1."""

    class Closed(io.StringIO):
        def flush(self):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    with pytest.raises(BrokenPipeError):
        plain_table(pd.DataFrame({"a": [1]}), "a table")


def test_other_errors_of_files_are_no_unread_output():
    with pytest.raises(FileNotFoundError), even_unread():
        Path("is not there").read_text()


def test_a_page_is_replaced_and_needs_its_folder(tmp_path):
    for page in ("<p>one", "<p>é"):
        write_page(tmp_path / "page.html", page)
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == "<p>é"
    with pytest.raises(InputError, match=r"there is no folder .*nowhere\. Make it first"):
        write_page(tmp_path / "nowhere" / "page.html", "")
