"""Random nets of dense layers, and their numbers, for the functions of kernel.cpp. It needs no Keras.

Terminology
    net     the structure of some models: the layers, the loss and the optimizers that they share
    task    a net, a table, and how many models are trained on it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trainables.native.structures import Activation, Clip, Constraint, Kind, Measure, Rule, Setting

Choose = Callable[[Sequence[Any]], Any]
"""Chooses one of several values."""

POSITIVE = (Activation.SOFTPLUS, Activation.SIGMOID)
CROSS_ENTROPIES = (
    Measure.BINARY_CROSSENTROPY,
    Measure.CATEGORICAL_CROSSENTROPY,
    Measure.SPARSE_CROSSENTROPY,
)
SPARSE = (Measure.SPARSE_CROSSENTROPY, Measure.SPARSE_ACCURACY)
CLASSES = (*CROSS_ENTROPIES[1:], Measure.CATEGORICAL_ACCURACY, Measure.SPARSE_ACCURACY)
NORMALIZATIONS = (Kind.BATCH_NORMALIZATION, Kind.LAYER_NORMALIZATION)
SLOTS = {
    Rule.SGD: 0, Rule.MOMENTUM: 1, Rule.NESTEROV: 1, Rule.RMSPROP: 3, Rule.ADAM: 2, Rule.AMSGRAD: 3, Rule.NADAM: 2,
    Rule.ADAMAX: 2, Rule.ADAGRAD: 1, Rule.LION: 1,
}  # fmt: skip


@dataclass(frozen=True)
class Layer:
    """A layer of a net.

    Attributes:
        sources: the layers whose outputs it takes, -1 for the rows; by default the layer before.
    """

    kind: Kind
    outputs: int
    activation: Activation | None = None
    slope: float = 0.25
    first: bool = True  # whether it has a scale; a dense layer always has a kernel
    second: bool = True  # whether it has a bias or an offset
    trained: bool = True
    l1: float = 0.0
    l2: float = 0.0
    sources: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Optimizer:
    rule: Rule
    clip: Clip = Clip.NONE
    centred: bool = False
    has_momentum: bool = False
    decays: bool = False
    scheduled: bool = False


@dataclass(frozen=True)
class Constrained:
    """A constraint of a trained variable: of all its numbers, or of each column or row of a kernel."""

    variable: int
    kind: Constraint
    axis: int | None
    least: float = 0.3
    most: float = 0.8
    rate: float = 0.75


@dataclass(frozen=True)
class Metric:
    """A loss or a metric.

    Attributes:
        expressed: whether the mean squared error is given to the kernel as instructions.
    """

    measure: Measure
    weighted: bool = False
    value: float = 0.5
    smoothing: float = 0.0
    expressed: bool = False


@dataclass(frozen=True)
class Counted:
    """An area under a curve, for which the kernel counts rows."""

    thresholds: int
    weighted: bool = False


@dataclass(frozen=True)
class Task:
    """A net, a table and some models.

    Attributes:
        measures: the loss, then the metrics.
        targets: numbers in a row of the target.
        rows, tested: rows that are trained, and rows that are evaluated.
        penalized: whether the weights of the first variable have a penalty.
        constraints: of trained variables; those of the last layer's kernel, at least, are trained.
        areas: none if a row has other numbers of outputs and targets.
    """

    features: int
    layers: tuple[Layer, ...]
    measures: tuple[Metric, ...]
    optimizers: tuple[Optimizer, ...]
    targets: int
    rows: int
    tested: int
    batch: int
    models: int
    has_weights: bool
    penalized: bool
    seed: int
    constraints: tuple[Constrained, ...] = ()
    areas: tuple[Counted, ...] = ()

    @property
    def outputs(self) -> int:
        return self.layers[-1].outputs

    @property
    def inputs(self) -> list[int]:
        """The inputs of each layer."""
        widths = [*(layer.outputs for layer in self.layers), self.features]  # -1 is the last
        each = zip(self.layers, self.sources, strict=True)
        return [
            sum(widths[s] for s in some) if layer.kind is Kind.CONCATENATE else widths[some[0]]
            for layer, some in each
        ]

    @property
    def sources(self) -> list[tuple[int, ...]]:
        """The sources of each layer."""
        return [(k - 1,) if one.sources is None else one.sources for k, one in enumerate(self.layers)]

    @property
    def drawing(self) -> list[int]:
        """The positions of the layers that draw."""
        return [k for k, layer in enumerate(self.layers) if layer.kind in (Kind.DROPOUT, Kind.NOISE)]

    @property
    def columns(self) -> list[int]:
        """The column of each of their numbers among the settings; behind a rate of dropout comes one minus it."""
        widths = [2 if self.layers[k].kind is Kind.DROPOUT else 1 for k in self.drawing]
        return [len(Setting) + sum(widths[:k]) for k in range(len(widths) + 1)]


@dataclass
class Place:
    """Where the variables of a layer begin among the parameters; -1 for none."""

    kernel: int = -1
    bias: int = -1
    mean: int = -1
    variance: int = -1


@dataclass
class Places:
    """Where all variables of a task are.

    Attributes:
        of: the places of each layer's variables.
        variables: first and end of each trained variable.
        shapes: the shape of each trained variable.
        weights, states: how many numbers are trained, and how many are not.
    """

    of: list[Place] = field(default_factory=list)
    variables: list[tuple[int, int]] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    weights: int = 0
    states: int = 0


def places_of(task: Task) -> Places:
    """Return where the variables of a task are: first those that are trained."""
    found, end = Places(of=[Place() for _ in task.layers]), 0
    for trained in (True, False):
        for layer, inputs, place in zip(task.layers, task.inputs, found.of, strict=True):
            sizes: dict[str, int] = {}
            if layer.kind is Kind.DENSE:
                sizes["kernel"] = inputs * layer.outputs
            if layer.kind is Kind.PRELU or (layer.kind in NORMALIZATIONS and layer.first):
                sizes["kernel"] = layer.outputs
            if layer.kind in (Kind.DENSE, *NORMALIZATIONS) and layer.second:
                sizes["bias"] = layer.outputs
            if layer.trained is not trained:
                sizes = {}
            if layer.kind is Kind.BATCH_NORMALIZATION and not trained:
                sizes |= {"mean": layer.outputs, "variance": layer.outputs}
            for name, size in sizes.items():
                setattr(place, name, end)
                if trained:
                    found.variables.append((end, end + size))
                    is_matrix = layer.kind is Kind.DENSE and name == "kernel"
                    found.shapes.append((inputs, layer.outputs) if is_matrix else (size,))
                end += size
        found.weights = end if trained else found.weights
    found.states = end - found.weights
    return found


def random_task(choose: Choose) -> Task:
    """Return a task that the kernel accepts."""
    sizes = (1, 2, 3, 4, 5, 7, 8, 9, 17)
    features, layers = choose(sizes), []
    fused, kinds = list(Activation)[: Activation.SOFTMAX], [*Kind, *[Kind.DENSE] * 6]
    for _ in range(choose((0, 1, 2, 3, 3, 5))):
        kind = choose(kinds)
        sources, width = _random_sources(choose, kind, features, layers)
        if kind is Kind.MULTIPLY:
            kinds.remove(kind)  # numbers would grow without end
        l1, l2 = choose(((0.0, 0.0), (0.0, 0.0), (0.01, 0.02))) if kind is not Kind.PRELU else (0.0, 0.0)
        activation = None
        if kind is Kind.DENSE:
            width, activation = choose(sizes), choose([None, *fused])
        if kind is Kind.ACTIVATION:
            activation = choose(list(Activation))
        if activation is Activation.EXPONENTIAL:
            activation = Activation.TANH  # else numbers grow without end
        layers.append(
            Layer(kind, width, activation, 0.25, choose((True, True, False)), choose((True, False)),
                  choose((True, True, False)), l1, l2, sources)
        )  # fmt: skip
    taken = {source for layer in layers for source in layer.sources}
    ends = tuple(k for k in range(len(layers)) if k not in taken)
    if len(ends) > 1:
        joined = sum(layers[k].outputs for k in ends)
        layers.append(Layer(Kind.CONCATENATE, joined, sources=ends[:: choose((1, -1))]))
    loss = Metric(choose(list(Measure)[: Measure.BINARY_ACCURACY]), True, choose((0.5, 1.5)))
    outputs = choose((2, 3, 5)) if loss.measure in CLASSES else choose((1, 1, 2, 4))
    if loss.measure in CROSS_ENTROPIES[:2]:
        loss = Metric(loss.measure, True, 0.5, choose((0.0, 0.1)))
    last = choose(POSITIVE) if loss.measure in (Measure.POISSON, Measure.MSLE) else None
    layers.append(Layer(Kind.DENSE, outputs, last, second=choose((True, False))))
    if loss.measure in CROSS_ENTROPIES:
        last = Activation.SIGMOID if loss.measure is Measure.BINARY_CROSSENTROPY else Activation.SOFTMAX
        layers.append(Layer(Kind.ACTIVATION, outputs, last))
    metrics = [loss]
    if loss.measure in CLASSES:
        is_sparse = loss.measure in SPARSE
        metrics.append(Metric(Measure.SPARSE_ACCURACY if is_sparse else Measure.CATEGORICAL_ACCURACY, True))
    else:
        metrics.append(
            Metric(choose((Measure.MSE, Measure.MAE, Measure.BINARY_ACCURACY)), choose((True, False)))
        )
    clips = list(Clip)[loss.measure is Measure.MAPE :]  # its gradients are large
    optimizers = tuple(_random_optimizer(choose, clips) for _ in range(choose((1, 1, 2, 3))))
    rows = choose((1, 2, 5, 16, 33, 70))
    task = Task(
        features, tuple(layers), tuple(metrics), optimizers, 1 if loss.measure in SPARSE else outputs, rows,
        choose((0, 1, 3, 64, 65)), choose((1, 4, 7, 16, 100)) if rows < 20 else choose((9, 16, 32, 100)),
        choose((1, 3, 16, 17)), choose((True, False)), choose((True, False)), choose(range(1000)),
    )  # fmt: skip
    shapes = places_of(task).shapes
    constraints = []
    for _ in range(choose((0, 0, 1, 2))):
        variable = choose(range(len(shapes)))
        axis = choose((None, 0, 1)) if len(shapes[variable]) == 2 else None
        constraints.append(Constrained(variable, choose(list(Constraint)), axis))
    measures = tuple(
        replace(one, expressed=choose((True, False))) if one.measure is Measure.MSE else one for one in task.measures
    )  # fmt: skip
    many = 0 if task.targets != outputs else choose((0, 0, 1, 2))
    areas = [Counted(choose((2, 3, 20, 200)), choose((True, False))) for _ in range(many)]
    return replace(task, constraints=tuple(constraints), measures=measures, areas=tuple(areas))


def _random_sources(
    choose: Choose, kind: Kind, features: int, layers: Sequence[Layer]
) -> tuple[tuple[int, ...], int]:
    """Return the sources of a new layer, and how many numbers a row of its outputs has if it changes no widths."""
    widths = [*(layer.outputs for layer in layers), features]  # -1 is the last
    last = len(layers) - 1
    first = choose((last, last, *range(-1, last)))
    if kind < Kind.ADD:
        return (first,), widths[first]
    count = 2 if kind is Kind.SUBTRACT else choose((1, 2, 2, 3))
    same = [k for k in range(-1, len(layers)) if kind is Kind.CONCATENATE or widths[k] == widths[first]]
    sources = (first, *(choose(same) for _ in range(count - 1)))[:: choose((1, -1))]
    return sources, sum(widths[k] for k in sources) if kind is Kind.CONCATENATE else widths[first]


def _random_optimizer(choose: Choose, clips: Sequence[Clip]) -> Optimizer:
    rule = choose([rule for rule in Rule if rule is not Rule.LION])  # which makes a step of each rounding
    return Optimizer(
        rule,
        choose(clips),
        rule is Rule.RMSPROP and choose((True, False)),
        rule is Rule.RMSPROP and choose((True, False)),
        choose((True, False)),
        choose((True, False)),
    )


class Numbers:
    """All arrays of a task before training, all of them of random numbers.

    Attributes:
        parameters: float32, shape (models, weights and states).
        slots: float32, shape (3, models, weights).
        scalar: the product of Nadam, float32, shape (models,).
        settings: float32, shape (models, settings and the numbers of layers that draw).
        strengths: float32, shape (models, 1, 2).
        optimizer: of each model, int32.
        decays: which numbers decay, float32, shape (weights,).
        x, y, weight: the rows, and then the rows that are evaluated.
        draws: for each layer that draws, float32, shape (rows, outputs).
        schedule: float32, shape (steps,).
    """

    def __init__(self, task: Task) -> None:
        chance = np.random.default_rng(task.seed)
        places = places_of(task)
        self.places = places
        models, rows = task.models, task.rows + task.tested

        def normal(*shape: int) -> np.ndarray:
            return chance.normal(size=shape).astype(np.float32)

        self.parameters = normal(models, places.weights + places.states) * np.float32(0.5)
        for layer, place in zip(task.layers, places.of, strict=True):
            if place.variance >= 0:
                there = slice(place.variance, place.variance + layer.outputs)
                self.parameters[:, there] = np.abs(self.parameters[:, there]) + 0.3
        self.slots = np.zeros((3, models, places.weights), np.float32)
        self.scalar = np.ones(models, np.float32)
        drawing = task.drawing
        *columns, end = task.columns
        self.settings = np.zeros((models, end), np.float32)
        self.settings[:, columns] = chance.uniform(0.1, 0.6, (models, len(drawing)))
        for k, column in zip(drawing, columns, strict=True):
            if task.layers[k].kind is Kind.DROPOUT:
                self.settings[:, column + 1] = 1 - self.settings[:, column]
        between = {
            Setting.RATE: (0.001, 0.02), Setting.MOMENTUM: (0.2, 0.8), Setting.BETA_1: (0.5, 0.9),
            Setting.BETA_2: (0.7, 0.95), Setting.RHO: (0.6, 0.9), Setting.EPSILON: (0.05, 0.2),
            Setting.DECAY: (0.1, 0.5), Setting.CLIP: (0.05, 2.0),
        }  # fmt: skip
        for column, ends in between.items():
            self.settings[:, column] = chance.uniform(*ends, models)
        for beta, complement in (
            (Setting.BETA_1, Setting.BETA_1_COMPLEMENT),
            (Setting.BETA_2, Setting.BETA_2_COMPLEMENT),
            (Setting.RHO, Setting.RHO_COMPLEMENT),
        ):
            self.settings[:, complement] = 1 - self.settings[:, beta]
        self.strengths = chance.uniform(0, 0.02, (models, 1, 2)).astype(np.float32)
        self.optimizer = np.sort(chance.integers(0, len(task.optimizers), models)).astype(np.int32)
        self.decays = (np.arange(places.weights) % 3 > 0).astype(np.float32)
        self.x = normal(rows, task.features)
        loss = task.measures[0].measure
        if loss in SPARSE:
            self.y = chance.integers(0, task.outputs, (rows, 1)).astype(np.float32)
        elif loss in CLASSES:
            self.y = np.eye(task.outputs, dtype=np.float32)[chance.integers(0, task.outputs, rows)]
        elif loss is Measure.BINARY_CROSSENTROPY:
            self.y = chance.integers(0, 2, (rows, task.targets)).astype(np.float32)
        else:
            self.y = chance.uniform(0.5, 2.0, (rows, task.targets)).astype(np.float32)
        self.weight = chance.uniform(0, 2, rows).astype(np.float32) if task.has_weights else None
        shapes = [(task.rows, task.layers[k].outputs) for k in drawing]
        uniform = [task.layers[k].kind is Kind.DROPOUT for k in drawing]
        self.draws = [
            chance.uniform(0, 1, shape).astype(np.float32) if is_uniform else normal(*shape)
            for shape, is_uniform in zip(shapes, uniform, strict=True)
        ]
        self.schedule = chance.uniform(0.001, 0.02, -(-task.rows // task.batch)).astype(np.float32)
