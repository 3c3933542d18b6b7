import inspect

import pytest

from rotator import errors
from rotator.errors import RotatorError

CLASSES = [member for _, member in inspect.getmembers(errors, inspect.isclass) if member.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_is_explained_and_of_our_own_family(kind: type[RotatorError]) -> None:
    assert issubclass(kind, RotatorError)
    assert (kind.__dict__.get("__doc__") or "").endswith(".")
    assert kind is RotatorError or kind.__name__.endswith("Error")


def test_error_says_what_is_wrong_and_what_to_do() -> None:
    error = errors.UnreachableError("master:22 does not answer")
    assert str(error) == "master:22 does not answer"
    assert error.remedy == "Check KUBERNETES_DNS, KUBERNETES_SSH_PORT, the network path and that sshd runs."
    assert error.kind == "UnreachableError"


def test_remedy_of_one_error_is_not_that_of_its_class() -> None:
    errors.UnreachableError("first", remedy="Bring OpenSSH up to date.")
    assert errors.UnreachableError("second").remedy.startswith("Check KUBERNETES_DNS")


def test_empty_remedy_is_one_too() -> None:
    assert errors.UnreachableError("master", remedy="").remedy == ""


def test_failed_command_holds_its_status() -> None:
    assert errors.CommandFailedError("kubectl failed", status=3).status == 3


def test_settings_error_lists_its_problems_line_by_line() -> None:
    error = errors.SettingsError(["A is missing", "B is wrong"])
    assert str(error) == "settings are missing or wrong:\n  - A is missing\n  - B is wrong"
    assert error.problems == ["A is missing", "B is wrong"]
    assert error.remedy == "Correct these app settings; nothing was changed."


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        (errors.VaultThrottledError, errors.VaultError),
        (errors.StorageRefusedError, errors.StorageError),
        (errors.HostKeyRejectedError, errors.SshError),
        (errors.PrivateKeyError, errors.SshError),
        (errors.ConnectionLostError, errors.CommandError),
        (errors.CommandError, errors.SshError),
        (errors.NotOursError, errors.DeliveryError),
        (errors.KeyInUseError, errors.KeyRotationError),
        (errors.OwnStorageError, errors.KeyRotationError),
        (errors.LeaseLostError, errors.LeaseError),
        (errors.KeyAccessForbiddenError, errors.VaultForbiddenError),
        (errors.StillAcceptedError, errors.StorageError),
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


def test_busy_error_as_json_says_who_and_since_when_too() -> None:
    told = errors.BusyError("a run is in progress", holder="run 1", since="2026-07-01T12:00:00Z").as_json()
    assert (told["holder"], told["since"]) == ("run 1", "2026-07-01T12:00:00Z")
    assert set(told) == {"error", "message", "remedy", "holder", "since"}
