"""Trains a few members of a program by Keras' own `fit` too, and compares everything that training changes.

The program is the compiled one that trains all points later. Both train the same few batches, the smaller last one among
them, through two short epochs with validation. They start from weights and states that differ from the initial ones by
random numbers, because zeros and fresh states hide errors: a layer whose weights are all zero passes nothing on.

The proof compares the logs on both kinds of rows, all variables of the model, and those of the optimizer. Rounding does not
count as a difference. A member that differs is trained once more by both, on the same rows, from weights moved by a little
more than rounding: an error shows again, but a value that was rounded to the other side of an activation's kink does not.
Some steps magnify rounding, such as a step of Adam with a gradient near zero. So if the member still differs, Keras trains
again from weights nudged by one rounding, and the distance between its two runs is the measure. The nudged model is built
anew, so the proof first shows that such a model trains as the first one did.

Further members make one step on one batch, and one batch of validation; two if users' code or an operation outside of layers
may mix the rows of a batch. `trainables.fused.training.choice` chooses the members. Programs that have only Keras' own parts
share these members: one of these programs shows each value of the axes, since descriptions tell all that Keras' own parts do
with it.

A brief proof is such a step for all of its members. It is enough where the worker has proven a program of the same kind in
full: with the same layers of Keras in the same order, loss, metrics, batch size and kind of rows, but other numbers of
units. The optimizers and activations must have been proven, too. Losses, metrics and activations of the user's own are parts
of the kind; with layers or optimizers of the user's own, each program is proven in full.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Container, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.compose.members import Members
from trainables.fused.model.describe import kind_of, users_parts
from trainables.fused.model.parts import has_operations, has_users_parts
from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.late import CHANGES, Change, later
from trainables.fused.program.optimizers import slots_by_name
from trainables.fused.program.template import Stack
from trainables.fused.training.choice import MORE, chosen, unproven

EPOCHS = 2
"""Epochs of a proof: a state that should start anew with each epoch, but does not, shows in the second."""

RTOL = 2e-5
"""Tolerance, relative to the largest number of a variable or to a log. Float32 sums in another order differ by less."""

NUDGES = 20.0
"""Allowed multiple of the distance between two runs of Keras that start one rounding apart."""

ATTEMPTS = 2
"""The second attempt has the rows of the first one, so that an error which shows on few rows only is not overlooked."""

MOVED = 64
"""By how many roundings the second attempt moves the weights: far enough from a kink, and too little to hide an error."""

Build = Callable[[int], keras.Model]
"""Returns the model of the member in a row, as its builder returned it; each call returns a new model."""

Result = dict[str, np.ndarray]
"""Everything that training changed, by names for the user."""


@dataclass
class Proven:
    """What the proofs of one worker have found to be right.

    Attributes:
        parts: tokens of Keras' own optimizers and activations that a program has trained as Keras does.
        kinds: the kinds of programs of which one has been proven in full; see `_kind`.
        shown: the values of the axes that members without parts of users have had, as pairs of the axis and the number of
            the value.
        traced: tokens of parts of users that Keras has trained in a graph.
    """

    parts: set[Hashable] = field(default_factory=set)
    kinds: set[Hashable] = field(default_factory=set)
    shown: set[tuple[int, int]] = field(default_factory=set)
    traced: set[Hashable] = field(default_factory=set)


@dataclass(frozen=True)
class Sample:
    """The rows of a proof.

    Attributes:
        order: positions of the fitted rows, in the order in which the program and Keras take them, int64.
        validation: the number of validation rows, counted from the first.
        is_brief: whether there is only one epoch, which is one batch.
    """

    order: np.ndarray
    validation: int
    is_brief: bool = False


def prove(
    program: AnyProgram,
    stack: Stack,
    rows: Sequence[int],
    build: Build,
    seed: int,
    proven: Proven,
    may_be_brief: bool = False,
    more: Sequence[int] = (),
    codes: np.ndarray | None = None,
) -> dict[int, str]:
    """Return those of some members that the program does not train as Keras does, each with the difference found.

    Args:
        program: the program, before its first epoch.
        stack: all its points before training.
        rows: the rows in `stack` of the members to prove.
        build: makes their models.
        seed: seed of the random choices.
        proven: what other proofs have found; the kinds and the traced parts of members that are right are added.
        may_be_brief: whether the proof may be brief for kinds that are proven. With parts of users it may in any case,
            because their kinds have the optimizer and the activations.
        more: the rows of further members, whose proofs are brief. Those are left out that have no part of users and only
            values of the axes that others have shown, and some beside a brief proof.
        codes: int, shape (points, axes): the number of each point's value on each axis; without it, no value counts as
            shown.
    """
    wrong: dict[int, str] = {}
    full, brief = list(rows), list[int]()
    for attempt in range(ATTEMPTS):
        # A builder may set a global that a loss reads. All members have the same value of it, or they would be in other
        # groups; so the program is traced right after some of them were built.
        models = {row: build(row) for row in full + brief}
        kinds = {row: _kind(model, program) for row, model in models.items()}
        has_users = any(map(has_users_parts, models.values()))
        if attempt == 0:
            is_brief = (may_be_brief or has_users) and set(kinds.values()) <= proven.kinds
            others = list(more[: len(stack.weights) // MORE] if is_brief else more)
            if not has_users:
                others = _with_unseen(others, full, proven.shown, codes)
            models |= {row: build(row) for row in others}
            full, brief = ([], full + others) if is_brief else (full, others)
        comparison = _Comparison(program, stack, models, build, seed, proven.traced, attempt, set(more))
        # The full ones come first: they trace the graphs of users' code, which saves tracing them for the brief ones.
        wrong = comparison.wrong(full, _sample)
        proven.kinds |= {kinds[row] for row in full if row not in wrong}
        wrong |= comparison.wrong(brief, _brief_sample)
        if not has_users:
            proven.shown |= _values([row for row in full + brief if row not in wrong], codes)
        if not wrong:
            break
        full, brief = ([row for row in some if row in wrong] for some in (full, brief))
    return wrong


def _values(rows: Sequence[int], codes: np.ndarray | None) -> set[tuple[int, int]]:
    """Return the values that members have on the axes, as pairs of the axis and the number of the value."""
    if codes is None:
        return set()
    return {(axis, int(code)) for row in rows for axis, code in enumerate(codes[row])}


def _with_unseen(
    rows: Sequence[int], taken: Sequence[int], shown: set[tuple[int, int]], codes: np.ndarray | None
) -> list[int]:
    """Return those of the members `rows` that have a value which neither `shown` has nor a member before them."""
    if codes is None:
        return list(rows)
    found, seen = list[int](), shown | _values(taken, codes)
    for row in rows:
        if not (values := _values([row], codes)) <= seen:
            found.append(row)
            seen |= values
    return found


@dataclass
class _Comparison:
    """The members of one attempt. The arguments are those of `prove`.

    Attributes:
        models: of the members.
        seed: seed of the random choices.
        traced: see `Proven`; the parts of members that are right are added.
        attempt: its number, counted from 0.
        late: the rows of the members that start from the states of a late step of training.
    """

    program: AnyProgram
    stack: Stack
    models: Mapping[int, keras.Model]
    build: Build
    seed: int
    traced: set[Hashable]
    attempt: int
    late: set[int]

    def wrong(
        self, rows: Sequence[int], make_sample: Callable[[AnyProgram, np.random.Generator], Sample]
    ) -> dict[int, str]:
        """Return those of the members `rows` that the program does not train as Keras does, each with the difference."""
        if not rows:
            return {}
        found: dict[int, str] = {}
        sample = make_sample(self.program, np.random.default_rng(self.seed))
        starts = [self._start(row) for row in rows]
        trained = _by_program(self.program, starts, sample)
        for row, start, (result, again) in zip(rows, starts, trained, strict=True):
            # Keras traces a graph for users' code, because the code may behave otherwise in one. This takes most of the
            # time, so that the same code is run eagerly in later proofs, unless they fail.
            parts = users_parts(self.models[row])
            eager = parts <= self.traced if self.attempt == 0 else not parts
            try:
                expected = _by_keras(self.models[row], self.program, start, sample, eager) | again
            except Exception as error:  # users' code may run in a graph only
                if not (eager and parts):
                    raise
                found[row] = str(error)
                continue
            difference = _difference(result, expected, expected)
            if (
                difference
                and self.attempt == ATTEMPTS - 1
                and self._is_rebuilt(row, start, sample, eager, expected)
            ):
                moved = _nudged(start, np.random.default_rng([self.seed, row, ATTEMPTS]))
                nudged = _by_keras(self.build(row), self.program, moved, sample, eager)
                difference = _difference(result, expected, nudged | again)
            if difference:
                found[row] = difference
            else:
                self.traced |= parts
        return found

    def _start(self, row: int) -> Stack:
        """Return what a member starts from. Each attempt after the first one moves the start of the first one."""
        template = self.program.template
        counts = {n for n, position in enumerate(template.stacked) if position in template.counts}
        chance = np.random.default_rng([self.seed, row])
        # Each of the late ones is as late as no other.
        number = sorted(self.late).index(row) if row in self.late else 0
        member, change = self.stack.take(np.array([row])), CHANGES[number % len(CHANGES)]
        start = _perturbed(member, chance, counts if row in self.late else (), change)
        return _nudged(start, chance, MOVED) if self.attempt else start

    def _is_rebuilt(self, row: int, start: Stack, sample: Sample, eager: bool, expected: Result) -> bool:
        """Return whether the model of a member that is built once more trains as the first one did from the same weights.

        If not, the distance between two of its models is no measure of what rounding does.
        """
        rebuilt = _by_keras(self.build(row), self.program, start, sample, eager)
        return not _difference(rebuilt, {name: expected[name] for name in rebuilt}, expected)


def _kind(model: keras.Model, program: AnyProgram) -> Hashable:
    """Return all but the sizes of layers on which a proof depends.

    Weighted rows have one array more. With another batch size, other rows are left for the last batch.
    """
    return kind_of(model), program.batch_size, len(program.fitted), len(program.validation)


def refused(
    program: AnyProgram, members: Members, build: Build, proven: Proven, seed: int
) -> tuple[np.ndarray, str]:
    """Prove a program, and return which of its points it cannot train: bool, shape (points,), and why.

    At least one member is trained, and one with each optimizer and each variant that is not proven. Further ones, with
    values of the axes that these do not have, make one step each.

    Args:
        program: the program, before its first epoch.
        members: all its points.
        build: makes the models of its points.
        proven: what the proofs of other programs have found; what this one finds is added.
        seed: seed of the random choices.
    """
    stack = members.stack
    optimizers, variants = unproven(members, proven.parts)
    of_optimizer, of_variant = optimizers[stack.optimizer], variants[stack.variant]
    needed, more = chosen(of_optimizer, of_variant, members.codes, members.checked, seed)
    is_all_proven = bool((optimizers < 0).all() and (variants < 0).all())
    rows = needed + more
    wrong = prove(program, stack, needed, build, seed, proven, is_all_proven, more, members.codes)
    if not wrong:
        if not any(map(has_users_parts, (*program.template.optimizers, *program.template.variants))):
            proven.parts |= {*members.optimizers, *itertools.chain.from_iterable(members.variants)}
        return np.zeros(len(stack.weights), bool), ""
    why = f"a program does not train them as Keras does: {next(iter(wrong.values()))}"
    right = [row for row in rows if row not in wrong]
    for column in (stack.optimizer, stack.variant):
        # If they all have an optimizer or an activation that no right one has, that is the cause.
        if right and not set(column[list(wrong)]) & set(column[right]):
            return np.isin(column, column[list(wrong)]), why
    return np.ones(len(stack.weights), bool), why


def _sample(program: AnyProgram, chance: np.random.Generator) -> Sample:
    rows, batch = len(program.fitted[0]), program.batch_size
    rest = rows % batch
    whole = min(rows // batch, 1 if rest else 2)
    validation = min(len(program.validation[0]), batch + max(1, batch // 3))
    return Sample(chance.permutation(rows)[: whole * batch + rest], validation)


def _brief_sample(program: AnyProgram, chance: np.random.Generator) -> Sample:
    """Return one batch: the smaller last one if there is one, since a program of XLA expects it at the end.

    If the model may mix the rows of a batch in its validation, there are two of these, of which one is smaller.
    """
    rows, batch = len(program.fitted[0]), program.batch_size
    taken, model = rows % batch or batch, program.template.model
    most = batch + max(1, batch // 3) if has_users_parts(model) or has_operations(model) else batch
    return Sample(chance.permutation(rows)[:taken], min(len(program.validation[0]), most), is_brief=True)


def _perturbed(
    member: Stack, chance: np.random.Generator, counts: Container[int] = (), change: Change = later
) -> Stack:
    """Return a member with other weights and other states. What was above zero stays so, because it may be a variance.

    Args:
        member: one model.
        chance: makes the random choices.
        counts: positions of those of its states that shall be as they are late in training.
        change: makes these.
    """

    def moved(value: np.ndarray) -> np.ndarray:
        if value.dtype.kind != "f":
            return value
        factor, term = chance.random((2, *value.shape))
        return (value * (1 + 0.2 * factor) + 0.05 * term).astype(value.dtype)

    weights = member.weights + 0.1 * chance.standard_normal(member.weights.shape)
    return Stack(
        weights.astype("float32"),
        [change(value) if n in counts else moved(value) for n, value in enumerate(member.state)],
        member.slots,
        member.numbers,
        member.optimizer,
        member.variant,
    )


def _nudged(member: Stack, chance: np.random.Generator, roundings: int = 1) -> Stack:
    factor = 1 + roundings * np.finfo("float32").eps * chance.choice([-1, 0, 1], member.weights.shape)
    weights = (member.weights * factor).astype("float32")
    return Stack(weights, member.state, member.slots, member.numbers, member.optimizer, member.variant)


def _by_program(program: AnyProgram, starts: Sequence[Stack], sample: Sample) -> list[tuple[Result, Result]]:
    """Train the members by the program, and leave the program as it was.

    Returns:
        For each member its result. It includes the logs on all validation rows, which the compiled epoch computes. Keras
        does not compute these; so the second result has what the evaluation gives for them, which is compared with Keras
        on a few rows.
    """
    template, before = program.template, (program.shared, program.iterations)
    part = _joined(starts)
    tested_rows = [array[: sample.validation] for array in program.validation]
    found: list[Result] = [{} for _ in starts]
    apart: list[Result] = [{} for _ in starts]
    names = template.logs
    try:
        for epoch in range(1, 2 if sample.is_brief else EPOCHS + 1):
            part, logs = program.epoch(part, sample.order)
            compiled, tested = logs[:, len(names) :], program.evaluate(part, *tested_rows)
            again = program.evaluate(part, *program.validation)
            for row, result in enumerate(found):
                for column, name in enumerate(names):
                    result[f"{name} of epoch {epoch}"] = logs[row, column]
                    result[f"val_{name} of epoch {epoch}"] = tested[row, column]
                    all_rows = f"val_{name} of epoch {epoch} on all rows"
                    result[all_rows], apart[row][all_rows] = compiled[row, column], again[row, column]
        shared, steps = [np.asarray(value) for value in program.shared], program.iterations
    finally:
        program.shared, program.iterations = before
    for row, result in enumerate(found):
        one = part.take(np.array([row]))
        values = [value.numpy() for value in template.parts(one.weights[0])]
        values += [np.asarray(value) for value in template.merge([a[0] for a in one.state], shared)]
        result |= dict(zip(_names(template.model), values, strict=True))
        number = int(one.optimizer[0])
        update, taken = template.updates.each[number], template.updates.positions[number]
        result |= _slots(update.by_name([one.slots[position][0] for position in taken]))
        is_fixed = update.schedule is None
        result |= _steps(steps, one.numbers[0, 0] if is_fixed else update.scheduled(steps))
    return list(zip(found, apart, strict=True))


def _by_keras(model: keras.Model, program: AnyProgram, start: Stack, sample: Sample, eager: bool) -> Result:
    """Train a model from the values of a member by Keras, and return the same as `_by_program`."""
    template = program.template
    for variable, value in zip(model.trainable_variables, template.parts(start.weights[0]), strict=True):
        variable.assign(value)
    for position, value in zip(template.stacked, start.state, strict=True):
        model.non_trainable_variables[position].assign(value[0])
    # Eagerly, Keras weighs the batches in the logged loss of each output; in a graph, it does not.
    is_one_batch = sample.is_brief and sample.validation <= program.batch_size
    model.run_eagerly = eager and (is_one_batch or not template.rows.y.shapes)
    fitted, validation = (
        (*template.rows.unpacked(x, y), *weights)
        for x, y, *weights in (
            [np.asarray(array)[sample.order] for array in program.fitted],
            [np.asarray(array)[: sample.validation] for array in program.validation],
        )
    )
    with warnings.catch_warnings():
        # Keras warns of layers that lose a mask, as in any training of this model.
        warnings.simplefilter("ignore")
        if sample.is_brief:
            history = _one_step(model, fitted, validation, program.batch_size)
        else:
            history = _fit(model, fitted, validation, program.batch_size)
    result: Result = {
        f"{name} of epoch {epoch}": np.asarray(value, "float32")
        for name, column in history.items()
        for epoch, value in enumerate(column, 1)
    }
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    result |= {name: v.numpy() for name, v in zip(_names(template.model), variables, strict=True)}
    optimizer = model.optimizer
    return result | _slots(slots_by_name(optimizer)) | _steps(optimizer.iterations, optimizer.learning_rate)


def _fit(
    model: keras.Model, fitted: tuple[Any, ...], validation: tuple[Any, ...], batch_size: int
) -> Mapping[str, Sequence[float]]:
    """Return the logs of each epoch."""
    batches, validation_batches = (
        tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size) for arrays in (fitted, validation)
    )
    return model.fit(batches, epochs=EPOCHS, validation_data=validation_batches, verbose=0).history


def _one_step(
    model: keras.Model, fitted: tuple[Any, ...], validation: tuple[Any, ...], batch_size: int
) -> Mapping[str, Sequence[float]]:
    """Return the logs of a step on one batch, as `_fit` does. Without the loop of `fit`, this takes a quarter less."""
    logs = {name: [value] for name, value in model.train_on_batch(*fitted, return_dict=True).items()}
    model.reset_metrics()
    if len(tf.nest.flatten(validation)[0]) > batch_size:
        batches = tf.data.Dataset.from_tensor_slices(validation).batch(batch_size)
        tested = model.evaluate(batches, verbose=0, return_dict=True)
    else:
        tested = model.test_on_batch(*validation, return_dict=True)
    return logs | {f"val_{name}": [value] for name, value in tested.items()}


def _names(model: keras.Model) -> list[str]:
    """Return a name for each variable; the number makes it unique."""
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    return [f"the variable {number} ({variable.path})" for number, variable in enumerate(variables)]


def _slots(slots: dict[str, np.ndarray]) -> Result:
    return {f"the optimizer's {name.strip('_')}": value for name, value in slots.items()}


def _steps(steps: Any, rate: Any) -> Result:
    return {"the optimizer's steps": np.asarray(steps), "the learning rate": np.asarray(rate, "float32")}


def _joined(members: Sequence[Stack]) -> Stack:
    """Return several members as one stack."""

    def joined(arrays: Iterator[Any]) -> np.ndarray:
        return np.concatenate(list(arrays))

    first = members[0]
    return Stack(
        joined(m.weights for m in members),
        [joined(m.state[n] for m in members) for n in range(len(first.state))],
        [joined(m.slots[n] for m in members) for n in range(len(first.slots))],
        joined(m.numbers for m in members),
        joined(m.optimizer for m in members),
        joined(m.variant for m in members),
    )


def _difference(found: Result, expected: Result, nudged: Result) -> str:
    """Return the first difference in plain words; empty if there is none.

    Args:
        found: what the program gave.
        expected: what Keras gave.
        nudged: what Keras gave from nudged weights; `expected` itself allows for no more than rounding.
    """
    if missing := sorted(set(found) ^ set(expected)):
        owner = "the program" if missing[0] in found else "Keras' fit"
        return f"only {owner} has {missing[0]}"
    for name, one in found.items():
        a, b, c = (np.ravel(np.asarray(value, "float64")) for value in (one, expected[name], nudged[name]))
        if a.shape != b.shape:
            return f"{name} has {a.size} numbers, but {b.size} by Keras' fit"
        is_finite = np.isfinite(b) & np.isfinite(c)
        largest = np.abs(b[is_finite]).max(initial=0.0)
        allowed = RTOL * largest + 1e-7 + NUDGES * np.abs(b[is_finite] - c[is_finite]).max(initial=0.0)
        differ = ~np.isclose(a, b, rtol=0.0, atol=allowed, equal_nan=True)
        if differ.any():
            worst = int(np.argmax(differ))
            return f"{name} is {a[worst]:.7g}, but {b[worst]:.7g} by Keras' fit"
    return ""
