"""What each set of parameters deploys."""

import pytest

from tests.infra import deployments
from tests.infra.deployments import Deployment


@pytest.fixture(scope="session")
def sets() -> dict[str, Deployment]:
    """Every snapshot by its set's name, read once."""
    return deployments.kept()
