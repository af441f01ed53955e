"""Passes tensors as numbers to the code of Keras, for numbers that differ between the models of a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError


class Lifted:
    """A number of a layer or an optimizer that is a tensor while a program is traced.

    It is above zero in every lane, so a comparison with zero in Python code has the same result for all lanes.

    Args:
        tensor: the number.
        complement: one minus the number; None computes it, with the few digits that a number close to one leaves.
    """

    dtype = "float32"
    shape = ()

    def __init__(self, tensor: tf.Tensor, complement: tf.Tensor | None = None) -> None:
        self.tensor, self.complement = tensor, complement

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> tf.Tensor:
        return tf.cast(self.tensor, dtype or tf.float32)

    def __bool__(self) -> bool:
        return True

    def __neg__(self) -> tf.Tensor:
        return -self.tensor

    def __rsub__(self, other: Any) -> tf.Tensor:
        if self.complement is not None and isinstance(other, int | float) and other == 1:
            return tf.convert_to_tensor(self.complement)
        return tf.convert_to_tensor(self.tensor).__rsub__(other)

    def _above(self, other: float, answer: bool) -> bool:
        if isinstance(other, int | float) and other == 0:
            return answer
        raise UnfusableError("a number that differs between points is compared with one other than zero")

    def __gt__(self, other: float) -> bool:
        return self._above(other, True)

    def __ge__(self, other: float) -> bool:
        return self._above(other, True)

    def __lt__(self, other: float) -> bool:
        return self._above(other, False)

    def __le__(self, other: float) -> bool:
        return self._above(other, False)

    def __eq__(self, other: object) -> bool:
        return self._above(other, False)  # type: ignore[arg-type]

    def __ne__(self, other: object) -> bool:
        return self._above(other, True)  # type: ignore[arg-type]

    __hash__ = None  # type: ignore[assignment]


def _operator(name: str) -> Callable[[Lifted, Any], tf.Tensor]:
    return lambda self, other: getattr(tf.convert_to_tensor(self.tensor), name)(other)


for _name in ("add", "radd", "sub", "mul", "rmul", "truediv", "rtruediv", "pow", "rpow"):
    setattr(Lifted, f"__{_name}__", _operator(f"__{_name}__"))
