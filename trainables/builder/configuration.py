"""Reads and restores the settings of `keras.config` and of TensorFlow that a builder's file may set."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf


@dataclass(frozen=True)
class Configuration:
    """The settings of `keras.config` and of TensorFlow at one time.

    Attributes:
        dtype_policy: None if it is the one that follows from `floatx`. Keras then chooses it when the first layer is
            made, so that `floatx` still counts.
        flash_attention: whether it was not disabled.
        logs, filters: interactive logging, and the filtering of tracebacks; no number depends on them.
        functions_run_eagerly: whether `tf.config.run_functions_eagerly` makes TensorFlow run Python in place of graphs.
        tensor_float_32: whether a GPU may round the factors of products of matrices.
    """

    floatx: str
    epsilon: float
    image_data_format: str
    max_epochs: int | None
    max_steps_per_epoch: int | None
    flash_attention: bool
    dtype_policy: Any
    logs: bool
    filters: bool
    functions_run_eagerly: bool = False
    tensor_float_32: bool = True

    @classmethod
    def now(cls) -> Configuration:
        """Return the settings of this process. Keras' policy is fixed by this until its session is cleared."""
        config = keras.config
        policy = config.dtype_policy()
        return cls(
            floatx=config.floatx(),
            epsilon=config.epsilon(),
            image_data_format=config.image_data_format(),
            max_epochs=config.max_epochs(),
            max_steps_per_epoch=config.max_steps_per_epoch(),
            flash_attention=config.is_flash_attention_enabled() is not False,
            dtype_policy=None if policy.name == config.floatx() else policy,
            logs=config.is_interactive_logging_enabled(),
            filters=config.is_traceback_filtering_enabled(),
            functions_run_eagerly=tf.config.functions_run_eagerly(),
            tensor_float_32=tf.config.experimental.tensor_float_32_execution_enabled(),
        )

    def restore(self) -> None:
        """Set all settings. Keras' session must be clear, as after `keras.utils.clear_session`."""
        config = keras.config
        config.set_floatx(self.floatx)
        config.set_epsilon(self.epsilon)
        config.set_image_data_format(self.image_data_format)
        config.set_max_epochs(self.max_epochs)
        config.set_max_steps_per_epoch(self.max_steps_per_epoch)
        if not self.flash_attention:
            config.disable_flash_attention()
        if self.dtype_policy is not None:
            config.set_dtype_policy(self.dtype_policy)
        (config.enable_interactive_logging if self.logs else config.disable_interactive_logging)()
        (config.enable_traceback_filtering if self.filters else config.disable_traceback_filtering)()
        tf.config.run_functions_eagerly(self.functions_run_eagerly)
        tf.config.experimental.enable_tensor_float_32_execution(self.tensor_float_32)

    @property
    def of_numbers(self) -> tuple[tuple[str, str], ...]:
        """The settings on which a model's numbers depend, by name."""
        values = {name: value for name, value in vars(self).items() if name not in ("logs", "filters")}
        values["dtype_policy"] = self.floatx if self.dtype_policy is None else self.dtype_policy.name
        return tuple((name, repr(value)) for name, value in values.items())


@contextlib.contextmanager
def without_limit() -> Iterator[None]:
    """Let Keras take all batches, inside a `with` block: a limit of the steps of `fit` counts for `predict` too."""
    limit = keras.config.max_steps_per_epoch()
    keras.config.set_max_steps_per_epoch(None)
    try:
        yield
    finally:
        keras.config.set_max_steps_per_epoch(limit)


@functools.cache
def at_start() -> Configuration:
    """Return the settings with which this process began. Call it before a builder is imported."""
    return Configuration.now()
