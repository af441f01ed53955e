"""Says whether a user's loss or metric may mix the rows of a batch, so that its value depends on which rows are in it.

Keras evaluates batch by batch. That of all rows at once is the same for a mean over rows, but not for a function of a batch.
No sample of rows shows which of both a function is: an error of rare rows is 0 on most samples, and a loss may be a mean
over rows above some level only. So what is not Keras' own counts as a function of a batch, unless its operations prove that
it makes each row's number from this row alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from trainables.fused.internals.measures import Computed, computed_loss, computed_losses, computed_metrics
from trainables.fused.internals.models import layers_of
from trainables.fused.model.parts import is_users
from trainables.fused.program.template import Template
from trainables.native.expressions.formula import NoExpressionError
from trainables.native.expressions.translate import expression_of

_MEANS = ("sum_over_batch_size", "mean")
"""Reductions of a loss that make the mean over rows."""

_OWN = ("keras.src.losses", "keras.src.metrics")
"""Where Keras' own losses and metrics are. Other functions of Keras, such as `keras.ops.max`, may mix rows."""


def may_mix_rows(template: Template, is_weighted: bool) -> bool:
    """Return whether the loss or a metric of a template's models may be another function of a batch than a mean over rows.

    Of what is Keras' own, a sample of rows shows that; see `Template.is_additive`.

    Args:
        template: its model has seen a batch.
        is_weighted: whether there are weights of rows.
    """
    model = template.model
    if any(
        getattr(type(model), n) is not getattr(keras.Model, n) for n in ("compute_loss", "compute_metrics")
    ):
        return True
    if template.has_other_penalties and any(map(_may_penalize_batches, layers_of(model))):
        return True
    if template.rows.y.shapes:  # the loss is the sum of those of the outputs
        losses = computed_losses(model)
        return not losses or not _are_own_means(*losses, *computed_metrics(model))
    loss = computed_loss(model)
    if loss is None:  # with a weight, for example
        return True
    target, outputs = template.sample[1].shape[1:], getattr(model, "output_shape", None)
    if not isinstance(outputs, tuple) or len(outputs) != 2:
        return not _are_own_means(loss, *computed_metrics(model))
    return not all(
        _is_of_rows(one, target, outputs[1], is_weighted) for one in (loss, *computed_metrics(model))
    )


def counts_batches(template: Template) -> bool:
    """Return whether each batch counts once in a log, however many rows it has: in the loss of each of several outputs."""
    return bool(template.rows.y.shapes) and len(computed_losses(template.model) or ()) > 1


def is_own(computed: Computed) -> bool:
    """Return whether a loss or a metric is Keras' own, and so is the function that it computes."""
    parts = (computed.kind, computed.function)
    return all(str(getattr(part, "__module__", "")).startswith(_OWN) for part in parts if part is not None)


def _are_own_means(*every: Computed) -> bool:
    return all(_is_own_mean(one) and one.reduction in _MEANS for one in every)


def _is_own_mean(computed: Computed) -> bool:
    """Return whether a sample of rows shows what a loss or a metric is.

    A loss that ignores a class is a mean over the other rows of a batch, and a sample may have no row of that class.
    """
    ignores = computed.is_loss and computed.arguments.get("ignore_class") is not None
    return is_own(computed) and not ignores


def _is_of_rows(computed: Computed, target: Sequence[int], outputs: int, is_weighted: bool) -> bool:
    if computed.reduction not in _MEANS:
        return False
    if _is_own_mean(computed):
        return True
    if computed.rows is None:
        return False
    try:
        found = expression_of(computed.rows, target, outputs, "linear", computed.is_loss)
    except NoExpressionError:
        return False
    return found.can_weigh or not (is_weighted and (computed.is_loss or computed.weighted))


def _may_penalize_batches(layer: Any) -> bool:
    """Return whether a layer may add a penalty of a batch by code of the user."""
    return is_users(layer) or is_users(layer.activity_regularizer)
