"""The kernel refuses a net that names what is not there, instead of reading or writing outside of its arrays."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from tests.help.dense_kernel import net_of
from tests.help.dense_nets import Constrained, Counted, Layer, Metric, Numbers, Optimizer, Task
from tests.help.kernels import HERE, opened, pointer
from trainables.native import structures as c
from trainables.native.structures import Activation, Clip, Constraint, Kind, Measure, Operation, Rule

MOST, LEAST = 2**31 - 1, -(2**31)

TASK = Task(
    features=3,
    layers=(
        Layer(Kind.DENSE, 4, Activation.TANH),
        Layer(Kind.BATCH_NORMALIZATION, 4),
        Layer(Kind.DROPOUT, 4),
        Layer(Kind.PRELU, 4),
        Layer(Kind.NOISE, 4),
        Layer(Kind.LAYER_NORMALIZATION, 4),
        Layer(Kind.ADD, 4, sources=(2, 5)),
        Layer(Kind.CONCATENATE, 7, sources=(6, -1)),
        Layer(Kind.DENSE, 2, trained=False),
        Layer(Kind.ACTIVATION, 2, Activation.SOFTMAX),
    ),
    measures=(Metric(Measure.CATEGORICAL_CROSSENTROPY, True), Metric(Measure.MSE), Metric(Measure.MSE, expressed=True)),
    optimizers=(Optimizer(Rule.ADAM, Clip.NORM), Optimizer(Rule.RMSPROP)),
    targets=2, rows=20, tested=5, batch=8, models=3, has_weights=True, penalized=True, seed=1,
    constraints=(Constrained(0, Constraint.MAX_NORM, 0),), areas=(Counted(200), Counted(3, True)),
)  # fmt: skip
DENSE, NORMALIZATION, DROPOUT, PRELU, NOISE, OF_ROWS, ADD, CONCATENATE, FROZEN, LAST = range(10)
NET, LAYERS, VARIABLES, PENALTIES, OPTIMIZERS, CONSTRAINTS, MEASURES, SOURCES, INSTRUCTIONS, AREAS = range(
    -1, 9
)
MINUS, SUM = 1, 3  # of the squared error of two outputs

# Which part, which of its items, which field, and values that no net can have.
WRONG = [
    (NET, 0, "layers", [0, -1, 65, MOST]),
    (NET, 0, "features", [0, -3, 4]),
    (NET, 0, "outputs", [0, 1, 3, MOST]),
    (NET, 0, "targets", [0, -1, 1, 3]),
    (NET, 0, "weights", [0, -1, 35, 1000]),
    (NET, 0, "states", [-1, 0, 5, MOST]),
    (NET, 0, "slots", [-1, 0, 1, 4]),
    (NET, 0, "settings", [0, 11, 12, 13, 140, MOST]),
    (NET, 0, "variables", [0, -1, 1, 4]),
    (NET, 0, "penalties", [-1, 257, MOST]),
    (NET, 0, "optimizers", [0, -1, 257, MOST]),
    (NET, 0, "constraints", [-1, 257, MOST]),
    (NET, 0, "sources", [0, -1, 11, 257, MOST]),
    (NET, 0, "measures", [0, -1, 33]),
    (NET, 0, "activations", [0, 1, -1]),
    (NET, 0, "batch", [0, -1, LEAST]),
    (NET, 0, "areas", [-1, 0, 1, 33, MOST]),
    (NET, 0, "counts", [-1, 0, 402, 409, 411, MOST]),
    (LAYERS, DENSE, "kind", [-1, Kind.ADD, 14, MOST]),
    (LAYERS, DENSE, "inputs", [0, -3, 4, MOST]),
    (LAYERS, DENSE, "outputs", [0, -4, 5, 2**20, MOST]),
    (LAYERS, DENSE, "kernel", [-1, LEAST, 28, 50, MOST, MOST - 11]),
    (LAYERS, DENSE, "bias", [33, 35, 57, 1000, MOST, MOST - 3]),
    (LAYERS, DENSE, "activation", [2, MOST]),
    (LAYERS, NORMALIZATION, "inputs", [3, 5]),
    (LAYERS, NORMALIZATION, "outputs", [3, 5]),
    (LAYERS, NORMALIZATION, "kernel", [33, 35, 1000, MOST]),
    (LAYERS, NORMALIZATION, "bias", [33, 1000, MOST]),
    (LAYERS, NORMALIZATION, "mean", [-1, 33, 1000, MOST]),
    (LAYERS, NORMALIZATION, "variance", [-1, 33, 1000, MOST]),
    (LAYERS, DROPOUT, "draws", [-1, 2, MOST]),
    (LAYERS, DROPOUT, "number", [-1, 0, 10, 13, 14, MOST]),
    (LAYERS, PRELU, "kind", [Kind.SUBTRACT, 14]),
    (LAYERS, PRELU, "kernel", [-1, 33, 1000, MOST]),
    (LAYERS, NOISE, "draws", [-1, 2, LEAST]),
    (LAYERS, NOISE, "number", [-1, 10, 14, MOST]),
    (LAYERS, OF_ROWS, "kernel", [35, 1000, MOST]),
    (LAYERS, OF_ROWS, "bias", [35, 1000, MOST]),
    (LAYERS, OF_ROWS, "outputs", [3, 5]),
    (LAYERS, ADD, "source", [-1, 10, 11, 12, MOST]),
    (LAYERS, ADD, "sources", [0, -1, 1, 3, 7, MOST]),
    (LAYERS, ADD, "inputs", [3, 5]),
    (LAYERS, ADD, "kind", [Kind.DENSE, Kind.NOISE, Kind.CONCATENATE]),
    (LAYERS, CONCATENATE, "kind", [Kind.ADD, Kind.DROPOUT, 14]),
    (LAYERS, CONCATENATE, "outputs", [4, 6, 8]),
    (LAYERS, FROZEN, "kernel", [-1, 25, 1000]),
    (LAYERS, LAST, "outputs", [1, 3]),
    (VARIABLES, 0, "first", [-1, 1, MOST]),
    (VARIABLES, 0, "end", [-1, 11, 13, MOST]),
    (VARIABLES, 4, "end", [20, 27, 29, MOST]),
    (PENALTIES, 0, "", [-1, 7, MOST]),
    (OPTIMIZERS, 0, "rule", [-1, 10, MOST]),
    (OPTIMIZERS, 0, "clip", [-1, 4]),
    (OPTIMIZERS, 1, "scheduled", [2, MOST]),
    (OPTIMIZERS, 1, "slot", [3, MOST]),
    (CONSTRAINTS, 0, "kind", [-1, 4, MOST]),
    (CONSTRAINTS, 0, "first", [-1, 25, MOST]),
    (CONSTRAINTS, 0, "groups", [0, -1, 29, MOST]),
    (CONSTRAINTS, 0, "step", [-1, 10, MOST]),
    (CONSTRAINTS, 0, "length", [0, -1, 10, MOST]),
    (CONSTRAINTS, 0, "stride", [-1, 17, MOST]),
    (MEASURES, 0, "measure", [-1, 15, Measure.SPARSE_CROSSENTROPY, MOST]),
    (MEASURES, 1, "measure", [-1, 15, Measure.SPARSE_ACCURACY, MOST]),
    (NET, 0, "instructions", [-1, 0, 4, 2**16 + 1, MOST]),
    (NET, 0, "columns", [-1, 0, 5, 11, 2**14 + 1, MOST]),
    (MEASURES, 2, "first", [-1, 1, MOST]),
    (MEASURES, 2, "constants", [-1, 6, MOST]),
    (MEASURES, 2, "values", [-1, 0, 6, MOST]),
    (MEASURES, 2, "end", [-1, 0, 6, MOST]),
    (MEASURES, 2, "value_at", [-1, 64, MOST]),
    (INSTRUCTIONS, MINUS, "operation", [-1, len(Operation), MOST]),
    (INSTRUCTIONS, MINUS, "width", [0, -1, 20, MOST]),
    (INSTRUCTIONS, MINUS, "to", [-1, 20, MOST]),
    (INSTRUCTIONS, MINUS, "from_", [-1, 20, MOST]),
    (INSTRUCTIONS, MINUS, "step", [-1, 2, MOST]),
    (INSTRUCTIONS, SUM, "width", [0, 20, MOST]),
    (INSTRUCTIONS, SUM, "to", [-1, 20, MOST]),
    (AREAS, 0, "thresholds", [LEAST, -1, 0, 1, 199, 201, 2**14 + 1, MOST]),
    (AREAS, 1, "thresholds", [1, 2, 4, MOST]),
    (SOURCES, 0, "", [-2, 0, 1, LEAST, MOST]),  # a layer takes what comes before it
    (SOURCES, 4, "", [2, 4, 8]),  # each output is taken
    (SOURCES, 6, "", [-1, 6, 7, MOST]),  # outputs have the width that a layer takes
    (SOURCES, 9, "", [0, 4, 7, LEAST]),
]


@pytest.fixture(params=HERE)
def functions(request):
    found = opened(request.param).functions
    found.workspace.restype = ctypes.c_int64
    return found


def call(functions, name, net, steps=(0, 1), **models):
    """Call `train` or `evaluate` for one chunk; arrays that are not given are null, so the kernel must not touch them."""
    lanes = functions.lanes()
    arrays = {"lane": np.arange(lanes, dtype=np.int32) % 3, "optimizer": np.zeros(3, np.int32)}
    arrays |= {"activation": np.array([Activation.TANH, Activation.SOFTMAX], np.int32)} | models
    of_models = c.CModels(**{key: pointer(array) for key, array in arrays.items()})
    rows = c.CRows(None, None, None, 20)
    arguments = [ctypes.byref(net), ctypes.byref(of_models), 1, ctypes.byref(rows)]
    if name == "train":
        arguments += [None, None, None, ctypes.c_int64(0)]
    arguments += map(ctypes.c_int64, steps)
    return getattr(functions, name)(*arguments, None, None, None)


def test_the_net_itself_is_accepted(functions):
    net, _parts = net_of(TASK, Numbers(TASK))
    assert (net.weights, net.states, net.settings) == (36, 24, 14)
    assert functions.workspace(ctypes.byref(net)) > 0


@pytest.mark.parametrize(("part", "item", "field", "values"), WRONG, ids=lambda one: str(one)[:20])
def test_a_net_that_names_what_is_not_there_is_refused(functions, part, item, field, values):
    for value in values:
        net, parts = net_of(TASK, Numbers(TASK))
        if part == NET:
            setattr(net, field, value)
        elif part in (PENALTIES, SOURCES):
            parts[part][item] = value
        elif field == "slot" or (part == INSTRUCTIONS and field in ("from_", "step")):
            getattr(parts[part][item], field)[2] = value
        else:
            setattr(parts[part][item], field, value)
        assert functions.workspace(ctypes.byref(net)) == -1, value
        assert call(functions, "train", net) == 1
        assert call(functions, "evaluate", net) == 1


def test_logits_of_a_chain_without_a_layer_before_them_are_refused(functions):
    """It takes the loss from what goes into the last activation."""
    task = replace(TASK, features=2, layers=(Layer(Kind.DENSE, 2), TASK.layers[-1]))
    net, parts = net_of(task, Numbers(task))
    assert functions.workspace(ctypes.byref(net)) > 0
    net.layers, net.layer = 1, ctypes.addressof(parts[LAYERS][1])
    assert functions.workspace(ctypes.byref(net)) == -1


def test_a_loss_whose_gradient_is_not_there_is_refused(functions):
    net, parts = net_of(TASK, Numbers(TASK))
    net.measured = ctypes.addressof(parts[MEASURES][2])
    for place, is_right in (
        (0, True),
        (-1, False),
        (net.columns - 2, True),
        (net.columns - 1, False),
        (MOST, False),
    ):
        parts[MEASURES][2].gradient_at, net.measures = place, 1
        assert (functions.workspace(ctypes.byref(net)) > 0) == is_right


def test_outputs_of_a_batch_whose_size_cannot_be_computed_are_refused(functions):
    net, parts = net_of(TASK, Numbers(TASK))
    layer = parts[LAYERS][0]
    layer.kind, net.layers, net.batch, parts[MEASURES][0].measure = Kind.ACTIVATION, 1, MOST, Measure.MSE
    net.measures = 2
    for size, is_right in ((2, True), (MOST, False)):
        layer.inputs = layer.outputs = net.features = net.outputs = net.targets = size
        assert (functions.workspace(ctypes.byref(net)) > 0) == is_right


def test_areas_of_other_numbers_of_outputs_and_targets_are_refused(functions):
    task = replace(TASK, measures=(Metric(Measure.SPARSE_CROSSENTROPY, True),), targets=1, areas=())
    net, parts = net_of(task, Numbers(task))
    assert functions.workspace(ctypes.byref(net)) > 0
    parts[AREAS] = (c.CArea * 1)(c.CArea(200))
    net.areas, net.counts, net.area = 1, 402, ctypes.addressof(parts[AREAS])
    assert functions.workspace(ctypes.byref(net)) == -1


def test_models_that_name_what_is_not_there_are_refused(functions):
    net, _parts = net_of(TASK, Numbers(TASK))
    for optimizer in (-1, 2, 256, MOST):
        assert call(functions, "train", net, optimizer=np.array([0, 0, optimizer], np.int32)) == 1
    for code in (-1, 19, MOST):
        wrong = np.array([Activation.TANH, code], np.int32)
        assert call(functions, "train", net, activation=wrong) == 1
        assert call(functions, "evaluate", net, activation=wrong) == 1
    nobody = np.full(functions.lanes(), -1, np.int32)
    assert call(functions, "train", net, lane=nobody) == 1
    assert call(functions, "evaluate", net, lane=nobody) == 1


@pytest.mark.parametrize("steps", [(-1, 1), (0, 4), (3, 2**40)])
def test_steps_that_the_rows_do_not_have_are_refused(functions, steps):
    net, _parts = net_of(TASK, Numbers(TASK))
    assert call(functions, "train", net, steps=steps) == 1
    assert call(functions, "evaluate", net, steps=steps) == 1
