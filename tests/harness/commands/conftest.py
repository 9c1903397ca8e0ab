"""Commands begin with a store in which nothing is written down."""

import pytest

from harness.store import Store


@pytest.fixture
def runs(place, planned):
    """The store of the plan, empty."""
    return Store(place.store)
