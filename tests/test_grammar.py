"""What a parsed condition says about its names and constants."""

import pytest

from results.grammar import ConditionError, parsed


def test_names_come_once_in_their_order_and_without_backticks():
    found = parsed("`a name` > 2 and b == '`c`' or `a name` < b")
    assert sorted(found.names) == ["a name", "b"]
    assert parsed("1 < 2").names == []


@pytest.mark.parametrize(
    ("text", "value"), [("-2", -2), ("[1, 'a', None]", [1, "a", None]), ("(True,)", [True]), ("2.5", 2.5)]
)
def test_constants_are_plain_data(text, value):
    found = parsed(text)
    assert found.constant(found.tree) == value


@pytest.mark.parametrize("text", ["1 + 2", "f(1)", "b'x'", "1j", "-True", "{1: 2}", "[f()]"])
def test_anything_else_is_no_constant(text):
    found = parsed(text)
    with pytest.raises(ConditionError, match="may have names, numbers, strings and lists"):
        found.constant(found.tree)
