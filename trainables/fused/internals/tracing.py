"""How TensorFlow traces a program: what its functions are called, what XLA is told of its branches, what is kept.

Names: XLA's persistent cache finds a program by the names of the functions that it was traced from, too, and
TensorFlow numbers these as they come. Workers take the groups as they come, so that nearly every program would have
another name in the next sweep. Here the numbers follow from what the program is.

Branches: TensorFlow asks XLA to look for constants among the inputs of each conditional, and to find them, XLA
interprets all that leads to an input, which is the model: it was two thirds of the compilation. Only a branch needs
them that takes a shape or an axis from outside, and as a tensor; it cannot be compiled then.

Gradients: TensorFlow registers the gradient of each `tf.custom_gradient` in a graph for good, and with it the whole graph,
which was half of what a worker grew by. Once a program is traced nothing asks for them.

Read in TensorFlow 2.21.0; none of this can be set by its public interface.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from trainables.fused.internals.private import Private, check, part

_OPS = "tensorflow.python.framework.ops"
_FUNCTIONS = "tensorflow.python.eager.polymorphic_function.concrete_function"
_CONTROL_FLOW = "tensorflow.python.ops.control_flow_util_v2"

NAMES = (
    Private(_OPS, "uid", "the next of the numbers that end the names of functions"),
    Private(_OPS, "gradient_registry", "where the gradients of all operations are kept by name"),
    Private(f"{_OPS}:gradient_registry", "_registry", "its dictionary"),
    Private(_FUNCTIONS, "ops", "the module that it takes `uid` from; replaced"),
    Private(_CONTROL_FLOW, "ops", "the module that it takes `uid` from; replaced"),
    Private(
        _CONTROL_FLOW, "maybe_propagate_compile_time_consts_in_xla", "sets the attribute for XLA; replaced"
    ),
)

check(NAMES)

ops, control_flow_util_v2 = part(_OPS), part(_CONTROL_FLOW)

_NAMING = (part(_FUNCTIONS), control_flow_util_v2)
"""The modules of TensorFlow that name functions, by `ops.uid()`."""

_BRANCHES = ("Case", "If", "StatelessCase", "StatelessIf")

_uses: Counter[str] = Counter()
_look_for_constants = control_flow_util_v2.maybe_propagate_compile_time_consts_in_xla


class _Ops:
    """The module `ops`, but for its numbers."""

    def __init__(self, first: int) -> None:
        self.uid = itertools.count(first).__next__

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)


@contextlib.contextmanager
def traced_as(key: str) -> Iterator[None]:
    """Let functions that are traced in here have names that follow from `key`.

    A key may come again in a process: then they follow from how often it has come, too, as no two functions can have
    one name.
    """
    _uses[key] += 1
    digest = hashlib.blake2b(f"{key} {_uses[key]}".encode(), digest_size=5)
    numbered = _Ops(int.from_bytes(digest.digest(), "big") << 20)  # far apart, and far above TensorFlow's own
    before = [module.ops for module in _NAMING]
    for module in _NAMING:
        module.ops = numbered
    control_flow_util_v2.maybe_propagate_compile_time_consts_in_xla = _look_for_constants_in_loops
    gradients = ops.gradient_registry._registry
    known = set(gradients)
    try:
        yield
    finally:
        for name in set(gradients) - known:
            del gradients[name]
        for module, own in zip(_NAMING, before, strict=True):
            module.ops = own
        control_flow_util_v2.maybe_propagate_compile_time_consts_in_xla = _look_for_constants


def _look_for_constants_in_loops(operation: Any) -> None:
    if operation.type not in _BRANCHES:
        _look_for_constants(operation)
