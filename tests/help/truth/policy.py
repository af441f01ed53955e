"""Sets a dtype policy when it is imported."""

import keras

from tests.help.truth.models import compiled, hidden

keras.config.set_dtype_policy("mixed_bfloat16")


def build(units, rate, *, input_shape, normalizer):
    """A model that computes in another type."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), units), keras.optimizers.Adam(rate), dtype="float32")
