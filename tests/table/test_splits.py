"""The parts of a split are compared with what scikit-learn and pandas give, and with what each kind promises."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from trainables.table.spec import DataError, Split
from trainables.table.splits import fitted, split


def check(parts, rows):
    together = np.concatenate([parts.train, parts.test])
    assert sorted(together) == sorted(rows)


@given(st.integers(20, 300), st.floats(0.1, 0.6), st.integers(0, 100))
def test_random_is_the_sample_of_pandas(count, share, seed):
    frame = pd.DataFrame(index=range(count))
    parts = split(np.arange(count), Split(share, seed=seed), 0.2, None, None, None, None)
    train = frame.sample(frac=1 - share, random_state=seed)
    assert parts.train.tolist() == train.index.tolist()
    assert parts.test.tolist() == frame.drop(train.index).index.tolist()
    assert parts.validation is None
    asked = split(np.arange(count), Split(share, 0.25, seed=seed), 0.2, None, None, None, None)
    assert asked.train.tolist() == parts.train.tolist()
    assert len(asked.train) - asked.validation == fitted(len(asked.train), 0.25)


@pytest.mark.heavy  # takes long
@given(st.integers(60, 300), st.integers(0, 100))
def test_stratified_is_that_of_scikit_learn(count, seed):
    classes = pd.Series(np.random.default_rng(seed).permutation(np.resize([0, 0, 0, 1, 2], count)))
    parts = split(np.arange(count), Split(0.25, seed=seed, kind="stratified"), 0.2, None, None, None, classes)
    train, test = train_test_split(np.arange(count), test_size=0.25, random_state=seed, stratify=classes)
    fit, validation = train_test_split(train, test_size=0.2, random_state=seed, stratify=classes[train])
    assert parts.train.tolist() == [*fit, *validation] and parts.test.tolist() == test.tolist()
    assert parts.validation == len(validation)


@given(st.integers(40, 200), st.integers(0, 100))
def test_a_group_is_in_one_part_only(count, seed):
    groups = pd.Series(np.random.default_rng(seed).integers(0, 12, count))
    how = Split(0.25, kind="group", column="g", seed=seed)
    parts = split(np.arange(count), how, 0.25, None, None, groups, None)
    check(parts, np.arange(count))
    fit, validation = parts.train[: -parts.validation], parts.train[-parts.validation :]
    found = [set(groups[rows]) for rows in (fit, validation, parts.test)]
    assert all(found) and sum(map(len, found)) == groups.nunique()


@given(st.integers(20, 200), st.integers(0, 100))
def test_the_future_is_the_test(count, seed):
    times = pd.Series(np.random.default_rng(seed).permutation(count))
    parts = split(np.arange(count), Split(0.2, kind="time", column="t"), 0.2, None, None, times, None)
    check(parts, np.arange(count))
    ordered = [*times[parts.train], *times[parts.test]]
    assert ordered == sorted(ordered)
    assert len(parts.test) == np.ceil(count * 0.2)
    assert parts.validation == np.ceil(len(parts.train) * 0.2)


@pytest.mark.heavy  # takes long
@given(st.integers(20, 200), st.integers(2, 9), st.sampled_from([0.2, 0.205, 0.5]), st.booleans())
def test_rows_of_one_moment_are_in_one_part(count, each, share, are_dates):
    times = pd.Series(np.arange(count) // each)
    moments = pd.to_datetime("2024-01-01", utc=True) + pd.to_timedelta(times, "D") if are_dates else times
    how = Split(share, kind="time", column="t")
    parts = split(np.arange(count), how, 0.2, None, None, moments, None)
    check(parts, np.arange(count))
    fit, validation = parts.train[: -parts.validation], parts.train[-parts.validation :]
    assert not set(times[parts.train]) & set(times[parts.test])
    assert set(times[fit]).isdisjoint(times[validation]) == (times[parts.train].nunique() > 1)
    assert bool(parts.notes) == (times[parts.train].nunique() == 1)
    # The border moves as little as the moment asks for, and not at all without equal moments.
    assert np.ceil(count * share) <= len(parts.test) < np.ceil(count * share) + each or times.nunique() == 2
    given_test = split(np.arange(count), how, 0.2, np.arange(3), None, moments, None)
    rows = given_test.train
    assert set(times[rows[: -given_test.validation]]).isdisjoint(times[rows[-given_test.validation :]])


def test_one_moment_is_split_with_a_note():
    parts = split(np.arange(40), Split(kind="time", column="t"), 0.2, None, None, pd.Series([7] * 40), None)
    assert (
        len(parts.test) == 8 and parts.validation == 7 and 'All rows have one value of "t"' in parts.notes[1]
    )


def test_given_parts_are_taken_as_they_are():
    rows, test, validation = np.arange(50), np.arange(50, 60), np.arange(60, 75)
    parts = split(rows, Split(), 0.2, test, validation, None, None)
    assert sorted(parts.train[:50]) == list(range(50)) and parts.train[50:].tolist() == validation.tolist()
    assert parts.test.tolist() == test.tolist() and parts.validation == 15


def test_a_split_that_is_impossible_is_refused():
    classes = pd.Series([0] * 30 + [1])
    with pytest.raises(DataError, match=r"cannot be split with kind: stratified.*kind: random"):
        split(np.arange(31), Split(kind="stratified"), 0.2, None, None, None, classes)
