"""Kernels that are kept while models are built, and forgotten if one of them may have a state."""

import keras
import pytest
import tensorflow as tf

from trainables.fused.internals import operations
from trainables.fused.internals.operations import kept


class Counted:
    """TensorFlow's bindings, which count how often the kernels are forgotten."""

    def __init__(self, bindings):
        self.bindings, self.forgotten = bindings, 0

    def __getattr__(self, name):
        return getattr(self.bindings, name)

    def TFE_ContextClearCaches(self, handle):  # noqa: N802  # TensorFlow's name
        self.forgotten += 1
        self.bindings.TFE_ContextClearCaches(handle)


@pytest.fixture
def counted(monkeypatch):
    """Bindings that count, in a process in which no operation with a state is known, nor that there is none."""
    found = Counted(operations._bindings)
    monkeypatch.setattr(operations, "_bindings", found)
    monkeypatch.setattr(operations._Kernels, "have_state", False)
    monkeypatch.setattr(operations._Kernels, "known", False)
    return found


def build():
    """Build and train a model of Keras' own parts that draws numbers."""
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    x = tf.random.stateless_normal((4, 3), (1, 2))
    model.fit(tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(2), verbose=0)
    return [value.tolist() for value in model.get_weights()]


def test_models_of_keras_own_parts_are_the_same_and_forget_kernels_once(counted):
    plain = build()
    assert counted.forgotten == 0  # outside a block, TensorFlow's own bindings do it
    with kept():
        assert [build(), build()] == [plain, plain]
    assert counted.forgotten == 1
    with kept():
        assert build() == plain
    assert counted.forgotten == 1


@pytest.mark.parametrize("seed", [None, 5])
def test_an_operation_with_a_state_starts_anew_with_each_seed(counted, seed):
    def drawn():
        keras.utils.set_random_seed(3)
        return tf.random.normal((2,), seed=seed).numpy().tolist()

    with kept():
        keras.utils.set_random_seed(1)
        found = [drawn() for _ in range(3)]
    assert found == [drawn()] * 3
    assert counted.forgotten >= 3


def test_so_does_one_in_a_function_that_was_traced_before(counted):
    function = tf.function(lambda: tf.random.uniform((2,), seed=5))

    def drawn():
        tf.random.set_seed(3)
        return function().numpy().tolist()

    with kept():
        assert len({str(drawn()) for _ in range(3)}) == 1


def test_an_operation_from_before_the_first_block_starts_anew_too(counted):
    def drawn():
        tf.random.set_seed(3)
        return tf.raw_ops.RandomStandardNormal(shape=[2], dtype=tf.float32, seed=1, seed2=2).numpy().tolist()

    first = drawn()
    with kept():
        assert drawn() == first


def test_an_error_in_a_block_ends_it():
    before = operations._context.pywrap_tfe
    with pytest.raises(ValueError, match="broken"), kept():
        raise ValueError("broken")
    assert operations._context.pywrap_tfe is before
