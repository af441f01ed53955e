"""A small model for each class of Keras that may be in a program: its builder, its target, and the table of all of them.

`EXAMPLES` has, for each name of each list in `trainables.fused.model.proven`, the example that proves it. One example may
prove many names, because each program takes seconds to compile. `python -m tests.help.each_class` writes the table into
`trainables/fused/README.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from keras import layers

from trainables.fused.model import proven

README = Path(__file__).parents[2] / "trainables" / "fused" / "README.md"
BEGIN, END = "<!-- begin of the table -->\n", "<!-- end of the table -->\n"


def _sequence(x: Any) -> Any:
    return layers.Reshape((3, 2))(x)


def _embedded(x: Any) -> Any:
    index = keras.ops.cast(keras.ops.clip(keras.ops.abs(x[:, :2]), 0, 3), "int32")
    # Beside it, x itself: through whole numbers alone, the layer before would have no gradient.
    return layers.Concatenate()([layers.Flatten()(layers.Embedding(4, 3)(index)), x])


def _two(x: Any) -> list[Any]:
    return [layers.Dense(6, activation="tanh")(x), layers.Dense(6)(x)]


LAYERS: dict[str, Any] = {
    "Activation": lambda x: layers.Activation("tanh")(x),
    "ActivityRegularization": lambda x: layers.ActivityRegularization(l1=0.01, l2=0.01)(x),
    "Add": lambda x: layers.Add()(_two(x)),
    "AlphaDropout": lambda x: layers.AlphaDropout(0.2)(x),
    "Average": lambda x: layers.Average()(_two(x)),
    "BatchNormalization": lambda x: layers.BatchNormalization()(x),
    "Concatenate": lambda x: layers.Concatenate()(_two(x)),
    "Dense": lambda x: layers.Dense(3)(x),
    "Dot": lambda x: layers.Dot(1)(_two(x)),
    "Dropout": lambda x: layers.Dropout(0.3)(x),
    "ELU": lambda x: layers.ELU()(x),
    "EinsumDense": lambda x: layers.EinsumDense("ab,bc->ac", output_shape=4, bias_axes="c")(x),
    "Embedding": _embedded,
    "Flatten": lambda x: layers.Flatten()(_sequence(x)),
    "GaussianDropout": lambda x: layers.GaussianDropout(0.2)(x),
    "GaussianNoise": lambda x: layers.GaussianNoise(0.2)(x),
    "GlobalAveragePooling1D": lambda x: layers.GlobalAveragePooling1D()(_sequence(x)),
    "GlobalMaxPooling1D": lambda x: layers.GlobalMaxPooling1D()(_sequence(x)),
    "GroupNormalization": lambda x: layers.GroupNormalization(2)(x),
    "Identity": lambda x: layers.Identity()(x),
    "Lambda": lambda x: layers.Lambda(lambda a: a * 2)(x),
    "LayerNormalization": lambda x: layers.LayerNormalization()(x),
    "LeakyReLU": lambda x: layers.LeakyReLU()(x),
    "Maximum": lambda x: layers.Maximum()(_two(x)),
    "Minimum": lambda x: layers.Minimum()(_two(x)),
    "MultiHeadAttention": lambda x: layers.Flatten()(
        layers.MultiHeadAttention(2, 3)(_sequence(x), _sequence(x))
    ),
    "Multiply": lambda x: layers.Multiply()(_two(x)),
    "Normalization": lambda x: layers.Normalization(mean=0.5, variance=2.0)(x),
    "PReLU": lambda x: layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2))(x),
    "Permute": lambda x: layers.Flatten()(layers.Permute((2, 1))(_sequence(x))),
    "RMSNormalization": lambda x: layers.RMSNormalization()(x),
    "ReLU": lambda x: layers.ReLU(negative_slope=0.1)(x),
    "RepeatVector": lambda x: layers.Flatten()(layers.RepeatVector(2)(x)),
    "Rescaling": lambda x: layers.Rescaling(0.5, offset=0.1)(x),
    "Reshape": lambda x: layers.Flatten()(layers.Reshape((2, 3))(x)),
    "Softmax": lambda x: layers.Softmax()(x),
    "SpatialDropout1D": lambda x: layers.Flatten()(layers.SpatialDropout1D(0.3)(_sequence(x))),
    "Subtract": lambda x: layers.Subtract()(_two(x)),
    "TimeDistributed": lambda x: layers.Flatten()(layers.TimeDistributed(layers.Dense(3))(_sequence(x))),
    "UnitNormalization": lambda x: layers.UnitNormalization()(x),
    "Functional": lambda x: _inner()(x),
    "Sequential": lambda x: keras.Sequential([layers.Dense(4, activation="tanh")])(x),
}
"""A piece of a model with each layer: it takes and returns a tensor of shape (rows, units)."""


def _inner() -> keras.Model:
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(4, activation="tanh")(inputs))


REGULARIZERS: dict[str, Any] = {
    "L1": lambda: keras.regularizers.L1(0.01),
    "L2": lambda: keras.regularizers.L2(0.01),
    "L1L2": lambda: keras.regularizers.L1L2(0.01, 0.01),
    "OrthogonalRegularizer": lambda: keras.regularizers.OrthogonalRegularizer(0.01),
}
CONSTRAINTS: dict[str, Any] = {
    "MaxNorm": lambda: keras.constraints.MaxNorm(0.5),
    "MinMaxNorm": lambda: keras.constraints.MinMaxNorm(0.2, 0.6),
    "NonNeg": keras.constraints.NonNeg,
    "UnitNorm": keras.constraints.UnitNorm,
}
SCHEDULES: dict[str, Any] = {
    "CosineDecay": lambda rate: keras.optimizers.schedules.CosineDecay(
        rate, 5, warmup_target=2 * rate, warmup_steps=2
    ),
    "CosineDecayRestarts": lambda rate: keras.optimizers.schedules.CosineDecayRestarts(rate, 3),
    "ExponentialDecay": lambda rate: keras.optimizers.schedules.ExponentialDecay(rate, 2, 0.5),
    "InverseTimeDecay": lambda rate: keras.optimizers.schedules.InverseTimeDecay(rate, 2, 0.5),
    "PiecewiseConstantDecay": lambda rate: keras.optimizers.schedules.PiecewiseConstantDecay(
        [2], [rate, rate / 2]
    ),
    "PolynomialDecay": lambda rate: keras.optimizers.schedules.PolynomialDecay(rate, 3),
}

BINARY = proven.words(
    "BinaryCrossentropy BinaryFocalCrossentropy Hinge SquaredHinge binary_crossentropy binary_focal_crossentropy hinge"
    " squared_hinge AUC BinaryAccuracy FalseNegatives FalsePositives Precision Recall TrueNegatives TruePositives"
    " binary_accuracy"
)
ONE_HOT = proven.words(
    "CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge KLDivergence categorical_crossentropy"
    " categorical_focal_crossentropy categorical_hinge kl_divergence CategoricalAccuracy F1Score FBetaScore"
    " TopKCategoricalAccuracy categorical_accuracy top_k_categorical_accuracy"
    # Of a single number, the cosine is a sign, and its gradient nothing but rounding.
    " CosineSimilarity cosine_similarity"
)
CODES = proven.words(
    "SparseCategoricalCrossentropy sparse_categorical_crossentropy SparseCategoricalAccuracy"
    " SparseTopKCategoricalAccuracy sparse_categorical_accuracy sparse_top_k_categorical_accuracy"
)
WRAPPERS = ["LossFunctionWrapper", "MeanMetricWrapper", "Mean"]
"""Classes that a user meets only as the base or the inside of others."""


@dataclass(frozen=True)
class Example:
    """What proves some names.

    Attributes:
        kind, names: what it proves.
        target: "number", "binary", "one_hot" or "codes".
    """

    kind: str
    names: tuple[str, ...]
    target: str = "number"

    def __str__(self) -> str:
        return f"{self.kind}-{self.names[0] if len(self.names) == 1 else self.target}"


def _target(name: str) -> str:
    for target, names in {"binary": BINARY, "one_hot": ONE_HOT, "codes": CODES}.items():
        if name in names:
            return target
    return "number"


def examples() -> list[Example]:
    """Return the examples that prove all lists."""
    found = [Example("layer", (name,)) for name in sorted(proven.LAYERS & set(LAYERS))]
    found += [
        Example("loss", (name,), _target(name)) for name in sorted(proven.LOSSES) if name not in WRAPPERS
    ]
    for target in ("number", "binary", "one_hot", "codes"):
        names = [n for n in sorted(proven.METRICS) if _target(n) == target and n not in WRAPPERS]
        found.append(Example("metric", tuple(names), target))
    for kind in ("activation", "optimizer", "regularizer", "constraint", "schedule"):
        found.append(Example(kind, tuple(sorted(proven.LISTS[kind]))))
    return found


def build(kind: str, names: list[str], target: str, which: str = "", rate: float = 0.01) -> keras.Model:
    """Return the model of an example.

    Args:
        kind, names, target: of the example.
        which: the optimizer or schedule, which are lanes of one program.
        rate: the learning rate.
    """
    inputs = keras.Input((6,))
    x = layers.Dense(6, activation="tanh")(inputs)
    if kind == "layer":
        x = LAYERS[names[0]](x)
    if kind == "activation":
        x = layers.Concatenate()([layers.Dense(2, activation=name)(x) for name in names])
    if kind == "regularizer":
        x = layers.Concatenate()(
            [layers.Dense(2, kernel_regularizer=REGULARIZERS[name]())(x) for name in names]
        )
    if kind == "constraint":
        x = layers.Concatenate()(
            [layers.Dense(2, kernel_constraint=CONSTRAINTS[name]())(x) for name in names]
        )
    learning_rate = SCHEDULES[which](rate) if kind == "schedule" else rate
    optimizer = (
        getattr(keras.optimizers, which)(rate)
        if kind == "optimizer"
        else keras.optimizers.Adam(learning_rate)
    )
    head = {
        "number": ("linear", 1),
        "binary": ("sigmoid", 1),
        "one_hot": ("softmax", 3),
        "codes": ("softmax", 3),
    }
    if kind == "loss" and target == "number":
        head["number"] = ("softplus", 1)  # some losses take the logarithm of the output
    activation, units = head[target]
    losses = {
        "number": "mse", "binary": "binary_crossentropy", "one_hot": "categorical_crossentropy",
        "codes": "sparse_categorical_crossentropy",
    }  # fmt: skip
    loss = getattr(keras.losses, names[0]) if kind == "loss" else losses[target]
    metrics = [_metric(name) for name in names] if kind == "metric" else []
    model = keras.Model(inputs, layers.Dense(units, activation=activation)(x))
    model.compile(optimizer, loss() if isinstance(loss, type) else loss, metrics=metrics)
    return model


def _metric(name: str) -> Any:
    found = getattr(keras.metrics, name, None) or getattr(keras.losses, name)
    if not isinstance(found, type):
        return keras.metrics.MeanMetricWrapper(found, name=f"function_{name}")
    found = found if issubclass(found, keras.metrics.Metric) else getattr(keras.metrics, name)
    given = (
        {"average": "macro"} if name in ("F1Score", "FBetaScore") else {}
    )  # else they log a number for each class
    return found(name=f"class_{name}", **given)


def table() -> str:
    """Return the table of what is fused, as Markdown."""
    lines = ["| part of a model | of Keras | proof |", "|---|---|---|"]
    found: dict[str, list[Example]] = {}
    for example in examples():
        found.setdefault(example.kind, []).append(example)
    for kind, some in found.items():
        names = ", ".join(f"`{name}`" for example in some for name in example.names)
        what = (
            "one program for each"
            if len(some) == sum(len(one.names) for one in some)
            else "together in programs"
        )
        lines.append(f"| {kind} | {names} | `test_each_class.py`, {what}: {len(some)} |")
    return "\n".join(lines) + "\n"


def write(readme: Path = README) -> None:
    """Replace the table in the README."""
    before, _, rest = readme.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    readme.write_text(f"{before}{BEGIN}{table()}{END}{after}")


if __name__ == "__main__":
    write()
