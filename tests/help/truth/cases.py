"""The cases: a small space for each builder of this folder, and the engines that may train its points."""

from dataclasses import dataclass, field
from typing import Any

RATES = [0.02, 0.005]
"""Learning rates of most cases."""

MANY = [0.02, 0.015, 0.01, 0.007, 0.005]

NAMES = ["a", "b", "c", "d", "e", "f", "g", "head_1"]
"""Names of a layer. Only the last one counts, and few of the proofs' members have it."""


@dataclass(frozen=True)
class Case:
    """A builder and its space.

    Attributes:
        file, function: where the builder is.
        space: the axes.
        target: "number", or "class" (0 and 1 in equal parts), or "rare" (one in eight is 1).
        only: where axes act, if they do not act at all points.
        engines: the engines that may train its points; without "keras" they must share a program, as they always did.
    """

    file: str
    function: str
    space: dict[str, list[Any]] = field(hash=False)
    target: str = "number"
    engines: tuple[str, ...] = ("native", "fused", "keras")
    only: dict[str, str] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.file}-{self.function}"


FUSED = ("native", "fused")
KERAS = ("keras",)

CASES = [
    # Axes that act only together with others; the first value of each is one on which the others do nothing.
    Case(
        "conditional",
        "momentum",
        {"optimizer": ["adam", "sgd"], "momentum": [0.9, 0.0], "rate": RATES},
        engines=FUSED,
    ),
    Case(
        "conditional",
        "strength",
        {"kind": ["none", "l1", "l2"], "strength": [0.1, 0.01], "rate": RATES},
        engines=FUSED,
    ),
    Case("conditional", "slope", {"activation": ["relu", "leaky"], "slope": [0.1, 0.4], "rate": RATES}),
    Case("conditional", "delta", {"loss": ["mse", "huber"], "delta": [0.2, 1.0], "rate": RATES}),
    Case(
        "conditional",
        "schedule",
        {"schedule": ["constant", "cosine"], "rate": RATES, "units": [4, 6]},
        engines=FUSED,
    ),
    Case(
        "conditional",
        "decay",
        {"optimizer": ["adam", "adamw"], "decay": [0.1, 0.01], "rate": RATES},
        engines=FUSED,
    ),
    Case(
        "conditional",
        "unnormalized",
        {"batch": [True, False], "kind": ["none", "l1", "l2"], "rate": MANY, "strength": [0.1, 0.01]},
        engines=FUSED,
    ),
    Case("conditional", "three", {"a": [0, 1], "b": [0, 1], "c": [0, 1]}, engines=FUSED),
    Case(
        "conditional",
        "depth",
        {"layers": [1, 2, 3], "width_2": [4, 8], "width_3": [2, 4]},
        engines=FUSED,
        only={"width_2": "layers >= 2", "width_3": "layers >= 3"},
    ),
    # Changes aside from the usual ways. There are rates enough for the proof to miss the points that differ.
    Case("aside", "moved", {"center": [True, False], "rate": MANY}),
    Case("aside", "excluded", {"head": ["dense_1", "dense"], "rate": MANY}, engines=FUSED),
    Case(
        "aside",
        "frozen",
        {"kind": ["batch", "layer"], "part": ["gamma", "beta"], "on": [False, True], "rate": MANY},
        engines=FUSED,
    ),
    Case(
        "aside",
        "frozen_branch",
        {"which": ["one", "other"], "on": [False, True], "rate": MANY},
        engines=FUSED,
    ),
    Case(
        "aside",
        "clipped",
        {"optimizer": ["sgd", "value", "adam"], "clip": [0.05, 0.0, -1.0], "rate": MANY},
        engines=FUSED,
    ),
    Case("aside", "adapted", {"mode": ["plain", "wide"], "width": [1.0, 5.0], "rate": MANY}, engines=FUSED),
    Case(
        "aside",
        "constant",
        {"kind": ["plain", "scaled"], "factor": [1.0, 0.2], "rate": MANY},
        engines=("fused",),
    ),
    Case("aside", "arguments", {"seed": [1, 2], "rate": MANY}, engines=("fused",)),
    Case(
        "aside",
        "nested",
        {"penalty": ["none", "l2"], "strength": [0.5, 0.05], "rate": MANY},
        engines=("fused",),
    ),
    Case("aside", "slowed", {"name": NAMES, "rate": RATES}),
    Case("aside", "penalized", {"name": NAMES, "rate": RATES}, engines=("fused",)),
    Case("aside", "collides", {"name": NAMES, "rate": RATES}, engines=("fused",)),
    Case(
        "aside", "strengths", {"kind": ["none", "l2"], "strength": [0.1, 0.02], "rate": MANY}, engines=FUSED
    ),
    Case("attributes", "frozen", {"freeze_at": [15, 25], "rate": RATES}, engines=KERAS),
    Case("attributes", "of_model", {"beta": [0.5, 20.0], "rate": MANY}, engines=("fused",)),
    Case("attributes", "of_activation", {"activation": ["relu", "tanh"], "rate": MANY}, engines=FUSED),
    # Optimizers.
    Case("optimizers", "centralized", {"momentum": [0.0, 0.9], "rate": RATES}),
    Case("optimizers", "signed", {"sign": [False, True], "rate": RATES}),
    Case("optimizers", "lookahead", {"init": ["he_normal", "glorot_normal"], "rate": RATES}),
    Case("optimizers", "schedule_free", {"init": ["he_normal", "glorot_normal"], "rate": RATES}),
    Case("optimizers", "own_schedule", {"warmup": [2, 9], "rate": RATES}),
    Case("optimizers", "beta", {"beta": [0.999, 0.99999], "rate": RATES}),
    Case("optimizers", "stopped", {"units": [4, 6], "rate": RATES}, engines=KERAS),
    Case("optimizers", "stopped_by_activation", {"activation": ["tanh", "stopping"], "rate": RATES}),
    # Metrics and losses.
    Case("metrics", "f1_of_a_batch", {"activation": ["relu", "tanh"], "rate": RATES}, "rare"),
    Case("metrics", "precision", {"activation": ["relu", "tanh"], "rate": RATES}, "rare"),
    Case("metrics", "correlation", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case("metrics", "of_a_closure", {"quantile": [0.2, 0.8], "rate": RATES}),
    Case("metrics", "names", {"name": ["error", "mistake"], "rate": RATES}),
    Case("metrics", "never_reset", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case("metrics", "with_state", {"activation": ["relu", "tanh"], "rate": RATES}, "class"),
    Case("metrics", "loss_with_state", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case("metrics", "of_few_rows", {"activation": ["relu", "tanh"], "rate": RATES}, engines=("fused",)),
    Case("metrics", "flooded", {"level": [1.5, 3.0], "rate": RATES}, engines=("fused",)),
    Case("metrics", "whole", {"activation": ["relu", "tanh"], "rate": RATES}, engines=FUSED),
    # Layers.
    Case("layers", "renormalized", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case("layers", "watched", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case(
        "layers", "normalizations", {"kind": ["renorm", "layer", "rms", "unit", "plain"], "rate": RATES[:1]}
    ),
    Case("layers", "updated_in_validation", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case("layers", "always_dropping", {"share": [0.2, 0.4], "rate": RATES}),
    Case("layers", "seeded", {"share": [0.2, 0.4], "rate": RATES}, engines=FUSED),
    Case("layers", "ranged", {"activation": ["relu", "tanh"], "rate": RATES}),
    Case("layers", "replica", {"replica": [1, 2, 3], "rate": RATES}, engines=FUSED),
    Case("layers", "checked", {"most": [1e6, 2e6], "rate": RATES}, engines=KERAS),
    # State of the module.
    Case("policy", "build", {"units": [4, 6], "rate": RATES}, engines=KERAS),
    Case("epsilon", "build", {"loss": ["mape", "msle", "mae"], "rate": RATES}, engines=("fused",)),
    Case("epsilon", "by_axis", {"least": [1.0, 1e-2, 1e-7], "rate": RATES}, engines=FUSED),
    Case(
        "epsilon",
        "by_axis_of_keras",
        {"least": [1e-2, 1e-4, 1e-7], "loss": ["binary_crossentropy"], "rate": [0.02, 0.01, 0.005]},
        "class",
        engines=FUSED,
    ),
    Case(
        "epsilon",
        "by_axis_of_keras",
        {"least": [1e-7, 1e-2, 1.0], "loss": ["mape", "msle"], "rate": [0.02, 0.01, 0.005]},
        engines=FUSED,
    ),
    Case("initializers", "build", {"init": ["he", "glorot"], "rate": RATES}),
    Case("reads_global", "build", {"low": [0.5, 1.0, 2.0], "rate": RATES}),
    Case("reads_global", "from_dictionary", {"alpha": [0.5, 1.0, 2.0], "units": [4]}),
    Case("reads_global", "of_module", {"alpha": [0.1, 0.5], "rate": MANY}, engines=FUSED),
    Case("cached", "build", {"units": [4, 6], "rate": RATES}),
    Case("cached", "of_settings", {"alpha": [0.0, 4.0], "rate": MANY}, engines=KERAS),
    Case("cached", "of_loss", {"alpha": [0.0, 4.0], "rate": MANY}),
    Case("traced", "environment", {"alpha": [0.1, 0.5], "rate": MANY}),
    Case("traced", "namespace", {"alpha": [0.1, 0.5], "rate": MANY}),
    Case("traced", "method", {"alpha": [0.1, 0.5], "rate": MANY}),
    Case("traced", "pure", {"units": [4, 6], "rate": RATES}, engines=FUSED),
    # Settings that limit `fit`, or let it run without graphs.
    Case("limited", "epochs", {"activation": ["relu", "tanh"], "rate": RATES}, engines=KERAS),
    Case("limited", "steps", {"activation": ["relu", "tanh"], "rate": RATES}, engines=KERAS),
    Case("limited", "eagerly", {"delay": [20, 30], "rate": RATES[:1]}, engines=KERAS),
    # State outside of what Keras tracks; much of it counts only after more steps than a proof has.
    Case("state", "steps", {"delay": [10, 20], "rate": RATES}, engines=KERAS),
    Case("state", "late", {"delay": [10.0, 20.0], "rate": RATES}, engines=KERAS),
    Case("state", "summed", {"delay": [10.0, 20.0], "rate": RATES}, engines=KERAS),
    Case("state", "untracked", {"delay": [10.0, 20.0], "rate": RATES}, engines=KERAS),
    Case("state", "centered", {"delay": [10.0, 20.0], "rate": RATES}, engines=KERAS),
    Case("state", "centered_by_integer", {"delay": [10.0, 20.0], "rate": RATES}, engines=("fused", "keras")),
    Case("state", "halved", {"delay": [10.0, 20.0], "rate": RATES}, engines=("fused", "keras")),
    Case("state", "environment", {"alpha": [0.1, 0.5], "rate": MANY}, engines=FUSED),
    Case("state", "calls", {"units": [4, 6], "rate": RATES}, engines=KERAS),
    Case("state", "popped", {"blocks": [[[8], [4]], [[6, 4]], [[5]]], "rate": RATES}, engines=FUSED),
    Case("late", "in_a_branch", {"delay": [10, 20], "rate": RATES}, engines=KERAS),
    Case("late", "whitened", {"delay": [10.0, 20.0], "rate": RATES}, engines=("fused", "keras")),
    Case("late", "falling", {"least": [0.6, 0.4], "rate": RATES}, engines=("fused", "keras")),
    Case("late", "between", {"delay": [10.0, 20.0], "rate": RATES}, engines=("fused", "keras")),
    # Draws without a seed of a layer; a rate of 5% does nothing in nearly all steps of a proof.
    Case("drawn", "features", {"scale": [0.3, 1.0], "rate": RATES}),
    Case("drawn", "dropped", {"share": [0.05, 0.2], "rate": RATES}, engines=KERAS),
    Case("drawn", "dropped_by_tensorflow", {"share": [0.05, 0.2], "rate": RATES}, engines=KERAS),
    Case("drawn", "shaken", {"momentum": [0.0, 0.9], "rate": RATES}, engines=KERAS),
]
