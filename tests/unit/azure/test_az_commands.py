"""The commands of az that remedies print, as a shell reads them."""

import dataclasses
import shlex

from rotator.azure import az_commands, permissions
from rotator.azure.permissions import Policy
from rotator.plan import resource_id
from rotator.plan.resource_id import ResourceId
from tests.fakes.examples import RESOURCE_ID

ACCOUNT = ResourceId.parse(RESOURCE_ID, resource_id.STORAGE_ACCOUNT)
ODD = "it's (a) $name; `id`"


def test_a_word_reaches_az_as_it_is_and_what_is_to_be_filled_in_is_seen_to_be() -> None:
    assert shlex.split(az_commands.word(ODD)) == [ODD]
    assert [az_commands.word(text) for text in ("…", "<address>")] == ["…", "<address>"]


def test_an_id_with_parentheses_is_one_word() -> None:
    odd = dataclasses.replace(ACCOUNT, text=ACCOUNT.text.replace("/resourceGroups/", "/resourceGroups/our(own)"))
    assert odd.text in shlex.split(az_commands.allow_shared_key(az_commands.by_id(odd)))


def test_a_resource_is_selected_by_its_name_or_its_id() -> None:
    assert az_commands.by_name("app") == "--name app"
    assert az_commands.by_name("app", "my group") == "--name app --resource-group 'my group'"
    assert az_commands.by_id(ACCOUNT) == f"--ids {ACCOUNT}"


def test_a_policy_that_is_replaced_lists_every_permission_that_stays() -> None:
    words = shlex.split(az_commands.set_policy("myvault", "someone", permissions.APP))
    assert words[-7:] == ["--secret-permissions", "get", "--storage-permissions", "get", "getsas", "recover", "setsas"]


def test_a_policy_that_is_added_to_reads_what_is_there() -> None:
    command = az_commands.add_policy("myvault", "someone", Policy(storage=frozenset({"regeneratekey"})))
    present = "properties.accessPolicies[?objectId=='someone' && applicationId==null].permissions.storage[]"
    assert command == (
        "az keyvault set-policy --name myvault --object-id someone --storage-permissions regeneratekey "
        f'$(az keyvault show --name myvault --query "{present}" --output tsv)'
    )
