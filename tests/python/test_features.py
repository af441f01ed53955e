"""Each way that an estimator's message offers mends the column, as it is pasted."""

import re

import numpy as np
import pandas as pd
import pytest

from sweep.python.features import check_features

ROWS = np.arange(1, 41)
COLUMNS = {
    "money": ([f"${1000 + 7 * row:,}" for row in ROWS], {}),
    "a sign beside another": ([f"${row}.5" for row in ROWS], {"strip": ["%"]}),
    "decimal commas": ([f"{row},{row % 10}" for row in ROWS], {}),
    "thousands or decimals": ([f"{row},{100 + row % 10}" for row in ROWS], {}),
    "odd texts": (["?", *(str(row + 0.5) for row in ROWS[1:])], {"na": ["x"], "missing": {"b": "fill"}}),
    "gaps": ([None, *ROWS[1:]], {"drop": ["c"]}),
}


def message(frame, data):
    with pytest.raises(ValueError) as error:
        check_features(frame, data)
    return str(error.value)


@pytest.mark.parametrize("name", COLUMNS)
def test_each_way_mends_the_column(name):
    values, given = COLUMNS[name]
    frame = pd.DataFrame({"a": values, "b": ROWS, "c": ROWS})
    said = message(frame, given)
    ways = [eval(way) for way in re.findall(r"  data=(.*)", said)]
    assert ways and "file" not in said
    for way in ways:
        check_features(frame, way)
        assert given.keys() <= way.keys()
        assert all(len({*value}) == len(value) for value in way.values() if isinstance(value, list))


def test_one_way_mends_all_columns():
    frame = pd.DataFrame({"a": [f"${1000 + row:,}" for row in ROWS], "b": [None, *ROWS[1:]], "c": ROWS})
    first = re.search(r"  data=(.*)", message(frame, None))
    check_features(frame, eval(first[1]))


def test_no_way_leaves_out_nearly_all_rows():
    frame = pd.DataFrame({"a": [None] * 30 + [*ROWS[30:]], "b": ROWS})
    said = message(frame, None)
    assert "'missing': 'fill'" in said and "drop_rows" not in said
    assert "drop_rows" in message(frame.assign(a=[None, *ROWS[1:]]), None)
