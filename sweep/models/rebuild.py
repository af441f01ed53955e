"""Rebuilds the model of a finished point: the plan's builder makes it, and it gets the stored weights.

A folder may come from a stranger, and the plan in it names code to run. So the builder is imported only after a check: it
must be an installed module outside the folder, and its source must be the one that the sweep ran.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from results import fingerprint
from results.folder.path import AnyPath, is_remote
from results.folder.run_folder import RunFolder
from sweep.errors import SweepError
from sweep.plan.fingerprint import changes
from trainables.builder import find
from trainables.builder.modules import sources_of
from trainables.fused.internals import start

if TYPE_CHECKING:
    import keras


class UntrustedError(SweepError, ValueError):
    """The builder may not run without the user's consent; the message says which code it is, and why."""


def model(
    folder: AnyPath,
    config: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    trust: bool = False,
    seed: int | None = None,
) -> keras.Model:
    """Return the compiled model of a point.

    Args:
        folder: the run's folder.
        config: the point's value of each axis.
        weights: the stored weights, in the order of `Model.get_weights`.
        trust: whether to run the builder without the check.
        seed: of the point; None for the plan's.

    Raises:
        UntrustedError: the builder is not installed here, or is not what the sweep ran.
        ValueError: the builder's model has weights of other shapes.
    """
    from sweep.plan.plan import Plan

    run = RunFolder(folder)
    if not trust:
        check_builder(run)
    plan = Plan.load(run.plan)

    start.import_keras()

    from sweep.models import preparation
    from trainables.builder import build
    from trainables.builder.maker import Maker

    seed = plan.seed if seed is None else seed
    maker = Maker(plan.found_builder, seed)
    prepared = preparation.of_run(run, plan)
    table, moments = prepared.table(), prepared.moments
    built = build.build(maker, maker.builder, config, table, seed, moments=moments)
    if not built.built:
        built(prepared.rows(1))
    shapes, expected = [w.shape for w in weights], [tuple(w.shape) for w in built.weights]
    if shapes != expected:
        raise ValueError(
            f"The builder {plan.found_builder.name} makes a model with weights of the shapes {expected}, but the "
            f"stored ones have {shapes}: this is not the builder that the sweep ran."
        )
    built.set_weights(list(weights))
    return built


def _base(run: RunFolder) -> Path:
    """Return the folder from which a builder's relative path counts; a plan on an object store has absolute ones only."""
    return Path.cwd() if is_remote(run.path) else run.path


def changed_builder(run: RunFolder) -> str:
    """Return a sentence if the builder is not the one that the sweep ran; empty if it is, or if there is none to compare.

    A change of comments or layout is no difference. Imports nothing of the builder.
    """
    try:
        name = str(yaml.safe_load(run.plan.read_text(encoding="utf-8")).get("builder", ""))
        path, _ = find.locate(name, _base(run))
        here = find.source_of(path)
    except (find.BuilderError, OSError, ValueError, yaml.YAMLError, AttributeError):
        return ""  # whoever needs the builder says what is wrong
    ran = fingerprint.read(run)
    if not isinstance(ran.builder_source, str):
        return (
            f"{run.fingerprint} does not tell which builder the sweep ran, so {path} may make other models than the "
            "sweep's. Put the file back."
        )
    then: dict[str, Any] = {"source": ran.builder_source}
    now: dict[str, Any] = {"source": here}
    if ran.builder_modules is not None:
        then["modules"], now["modules"] = ran.builder_modules, _beside(name, path, here)
    if not (found := changes({"builder": then}, {"builder": now})):
        return ""
    what = "; ".join(line.removesuffix(":") for line in found if line.startswith("builder: "))
    return (
        f"{path} differs from what the sweep ran by {run.fingerprint} ({what}). So this builder may make another model than "
        "the sweep trained, with other predictions. Put the files back as they were to be sure."
    )


def _beside(name: str, path: Path, source: str) -> dict[str, str]:
    """Return the sources of the modules beside the builder `name`, which is in the file `path`, by name."""
    module = name.rpartition(":")[0]
    if module.endswith((".py", find.PICKLED)):  # the path of a file
        return sources_of("", path, path.parent, source)
    return sources_of(module, path, path.parents[module.count(".") + (path.name == "__init__.py")], source)


def check_builder(run: RunFolder) -> None:
    """Check that the builder of the run's plan may run without the user's consent. Imports nothing of it.

    Raises:
        UntrustedError: it may not.
    """
    name = str(yaml.safe_load(run.plan.read_text(encoding="utf-8")).get("builder", ""))
    try:
        path, installed = find.locate(name, _base(run))
    except find.BuilderError as error:
        raise UntrustedError(f"{run.plan}: {error}") from None
    remedy = f"Read {path}; if you trust it, say so: --trust, or trust=True."
    if path.suffix == find.PICKLED:
        raise UntrustedError(
            f"{run.plan} names the builder {name}, a pickled function. Making the model would run what is in it, and the "
            f"text beside it, {path.with_suffix('.py').name}, need not be that. If you made it or trust its author, say "
            "so: --trust, or trust=True."
        )
    inside = not is_remote(run.path) and path.resolve().is_relative_to(run.path.resolve())
    if not installed or inside:
        raise UntrustedError(
            f"{run.plan} names the builder {name}, which is not installed here as a module. Making the model would run "
            f"{path}. {remedy}"
        )
    ran, source = fingerprint.read(run), find.source_of(path)
    if ran.builder_source != source:
        raise UntrustedError(
            f"The builder {name} is not the one that the sweep ran: the source of {path} differs from the one in "
            f"{run.fingerprint}. {remedy}"
        )
    if ran.builder_modules is None:  # of an earlier version
        return
    beside = _beside(name, path, source)
    if changed := {one for one, _ in beside.items() ^ ran.builder_modules.items()}:
        raise UntrustedError(
            f"The builder {name} is not the one that the sweep ran: the source of {', '.join(sorted(changed))}, which "
            f"{path} imports, differs from the one in {run.fingerprint}. {remedy}"
        )
