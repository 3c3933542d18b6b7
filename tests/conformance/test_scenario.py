"""One full scenario, and every exchange of it held against Azure's specifications."""

import functools
import re
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from rotator.commands import cli
from sandbox.master.server import Master
from sandbox.options import Options
from sandbox.resource_manager import roles
from sandbox.server.journal import Exchange
from sandbox.world import ACCOUNT, APP_ACCOUNT, World
from tests import surroundings
from tests.conformance import data
from tests.conformance.specification import Specification

_MANAGEMENT = "resource-manager"
DOCUMENTS = {
    "vault": (
        "keyvault/data-plane/Microsoft.KeyVault/stable/7.4/storage.json",
        "keyvault/data-plane/Microsoft.KeyVault/stable/7.4/secrets.json",
    ),
    "resource-manager": (
        "keyvault/resource-manager/Microsoft.KeyVault/stable/2023-07-01/keyvault.json",
        "storage/resource-manager/Microsoft.Storage/stable/2023-05-01/storage.json",
        "authorization/resource-manager/Microsoft.Authorization/stable/2022-04-01/authorization-RoleAssignmentsCalls.json",
    ),
    "blob": ("storage/data-plane/Microsoft.BlobStorage/stable/2024-08-04/blob.json",),
}
COMMANDS = (
    ("rotate",),
    ("rotate",),
    ("rotate", "--force"),
    ("rotate", "--regenerate-key", "--force"),
    ("revoke",),
    ("check",),
    ("status",),
    ("history",),
)


# What Azure is asked for that these documents do not have, and why it is not in them.
ELSEWHERE = {
    r"GET / ": "the vault's clock: any answer has a Date, also the 401 to a request without a token",
    rf"GET /{ACCOUNT} ": "storage's clock, in the same way",
    r"\w+ .*/providers/Microsoft.Web/sites/": "the specification of App Service is not at hand",
    r"GET .*/providers/Microsoft.Authorization/permissions": "of another api-version's document, not at hand",
}


# Requests that are made to be refused, and why.
REFUSED = {
    r"PUT /storage/\w+/sas/\w+\?api-version=7.4 400": "the check asks with an empty one whether it may set them",
    r"GET /subscriptions/\S+/storageAccounts/\w+\?api-version=\S+ 403": "the check asks whether "
    "it may read the account; the document lists no refusal",
}


def amend(document: dict[str, Any]) -> None:
    """Correct what the documents say otherwise than the recorded traffic, the services' reference, or for SDKs only."""
    definitions, parameters = document.get("definitions", {}), document.get("parameters", {})
    # ../shared/azure/recorded: a list that ends has `"nextLink": null`, and a key's permissions are `FULL`.
    for name in ("StorageListResult", "SasDefinitionListResult"):
        if name in definitions:
            definitions[name]["properties"]["nextLink"]["x-nullable"] = True
    if "StorageAccountKey" in definitions:
        definitions["StorageAccountKey"]["properties"]["permissions"]["enum"].append("FULL")
    if "BlobItemInternal" not in definitions:
        return
    # https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
    del parameters["Blob"]["pattern"]
    # An SDK is of one version; the service takes every one.
    # https://learn.microsoft.com/rest/api/storageservices/versioning-for-the-azure-storage-services
    del parameters["ApiVersionParameter"]["enum"]
    # Only there where snapshots, or deleted blobs, are asked for.
    # https://learn.microsoft.com/rest/api/storageservices/list-blobs
    definitions["BlobItemInternal"]["required"] = ["Name", "Properties"]
    # https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2
    text = {"type": "string"}
    definitions["StorageError"]["properties"] |= {"Code": text, "AuthenticationErrorDetail": text}


@functools.cache
def documents(service: str) -> tuple[Specification, ...]:
    root, prefix = data.folder("specification"), f"/({ACCOUNT}|{APP_ACCOUNT})" if service == "blob" else ""
    return tuple(Specification(root / name, prefix, amend) for name in DOCUMENTS[service])


@pytest.fixture(scope="module")
def exchanges() -> Iterator[list[Exchange]]:
    """Everything that is exchanged from an empty vault to a revocation and the looks after it."""
    data.folder("specification")
    with pytest.MonkeyPatch.context() as patch, World(Options(onboarded=False)) as world:
        heard: list[Exchange] = []
        world.journal.exchanges = heard
        for name, text in world.command_line_settings.items():
            patch.setenv(name, text)
        surroundings.enter(world, patch)
        act(world, patch)
        yield list(heard)


def act(world: World, patch: pytest.MonkeyPatch) -> None:
    """Onboard as the operator, then do everything else as the app."""
    patch.setenv("REVOKE_GRACE", "PT1S")
    operator = roles.Assignment(world.account.resource_id, roles.KEY_OPERATOR, world.app_object_id)
    world.resource_manager.role_assignments.append(operator)
    printed = run("onboard", "--key-rotation", "--yes")
    assert isinstance(world.master, Master)
    world.master.authorized_keys.append(printed.rpartition("--public-key '")[2].partition("'")[0])
    patch.setenv("AZURE_CLIENT_ID", world.app_client_id)
    for command in COMMANDS:
        run(*command)
    patch.delenv("AZURE_CLIENT_ID")
    run("onboard", "--key-rotation", "--yes")


def run(*arguments: str) -> str:
    done = CliRunner().invoke(cli.main, list(arguments))
    assert done.exit_code == 0, (arguments, done.output)
    return done.output


def shown(exchange: Exchange) -> str:
    return f"{exchange.method} {re.sub(r'sig=[^&]+', 'sig=…', exchange.target)} {exchange.status}"


def problems(exchange: Exchange) -> list[str]:
    found = [document for document in documents(exchange.service) if document.operation(exchange)]
    if not found and any(re.match(pattern, f"{exchange.method} {exchange.target} ") for pattern in ELSEWHERE):
        return []
    if any(re.fullmatch(pattern, shown(exchange)) for pattern in REFUSED):
        return []
    return found[0].problems(exchange) if found else [f"no document has {exchange.method} {exchange.target}"]


@pytest.mark.parametrize("service", DOCUMENTS)
def test_every_exchange_is_as_azure_s_specification_says(exchanges: list[Exchange], service: str) -> None:
    met: dict[str, str] = {}
    for exchange in (each for each in exchanges if each.service == service):
        for problem in problems(exchange):
            met.setdefault(problem, shown(exchange))
    if met:
        pytest.fail("\n".join(f"{problem}: {where}" for problem, where in sorted(met.items())), pytrace=False)


def test_the_scenario_has_the_operations_that_the_product_lives_by(exchanges: list[Exchange]) -> None:
    done = {
        document.operation(exchange)
        for exchange in exchanges
        for document in documents(exchange.service)
        if exchange.status < 300
    }
    assert done >= {
        *(
            "SetStorageAccount",
            "GetStorageAccount",
            "SetSasDefinition",
            "GetSasDefinition",
            "RegenerateStorageAccountKey",
        ),
        *("SetSecret", "GetSecret", "Vaults_Get", "Vaults_UpdateAccessPolicy", "StorageAccounts_GetProperties"),
        *("StorageAccounts_ListKeys", "Service_GetProperties", "Container_Create", "BlockBlob_Upload", "Blob_Download"),
        *("Blob_AcquireLease", "Blob_RenewLease", "Blob_ReleaseLease", "Blob_SetMetadata"),
    }
