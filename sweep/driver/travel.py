"""Packs a plan for a cluster: the workers get the builder's folder, and a submitted sweep also gets the table."""

from __future__ import annotations

import shutil
from pathlib import Path

from cluster.connect import parcel
from sweep.plan.form import to_yaml
from sweep.plan.plan import Plan
from trainables.builder import find
from trainables.builder.find import Builder
from trainables.builder.installed import is_installed
from trainables.table.given import Given, called, save

PLAN_FILE = "submitted-plan.yaml"
ORIGINAL_FILE = "original-plan.yaml"
"""The plan with the paths of the machine that submits it."""

TABLE_FOLDER = "submitted-table"


def user_folder(plan: Plan) -> Path | None:
    """Return the folder of the user's own code, or None if the builder is in an installed package or in this software."""
    builder = plan.found_builder
    if _own_package(builder):
        return None
    _, is_importable = find.locate(builder.name, plan.base)
    return None if is_importable and is_installed(builder.folder, plan.base) else builder.folder


def moved_builder(plan: Plan) -> Builder:
    """Return the builder with its path inside the parcel, where the workers find it."""
    builder = plan.found_builder
    if own := _own_package(builder):
        return builder.moved(own.parent, Path())
    folder = user_folder(plan)
    return builder if folder is None else builder.moved(folder, Path(parcel.USER))


def make_job(plan: Plan, into: Path) -> Path:
    """Make the working directory of a submitted sweep in the new folder `into`; return the plan's path in it.

    The directory is a parcel. Beside the user's code it has the plan's table, and the plan with the paths of the parcel.
    """
    parcel.make(into, user_folder(plan))
    user = into / parcel.USER
    user.mkdir(exist_ok=True)
    sent = plan.to_dict()
    sent["builder"] = moved_builder(plan).name
    if sent["builder"].startswith(f"{parcel.USER}/"):
        sent["builder"] = sent["builder"].removeprefix(f"{parcel.USER}/")  # relative to the plan's folder
    if isinstance(sent["data"], dict):
        plan.table  # noqa: B018  # this checks the table before it is sent
        (user / TABLE_FOLDER).mkdir()
        for key in ("path", "test_path", "validation_path"):
            if (where := sent["data"].get(key)) and "://" not in where:
                sent["data"][key] = f"{TABLE_FOLDER}/{_copied(plan, where, user / TABLE_FOLDER)}"
    path = user / PLAN_FILE
    path.write_text(to_yaml(sent), encoding="utf-8")
    path.with_name(ORIGINAL_FILE).write_text(plan.to_yaml(), encoding="utf-8")
    return path.relative_to(into)


def _copied(plan: Plan, where: str, folder: Path) -> str:
    """Write a file of the table into `folder` and return its name. What a function returns is written as a file."""
    if where == plan.data_spec.path and plan.data_spec.function:
        found = called(plan.data_spec)
        name = (
            f"{plan.data_spec.function}.npz"
            if isinstance(found, Given)
            else f"{plan.data_spec.function}.parquet"
        )
        if isinstance(found, Given):
            save(found, folder / name)
        else:
            found.to_parquet(folder / name, index=False)
        return name
    name = Path(where).name
    while (folder / name).exists():  # the files of two parts may have one name
        name = f"other-{name}"
    shutil.copyfile(where, folder / name)
    return name


def _own_package(builder: Builder) -> Path | None:
    """Return the folder of this software's package that holds the builder; None if no package does."""
    for name in parcel.PACKAGES:
        folder = parcel.package_folder(name)
        if builder.path.is_relative_to(folder):
            return folder
    return None
