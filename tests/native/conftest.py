"""What the tests of the native kernel share."""

import pytest


@pytest.fixture(scope="module")
def together(group):
    """All points of the `group` of the file, trained together."""
    return group.trained()
