"""Chooses the program of a cohort: the native kernel where it can train the models and is not slower, else XLA."""

from __future__ import annotations

import numpy as np

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.program import Program
from trainables.fused.program.template import Stack, Template
from trainables.native.library import NoKernelError
from trainables.native.measures import UnsupportedError
from trainables.native.program import NativeProgram
from trainables.settings import Programs


def program_of(
    template: Template,
    batch_size: int,
    rows: tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]],
    stack: Stack,
    lanes: int,
    programs: Programs,
) -> tuple[AnyProgram, str]:
    """Return a program, and why it is not a native one: empty if it is, or if none was wanted.

    Args:
        template: what the program is made from.
        batch_size: rows of a batch.
        rows: the fitted rows and the validation rows: features, target, and weights if they have some.
        stack: all points before training.
        lanes: points in a chunk of XLA's program.
        programs: which programs may be taken.

    Raises:
        UnfusableError: no such program can train the models.
    """
    why = ""
    if programs != "xla":
        try:
            native = NativeProgram(template, batch_size, *rows, stack)
            if programs == "native" or not native.why_slower:
                return native, ""
            why = native.why_slower
        except (UnsupportedError, NoKernelError) as error:
            why = error.reason if isinstance(error, NoKernelError) else str(error)
            if programs == "native":
                raise UnfusableError(f"the native kernel cannot train them: {why}") from error
    return Program(template, batch_size, *rows, stack, lanes), why
