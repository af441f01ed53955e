"""Lists the classes and functions of Keras that are proven to train in a program, and decides about one by its exact class.

A class of Keras that is not listed is refused, even if it is a subclass of a listed one. The lists are for Keras 3.15:
tests prove each entry. Classes and functions of users are not listed: they count by their content (see `tokens`), and each
program that has one is proven by training.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import keras

from trainables.fused.model.code import home_of, words

LAYERS = words(
    "Activation ActivityRegularization Add AlphaDropout Average BatchNormalization Concatenate Dense Dot Dropout ELU"
    " EinsumDense Embedding Flatten GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalMaxPooling1D"
    " GroupNormalization Identity InputLayer Lambda LayerNormalization LeakyReLU Maximum Minimum MultiHeadAttention"
    " Multiply Normalization PReLU Permute RMSNormalization ReLU RepeatVector Rescaling Reshape Softmax"
    " SpatialDropout1D Subtract TimeDistributed UnitNormalization"
    " Functional Model Sequential"
)
"""Layers, and the kinds of models that may be inside a model."""

OPTIMIZERS = words("Adadelta Adafactor Adagrad Adam AdamW Adamax Ftrl Lamb Lion Nadam RMSprop SGD")

ELEMENTWISE = frozenset(
    getattr(keras.optimizers, name)
    for name in ("SGD", "RMSprop", "Adam", "AdamW", "Adamax", "Nadam", "Adagrad", "Adadelta", "Ftrl", "Lion")
)
"""Optimizers whose update of a weight does not depend on other weights."""

LOSSES = words(
    "BinaryCrossentropy BinaryFocalCrossentropy CategoricalCrossentropy CategoricalFocalCrossentropy CategoricalHinge"
    " CosineSimilarity Hinge Huber KLDivergence LogCosh LossFunctionWrapper MeanAbsoluteError"
    " MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogarithmicError Poisson SparseCategoricalCrossentropy"
    " SquaredHinge"
    " binary_crossentropy binary_focal_crossentropy categorical_crossentropy categorical_focal_crossentropy"
    " categorical_hinge cosine_similarity hinge huber kl_divergence log_cosh mean_absolute_error"
    " mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error poisson"
    " sparse_categorical_crossentropy squared_hinge"
)
"""Classes, and the functions that `compile` accepts."""

METRICS = frozenset(n for n in LOSSES if n.islower() or hasattr(keras.metrics, n)) | words(
    "AUC Accuracy BinaryAccuracy CategoricalAccuracy F1Score FBetaScore FalseNegatives FalsePositives LogCoshError Mean"
    " MeanMetricWrapper Precision R2Score Recall RootMeanSquaredError SparseCategoricalAccuracy"
    " SparseTopKCategoricalAccuracy TopKCategoricalAccuracy TrueNegatives TruePositives"
    " binary_accuracy categorical_accuracy sparse_categorical_accuracy sparse_top_k_categorical_accuracy"
    " top_k_categorical_accuracy"
)
"""Classes, and the functions that `compile` accepts: functions of losses are metrics too."""

ACTIVATIONS = words(
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid log_softmax"
    " mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid squareplus"
    " tanh tanh_shrink"
)

REGULARIZERS = words("L1 L1L2 L2 OrthogonalRegularizer")

CONSTRAINTS = words("MaxNorm MinMaxNorm NonNeg UnitNorm")

SCHEDULES = words(
    "CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay PiecewiseConstantDecay PolynomialDecay"
)

LISTS = {
    "layer": LAYERS,
    "optimizer": OPTIMIZERS,
    "loss": LOSSES,
    "metric": METRICS,
    "activation": ACTIVATIONS,
    "regularizer": REGULARIZERS,
    "constraint": CONSTRAINTS,
    "schedule": SCHEDULES,
}
"""The lists, by the word for their entries in messages."""

_SHORT = ("acc", "accuracy", "ce", "crossentropy")
"""Words for which `compile` looks at the shapes of the outputs to choose one of the listed classes."""


def why_unproven(word: str, item: Any) -> str | None:
    """Return why a part of a model is not fused, or None if it may be.

    Args:
        word: what it is: one of the keys of `LISTS`.
        item: an object, a class or a function; for a loss, metric or activation also a name for it.
    """
    if isinstance(item, str) and item in _SHORT:
        return None
    kind = _named(word, item) if isinstance(item, str) else _kind_of(item)
    if not home_of(kind).startswith("keras.") or kind.__name__ in LISTS[word]:
        return None
    if word == "activation" and not home_of(kind).startswith(
        keras.activations.relu.__module__.rpartition(".")[0]
    ):
        return None  # an operation, which users' functions may call too
    return f"the {word} {kind.__name__} of Keras is not among those proven to train in a program"


@functools.cache  # Keras makes a metric, with its variables, to look one up
def _named(word: str, name: str) -> Any:
    """Return the class or function that `compile` takes a name for."""
    modules: dict[str, Any] = {
        "loss": keras.losses, "metric": keras.metrics, "activation": keras.activations,
    }  # fmt: skip
    return _kind_of(modules[word].get(name))


def _kind_of(item: Any) -> Any:
    return item if isinstance(item, type | types.FunctionType) else type(item)
