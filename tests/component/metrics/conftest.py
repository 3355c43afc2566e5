"""An agent that measures, and nothing that blocks its loop."""

import pytest

from component.metrics.ground import SETTINGS


@pytest.fixture
def configuration() -> str:
    return SETTINGS
