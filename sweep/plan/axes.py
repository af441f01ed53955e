"""The axes of a plan: they are read into a space, and checked against the builder and `Model.fit`."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from results import schema
from results.conditional import OnlyError
from results.space import Axis, Space, value_key
from sweep.plan import hints
from sweep.plan.form import PlanError
from trainables.builder import find
from trainables.builder.find import Builder
from trainables.settings import FIT_AXES, FIT_PARAMETERS, check_fit_value


def made_space(raw: Any) -> tuple[Space | None, list[PlanError]]:
    """Return the space of those axes in the plain data of a plan that can be used, and a fault for each other axis."""
    if not isinstance(raw, Mapping):
        message = f"space got {raw!r}, but needs the axes: a name and a list of values each."
        return None, [PlanError(message, ("space",))]
    axes, faults = [], []
    for name, values in raw.items():
        try:
            axes.append(Axis(name, values))
        except ValueError as error:
            faults.append(PlanError(str(error), ("space", str(name))))
        except RecursionError:
            message = f'Axis "{name}" holds itself. Write its values out.'
            faults.append(PlanError(message, ("space", str(name))))
    try:
        return Space(axes) if axes or not faults else None, faults
    except ValueError as error:
        return None, [*faults, PlanError(str(error), ("space",))]


def axis_faults(space: Space, builder: Builder, given: Iterable[str]) -> Iterator[PlanError]:
    """Check that each axis is an argument of the builder or of `Model.fit`, and that the builder gets all its arguments.

    Args:
        space: the axes to check.
        builder: the builder.
        given: the names of all axes, also of those that are not in `space` because of a fault.

    Yields:
        A fault for each axis that cannot be used, and one if no axis gives an argument that the builder needs.
    """
    for axis in space.axes:
        try:
            _check_axis(axis, builder)
        except PlanError as error:
            yield error
    if missing := sorted(builder.required - {*given, *find.SUPPLIED, *find.OFFERED}):
        example = ", ".join(f"{name}: [...]" for name in missing)
        names = " and ".join(f'"{name}"' for name in missing)
        yield PlanError(
            f"the builder {builder.signature} needs {names}, which no axis gives. "
            f"Add it to the space, with one value if it is fixed: {example}.",
            ("space",),
        )


def with_conditions(space: Space, only: Mapping[str, str], repeats: int = 1) -> tuple[Space, list[PlanError]]:
    """Return the space with the conditions of its axes and its repeats, and a fault for each that cannot be used."""
    try:
        return Space(space.axes, only, repeats), []
    except OnlyError as error:
        return space, [PlanError(fault, ("only", axis)) for axis, fault in error.faults.items()]
    except ValueError as error:  # the repeats are too many points
        return space, [PlanError(str(error), ("repeats",))]


def _check_axis(axis: Axis, builder: Builder) -> None:
    """Check one axis.

    Raises:
        PlanError: the axis or one of its values cannot be used.
    """
    where = ("space", axis.name)
    if axis.name == "epochs" and axis.name not in builder.parameters:
        raise PlanError(hints.about_epochs(axis.values), where)
    if axis.name in schema.RESERVED_NAMES:
        raise PlanError(
            f'axis "{axis.name}" has the name of a column of the results. '
            + (hints.instead_of(("space",), axis.name) or "Rename the builder's argument and the axis."),
            where,
        )
    keys = Counter([] if isinstance(axis.values, range) else map(value_key, axis.values))
    if twice := [value for value in axis.values if keys and keys[value_key(value)] > 1]:
        raise PlanError(f'axis "{axis.name}" has the value {twice[0]!r} twice. Remove one.', where)
    if axis.name in find.SUPPLIED:
        raise PlanError(
            f'axis "{axis.name}" is supplied from the data and cannot be swept. Remove it.', where
        )
    if axis.name in FIT_AXES and axis.name not in builder.parameters:
        for value in axis.values:
            try:
                check_fit_value(axis.name, value)
            except ValueError as error:
                raise PlanError(f"axis {error}", where) from None
    elif builder.takes(axis.name):
        return
    elif axis.name in FIT_PARAMETERS:
        raise PlanError(
            f'axis "{axis.name}" is an argument of Model.fit that cannot be an axis. '
            f"Those that can are {', '.join(FIT_AXES)}. {hints.instead_of(('space',), axis.name)}".rstrip(),
            where,
        )
    else:
        near = difflib.get_close_matches(axis.name, [*builder.parameters, *FIT_AXES], n=1)
        hint = f'Did you mean "{near[0]}"?' if near else "Rename or remove it."
        hint = hints.instead_of(("space",), axis.name) or hint
        raise PlanError(
            f'axis "{axis.name}" is no argument of the builder {builder.signature} '
            f"nor of Model.fit({', '.join(FIT_PARAMETERS)}). {hint}",
            where,
        )
