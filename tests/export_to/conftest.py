"""What the tests of the exports share."""

import pytest

from tests.help.exports import HOSTILE_AXES, STATUSES, make_run


@pytest.fixture
def hostile_run(tmp_path):
    """Twelve points of every status, on axes of every kind; those that failed have neither metrics nor a curve."""
    rows = [{"idx": idx, "status": STATUSES[idx % 6], "metrics": ["loss", "m é/x"]} for idx in range(12)]
    for row in rows:
        if row["status"] in ("failed", "timeout"):
            row |= {"epochs": 0, "error": f"it broke, {'very ' * 2000}much"}
        else:
            row |= {"seconds": 1.5, "params": 2**30 + row["idx"]}
    run = make_run(tmp_path / "a run é", HOSTILE_AXES, rows)
    assert run.points["loss_te"].notna().sum() == 8
    return run
