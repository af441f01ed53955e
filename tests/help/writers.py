"""Processes that write a store and are killed while they do; each is forked from one that has imported what they need."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from results.folder.path import any_path
from results.folder.run_folder import RunFolder
from results.store import store as store_module
from results.store.store import Store
from tests.help.rows import AXES, finished

_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload([__name__])


class Writer:
    """Commits made-up points to a store one by one, in a process of its own.

    Args:
        folder: path or URI of the store's folder.
        most: points that it commits at most.
        again: whether to begin with idx 0, though it is there.
        **settings: values for names of the module `store`.
    """

    def __init__(self, folder: object, most: int = 10_000, again: bool = False, **settings: Any) -> None:
        self._said, say = _FORKED.Pipe(duplex=False)
        given = (str(folder), most, again, settings, say, dict(os.environ))
        self.process: BaseProcess = _FORKED.Process(target=_write, args=given)
        self.process.start()
        say.close()

    def next(self) -> int:
        """Wait until another point is committed, and return its idx."""
        return int(self._said.recv())

    def kill(self) -> list[int]:
        """Kill the process, and return the committed points that `next` has not returned."""
        self.process.kill()
        self.process.join()
        left = []
        try:
            while True:
                left.append(self.next())
        except EOFError:
            return left


def _write(
    folder: str, most: int, again: bool, settings: Mapping[str, Any], say: Connection,
    environment: Mapping[str, str],
) -> None:  # fmt: skip
    os.environ.clear()  # it is that of the first test that started a process
    os.environ.update(environment)
    for name, value in settings.items():
        setattr(store_module, name, value)
    store = Store(RunFolder(any_path(folder)), AXES)
    first = 0 if again else len(store)
    for idx in range(first, first + most):
        store.commit([finished(idx)])
        say.send(idx)
