"""Reads the table of a run, and checks that it is the one that the sweep was run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results import fingerprint
from results.folder.run_folder import RunFolder
from sweep.errors import InputError
from sweep.plan.form import PlanError
from sweep.plan.plan import Plan

if TYPE_CHECKING:
    from trainables.table.data import Table


def plan_with_table(folder: RunFolder) -> Plan:
    """Return the plan of a run, whose table is the one that the sweep was run on.

    Raises:
        InputError: the table cannot be read, or has changed since the sweep.
        PlanError: the plan cannot be used.
    """
    plan = Plan.load(folder.plan)
    check_unchanged(folder, plan, table_of(folder, plan))
    return plan


def table_of(folder: RunFolder, plan: Plan) -> Table:
    """Return the table of a run's plan.

    Raises:
        InputError: it cannot be read, for example because it was moved.
        PlanError: the plan cannot be used.
    """
    _ = plan.found_builder  # its faults are not the table's
    try:
        return plan.table
    except PlanError as error:
        raise InputError(
            f"The table that the sweep was run on is needed, but cannot be read. {error}\n"
            f"If the table was moved, put it back, or write where it is now as data.path in {folder.plan}."
        ) from None


def check_unchanged(folder: RunFolder, plan: Plan, table: Table) -> None:
    """Check that a table is the one that the sweep was run on. Runs of early versions do not tell.

    Raises:
        InputError: it is not.
    """
    ran = fingerprint.read(folder).table_sha256
    if ran not in (None, table.sha256):
        raise InputError(
            f"{plan.data_spec.path} is not the table that the sweep was run on: its SHA-256 is {table.sha256}, "
            f"but {folder.fingerprint} has {ran}. Put the table back as it was."
        )
