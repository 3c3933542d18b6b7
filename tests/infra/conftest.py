"""The template as it is in the repository."""

import pytest

from tests.infra import bicep


@pytest.fixture(scope="session")
def template() -> bicep.Template:
    """All files, parsed once."""
    return bicep.parse(bicep.texts())
