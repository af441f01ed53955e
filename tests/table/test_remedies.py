"""Tests that the settings which a message offers for a table do mend it."""

import numpy as np
import pandas as pd
import pytest
import yaml

from trainables.table.data import load
from trainables.table.spec import DataError, DataSpec, Split

DATES = [f"{n % 28 + 1}/02/2024" for n in range(60)]


def refused(folder, days, **options):
    path = folder / "t.csv"
    count = np.arange(len(days))
    pd.DataFrame({"a": np.sin(count), "y": np.cos(count), "day": days}).to_csv(path, index=False)
    with pytest.raises(DataError, match='column "day" holds dates') as error:
        load(DataSpec(str(path), "y", **options))
    return str(error.value)


def test_a_split_by_time_is_offered_where_all_values_are_times(tmp_path):
    said = refused(tmp_path, DATES)
    assert "missing" not in said
    [split] = [yaml.safe_load(line) for line in said.splitlines() if "split:" in line]
    table = load(DataSpec(str(tmp_path / "t.csv"), "y", split=Split(**split["split"])))
    assert table.features == ("a",) and len(table.y_test) >= 12


@pytest.mark.parametrize("odd", ["unknown", "02/31/2024"])
def test_a_split_by_time_is_not_offered_where_it_fails(tmp_path, odd):
    said = refused(tmp_path, [*DATES, odd])
    assert "split:" not in said and 'drop: ["day"]' in said


def test_the_gaps_of_a_column_of_times_are_told_with_the_split(tmp_path):
    said = refused(tmp_path, [*DATES, None])
    assert 'split: {kind: time, column: "day"}' in said and '"day": "drop_rows" in missing too' in said
    assert '"drop_rows"' not in refused(tmp_path, [*DATES, None], missing={"day": "drop_rows"})
