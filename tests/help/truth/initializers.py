"""Makes initializers when it is imported; they draw their seeds then."""

import keras

from tests.help.truth.models import compiled, hidden

INITIALIZERS = {
    "he": keras.initializers.HeNormal(),
    "glorot": keras.initializers.GlorotNormal(keras.random.SeedGenerator(3)),
}


def build(init, rate, *, input_shape, normalizer):
    """All models share the initializers, one of which draws on from where the last model left it."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), kernel_initializer=INITIALIZERS[init])
    return compiled(inputs, x, keras.optimizers.Adam(rate))
