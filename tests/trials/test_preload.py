"""What Ray's workers import before their first trial."""

import os
import subprocess
import sys

import pytest

from cluster.connect import nodes

SCRIPT = """
import sys
import trainables.trials.preload
print(*[name in sys.modules for name in ("keras", "trainables.fused.engine")])
if "keras" in sys.modules:
    from tensorflow.python.eager import context
    assert context.context_safe() is None or context.context()._context_handle is None, "TensorFlow has its threads"
"""


@pytest.mark.parametrize(
    ("without", "expected"), [("1", "False False"), pytest.param("", "True True", marks=pytest.mark.slow)]
)
def test_a_worker_that_trains_imports_keras_and_leaves_its_settings_open(without, expected):
    environment = {**os.environ, nodes.WITHOUT_PRELOAD: without}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.stdout.split() == expected.split(), ran.stderr
