"""The command of the benchmarks: names, each with a size if it takes one."""

import pytest

from tests.benchmarks.__main__ import BENCHMARKS, chosen
from tests.benchmarks.builders import CLASSIFIERS, GRIDS, KINDS


def test_without_names_all_benchmarks_run():
    assert chosen([]) == [(name, []) for name in BENCHMARKS]


def test_a_number_is_the_size_of_the_benchmark_before_it():
    assert chosen(["others", "16", "grid", "published"]) == [
        ("others", [16]),
        ("grid", []),
        ("published", []),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grids"], "There is no benchmark 'grids'"),
        (["16"], "There is no benchmark '16'"),
        (["others", "16", "17"], "There is no benchmark '17'"),
        (["grid", "16"], "The benchmark 'grid' takes no size, but got 16."),
    ],
)
def test_what_is_no_benchmark_or_no_size_is_named(arguments, message):
    with pytest.raises(SystemExit) as error:
        chosen(arguments)
    assert str(error.value).startswith(message)


def test_each_published_kind_has_a_grid_and_a_description():
    assert list(GRIDS) == list(KINDS) and set(CLASSIFIERS) < set(GRIDS)
