"""The recorded exchanges with Key Vault and Resource Manager, replayed against the sandbox in their order."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.azure.accounts import StorageAccount
from sandbox.options import Options
from sandbox.resource_manager import roles, server
from sandbox.world import World
from tests.conformance import data

HOST = "https://cli-test-kv-sa-000003.vault.azure.net"
ACCOUNT, GROUP = "clitestkvsa000002", "cli_test_keyvault_sa000001"
# Names of this service, and of the network that a request came from.
INDIVIDUAL = {"x-ms-keyvault-region", "x-ms-keyvault-service-version", "x-ms-keyvault-network-info", "www-authenticate"}


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = data.read(data.folder("recorded") / "keyvault-managed-storage.json")
    return found


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A vault like the recorded one: a week of retention, no purge protection, and that account within reach."""
    with World(Options(onboarded=False)) as world:
        account = StorageAccount(ACCOUNT, resource_group=GROUP)
        world.vault.retention_days, world.vault.purge_protection = 7, False
        world.vault.storage.known_accounts[account.resource_id] = account
        world.resource_manager.storage[ACCOUNT] = account  # type: ignore[index]  # a dict in the sandbox
        world.vault.permissions = {"storage/all", "secrets/get"}
        for who in (world.identity.object_id, world.vault.service_principal_id):
            role = roles.Assignment(account.resource_id, roles.KEY_OPERATOR, who)
            world.resource_manager.role_assignments.append(role)
        yield world


def test_the_sandbox_answers_as_azure_was_recorded(world: World, recorded: dict[str, Any]) -> None:
    assert len(recorded["exchanges"]) == 18
    for number, exchange in enumerate(recorded["exchanges"]):
        # Asked for 4 s after the deletion, the deleted account is not there yet.
        world.vault.deletion_seconds = 60.0 if number >= 16 else 0.0
        if number == 15:
            time.sleep(1.01)  # its times are in whole seconds
        answer = replay(world, exchange, authenticated=exchange["status"] != 401)
        where = f"{number}: {exchange['method']} {exchange['path']}"
        assert answer.status_code == exchange["status"], (where, answer.text)
        assert shape(answer.json(), world) == shape(exchange["response"], world), where
        for name, text in exchange.get("headers", {}).items():
            assert name in answer.headers, (where, name)
            if name not in INDIVIDUAL:
                assert plain(answer.headers[name]) == plain(text), (where, name)


def replay(world: World, exchange: dict[str, Any], *, authenticated: bool) -> requests.Response:
    method, path = exchange["method"], exchange["path"]
    audience = world.vault.resource
    if path.startswith("ARM "):
        url, audience = f"{world.resource_manager.url}{path.removeprefix('ARM ')}", server.AUDIENCE
    else:
        url = f"{world.vault.url}{path}?api-version={exchange['api-version']}"
    headers = {"Authorization": f"Bearer {world.identity.issue(audience)}"} if authenticated else {}
    body = exchange.get("request")
    return requests.request(
        method, url, json=body, headers=headers, verify=str(world.authority.bundle_path), timeout=30
    )


def shape(value: Any, world: World) -> Any:
    """A value without what differs from one time, host and key to the other; members stay in their order."""
    if isinstance(value, dict):
        members = [(name, _member(name, each, world)) for name, each in value.items()]
        times = [value.get("created"), value.get("updated")]
        return [*members, ("never updated", times[0] == times[1])] if times[0] else members
    if isinstance(value, list):
        return [shape(each, world) for each in value]
    if isinstance(value, str):
        return (
            re.sub(r"&sig=[^&]+", "&sig=…", value.replace(world.vault.url, HOST))
            if "&sig=" in value
            else (value.replace(world.vault.url, HOST))
        )
    return value


def _member(name: str, value: Any, world: World) -> Any:
    if name in {"created", "updated", "exp", "deletedDate", "scheduledPurgeDate"}:
        return type(value).__name__
    if name == "value" and isinstance(value, str):
        return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "…", str(shape(value, world))) if "sig=" in value else "a key"
    if name == "creationTime":
        return re.sub(r"\d", "0", value)
    return shape(value, world)


def plain(header: str) -> str:
    return header.replace("; ", ";").lower()


# What makes the sandbox refuse as in each of the recorded refusals, and the request that is refused.
SECRET = {"method": "GET", "path": "/secrets/any", "api-version": "7.4"}
WRITE = {"method": "PUT", "path": "/secrets/any", "api-version": "7.4", "request": {"value": "x"}}
REFUSED: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {
    0: (WRITE, {"permissions": set(), "policy_code": "AccessDenied"}),
    1: (SECRET, {"permissions": set(), "policy_code": "ForbiddenByPolicy"}),
    2: (SECRET, {"permissions": set()}),
    3: (SECRET, {"rbac": True}),
}


@pytest.mark.parametrize("number", REFUSED)
def test_a_refusal_is_worded_as_it_was_met(
    world: World, recorded: dict[str, Any], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    exchange, switches = REFUSED[number]
    for name, value in switches.items():
        monkeypatch.setattr(world.vault, name, value)
    if number == 2:
        policies = {(world.identity.object_id, "an application"): {"secrets/get"}}
        monkeypatch.setattr(world.vault, "compound_policies", policies)
    answer = replay(world, exchange, authenticated=True)
    met = recorded["refusals"][number]
    assert answer.status_code == met["status"]
    assert anonymous(answer.json()) == anonymous(met["response"])


def test_a_vault_that_may_not_itself_says_so_with_the_status_that_was_met(
    world: World, recorded: dict[str, Any]
) -> None:
    account = StorageAccount("anotheraccount", resource_group=GROUP)
    world.vault.storage.known_accounts[account.resource_id] = account
    own = roles.Assignment(account.resource_id, roles.KEY_OPERATOR, world.identity.object_id)
    world.resource_manager.role_assignments.append(own)
    body = {"resourceId": account.resource_id, "activeKeyName": "key1", "autoRegenerateKey": False}
    exchange = {"method": "PUT", "path": "/storage/another", "api-version": "7.4", "request": body}
    answer = replay(world, exchange, authenticated=True)
    met = recorded["refusals"][4]
    assert answer.status_code == met["status"]
    assert answer.json()["error"]["code"] == met["response"]["error"]["code"]
    assert answer.json()["error"]["message"].startswith(met["response"]["error"]["message"])


def anonymous(refusal: dict[str, Any]) -> tuple[str, str, str]:
    """Codes and words without the names in them; the number of groups was left out by some."""
    error = refusal["error"]
    words = re.sub(r"numgroups=\d+;|appid=[^;]*;|(;oid=|^oid=)", "", error["message"])
    words = re.sub(r"(oid|iss|location)=[^;'\r]*|'[^']*'|Vault: [^\r]*", "…", words)
    words = re.sub(r"Caller: [^\r]*", "Caller: …", words)
    return error["code"], error["innererror"]["code"], words
