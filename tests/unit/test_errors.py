import inspect

import pytest

from rotator import errors
from rotator.azure import errors as azure_errors
from rotator.azure.errors import (
    KeyAccessForbiddenError,
    LeaseError,
    LeaseLostError,
    OwnStorageError,
    StillAcceptedError,
    StorageError,
    StorageRefusedError,
    VaultError,
    VaultForbiddenError,
    VaultThrottledError,
)
from rotator.delivery import errors as delivery_errors
from rotator.delivery.errors import (
    CommandError,
    CommandFailedError,
    CommandKilledError,
    ConnectionLostError,
    DeliveryError,
    HostKeyRejectedError,
    NotOursError,
    PrivateKeyError,
    SshError,
    UnreachableError,
)
from rotator.deployment import errors as deployment_errors
from rotator.errors import RotatorError
from rotator.onboarding import errors as onboarding_errors

MODULES = (errors, azure_errors, delivery_errors, onboarding_errors, deployment_errors)
CLASSES: list[type[RotatorError]] = [
    member
    for module in MODULES
    for _, member in inspect.getmembers(module, inspect.isclass)
    if issubclass(member, RotatorError) and member.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_explained_and_of_our_own_family(kind: type[RotatorError]) -> None:
    assert (kind.__dict__.get("__doc__") or "").rstrip().endswith(".")
    assert kind is RotatorError or kind.__name__.endswith("Error")


def test_codes_are_the_names_that_reports_have_and_no_two_errors_share_one() -> None:
    assert [kind.code for kind in CLASSES] == [kind.__name__ for kind in CLASSES]
    assert len({kind.code for kind in CLASSES}) == len(CLASSES) > 70


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_exit_codes_and_http_statuses_are_those_of_the_families(kind: type[RotatorError]) -> None:
    exits = {
        errors.SettingsError: 2,
        errors.BusyError: 3,
        deployment_errors.FunctionsNotListedError: 4,
        deployment_errors.FunctionsDisabledError: 4,
        deployment_errors.TimerSilentError: 5,
        deployment_errors.RunFailedError: 6,
    }
    statuses = {errors.BusyError: 409, errors.KeyRotationError: 412, azure_errors.LeaseError: 412}
    assert kind.exit_code == next((code for family, code in exits.items() if issubclass(kind, family)), 1)
    assert kind.http_status == next((status for family, status in statuses.items() if issubclass(kind, family)), 500)


def test_error_says_what_is_wrong_and_what_to_do() -> None:
    error = CommandKilledError("a signal ended the command")
    assert str(error) == "a signal ended the command"
    assert error.remedy == "Check the master's kernel log (out of memory?) and its process limits."
    assert error.code == "CommandKilledError"


def test_remedy_of_one_error_is_not_that_of_its_class() -> None:
    CommandKilledError("first", remedy="Give it more memory.")
    assert CommandKilledError("second").remedy.startswith("Check the master's kernel log")


def test_empty_remedy_is_one_too() -> None:
    assert UnreachableError("master", remedy="").remedy == ""


def test_failed_command_holds_its_status() -> None:
    assert CommandFailedError("kubectl failed", status=3).status == 3


def test_settings_error_lists_its_problems_line_by_line() -> None:
    error = errors.SettingsError(["A is missing", "B is wrong"])
    assert str(error) == "settings are missing or wrong:\n  - A is missing\n  - B is wrong"
    assert error.problems == ["A is missing", "B is wrong"]
    assert error.remedy == "Correct these app settings; nothing was changed."


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (VaultThrottledError, VaultError),
        (StorageRefusedError, StorageError),
        (HostKeyRejectedError, SshError),
        (PrivateKeyError, SshError),
        (ConnectionLostError, CommandError),
        (CommandError, SshError),
        (NotOursError, DeliveryError),
        (errors.KeyInUseError, errors.KeyRotationError),
        (OwnStorageError, errors.KeyRotationError),
        (LeaseLostError, LeaseError),
        (KeyAccessForbiddenError, VaultForbiddenError),
        (StillAcceptedError, StorageError),
    ],
)
def test_errors_can_be_caught_by_their_step(kind: type[RotatorError], family: type[RotatorError]) -> None:
    assert issubclass(kind, family)


def test_error_as_json_has_its_kind_its_words_and_its_remedy() -> None:
    assert errors.KeyInUseError("key2 may be in use", remedy="Wait.").as_json() == {
        "error": "KeyInUseError",
        "message": "key2 may be in use",
        "remedy": "Wait.",
    }


def test_a_command_ends_the_remedy_and_is_no_part_of_the_advice() -> None:
    error = errors.KeyInUseError("key2 may be in use", remedy="Wait for it.").repaired_by("sleep 60")
    assert (error.remedy, error.advice) == ("Wait for it: sleep 60", "Wait for it.")
    assert errors.KeyInUseError("key2 may be in use", remedy="Wait.").advice == "Wait."


def test_a_class_keeps_its_remedy_where_one_error_has_a_command() -> None:
    KeyAccessForbiddenError("no").repaired_by("az login")
    assert KeyAccessForbiddenError("no").remedy == KeyAccessForbiddenError.remedy


def test_busy_error_as_json_says_who_and_since_when_too() -> None:
    fields = errors.BusyError("a run is in progress", holder="run 1", since="2026-07-01T12:00:00Z").as_json()
    assert (fields["holder"], fields["since"]) == ("run 1", "2026-07-01T12:00:00Z")
    assert set(fields) == {"error", "message", "remedy", "holder", "since"}
