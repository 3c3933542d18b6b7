"""A measurement's sandbox leaves nothing behind in this process, and its figures are of a sandbox that is well."""

import os
from collections.abc import Iterator

import pytest

from bench import operate, surroundings
from rotator import app
from rotator.reporting.report import Trigger
from sandbox.options import Options
from sandbox.world import World


def test_settings_are_in_the_environment_while_the_sandbox_runs_and_no_longer() -> None:
    before = os.environ.keys() - {"PYTEST_CURRENT_TEST"}
    with surroundings.sandbox(Options()) as world:
        assert os.environ.items() >= world.settings.items()
    assert os.environ.keys() - {"PYTEST_CURRENT_TEST"} == before


def test_pip_of_a_later_part_does_not_trust_the_sandbox_when_a_part_failed() -> None:
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    with pytest.raises(LookupError), surroundings.sandbox(Options()):
        raise LookupError
    assert os.environ.get("REQUESTS_CA_BUNDLE") == before


def test_caller_gets_back_what_the_sandbox_overrode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/of-the-company.pem")
    with surroundings.sandbox(Options()) as world:
        assert os.environ["REQUESTS_CA_BUNDLE"] == world.settings["REQUESTS_CA_BUNDLE"]
    assert os.environ["REQUESTS_CA_BUNDLE"] == "/etc/ssl/of-the-company.pem"


@pytest.fixture
def refused() -> Iterator[World]:
    """A sandbox whose Secret holds a SAS of a key that is gone, so that each look tries it on storage for seconds."""
    with surroundings.sandbox(Options()) as world:
        app.rotate(trigger=Trigger.CLI, environment=world.settings)
        world.account.regenerate("key1")
        yield world


def test_looking_is_not_measured_where_storage_refuses_what_a_secret_holds(refused: World) -> None:
    with pytest.raises(RuntimeError, match="storage refuses its SAS"):
        operate.status(refused)
    with pytest.raises(RuntimeError, match="consumers are refused"):
        operate.check(refused, 8)
