"""The command `sweep`, run in a folder as a person would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

SWEEP = [sys.executable, "-m", "sweep"]


class Sweeps:
    """Runs the command in a folder as a person would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.started: list[subprocess.Popen[str]] = []
        self.wrapper: tuple[str, ...] = ()  # words in front of the command

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.wrapper, *SWEEP, *arguments],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, timeout_s: float = 300, **environment: str) -> tuple[int, str]:
        process = self.start(*arguments, **environment)
        output, _ = process.communicate(timeout=timeout_s)
        return process.returncode, output

    def rows(self) -> pd.DataFrame:
        parts = list((self.out / "points").glob("*.parquet"))  # there may be none yet, nor the folder
        return pd.read_parquet(self.out / "points") if parts else pd.DataFrame({"idx": []})

    def wait_for(
        self, condition: Callable[[], Any], process: subprocess.Popen[str], timeout_s: float = 240
    ) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.05)


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())
