"""Key Vault's REST calls: path, permission, and what carries each out."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from sandbox.key_vault import managed_storage_calls, sas_definition_calls, secret_calls
from sandbox.key_vault.state import Call, Vault

CarryOut = Callable[[Vault, Call], dict[str, Any] | None]
"""Returns the answer's JSON; None for an answer without a body."""


@dataclasses.dataclass(frozen=True)
class Route:
    """One call; `path` has a group for each name in it, and `action` is what the journal says."""

    method: str
    path: re.Pattern[str]
    permission: str
    action: str
    carry_out: CarryOut


def _route(method: str, path: str, permission: str, carry_out: CarryOut) -> Route:
    """`{}` in the path stands for a name. The SDK puts a slash at the end where a version may follow."""
    pattern = re.compile(path.replace("{}", "([^/]+)") + "/?")
    return Route(method, pattern, permission, carry_out.__name__.replace("_", "-"), carry_out)


ROUTES = (
    _route("GET", "/secrets", "secrets/list", secret_calls.list_secrets),
    _route("GET", "/secrets/{}/versions", "secrets/list", secret_calls.list_versions),
    _route("GET", "/secrets/{}", "secrets/get", secret_calls.get_secret),
    _route("GET", "/secrets/{}/{}", "secrets/get", secret_calls.get_secret),
    _route("PUT", "/secrets/{}", "secrets/set", secret_calls.set_secret),
    _route("PATCH", "/secrets/{}", "secrets/set", secret_calls.update_secret),
    _route("PATCH", "/secrets/{}/{}", "secrets/set", secret_calls.update_secret),
    _route("DELETE", "/secrets/{}", "secrets/delete", secret_calls.delete_secret),
    _route("GET", "/deletedsecrets/{}", "secrets/get", secret_calls.get_deleted_secret),
    _route("POST", "/deletedsecrets/{}/recover", "secrets/recover", secret_calls.recover_secret),
    _route("GET", "/storage", "storage/list", managed_storage_calls.list_accounts),
    _route("GET", "/storage/{}", "storage/get", managed_storage_calls.get_account),
    _route("PUT", "/storage/{}", "storage/set", managed_storage_calls.set_account),
    _route("PATCH", "/storage/{}", "storage/update", managed_storage_calls.update_account),
    _route("DELETE", "/storage/{}", "storage/delete", managed_storage_calls.delete_account),
    _route("POST", "/storage/{}/regeneratekey", "storage/regeneratekey", managed_storage_calls.regenerate_key),
    _route("GET", "/storage/{}/sas", "storage/listsas", sas_definition_calls.list_definitions),
    _route("GET", "/storage/{}/sas/{}", "storage/getsas", sas_definition_calls.get_definition),
    _route("PUT", "/storage/{}/sas/{}", "storage/setsas", sas_definition_calls.set_definition),
    _route("PATCH", "/storage/{}/sas/{}", "storage/setsas", sas_definition_calls.update_definition),
    _route("DELETE", "/storage/{}/sas/{}", "storage/deletesas", sas_definition_calls.delete_definition),
    _route("GET", "/deletedstorage", "storage/list", managed_storage_calls.list_deleted_accounts),
    _route("DELETE", "/deletedstorage/{}", "storage/purge", managed_storage_calls.purge_account),
    _route("GET", "/deletedstorage/{}", "storage/get", managed_storage_calls.get_deleted_account),
    _route("POST", "/deletedstorage/{}/recover", "storage/recover", managed_storage_calls.recover_account),
    _route("GET", "/deletedstorage/{}/sas", "storage/listsas", sas_definition_calls.list_deleted_definitions),
    _route("GET", "/deletedstorage/{}/sas/{}", "storage/getsas", sas_definition_calls.get_deleted_definition),
    _route("POST", "/deletedstorage/{}/sas/{}/recover", "storage/recover", sas_definition_calls.recover_definition),
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Return the first route that fits, and the names in the path."""
    for route in ROUTES:
        match = route.path.fullmatch(path) if route.method == method else None
        if match is not None:
            return route, match.groups()
    return None
