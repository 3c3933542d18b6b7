"""A run's turn within one process, and what becomes of it without storage for a lease."""

import datetime
import re
import threading
from contextlib import AbstractContextManager
from typing import Any

import pytest

from rotator import errors
from rotator.azure.errors import LeaseUnavailableError, OwnStorageError
from rotator.plan.account import IssuerKind
from rotator.reporting.report import Trigger
from rotator.rotation import lock
from rotator.rotation.request import Request
from tests.fakes.examples import RESOURCE_ID, plan

STORAGE = "DefaultEndpointsProtocol=https;AccountName=mystorage;AccountKey=c2VjcmV0LXNlY3JldA==;"


class Credential:
    """Nobody signs in here."""

    def get_token(self, *scopes: str, **options: object) -> object:
        raise AssertionError("no token is needed")


def take(*, leased: bool = False, **environment: str) -> AbstractContextManager[lock.RunLock]:
    return lock.acquire(plan(), Request(Trigger.CLI, "me", lease=leased), environment, Credential())  # type: ignore[arg-type]


def test_second_turn_is_refused_with_who_has_the_first_and_since_when() -> None:
    with take() as first, pytest.raises(errors.BusyError) as caught, take():
        raise AssertionError("there can be only one")
    assert str(caught.value) == f"a run is in progress: {first.holder}"
    assert re.fullmatch(r"run \d{8}T\d{6}Z-[0-9a-f]{6} \(cli\) on host \S+", caught.value.holder)
    assert datetime.datetime.fromisoformat(caught.value.since).tzinfo is not None


def test_turn_is_refused_to_another_thread_too() -> None:
    refused: list[errors.BusyError] = []

    def ask() -> None:
        try:
            with take():
                pass
        except errors.BusyError as error:
            refused.append(error)

    with take() as first:
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join(10)
    assert [error.holder for error in refused] == [first.holder.name]


def test_turn_is_free_again_after_a_run_however_it_ended() -> None:
    with pytest.raises(KeyboardInterrupt), take():
        raise KeyboardInterrupt
    with take() as again:
        assert again.holder.trigger == "cli"


def test_each_turn_is_a_run_of_its_own() -> None:
    with take() as first:
        pass
    with take() as second:
        assert second.holder.run != first.holder.run


def test_run_that_does_without_a_lease_by_choice_may_touch_the_keys() -> None:
    with take() as alone:
        alone.admit("mystorage")
        alone.fence()
    assert (alone.warnings, alone.problem) == ((), None)


def test_run_without_storage_goes_on_with_a_warning_and_leaves_the_keys(caplog: pytest.LogCaptureFixture) -> None:
    with take(leased=True) as alone:
        alone.fence()
        with pytest.raises(LeaseUnavailableError) as caught:
            alone.admit("mystorage")
    assert str(caught.value) == "no storage of the app's own is set (AzureWebJobsStorage) for a lease"
    assert "--no-lease" in caught.value.remedy
    assert alone.warnings == (f"{caught.value}: nothing keeps another run from starting meanwhile",)
    assert alone.warnings[0] in caplog.text


def test_connection_string_that_cannot_be_used_is_no_lease_and_is_not_told() -> None:
    with take(leased=True, AzureWebJobsStorage="AccountName=only;Nonsense=c2VjcmV0") as alone:
        assert isinstance(alone.problem, LeaseUnavailableError)
        assert "c2VjcmV0" not in f"{alone.problem}{alone.warnings}{alone!r}"


def test_app_that_lives_on_the_account_by_its_key_is_refused_before_anything_else() -> None:
    with take(AzureWebJobsStorage=STORAGE) as alone:
        with pytest.raises(OwnStorageError) as caught:
            alone.admit("mystorage")
        alone.admit("another")
    assert "AzureWebJobsStorage" in str(caught.value)
    assert "AzureWebJobsStorage__accountName" in caught.value.remedy
    assert "c2VjcmV0" not in f"{caught.value}{caught.value.remedy}"


def test_turn_shows_no_setting_when_printed() -> None:
    with take(AzureWebJobsStorage=STORAGE) as alone:
        assert "c2VjcmV0" not in repr(alone)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "myvault.vault.azure.net/mystorage"),
        # A run with Key Vault may be in progress when an app moves.
        ({"issuer": IssuerKind.STORAGEKEY, "storage_account": RESOURCE_ID}, "myvault.vault.azure.net/mystorage"),
        ({"issuer": IssuerKind.STORAGEKEY, "storage_account": RESOURCE_ID, "managed_account": ""}, "mystorage"),
        ({"issuer": IssuerKind.USERDELEGATION, "managed_account": ""}, "mystorage"),
    ],
)
def test_runs_of_one_account_are_kept_apart_whoever_issues(changes: dict[str, Any], name: str) -> None:
    assert lock.lease_name(plan(**changes)) == name
