"""The axes of a plan: they are read into a space, and checked against the builder and `Model.fit`."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from results import schema
from results.space import Space, value_key
from sweep.plan.form import PlanError
from trainables.builder import find
from trainables.builder.find import Builder
from trainables.settings import FIT_AXES, FIT_PARAMETERS, check_fit_value


def made_space(raw: Any) -> Space:
    """Return the space of the axes in the plain data of a plan.

    Raises:
        PlanError: an axis cannot be used.
    """
    if not isinstance(raw, Mapping):
        raise PlanError(
            f"space got {raw!r}, but needs the axes: a name and a list of values each.", ("space",)
        )
    for name, values in raw.items():
        try:
            Space({name: values})
        except ValueError as error:
            raise PlanError(str(error), ("space", str(name))) from None
        except RecursionError:
            raise PlanError(
                f'Axis "{name}" holds itself. Write its values out.', ("space", str(name))
            ) from None
    try:
        return Space(raw)
    except ValueError as error:
        raise PlanError(str(error), ("space",)) from None


def check_axes(space: Space, builder: Builder) -> None:
    """Check that each axis is an argument of the builder or of `Model.fit`, and that the builder gets all its arguments.

    Raises:
        PlanError: an axis or one of its values cannot be used, or no axis gives an argument that the builder needs.
    """
    for axis in space.axes:
        where = ("space", axis.name)
        if axis.name in schema.RESERVED_NAMES:
            raise PlanError(
                f'axis "{axis.name}" has the name of a column of the results. '
                "Rename the builder's argument and the axis.",
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
            continue
        elif axis.name in FIT_PARAMETERS:
            raise PlanError(
                f'axis "{axis.name}" is an argument of Model.fit that cannot be an axis. '
                f"Those that can are {', '.join(FIT_AXES)}.",
                where,
            )
        else:
            near = difflib.get_close_matches(axis.name, [*builder.parameters, *FIT_AXES], n=1)
            hint = f'Did you mean "{near[0]}"?' if near else "Rename or remove it."
            raise PlanError(
                f'axis "{axis.name}" is no argument of the builder {builder.signature} '
                f"nor of Model.fit({', '.join(FIT_PARAMETERS)}). {hint}",
                where,
            )
    if missing := sorted(builder.required - {*space.names, *find.SUPPLIED, *find.OFFERED}):
        raise PlanError(
            f'the builder {builder.signature} needs "{missing[0]}", which no axis gives. '
            f"Add it to the space, with one value if it is fixed: {missing[0]}: [...].",
            ("space",),
        )
