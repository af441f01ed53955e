import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from trainables.limits import TimeUpError, cause_of, cohort_memory_mb, explain, resident_mb, time_limit


def nothing_is_left():
    return signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_code_in_time_is_left_alone():
    before = signal.getsignal(signal.SIGALRM)
    with time_limit(60):
        assert 59 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


@pytest.mark.parametrize("seconds", [0.2, 0, -3])
def test_code_that_takes_longer_is_interrupted(seconds):
    before, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    # A builder may eat what it can get.
    with pytest.raises(TimeUpError), time_limit(seconds), contextlib.suppress(Exception):
        time.sleep(60)
    assert max(seconds, 0) <= time.monotonic() - started < 50
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


def test_an_error_inside_ends_the_limit_as_well():
    with pytest.raises(KeyError), time_limit(60):
        raise KeyError("a")
    assert nothing_is_left()


class Forgetful:
    """Takes its time to go, and Python forgets what is raised meanwhile."""

    def __del__(self):
        time.sleep(0.5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_code_whose_alarm_was_lost_is_told_again():
    before, started = signal.getsignal(signal.SIGALRM), time.monotonic()
    with pytest.raises(TimeUpError), time_limit(0.1):
        Forgetful()
        time.sleep(60)
    assert 1 <= time.monotonic() - started < 50
    assert nothing_is_left() and signal.getsignal(signal.SIGALRM) is before


HANGING = """
import signal, time
from trainables import limits
limits.KILL_AFTER_S = 0.3
with limits.time_limit(0.1):
    pass
time.sleep(0.6)
print("alive after a block that was in time", flush=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])  # nothing in Python is reached any more
with limits.time_limit(0.1):
    time.sleep(100)
print("never")
"""


def test_code_that_cannot_be_interrupted_takes_its_process_with_it():
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, text=True)
    assert ran.returncode == 1 and time.monotonic() - started < 50
    assert ran.stdout == "alive after a block that was in time\n"
    assert "line 11" in ran.stderr  # where it hung


def test_an_error_is_told_by_type_and_message():
    assert explain(ValueError("no such layer")) == "ValueError: no such layer"
    assert explain(SystemExit(3)) == "SystemExit: 3"
    assert explain(RuntimeError()) == "RuntimeError:"


def test_a_long_message_is_cut_in_its_middle():
    for length in (1989, 5000):
        text = explain(ValueError("x" * length + " the end"))
        assert len(text) == 2000 and text.startswith("ValueError: xxx") and text.endswith("xxx the end")
        assert text.count("...") == 1
    assert explain(ValueError("x" * 1988)) == "ValueError: " + "x" * 1988


def test_the_cause_is_the_last_line_and_its_end_is_kept():
    assert cause_of(ValueError("no such layer")) == "ValueError: no such layer"
    assert cause_of(RuntimeError()) == "RuntimeError:" and cause_of("") == ""
    assert cause_of(RuntimeError("cannot build:\n  4 units\n\n")) == "RuntimeError: 4 units"
    assert cause_of("the point's worker died\nsee sweep.log") == "see sweep.log"
    text = cause_of(ValueError("x" * 500 + " the end"))
    assert len(text) == 200 and text.startswith("ValueError: xx") and text.endswith("x the end")


def keras_error(layers, loss="mse", **options):
    """Return what Keras raises when a model of such layers is built, compiled and fitted."""
    import keras
    import numpy as np

    x, y = np.zeros((40, 4), "float32"), np.zeros((40, 1), "float32")
    with pytest.raises(Exception) as raised:  # of whatever type Keras and TensorFlow choose
        model = keras.Sequential([keras.Input((4,)), *layers(keras.layers)])
        model.compile(loss=loss, optimizer="sgd", **options)
        model.fit(x, y, verbose=0)
    return raised.value


def product_of_wrong_shapes(y, predicted):
    import tensorflow as tf

    return tf.reduce_mean(tf.matmul(y, predicted))


def reshaped_to_seven(y, predicted):
    import tensorflow as tf

    return tf.reduce_mean(tf.reshape(y, (7,)) - predicted)


def wrong_product(values):
    import tensorflow as tf

    return values @ tf.ones((7, 3))


@pytest.mark.parametrize(("layers", "options", "begin", "end"), [
    (lambda k: [k.Conv1D(3, 2)], {}, "ValueError: Input 0", "found ndim=2. Full shape received: (None, 4)"),
    # Keras' own words before and the arguments behind.
    (lambda k: [k.Reshape((3,))], {}, "ValueError: The total size of the tensor must be unchanged.",
     "input_shape=(4,), target_shape=(3,)"),
    (lambda k: [k.Lambda(wrong_product)], {}, "ValueError: Dimensions must be equal", "[?,4], [7,3]."),
    # Stacks of TensorFlow's, of more than 2,000 characters where nothing is compiled.
    (lambda k: [k.Dense(3)], {"loss": product_of_wrong_shapes, "jit_compile": True},
     "InvalidArgumentError: Matrix size-incompatible", "In[1]: [32,3]"),
    (lambda k: [k.Dense(1)], {"loss": reshaped_to_seven, "jit_compile": False},
     "InvalidArgumentError: Input to reshape", "a tensor with 32 values, but the requested shape has 7"),
    (lambda k: [k.Dense(1)], {"loss": reshaped_to_seven, "run_eagerly": True},
     "InvalidArgumentError: Input to reshape", "a tensor with 32 values, but the requested shape has 7"),
    (lambda k: [k.Dense(3)], {"loss": "categorical_crossentropy"},
     "ValueError: Arguments `target` and `output` must have the same shape.", "output.shape=(None, 3)"),
])  # fmt: skip
def test_the_cause_of_a_real_error_of_keras_is_told(layers, options, begin, end):
    error = keras_error(layers, **options)
    for cause in (cause_of(error), cause_of(explain(error))):
        assert len(cause) <= 200 and "\n" not in cause and "\x1b" not in cause
        assert cause.startswith(begin) and cause.endswith(end)
    assert end in explain(error) and len(explain(error)) <= 2000 and "\x1b" not in explain(error)


def test_a_message_that_no_file_can_hold_becomes_one_that_can():
    assert explain(ValueError("a \udce9 é")) == "ValueError: a ? é"


def test_the_memory_is_that_of_this_process():
    before = resident_mb()
    pages = int(Path(f"/proc/{os.getpid()}/statm").read_text().split()[1])
    assert before == pytest.approx(
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20, rel=0.02
    )  # read a moment later
    block = bytearray(os.urandom(2**20)) * 64
    # 64 MiB more; a fifth may come out of what Python had set aside.
    assert resident_mb() - before > 50 and len(block) == 2**26


@pytest.mark.parametrize(("gpu", "devices", "expected"), [
    (0.0, ["GPU"], 512),  # it is given none of what is there
    (1.0, [], 512),  # nor can it see one
    (1.0, ["CPU", "GPU"], 40_000),
    (0.25, ["CPU", "GPU"], 10_000),
    (2.0, ["GPU", "GPU"], 40_000),  # a program runs on one
])  # fmt: skip
def test_a_cohort_is_bounded_by_the_memory_of_its_gpu(monkeypatch, gpu, devices, expected):
    """This machine may have no GPU, so TensorFlow's list of devices is the test's."""
    from tensorflow.python.client import device_lib

    found = [SimpleNamespace(device_type=kind, memory_limit=80_000 * 2**20) for kind in devices]
    monkeypatch.setattr(device_lib, "list_local_devices", lambda: found)
    assert cohort_memory_mb(512, gpu) == expected
