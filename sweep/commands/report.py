"""`sweep report`: it writes or serves one page with everything about a sweep."""

from __future__ import annotations

import contextlib
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import click

from results.diagnosis.classification import Classification
from results.diagnosis.diagnose import Diagnosis
from results.folder.path import AnyPath, is_remote
from results.report.page import page, winner_of
from results.report.serve import served
from results.run import Run
from sweep.commands.chosen import opened, ranking, say_builder
from sweep.commands.options import AGAINST, BY, FOLDER
from sweep.commands.printing import quiet, write_page
from sweep.errors import InputError, as_input_error
from sweep.models.diagnose import diagnosed
from sweep.process.signals import StopRequested


@click.command()
@FOLDER
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@BY
@AGAINST
@click.option(
    "--diagnose", is_flag=True, help="Make the winner's model and diagnose it. Runs the plan's builder."
)
@click.option(
    "--trust",
    is_flag=True,
    help="With --diagnose: run the builder even if it is not installed, or has changed.",
)
@click.option(
    "--target",
    metavar="NAME",
    help="With --diagnose: which target of a regression of several; the first if not given.",
)
@click.option(
    "--watch", is_flag=True, help="Serve the page on 127.0.0.1 instead, and refresh it while the sweep runs."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="The port to serve on; any free port if not given.",
)
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def report(
    folder: AnyPath,
    file: Path | None,
    by: str | None,
    against: AnyPath | None,
    diagnose: bool,
    trust: bool,
    target: str | None,
    watch: bool,
    port: int,
    show: bool,
) -> None:
    """Write a page about the sweep in DIR to FILE, by default DIR/report.html: one file that needs no network.

    The page has the points to filter and sort, the importance of the axes, learning curves, ASHA's account, failures, and
    the origin of the numbers. It can be made while the sweep runs. No code is executed unless --diagnose asks for it.
    """
    if target is not None and not diagnose:
        raise InputError("--target chooses what --diagnose diagnoses. Add --diagnose, or leave --target out.")
    other = opened(against) if against else None
    with as_input_error():
        by, _ = ranking(folder, opened(folder).points, by)

    def made(version: str = "") -> str:
        run = opened(folder)
        with as_input_error():
            return page(run, by, other, _diagnosis(run, by, trust, target) if diagnose else None, version)

    if watch:
        if file:
            raise InputError("--watch serves the page and writes no file. Leave one of the two out.")
        _serve(folder, made, port, show)
        return
    to: AnyPath = file or folder / "report.html"
    write_page(to, made())
    click.echo(f"Wrote {to} ({to.stat().st_size / 2**20:.1f} MiB).")
    if show:
        if is_remote(to):
            raise InputError(f"{to} cannot be opened in a browser. Give a FILE of this machine, or --watch.")
        webbrowser.open(to.resolve().as_uri())


def _diagnosis(run: Run, by: str, trust: bool, target: str | None) -> Diagnosis | Classification:
    idx = winner_of(run, by)
    say_builder(run, idx, trust)
    with quiet():
        return diagnosed(run, idx, trust, target)


def _serve(folder: AnyPath, made: Callable[[str], str], port: int, show: bool) -> None:
    points = opened(folder).folder.points

    def version() -> str:
        parts = sorted((path.name, path.stat().st_mtime_ns) for path in points.glob("*.parquet"))
        return f"{len(parts)}-{parts[-1][1]}" if parts else "0"

    try:
        with served(made, version, port) as address:
            click.echo(f"The report of {folder} is at {address} (Ctrl-C ends it).")
            if show:
                webbrowser.open(address)
            with contextlib.suppress(KeyboardInterrupt, StopRequested):
                threading.Event().wait()
    except OSError as error:
        raise InputError(f"--port {port}: cannot be listened on ({error.strerror}). Give another.") from None
