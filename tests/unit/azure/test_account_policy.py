"""What an account's properties say about SAS, as Resource Manager writes them, and as nobody should."""

import datetime
from typing import Any

import pytest
from hypothesis import given

from rotator.azure import data_actions, permissions
from rotator.azure.account_policy import AccountPolicy, PolicyAction
from rotator.azure.permissions import Roles
from tests.unit.test_untrusted import json_values

ALL = frozenset({"blob", "file", "queue", "table"})
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
READER = Roles(({"dataActions": [f"{BLOBS}/read"]},))
HOUR = datetime.timedelta(hours=1)


def sas(**policy: Any) -> dict[str, Any]:
    return {"sasPolicy": policy}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, AccountPolicy()),
        ({"allowSharedKeyAccess": None, "sasPolicy": None, "networkAcls": None}, AccountPolicy()),
        ({"allowSharedKeyAccess": False}, AccountPolicy(keyless=ALL)),
        (
            {"allowSharedKeyAccessForServices": {"blob": {"enabled": False}, "file": {"enabled": True}}},
            AccountPolicy(keyless=frozenset({"blob"})),
        ),
        (
            sas(sasExpirationPeriod="1.02:00:00", expirationAction="Log"),
            AccountPolicy(longest=26 * HOUR, action=PolicyAction.LOG),
        ),
        (
            sas(sasExpirationPeriod="0.01:00:00", expirationAction="block"),
            AccountPolicy(longest=HOUR, action=PolicyAction.BLOCK),
        ),
        (sas(sasExpirationPeriod="soon"), AccountPolicy()),
        (sas(requireUserBoundUserDelegationSasAction="Block"), AccountPolicy(unbound=PolicyAction.BLOCK)),
        (sas(requireUserBoundUserDelegationSas=True), AccountPolicy(unbound=PolicyAction.LOG)),
        (
            sas(requireUserBoundUserDelegationSas=False, requireUserBoundUserDelegationSasAction="Block"),
            AccountPolicy(),
        ),
        (sas(requireUserBoundUserDelegationSasAction="Shout"), AccountPolicy(unbound=PolicyAction.LOG)),
        ({"keyPolicy": {"keyExpirationPeriodInDays": 90}}, AccountPolicy(key_age=datetime.timedelta(days=90))),
        ({"keyPolicy": {"keyExpirationPeriodInDays": True}}, AccountPolicy()),
        ({"networkAcls": {"defaultAction": "Deny"}}, AccountPolicy(admits_listed_only=True)),
        ({"publicNetworkAccess": "Disabled"}, AccountPolicy(private=True)),
        ({"publicNetworkAccess": "SecuredByPerimeter"}, AccountPolicy(private=True)),
        ({"publicNetworkAccess": "Enabled"}, AccountPolicy()),
    ],
)
def test_properties_are_read(properties: dict[str, Any], expected: AccountPolicy) -> None:
    assert AccountPolicy.from_answer(properties) == expected


@given(json_values)
def test_properties_of_any_form_stop_nothing(value: Any) -> None:
    names = ("allowSharedKeyAccessForServices", "sasPolicy", "keyPolicy", "networkAcls", "publicNetworkAccess")
    assert AccountPolicy.from_answer(dict.fromkeys(names, value)).longest is None


def test_an_identity_cannot_delegate_what_it_may_not_do_itself() -> None:
    assert data_actions.not_held("rl", READER) == ""
    assert data_actions.not_held("rlwd", READER) == "wd"
    assert data_actions.not_held("r", Roles()) == "r"
    everything = {"dataActions": [f"{BLOBS}/*"], "notDataActions": [f"{BLOBS}/delete"]}
    assert data_actions.not_held("rdw", Roles((everything,))) == "d"


@pytest.mark.parametrize(
    ("letters", "role"),
    [
        ("rl", permissions.BLOB_READER_NAME),
        ("rw", permissions.BLOB_CONTRIBUTOR_NAME),
        ("rwt", permissions.BLOB_OWNER_NAME),
    ],
)
def test_the_role_is_the_least_that_is_wide_enough(letters: str, role: str) -> None:
    assert data_actions.role_for(letters) == role
