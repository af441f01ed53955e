"""Chooses the members of a program that Keras trains too, to prove the program.

Each optimizer and activation that is not proven occurs among them. Further members are chosen so that values of the axes
occur that no other chosen member has. So an axis of two values is shown with both, whatever the builder does with it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from trainables.fused.compose.assemble import Members

MORE, MOST_MORE = 32, 4
"""Of n points, 1 + n // MORE further members make a step, but at most MOST_MORE, and only if they show unseen values.

It is one less beside a brief proof: a small program trains for about as long as such a step takes."""


def unproven(members: Members, proven: set[Hashable]) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the optimizers and of the variants, with -1 instead of those that are proven."""
    of_optimizer = [-1 if token in proven else number for number, token in enumerate(members.optimizers)]
    of_variant = [-1 if set(tokens) <= proven else n for n, tokens in enumerate(members.variants)]
    return np.array(of_optimizer), np.array(of_variant)


def chosen(
    optimizer: np.ndarray, variant: np.ndarray, codes: np.ndarray, first: np.ndarray, seed: int
) -> tuple[list[int], list[int]]:
    """Return rows of members in which each optimizer and each variant occurs, and more rows, with other values of the axes.

    Args:
        optimizer, variant: int, shape (points,): the numbers of those that need a proof, -1 for the others.
        codes: int, shape (points, axes): the number of each point's value on each axis.
        first: bool, shape (points,): the points to take before others.
        seed: seed of the choice.
    """
    rows: list[int] = []
    order = np.random.default_rng(seed).permutation(len(optimizer))
    order = order[np.argsort(~first[order], kind="stable")]
    missing = {("optimizer", int(n)) for n in np.unique(optimizer[optimizer >= 0])}
    missing |= {("variant", int(n)) for n in np.unique(variant[variant >= 0])}
    for wanted in (2, 1):  # first the members that have two of the missing ones
        for row in order.tolist():
            has = {("optimizer", int(optimizer[row])), ("variant", int(variant[row]))} & missing
            if len(has) >= wanted:
                rows.append(row)
                missing -= has
    rows = rows or order[:1].tolist()
    return rows, _unlike(codes, rows, order, min(MOST_MORE, 1 + len(order) // MORE))


def _unlike(codes: np.ndarray, rows: Sequence[int], order: np.ndarray, most: int) -> list[int]:
    """Return at most `most` other rows, each with as many values as possible that no row before it has.

    Of equal ones, the first in `order` is taken.
    """
    taken, more = list(rows), list[int]()
    for _ in range(most):
        seen = [np.isin(column, column[taken]) for column in codes.T]
        unseen = np.sum(~np.array(seen), axis=0)[order]
        if not unseen.size or not unseen.max():
            break
        more.append(int(order[np.argmax(unseen)]))
        taken.append(more[-1])
    return more
