"""Refuses updates of variables that would be made in Keras' training otherwise than in a program.

Inside a program nothing is assigned: a stateless scope of Keras notes the last value of each variable. It knows nothing of
branches and loops. What code assigns in one branch of `keras.ops.cond` would be noted whether the branch is taken or not,
as TensorFlow traces both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError


@contextlib.contextmanager
def watched(fixed: Iterable[Any] = ()) -> Iterator[None]:
    """Watch the updates that are made in stateless scopes inside a `with` block.

    Args:
        fixed: variables whose updates nobody would take from the scope.

    Raises:
        UnfusableError: in the block, code assigns to one of `fixed`, or to a variable inside a branch or a loop.
    """
    graph, ids = tf.compat.v1.get_default_graph(), set(map(id, fixed))
    plain = keras.StatelessScope.add_update

    def add_update(scope: keras.StatelessScope, update: tuple[Any, Any]) -> None:
        variable, _ = update
        # A branch, a loop and a function of TensorFlow each have a graph of their own.
        if tf.compat.v1.get_default_graph() is not graph:
            raise UnfusableError(
                f"its code assigns to the variable {variable.path} inside a branch, a loop or a tf.function"
            )
        if id(variable) in ids:
            raise UnfusableError(
                f"its code assigns to the variable {variable.path}, where a program would not keep that"
            )
        plain(scope, update)

    keras.StatelessScope.add_update = add_update
    try:
        yield
    finally:
        keras.StatelessScope.add_update = plain
