"""The live view of a sweep: it draws the tally in a terminal or prints it as lines, and keeps it in a file."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from results.folder.files import explained, write_json
from results.folder.run_folder import RunFolder
from sweep.process import one_by_one
from sweep.process.exits import SHOW_CURSOR
from sweep.process.signals import Stopper
from sweep.process.tally import Tally, best_text, counts_text, duration, read_progress, sentence

LINE_EVERY_S = 10.0
FILE_EVERY_S = 2.0

OF_TRAINING = ("points_per_minute", "training_s", "workers", "memory_mb")
"""The numbers of a tally that tell of a training."""


def line(tally: Tally) -> str:
    """Return the tally as one line of text."""
    best = f", best {best_text(tally.best)} (idx {tally.best['idx']})" if tally.best else ""
    return (
        f"[{duration(tally.seconds)}] {tally.done:,}/{tally.asked:,} points ({counts_text(tally.counts)}), "
        f"{tally.running} running, {tally.points_per_minute:.1f}/min, ETA {duration(tally.eta_s)}{best}"
    )


def draw(tally: Tally) -> Group:
    """Return the tally as a renderable of rich."""
    head = Text.assemble(
        (f" {tally.stage} ", "reverse"),
        f"  {tally.done:,} of {tally.asked:,} points   {tally.points_per_minute:.1f}/min   ",
        f"elapsed {duration(tally.seconds)}   ETA {duration(tally.eta_s)}",
    )
    bar = Table.grid(expand=True)  # a grid ends the bar's line
    bar.add_row(ProgressBar(total=max(1, tally.asked), completed=tally.done))
    facts = Table.grid(padding=(0, 2))
    facts.add_row("done", counts_text(tally.counts))
    facts.add_row("open", f"{tally.open:,}, of which {tally.running} in training")
    retried = f", {tally.retried} began again after a worker died" if tally.retried else ""
    facts.add_row("workers", f"{tally.workers}{retried}")
    facts.add_row("memory", f"{tally.memory_mb:,.0f} MiB")
    if warning := one_by_one.of_tally(tally):
        facts.add_row("one by one", Text(warning, "yellow"))
    if tally.verified:
        facts.add_row("verified", tally.verified)
    if tally.best:
        config = ", ".join(f"{name}={value}" for name, value in tally.best["config"].items())
        facts.add_row("best", Text(f"{best_text(tally.best)} at idx {tally.best['idx']}: {config}"))
    for note in tally.notes:
        facts.add_row("note", Text(note))
    return Group(head, bar, facts)


class View:
    """Shows a tally while a sweep runs: drawn if `file` is a terminal, else as a line every ten seconds.

    If nobody reads `file` any more, or its disk is full, it shows nothing more, and the sweep goes on.

    Args:
        tally: the numbers, which the collector changes as the sweep goes on.
        folder: the run's folder; its `progress_here` keeps the tally for `sweep status`.
        file: where to show it; None shows nothing.
        stopper: gives the terminal its cursor back if a second signal ends the process; None if nothing handles signals.
    """

    def __init__(
        self, tally: Tally, folder: RunFolder, file: TextIO | None, stopper: Stopper | None = None
    ) -> None:
        self._tally, self._folder, self._file, self._stopper = tally, folder, file, stopper
        self._began = time.monotonic()
        self._training_since: float | None = None
        self._training_until: float | None = None
        self._told_one_by_one = 0
        self._next_line = self._began + LINE_EVERY_S
        self._next_file = self._began
        self._noted = 0  # notes of the tally that were printed
        self._live: Live | None = None
        self._before = read_progress(folder)

    def __enter__(self) -> View:
        # A pipe may count as a terminal for rich, by FORCE_COLOR.
        if self._file is not None and self._file.isatty():
            console = Console(file=self._file)
            if console.is_terminal and not console.is_dumb_terminal:
                self._draw_on(console)
        return self

    def _draw_on(self, console: Console) -> None:
        self._live = Live(
            console=console, get_renderable=self._render, refresh_per_second=4, redirect_stdout=False,
            redirect_stderr=False,
        )  # fmt: skip
        if self._stopper is not None:
            self._stopper.before_end = self._show_cursor
        try:
            self._live.start()
        except OSError:
            self._file = None

    def __exit__(self, *exception: object) -> None:
        self._tick(time.monotonic())
        if self._live is not None:
            self._stop_drawing()
        else:
            self._say(line(self._tally))
        with contextlib.suppress(OSError):  # the disk may be full; the runner reports that
            write_json(self._folder.progress_here, {**self._tally.to_dict(), **self._kept()})

    def begin(self, stage: str) -> None:
        """Set and show what the run does now.

        The first stage called "training" starts the clock of the rate, and a stage called "verifying" stops it.
        """
        self._tally.stage = stage
        if stage == "training" and self._training_since is None:
            self._training_since = time.monotonic()
        if stage == "verifying":
            self._training_until = time.monotonic()
        if self._live is None:
            self._say(f"[{duration(time.monotonic() - self._began)}] {stage}")

    def update(self) -> None:
        """Update the clocks, and print and store the tally when it is due."""
        now = time.monotonic()
        if self._training_since is None and self._tally.running:
            self.begin("training")
        self._tick(now)
        for note in self._tally.notes[self._noted :] if self._live is None and self._file is not None else ():
            self._noted += 1
            self._say(f"[{duration(self._tally.seconds)}] Note: {sentence(note)}")
        if now >= self._next_file:
            self._next_file = now + FILE_EVERY_S
            self._tally.memory_mb = memory_of_all_mb()
            write_json(self._folder.progress_here, self._tally.to_dict())
        if self._live is None and now >= self._next_line:
            self._next_line = now + LINE_EVERY_S
            self._say(line(self._tally))
        self._warn()

    @property
    def told(self) -> list[str]:
        """The notes of the tally that were printed, or are drawn."""
        return self._tally.notes if self._live is not None else self._tally.notes[: self._noted]

    def end_with(self, text: str) -> None:
        """Stop drawing and print `text`. Any thread may call this when the process is about to end."""
        self._stop_drawing()
        self._say(text)

    def _say(self, text: str) -> None:
        """Print `text`; from the first time that this fails, print nothing more: the sweep needs no reader."""
        if self._file is None:
            return
        try:
            print(text, file=self._file, flush=True)
        except OSError:
            self._file = None

    def _stop_drawing(self) -> None:
        """Draw for the last time, and give the terminal its cursor back."""
        if self._live is not None:
            with contextlib.suppress(OSError):  # the terminal may be gone
                self._live.stop()

    def _show_cursor(self) -> None:
        """Give the terminal its cursor back from a handler of signals, which must not wait for the locks of a drawing."""
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError):  # the terminal may be gone, or closed
                os.write(self._file.fileno(), f"{SHOW_CURSOR}\n".encode())

    def _kept(self) -> dict[str, Any]:
        """Return the numbers of the training of an earlier run if this run has trained nothing."""
        trained = self._training_since is not None
        return {} if trained else {name: self._before[name] for name in OF_TRAINING if name in self._before}

    def _tick(self, now: float) -> None:
        self._tally.seconds = now - self._began
        until = self._training_until or now
        self._tally.training_s = until - self._training_since if self._training_since else 0.0

    def _warn(self) -> None:
        """Print one line if many points have left the fused engine, and again when they have doubled."""
        left = sum(lot["points"] for lot in self._tally.one_by_one.values())
        if self._live is not None or self._file is None or left < 2 * self._told_one_by_one or not left:
            return
        if warning := one_by_one.of_tally(self._tally):
            self._told_one_by_one = left
            self._say(f"[{duration(self._tally.seconds)}] Warning: {warning}")

    def _render(self) -> Group:
        self._tick(time.monotonic())
        return draw(self._tally)


def memory_of_all_mb() -> float:
    """Return the resident memory of this process and all its descendants, in MiB."""
    import psutil

    total = 0
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            total += process.memory_info().rss
    return total / 2**20


@contextlib.contextmanager
def noise_to(log: Path) -> Iterator[TextIO]:
    """Redirect everything that this process and its children print to `log`; yield the former standard output.

    Ray and TensorFlow print from C++ and from other processes, so this redirects the file descriptors themselves. A
    standard output without one, such as a notebook's, is yielded unchanged.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.ExitStack() as stack:
        before = sys.stdout
        with contextlib.suppress(OSError):  # io.UnsupportedOperation is one
            if (number := before.fileno()) in (1, 2):
                before = os.fdopen(os.dup(number), "w")
                stack.callback(_close, before)
        with explained(log):
            target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for number in (1, 2):
            copy = os.dup(number)
            os.dup2(target, number)
            stack.callback(_move_back, copy, number)
        os.close(target)
        yield before


def _close(file: TextIO) -> None:
    with contextlib.suppress(OSError):  # what could not be printed could not be flushed either
        file.close()


def _move_back(copy: int, number: int) -> None:
    with contextlib.suppress(OSError):  # the log's disk may be full
        sys.stdout.flush()
        sys.stderr.flush()
    os.dup2(copy, number)
    os.close(copy)
