"""What is said when many points leave the fused engine: how many, what that costs, why, and what would let them fuse."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sweep.process.tally import Tally

SHARE = 0.1
"""The share of a sweep's points above which a person is told."""

_SHOWN = 2
"""How many reasons are named."""

REMEDIES = (
    (
        r"the model has a \w+ of its own",
        "express what the model's own step does by a loss, by add_loss, or by layers",
    ),
    (r"run_eagerly", "compile without run_eagerly=True"),
    (r"run_functions_eagerly", "remove tf.config.run_functions_eagerly(True)"),
    (
        r"max_epochs|max_steps_per_epoch",
        "remove the limit; to train fewer epochs, set `fit: {epochs: N}` in the plan",
    ),
    (r"jit_compile", "compile without jit_compile=True; the fused engine uses XLA anyway"),
    (
        r"not built before its first batch",
        "begin the model with keras.Input of the builder's argument input_shape",
    ),
    (r"nothing to train", "leave some weights trainable"),
    (
        r"keeps a core busy",
        "nothing has to be done: a model of this size gains nothing from sharing a program",
    ),
    (r"not all float32", "use the dtype policy float32"),
    (r"recurrent layer", "use dense layers or attention in its place, if you can"),
    (r"convolution", "use dense layers in its place, if you can"),
    (r"scales the loss", "leave out loss_scale_factor and LossScaleOptimizer"),
    (r"averages weights or accumulates", "leave out use_ema and gradient_accumulation_steps"),
    (r"learning rate is a function", "give the optimizer a number or a LearningRateSchedule"),
    (
        r"changes its Python attributes",
        "keep what the layer counts in a weight (add_weight), not in an attribute",
    ),
    (r"no usable get_config", "give the layer a get_config that returns its arguments"),
    (r"cannot be copied", "use an optimizer of Keras, or override update_step only"),
    (r"has a \w+ of its own", "use an optimizer of Keras, or override update_step only"),
    (
        r"starts from the weights|assigns to variables",
        "let the optimizer's build only make variables, of constants",
    ),
    (r"not among those proven", "use a class from the table in trainables/fused/README.md"),
    (
        r"does not train them as Keras does",
        "the reason names what differs: some part of the model keeps a state that a program cannot carry",
    ),
    (r"cannot be compared between models", "let functions read numbers, lists or arrays"),
    (r"not deterministic", "use no clock, and draw random numbers that the plan's seed sets"),
    (r"clips a sparse gradient", "leave out the clipping, or give the Embedding a regularizer"),
    (r"sparse gradient has different regularizers", "give the Embedding the same regularizer in all points"),
    (
        r"gives other numbers each time",
        "draw by keras.random in a layer with a SeedGenerator, and count in a weight",
    ),
    (r"checks values", "remove tf.debugging from layers, losses and metrics"),
    (r"has no gradient for the weight", "set trainable = False of layers that are not trained"),
    (r"activation function draws random numbers", "draw random numbers in a layer, with a SeedGenerator"),
    (r"draws random numbers", "draw by keras.random.uniform or keras.random.normal, in float32"),
    (r"compared with one other than zero", "make that number an axis of fewer values, or do not compare it"),
    (r"derived initial values differ", "let the builder's model depend on nothing but its arguments"),
    (r"Keras raises an error, too", "mend what the column error of their rows names"),
    (r"cannot be compiled", "use operations that XLA can compile in place of the one that is named"),
    (r"worker died", "see sweep.log in the run's folder; a lower resources.memory_mb may help"),
)
"""Patterns of the reasons that the fused engine gives, and for each what would let such a point fuse."""

_FALLBACK = "`sweep plan` shows the groups, and trainables/README.md what fuses"


def remedy(why: str) -> str:
    """Return what would let points fuse that are trained one by one for the reason `why`."""
    return next((text for pattern, text in REMEDIES if re.search(pattern, why)), _FALLBACK)


def warning(by_reason: Mapping[str, int], asked: int, point_s: float, workers: int) -> str:
    """Return one line about the points that leave the fused engine; empty if they are at most a tenth.

    Args:
        by_reason: how many points left, by reason.
        asked: how many points there are in all.
        point_s: core seconds that Keras takes for one point; 0 if unknown.
        workers: trials that can run at once.
    """
    left = sum(by_reason.values())
    if left <= SHARE * asked:
        return ""
    reasons = sorted(by_reason.items(), key=lambda item: -item[1])
    shown = [f"{why} ({count:,} points)" for why, count in reasons[:_SHOWN]]
    if more := len(reasons) - _SHOWN:
        shown += [f"{more} more reason{'s' if more > 1 else ''}"] if more > 0 else []
    remedies = dict.fromkeys(remedy(why) for why, _ in reasons[:_SHOWN])
    cost = f", which takes about {about(left * point_s / max(1, workers))} more" if point_s else ""
    return (
        f"{left:,} of {asked:,} points ({left / asked:.0%}) leave the fused engine and are trained one by one by Keras"
        f"{cost}. Why: {'; '.join(shown)}. To let them fuse: {'; '.join(remedies)}."
    )


def of_tally(tally: Tally) -> str:
    """Return `warning` for a running or finished sweep, from the seconds that its own points took by Keras, if any did."""
    by_reason = {why: int(lot["points"]) for why, lot in tally.one_by_one.items()}
    point_s = tally.spent_s.get("keras", 0.0) / tally.by_keras if tally.by_keras else tally.guess_s
    return warning(by_reason, tally.asked, point_s, tally.workers)


def about(seconds: float) -> str:
    """Return a rough duration, such as `40 min`."""
    if seconds < 90:
        return f"{max(1, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
