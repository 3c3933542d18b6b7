"""What each issuer needs and cannot do: every wrong combination names the setting, and says what to write."""

import itertools

import pytest

from rotator.plan import loader
from rotator.plan.account import IssuerKind
from rotator.sas import Scope
from tests.fakes.examples import RESOURCE_ID
from tests.unit.plan.test_loader import SAMPLE, problems

ENDPOINT = "https://mystorage.blob.core.windows.net"
NOTHING = {"KEYVAULT_STORAGE_NAME": ""}
STORAGEKEY = {**NOTHING, "SAS_ISSUER": "storagekey", "STORAGE_ACCOUNT_ID": RESOURCE_ID}
DELEGATED = {**NOTHING, "SAS_ISSUER": "userdelegation", "STORAGE_ACCOUNT_ID": RESOURCE_ID, "SAS_CONTAINER": "pictures"}
BY_ISSUER = {"keyvault": {}, "storagekey": STORAGEKEY, "userdelegation": DELEGATED}

RIGHT: dict[str, dict[str, str]] = {
    "keyvault": {},
    "keyvault by name": {"SAS_ISSUER": "keyvault"},
    "keyvault with the account's id, for onboarding": {"STORAGE_ACCOUNT_ID": RESOURCE_ID},
    "storagekey": STORAGEKEY,
    "storagekey, still with the vault's name for the account": {**STORAGEKEY, "KEYVAULT_STORAGE_NAME": "mystorage"},
    "storagekey, all services": {**STORAGEKEY, "SAS_SERVICES": "bfqt", "SAS_RESOURCE_TYPES": "sco"},
    "storagekey, later permissions": {**STORAGEKEY, "SAS_PERMISSIONS": "rwdlacupxytfi"},
    "storagekey, container": {**STORAGEKEY, "SAS_CONTAINER": "pictures"},
    "storagekey, directory": {**STORAGEKEY, "SAS_CONTAINER": "pictures", "SAS_PREFIX": "2026/july"},
    "storagekey, blob": {**STORAGEKEY, "SAS_CONTAINER": "pictures", "SAS_BLOB": "logo.png"},
    "storagekey, addresses": {**STORAGEKEY, "SAS_IP": "203.0.113.0-203.0.113.255", "SAS_ENCRYPTION_SCOPE": "team1"},
    "storagekey, a year": {**STORAGEKEY, "SAS_VALIDITY": "P365D"},
    "userdelegation": DELEGATED,
    "userdelegation by endpoint": {**DELEGATED, "STORAGE_ACCOUNT_ID": "", "STORAGE_BLOB_ENDPOINT": ENDPOINT},
    "userdelegation, private endpoint": {**DELEGATED, "STORAGE_BLOB_ENDPOINT": "https://blobs.example.com"},
    "userdelegation, both": {**DELEGATED, "STORAGE_BLOB_ENDPOINT": ENDPOINT},
    "userdelegation, directory": {**DELEGATED, "SAS_PREFIX": "2026/july"},
    "userdelegation, as long as may be": {**DELEGATED, "SAS_VALIDITY": "P6DT23H45M"},
}

# The settings, the one that is named, and what the operator is to write or to remove.
WRONG: dict[str, tuple[dict[str, str], str, str]] = {
    "an issuer that there is not": ({"SAS_ISSUER": "entra"}, "SAS_ISSUER", "userdelegation"),
    "keyvault without its account": (NOTHING, "KEYVAULT_STORAGE_NAME", "mystorageaccount"),
    "storagekey without an account": (
        {**STORAGEKEY, "STORAGE_ACCOUNT_ID": ""},
        "STORAGE_ACCOUNT_ID",
        "/subscriptions/",
    ),
    "storagekey by endpoint": (
        {**STORAGEKEY, "STORAGE_ACCOUNT_ID": "", "STORAGE_BLOB_ENDPOINT": ENDPOINT},
        "STORAGE_ACCOUNT_ID",
        "/subscriptions/",
    ),
    "userdelegation without an account": (
        {**DELEGATED, "STORAGE_ACCOUNT_ID": ""},
        "STORAGE_ACCOUNT_ID",
        "STORAGE_BLOB_ENDPOINT is enough",
    ),
    "userdelegation without a container": ({**DELEGATED, "SAS_CONTAINER": ""}, "SAS_CONTAINER", "pictures"),
    "userdelegation with a directory of no container": (
        {**DELEGATED, "SAS_CONTAINER": "", "SAS_PREFIX": "a"},
        "SAS_CONTAINER",
        "pictures",
    ),
    "an id that is a vault's": (
        {**STORAGEKEY, "STORAGE_ACCOUNT_ID": RESOURCE_ID.replace("Storage/storageAccounts", "KeyVault/vaults")},
        "STORAGE_ACCOUNT_ID",
        "Microsoft.Storage/storageAccounts",
    ),
    "directory and blob": (
        {**STORAGEKEY, "SAS_CONTAINER": "pictures", "SAS_PREFIX": "a", "SAS_BLOB": "b"},
        "SAS_PREFIX and SAS_BLOB",
        "remove one of them",
    ),
    "directory without a container": ({**STORAGEKEY, "SAS_PREFIX": "a"}, "SAS_PREFIX", "set SAS_CONTAINER"),
    "blob without a container": ({**STORAGEKEY, "SAS_BLOB": "a"}, "SAS_BLOB", "set SAS_CONTAINER"),
    "services of a container": (
        {**STORAGEKEY, "SAS_CONTAINER": "pictures", "SAS_SERVICES": "b"},
        "SAS_SERVICES",
        "remove it, or remove SAS_CONTAINER",
    ),
    "a key's age without keys for a SAS of a week and more": (
        {**DELEGATED, "SAS_VALIDITY": "P7D"},
        "SAS_VALIDITY",
        "at most P6DT23H45M",
    ),
    "a month": ({**DELEGATED, "SAS_VALIDITY": "P30D"}, "SAS_VALIDITY", "at most P6DT23H45M"),
    "services with userdelegation": ({**DELEGATED, "SAS_SERVICES": "bq"}, "SAS_SERVICES", "remove it"),
    "types with userdelegation": ({**DELEGATED, "SAS_RESOURCE_TYPES": "sco"}, "SAS_RESOURCE_TYPES", "remove it"),
    "services with userdelegation and no container": (
        {**DELEGATED, "SAS_CONTAINER": "", "SAS_SERVICES": "b"},
        "SAS_SERVICES",
        "remove it",
    ),
    "policies of users with a container": ({**DELEGATED, "SAS_PERMISSIONS": "rwu"}, "SAS_PERMISSIONS", "rwdlac"),
    "listing of one blob": (
        {**DELEGATED, "SAS_BLOB": "logo.png", "SAS_PERMISSIONS": "rl"},
        "SAS_PERMISSIONS",
        "rwdac",
    ),
    "execution with an account SAS": ({**STORAGEKEY, "SAS_PERMISSIONS": "re"}, "SAS_PERMISSIONS", "rwdlacup"),
    "later permissions with keyvault": ({"SAS_PERMISSIONS": "rwx"}, "SAS_PERMISSIONS", "rwdlacup"),
    "no permission that there is": ({**STORAGEKEY, "SAS_PERMISSIONS": "rq"}, "SAS_PERMISSIONS", "rwd"),
    "another account's endpoint": (
        {**DELEGATED, "STORAGE_BLOB_ENDPOINT": "https://other.blob.core.windows.net"},
        "STORAGE_BLOB_ENDPOINT",
        "correct one of them",
    ),
    "another account's zonal endpoint": (
        {**STORAGEKEY, "STORAGE_BLOB_ENDPOINT": "https://other.z6.blob.storage.azure.net"},
        "STORAGE_BLOB_ENDPOINT",
        "correct one of them",
    ),
    "a range that runs backwards": (
        {**STORAGEKEY, "SAS_IP": "203.0.113.9-203.0.113.1"},
        "SAS_IP",
        "first and the last",
    ),
    "a network": ({**STORAGEKEY, "SAS_IP": "203.0.113.0/24"}, "SAS_IP", "with a hyphen between"),
    "an address of IPv6": ({**STORAGEKEY, "SAS_IP": "2001:db8::1"}, "SAS_IP", "IPv4"),
    "a container with capitals": ({**DELEGATED, "SAS_CONTAINER": "Pictures"}, "SAS_CONTAINER", "container's name"),
    "two containers": ({**DELEGATED, "SAS_CONTAINER": "pictures,logs"}, "SAS_CONTAINER", "container's name"),
    "a scope with capitals": ({**STORAGEKEY, "SAS_ENCRYPTION_SCOPE": "Team 1"}, "SAS_ENCRYPTION_SCOPE", "lower-case"),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_an_issuer_can_do_is_a_plan(case: str) -> None:
    plan = loader.load({**SAMPLE, **RIGHT[case]})
    assert plan.account.issuer == RIGHT[case].get("SAS_ISSUER", "keyvault")


@pytest.mark.parametrize("case", WRONG)
def test_what_it_cannot_is_refused_by_the_setting_with_what_to_write(case: str) -> None:
    changes, named, remedy = WRONG[case]
    (found,) = [problem for problem in problems(**changes) if problem.startswith(named)] or [""]
    assert found, problems(**changes)
    assert remedy in found


@pytest.mark.parametrize("written", ["rwu", "rwz", "rr"])
@pytest.mark.parametrize(
    "scope",
    [
        {},
        STORAGEKEY,
        {**STORAGEKEY, "SAS_CONTAINER": "pictures"},
        DELEGATED,
        {**DELEGATED, "SAS_PREFIX": "2026"},
        {**DELEGATED, "SAS_BLOB": "logo.png"},
    ],
)
def test_example_beside_wrong_permissions_is_right_for_what_the_sas_is_for(scope: dict[str, str], written: str) -> None:
    if written == "rwu" and "SAS_CONTAINER" not in scope:
        written = "rwm"  # as u is right for an account
    (found,) = problems(**scope, SAS_PERMISSIONS=written)
    assert found.startswith(f"SAS_PERMISSIONS is wrong ({written}): ")
    example = found.rpartition("; for example ")[2]
    assert loader.load({**SAMPLE, **scope, "SAS_PERMISSIONS": example}).grant.permissions == example


def test_refused_permissions_say_what_to_write_and_that_one_blob_is_not_listed() -> None:
    of_container, of_blob = {**DELEGATED, "SAS_PERMISSIONS": "rwu"}, {**DELEGATED, "SAS_PERMISSIONS": "rl"}
    assert problems(**of_container) == [
        "SAS_PERMISSIONS is wrong (rwu): it may hold each of the letters rwdlacxytfmei once; for example rl"
    ]
    assert problems(**of_blob, SAS_BLOB="logo.png") == [
        "SAS_PERMISSIONS is wrong (rl): it may hold each of the letters rwdacxytmei once, and one blob is not listed "
        "(l); for example r"
    ]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("SAS_CONTAINER", "pictures"),
        ("SAS_PREFIX", "reports"),
        ("SAS_BLOB", "logo.png"),
        ("SAS_IP", "203.0.113.7"),
        ("SAS_ENCRYPTION_SCOPE", "team1"),
    ],
)
def test_keyvault_issues_none_that_is_narrower(setting: str, value: str) -> None:
    (found,) = problems(**{setting: value})
    assert found.startswith(f"{setting} is not for SAS_ISSUER=keyvault")
    assert "set SAS_ISSUER=userdelegation (or storagekey)" in found


def test_every_problem_is_named_at_once() -> None:
    found = problems(**DELEGATED | {"SAS_SERVICES": "q", "SAS_RESOURCE_TYPES": "o", "SAS_VALIDITY": "P8D"})
    assert [problem.partition(" ")[0] for problem in found] == ["SAS_SERVICES", "SAS_RESOURCE_TYPES", "SAS_VALIDITY"]


def test_issuer_that_is_none_is_the_only_problem_of_what_depends_on_it() -> None:
    (found,) = problems(**DELEGATED | {"SAS_SERVICES": "q", "SAS_ISSUER": "entra"})
    assert found.startswith("SAS_ISSUER")


@pytest.mark.parametrize("issuer", [kind for kind in IssuerKind if kind.signs_here])
def test_default_permissions_of_a_container_are_what_those_of_an_account_mean_for_blobs(issuer: IssuerKind) -> None:
    known = {**SAMPLE, **BY_ISSUER[issuer], "SAS_CONTAINER": "pictures"}
    whole, directory = loader.load(known).grant, loader.load({**known, "SAS_PREFIX": "/2026/july/"}).grant
    blob = loader.load({**known, "SAS_BLOB": "logo.png"}).grant
    assert [grant.permissions for grant in (whole, directory, blob)] == ["rw", "rw", "rw"]
    assert [grant.scope for grant in (whole, directory, blob)] == [Scope.CONTAINER, Scope.DIRECTORY, Scope.BLOB]
    assert [grant.path for grant in (whole, directory, blob)] == ["pictures", "pictures/2026/july", "pictures/logo.png"]


def test_every_part_of_what_is_granted_is_in_the_label_by_which_a_change_is_due() -> None:
    changes = [
        {},
        {"SAS_CONTAINER": "logs"},
        {"SAS_PREFIX": "2026"},
        {"SAS_BLOB": "2026"},
        {"SAS_IP": "203.0.113.7"},
        {"SAS_ENCRYPTION_SCOPE": "team1"},
        {"SAS_PERMISSIONS": "r"},
        {"SAS_VALIDITY": "PT5H"},
    ]
    labels = [loader.load({**SAMPLE, **DELEGATED, **change}).grant.label for change in changes]
    assert all(one != another for one, another in itertools.combinations(labels, 2))


def test_key_rotation_period_has_no_effect_without_keys_and_that_is_a_warning() -> None:
    plan = loader.load({**SAMPLE, **DELEGATED, "KEY_ROTATION_PERIOD": "P90D"})
    (warning,) = plan.warnings
    assert warning.startswith("KEY_ROTATION_PERIOD has no effect with SAS_ISSUER=userdelegation")
    assert loader.load({**SAMPLE, **STORAGEKEY, "KEY_ROTATION_PERIOD": "P90D"}).warnings == ()
