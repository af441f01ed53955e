"""What the tests of rebuilt models share."""

import pytest

from tests.help.predictions import mixed_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two points on the table with texts, gaps and classes."""
    return mixed_run(tmp_path_factory.mktemp("mixed"))
