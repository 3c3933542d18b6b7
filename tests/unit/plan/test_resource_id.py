import pytest

from rotator.plan import resource_id
from rotator.plan.resource_id import ResourceId

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/mine"


def test_an_id_is_taken_apart() -> None:
    found = ResourceId.parse(ACCOUNT, resource_id.STORAGE_ACCOUNT)
    assert (found.subscription, found.group, found.name, str(found)) == (SUBSCRIPTION, "rg", "mine", ACCOUNT)


def test_ids_of_one_resource_may_differ_in_case() -> None:
    found = ResourceId.parse(ACCOUNT.replace("resourceGroups", "resourcegroups"), resource_id.STORAGE_ACCOUNT)
    assert found.same_as(ACCOUNT.upper())
    assert not found.same_as(f"{ACCOUNT}2")


@pytest.mark.parametrize("text", ["", "mine", ACCOUNT.replace("Storage/", "KeyVault/"), f"{ACCOUNT}/x", f"{ACCOUNT} x"])
def test_anything_else_is_refused_with_the_form_that_is_wanted(text: str) -> None:
    with pytest.raises(ValueError, match=r"providers/Microsoft\.Storage/storageAccounts/<name>"):
        ResourceId.parse(text, resource_id.STORAGE_ACCOUNT)
