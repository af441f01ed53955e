"""Names that follow from the program, and branches in which XLA looks for no constants."""

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow.python.framework import ops

from tests.help.repository import ROOT
from trainables.fused.internals.tracing import traced_as

ATTRIBUTE = "_xla_propagate_compile_time_consts"

TRAINS = """
import sys
from trainables.fused.internals import xla
xla.set_up()
from tests.help.cohorts import engine_of
for name in sys.argv[1:]:
    engine = engine_of(name)
    next(iter(engine.cohorts(range(len(engine.space))))).train()
print(xla.cache_folder())
"""


def switch(position, x):
    return tf.switch_case(position, [lambda: x + 1.0, lambda: x * 2.0])


def names(function, *arguments):
    graph = tf.function(function).get_concrete_function(*arguments).graph
    return {graph.name, *(f.signature.name for f in graph.as_graph_def().library.function)}


def test_functions_of_one_key_have_names_of_their_own():
    position, x = tf.constant(1), tf.constant(3.0)
    found = []
    for key in ("one", "one", "other"):
        with traced_as(key):
            found.append(names(switch, position, x))
    assert (
        len(found[0] & found[1]) == len(found[0] & found[2]) <= 1
    )  # but for the graph's, which is no function


def test_xla_looks_for_constants_in_loops_only():
    def traced(position, x):
        return tf.while_loop(lambda i, _: i < 3, lambda i, x: (i + 1, switch(position, x)), [0, x])[1]

    def asked():
        function = tf.function(traced, jit_compile=True)
        graph = function.get_concrete_function(tf.constant(1), tf.constant(3.0)).graph.as_graph_def()
        nodes = [*graph.node, *(node for f in graph.library.function for node in f.node_def)]
        loops_and_branches = {node.op: node for node in nodes if "While" in node.op or "Case" in node.op}
        return {op: ATTRIBUTE in node.attr for op, node in loops_and_branches.items()}, function

    with traced_as("constants"):
        found, function = asked()
    assert found == {"StatelessWhile": True, "StatelessCase": False}
    assert float(function(tf.constant(1), tf.constant(3.0))) == 24.0
    assert asked()[0] == {"StatelessWhile": True, "StatelessCase": True}  # as before


def test_no_gradient_is_kept_once_a_program_is_traced():
    @tf.custom_gradient
    def double(x):
        return 2.0 * x, lambda upstream: 2.0 * upstream

    @tf.function
    def slope(x):
        return tf.gradients(double(x), x)[0]

    before = set(ops.gradient_registry._registry)
    with traced_as("gradients"):
        assert float(slope(tf.constant(3.0))) == 2.0
    assert set(ops.gradient_registry._registry) == before
    assert float(slope(tf.constant(4.0))) == 2.0


@pytest.mark.slow
def test_a_program_is_found_in_the_cache_though_others_were_traced_before(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    kept = []
    for order in (["scheduled", "prelu_noise"], ["prelu_noise", "scheduled"]):
        found = subprocess.run(
            [sys.executable, "-c", TRAINS, *order], cwd=ROOT, capture_output=True, text=True
        )
        assert found.returncode == 0, found.stderr
        kept.append({file.name for file in Path(found.stdout.strip().splitlines()[-1]).iterdir()})
    assert kept[0] == kept[1]
    assert len(kept[0]) >= 2
