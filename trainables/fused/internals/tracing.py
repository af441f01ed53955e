"""Changes how TensorFlow traces a program: the names of functions, the attributes of branches, registered gradients.

Names: XLA's persistent cache finds a program by the names of its traced functions too. TensorFlow numbers these in the
order of tracing, and workers take the groups in any order. So nearly every program would have other names in the next
sweep. This module derives the numbers from the program itself.

Branches: TensorFlow asks XLA to look for constants among the inputs of each conditional. For this, XLA interprets
everything that leads to an input, which is the whole model. That took two thirds of the compilation. Only a branch that
takes a shape or an axis from outside as a tensor needs these constants; such a branch cannot be compiled here.

Gradients: TensorFlow registers the gradient of each `tf.custom_gradient` in a graph forever, and the whole graph with it.
That was half of a worker's growth in memory. After a program is traced, nothing uses them.

Based on the source of TensorFlow 2.21.0. Its public interface has no setting for any of this.
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
"""The modules of TensorFlow that name functions by `ops.uid()`."""

_BRANCHES = ("Case", "If", "StatelessCase", "StatelessIf")

_uses: Counter[str] = Counter()
_look_for_constants = control_flow_util_v2.maybe_propagate_compile_time_consts_in_xla


class _Ops:
    """The module `ops`, with another source of numbers."""

    def __init__(self, first: int) -> None:
        self.uid = itertools.count(first).__next__

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)


@contextlib.contextmanager
def traced_as(key: str) -> Iterator[None]:
    """Derive the names of functions that are traced inside a `with` block from `key`.

    If a key is used again in a process, the names also depend on how often it was used, because each function needs a
    unique name.
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
