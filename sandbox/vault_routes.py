"""Key Vault's REST calls: path, permission, and what carries each out."""

import dataclasses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sandbox import definition_operations, secret_operations, storage_operations

if TYPE_CHECKING:
    from sandbox.vault import Call, Vault


CarryOut = Callable[["Vault", "Call"], dict[str, Any] | None]
"""Gives the answer's JSON; None for an answer without a body."""


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
    _route("GET", "/secrets", "secrets/list", secret_operations.list_secrets),
    _route("GET", "/secrets/{}/versions", "secrets/list", secret_operations.list_versions),
    _route("GET", "/secrets/{}", "secrets/get", secret_operations.get_secret),
    _route("GET", "/secrets/{}/{}", "secrets/get", secret_operations.get_secret),
    _route("PUT", "/secrets/{}", "secrets/set", secret_operations.set_secret),
    _route("PATCH", "/secrets/{}", "secrets/set", secret_operations.update_secret),
    _route("PATCH", "/secrets/{}/{}", "secrets/set", secret_operations.update_secret),
    _route("DELETE", "/secrets/{}", "secrets/delete", secret_operations.delete_secret),
    _route("GET", "/deletedsecrets/{}", "secrets/get", secret_operations.get_deleted_secret),
    _route("POST", "/deletedsecrets/{}/recover", "secrets/recover", secret_operations.recover_secret),
    _route("GET", "/storage", "storage/list", storage_operations.list_accounts),
    _route("GET", "/storage/{}", "storage/get", storage_operations.get_account),
    _route("PUT", "/storage/{}", "storage/set", storage_operations.set_account),
    _route("PATCH", "/storage/{}", "storage/update", storage_operations.update_account),
    _route("DELETE", "/storage/{}", "storage/delete", storage_operations.delete_account),
    _route("POST", "/storage/{}/regeneratekey", "storage/regeneratekey", storage_operations.regenerate_key),
    _route("GET", "/storage/{}/sas", "storage/listsas", definition_operations.list_definitions),
    _route("GET", "/storage/{}/sas/{}", "storage/getsas", definition_operations.get_definition),
    _route("PUT", "/storage/{}/sas/{}", "storage/setsas", definition_operations.set_definition),
    _route("PATCH", "/storage/{}/sas/{}", "storage/setsas", definition_operations.update_definition),
    _route("DELETE", "/storage/{}/sas/{}", "storage/deletesas", definition_operations.delete_definition),
    _route("GET", "/deletedstorage", "storage/list", storage_operations.list_deleted_accounts),
    _route("DELETE", "/deletedstorage/{}", "storage/purge", storage_operations.purge_account),
    _route("GET", "/deletedstorage/{}", "storage/get", storage_operations.get_deleted_account),
    _route("POST", "/deletedstorage/{}/recover", "storage/recover", storage_operations.recover_account),
    _route("GET", "/deletedstorage/{}/sas", "storage/listsas", definition_operations.list_deleted_definitions),
    _route("GET", "/deletedstorage/{}/sas/{}", "storage/getsas", definition_operations.get_deleted_definition),
    _route("POST", "/deletedstorage/{}/sas/{}/recover", "storage/recover", definition_operations.recover_definition),
)


def find(method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
    """Return the first route that fits, and the names in the path."""
    for route in ROUTES:
        match = route.path.fullmatch(path) if route.method == method else None
        if match is not None:
            return route, match.groups()
    return None
