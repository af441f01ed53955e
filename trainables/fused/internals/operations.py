"""Keeps the kernels of TensorFlow's operations while one model is built after another.

Setting a seed and clearing Keras' session make TensorFlow forget the kernels of all operations. The reason is that the
kernel of a random operation with a state goes on where it stopped, whatever the new seed is. To make the kernels again took
half of the time in which a model is built. Keras draws by operations without a state, so here the kernels are forgotten
only if an operation with a state has been made in this process. Each function that makes one asks `get_seed` first, except
those of `tf.raw_ops`, which a builder seldom calls. `trainables.builder.examine` finds out about these: under `kept`, the
second of two models of a point differs from the first.

Based on the source of TensorFlow 2.21.0. Its public interface has no setting for this.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from trainables.fused.internals.private import Private, check, part

_CONTEXT = "tensorflow.python.eager.context"
_SEEDS = "tensorflow.python.framework.random_seed"
_BINDINGS = f"{_CONTEXT}:pywrap_tfe"

NAMES = (
    Private(_CONTEXT, "pywrap_tfe", "what it takes `TFE_ContextClearCaches` from; replaced"),
    Private(_BINDINGS, "TFE_ContextClearCaches", "forgets the kernels"),
    Private(_SEEDS, "get_seed", "returns the seed of a random operation with a state; replaced"),
)

check(NAMES)

_context, _seeds, _bindings = part(_CONTEXT), part(_SEEDS), part(_BINDINGS)
_get_seed = _seeds.get_seed


class _Kernels:
    """What is known of the kernels of this process.

    Attributes:
        have_state: whether one of them may have a state. It stays true, because a traced function asks for no seed again.
        known: whether they have been forgotten since this file replaced `get_seed`.
    """

    have_state = False
    known = False


class _Bindings:
    """The module `pywrap_tfe`, whose kernels are forgotten only if need be."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_bindings, name)

    def TFE_ContextClearCaches(self, handle: Any) -> None:  # noqa: N802  # TensorFlow's name
        if _Kernels.have_state or not _Kernels.known:
            _bindings.TFE_ContextClearCaches(handle)
            _Kernels.known = True


def _noted(op_seed: Any) -> Any:
    _Kernels.have_state = True
    return _get_seed(op_seed)


_seeds.get_seed = _noted


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Keep the kernels inside a `with` block, unless one of them may have a state."""
    before, _context.pywrap_tfe = _context.pywrap_tfe, _Bindings()
    try:
        yield
    finally:
        _context.pywrap_tfe = before
