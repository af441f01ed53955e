"""What of a plan travels to a cluster: the builder's folder to the workers; with a submitted plan its table, too."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from cluster.connect import parcel
from sweep.plan.plan import Plan
from trainables.builder import find
from trainables.builder.find import Builder

PLAN_FILE = "submitted-plan.yaml"
ORIGINAL_FILE = "original-plan.yaml"
"""The plan with its paths as they are where it was submitted."""

TABLE_FOLDER = "submitted-table"


def user_folder(plan: Plan) -> Path | None:
    """Return the folder of the user's own code, or None if the nodes have the builder: as a package, or as ours."""
    builder = plan.found_builder
    if _own_package(builder):
        return None
    _, installed = find.locate(builder.name, plan.base)
    return None if installed else builder.folder


def moved_builder(plan: Plan) -> Builder:
    """Return the builder as the workers find it in the parcel."""
    builder = plan.found_builder
    if own := _own_package(builder):
        return builder.moved(own.parent, Path())
    folder = user_folder(plan)
    return builder if folder is None else builder.moved(folder, Path(parcel.USER))


def make_job(plan: Plan, into: Path) -> Path:
    """Make the working directory of a submitted sweep in the new folder `into`; return the plan's path in it.

    It is a parcel with the plan's table beside the user's code, and the plan with its paths as they are there.
    """
    parcel.make(into, user_folder(plan))
    user = into / parcel.USER
    user.mkdir(exist_ok=True)
    told = plan.to_dict()
    told["builder"] = moved_builder(plan).name
    if told["builder"].startswith(f"{parcel.USER}/"):
        told["builder"] = told["builder"].removeprefix(f"{parcel.USER}/")  # from the plan's folder on
    if isinstance(told["data"], dict):
        table = Path(told["data"]["path"])
        plan.table  # noqa: B018  # checked here, before it is sent
        (user / TABLE_FOLDER).mkdir()
        shutil.copyfile(table, user / TABLE_FOLDER / table.name)
        told["data"]["path"] = f"{TABLE_FOLDER}/{table.name}"
    path = user / PLAN_FILE
    path.write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    path.with_name(ORIGINAL_FILE).write_text(plan.to_yaml(), encoding="utf-8")
    return path.relative_to(into)


def _own_package(builder: Builder) -> Path | None:
    """Return the folder of the package of this software that holds the builder, if one does."""
    for name in parcel.PACKAGES:
        folder = parcel.package_folder(name)
        if builder.path.is_relative_to(folder):
            return folder
    return None
