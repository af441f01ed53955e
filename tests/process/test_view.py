"""The live view shows the tally in a terminal or as lines, and leaves the terminal as it was."""

import contextlib
import io
import os
import select
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from results.folder.run_folder import RunFolder
from sweep.process import view as progress
from sweep.process.tally import Tally, read_progress
from sweep.process.view import View, draw, line
from tests.help.tallies import tally


def test_the_view_shows_everything():
    text = Console(width=100, file=io.StringIO(), record=True)
    text.print(draw(tally()))
    shown = text.export_text()
    for fragment in (
        "7 of 10 points",
        "5.0/min",
        "3 completed, 1 pruned",
        "open     3",
        "workers  2",
        "rate=[/] [bold]",
    ):
        assert fragment in shown
    assert "7/10 points (3 completed" in line(
        tally()
    ) and "best val loss 2.5000, test loss 4.0000 (idx 5)" in line(tally())


def test_without_a_terminal_there_are_lines_and_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    folder, out = RunFolder(tmp_path), io.StringIO()
    with View(tally(), folder, out) as view:
        view.begin("training")
        view.update()
    lines = out.getvalue().splitlines()
    assert len(lines) == 3 and "training" in lines[0] and lines[1].startswith("[0:00:00] 7/10 points")
    said = read_progress(folder)
    assert said["open"] == 3 and said["stage"] == "training" and said["memory_mb"] > 10


def test_a_run_that_trains_nothing_keeps_the_numbers_of_the_last_training(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    with View(Tally(10, workers=3), folder, None) as view:
        view.begin("training")
        monkeypatch.setattr(progress, "FILE_EVERY_S", 0.0)
        view.update()
        view._tally.counts = {"completed": 10}
        time.sleep(0.01)
    trained = read_progress(folder)
    assert trained["training_s"] > 0 and trained["points_per_minute"] > 0 and trained["memory_mb"] > 10
    for stage in ("finished", "starting"):
        with View(Tally(10, {"completed": 10}, 10, workers=1), folder, None) as view:
            view.begin(stage)
            view.update()
        again = read_progress(folder)
        assert again["stage"] == stage and again["done"] == 10
        assert all(again[name] == trained[name] for name in progress.OF_TRAINING)


def test_what_the_user_must_know_is_shown_once(tmp_path):
    made, out = tally(), io.StringIO()
    with View(made, RunFolder(tmp_path), out) as view:
        for notes in (["it counts"], ["It draws.", "it counts"], []):
            made.note(notes)
            view.update()
        assert view.told == ["it counts", "It draws."]
    said = [line.partition("] ")[2] for line in out.getvalue().splitlines()]
    assert said[:2] == ["Note: it counts.", "Note: It draws."] and not any(
        "Note" in line for line in said[2:]
    )
    text = Console(width=100, file=io.StringIO(), record=True)
    text.print(draw(made))
    assert "note     it counts" in text.export_text()


class Unread(io.StringIO):
    """A pipe that nobody reads, or a file on a full disk."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error


@pytest.mark.parametrize(
    "error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")]
)
def test_a_sweep_needs_no_reader(tmp_path, monkeypatch, error):
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    folder, made = RunFolder(tmp_path), tally()
    made.note(["it counts"])
    with View(made, folder, Unread(error)) as view:
        view.begin("training")
        view.update()
        view.end_with("why it ends")
    assert read_progress(folder)["stage"] == "training"


@pytest.fixture
def terminal(monkeypatch):
    """A terminal to draw on, and a function that returns what it was sent."""
    monkeypatch.setenv("TERM", "xterm")
    reads, writes = os.openpty()
    file = os.fdopen(writes, "w")

    def shown():
        assert select.select([reads], [], [], 10)[0], "nothing was sent"
        return os.read(reads, 10**6).decode()

    yield file, shown
    file.close()
    os.close(reads)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # the drawing may end by an error
def test_a_sweep_needs_no_terminal(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    reads, writes = os.openpty()
    file, folder = os.fdopen(writes, "w"), RunFolder(tmp_path)
    with View(tally(), folder, file) as view:
        os.close(reads)
        view.begin("training")
        view.update()
    assert read_progress(folder)["stage"] == "training"
    with contextlib.suppress(OSError):
        file.close()


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "TTY_COMPATIBLE"])
def test_what_is_no_terminal_is_not_drawn_on(tmp_path, monkeypatch, variable):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(variable, "1")
    out = io.StringIO()
    with View(tally(), RunFolder(tmp_path), out) as view:
        view.begin("training")
    assert "\x1b" not in out.getvalue() and "training" in out.getvalue()


def test_a_terminal_that_cannot_draw_gets_lines(tmp_path, monkeypatch, terminal):
    monkeypatch.setenv("TERM", "dumb")
    file, shown = terminal
    with View(tally(), RunFolder(tmp_path), file) as view:
        view.begin("training")
    assert "\x1b" not in (said := shown()) and said.splitlines()[0].endswith("training")


INTERRUPTED = """
import signal, sys
from pathlib import Path
from results.folder.run_folder import RunFolder
from sweep.process.signals import Stopper
from sweep.process.tally import Tally
from sweep.process.view import View

with Stopper(ends_process=True) as stopper, stopper.deferred():
    with View(Tally(3), RunFolder(Path(sys.argv[1])), sys.stdout, stopper):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
"""


def test_a_second_signal_gives_the_terminal_its_cursor_back(tmp_path, terminal):
    file, shown = terminal
    ran = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path)], stdout=file)
    assert ran.returncode == 3
    assert "\x1b[?25l" in (said := shown()) and said.endswith("\x1b[?25h\r\n")


def test_last_words_end_the_drawing_and_give_the_cursor_back(tmp_path, terminal):
    file, sent = terminal
    with View(tally(), RunFolder(tmp_path), file) as view:
        said = threading.Thread(target=view.end_with, args=["why it ends"])
        said.start()
        said.join()
    shown = sent()
    assert "7 of 10 points" in shown
    assert shown.index("\x1b[?25l") < shown.index("\x1b[?25h") < shown.index("why it ends")


def test_noise_goes_to_the_log_and_the_answer_to_the_terminal(tmp_path):
    code = (
        "import os, sys, pathlib, subprocess\n"
        "from sweep.process.view import noise_to\n"
        "print('before')\n"
        "with noise_to(pathlib.Path(sys.argv[1])) as terminal:\n"
        "    os.write(1, b'noise one\\n'); os.write(2, b'noise two\\n'); print('noise three')\n"
        "    subprocess.run(['echo', 'noise four'])\n"
        "    print('answer', file=terminal, flush=True)\n"
        "print('after')\n"
    )
    log = tmp_path / "log"
    ran = subprocess.run([sys.executable, "-c", code, str(log)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["before", "answer", "after"] and not ran.stderr
    assert sorted(log.read_text().split()[1::2]) == ["four", "one", "three", "two"]


def test_the_memory_is_that_of_the_process_tree():
    pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
    assert progress.memory_of_all_mb() >= pages * 4096 / 2**21  # at least half of this process alone, now
