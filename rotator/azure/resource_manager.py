"""Azure Resource Manager: the vault, the storage account, the roles on it and the function app.

https://learn.microsoft.com/rest/api/resources/ ; the vault and the account through their SDKs, the rest by REST.
"""

import contextlib
import datetime
import fnmatch
import io
import json
import re
import shlex
import urllib.parse
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.policies import HttpLoggingPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.storage import StorageManagementClient

from rotator import activity, errors, untrusted
from rotator.azure import az_commands, identity, network_errors, resource_id, retries
from rotator.azure import permissions as access
from rotator.azure.account_keys import NAMES, AccountKey, AccountKeys
from rotator.azure.errors import (
    IdentityError,
    ResourceManagerError,
    ResourceManagerForbiddenError,
    ResourceNotFoundError,
)
from rotator.azure.resource_id import ResourceId
from rotator.azure.resources import AccountFacts, AppFacts, VaultFacts
from rotator.redaction import SecretText

# Pinned, as the SDKs' own defaults are newer than what Azure's other clouds serve; infra/ deploys with the same ones.
_AUTHORIZATION_VERSION = "2022-04-01"
_SITES_VERSION = "2025-03-01"
_STORAGE_VERSION = "2025-01-01"
_VAULTS_VERSION = "2026-02-01"
_HEADERS = {"Accept": "application/json"}
_MAY_LIST = f"Give the app's identity the role {access.KEY_OPERATOR_NAME!r} on the account, and wait some minutes: "
_UNREACHABLE = "Check AZURE_RESOURCE_MANAGER, and the firewalls in between: it is reached by HTTPS, port 443."
# .NET's days.hours:minutes:seconds.fraction, as long as .NET has it.
_DAYS = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d{1,7})?")
_MOST_PAGES = 100


class ResourceManager:
    """Resource Manager as the operator. Every method raises IdentityError or a ResourceManagerError."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self._url = url
        self._credential = credential
        self._scope = f"{url}/.default"
        self._rest: ARMPipelineClient[Any, Any] = ARMPipelineClient(
            url,
            policies=[_retries(), ARMChallengeAuthenticationPolicy(credential, self._scope), HttpLoggingPolicy()],
            transport=retries.transport(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._rest.close()

    def operator(self) -> str:
        """Give the object id of whoever is signed in."""
        with self._translated("a token"):
            object_id = identity.describe(self._credential, self._scope).object_id
        if object_id.startswith("<"):
            raise IdentityError(f"no token for {self._url} could be had")
        return object_id

    def vault(self, resource: ResourceId) -> VaultFacts:
        """Read a vault's mode, URL and access policies."""
        with self._translated(f"vault {resource.name!r}"), self._vaults(resource) as client:
            return _vault_facts(resource.name, client.vaults.get(resource.group, resource.name).properties)

    def account(self, resource: ResourceId) -> AccountFacts:
        """Read what a storage account says about SAS."""
        with self._translated(f"storage account {resource.name!r}"), self._storage(resource) as client:
            return _account_facts(resource.name, client.storage_accounts.get_properties(resource.group, resource.name))

    def keys(self, account_id: str) -> AccountKeys:
        """List a storage account's keys; raises ResourceManagerForbiddenError where that is not allowed."""
        resource = _account_id(account_id)
        try:
            with self._translated(f"keys of storage account {resource.name!r}"), self._storage(resource) as client:
                nothing_else: Any = None  # by default the SDK has Kerberos' keys listed too; its type forgets None
                found = client.storage_accounts.list_keys(resource.group, resource.name, expand=nothing_else)
                return AccountKeys(resource.name, tuple(_keys(found.keys_property or [])))
        except ResourceManagerForbiddenError as error:
            command = az_commands.assign_role(access.KEY_OPERATOR, shlex.quote(str(resource)), "…")
            raise ResourceManagerForbiddenError(str(error), remedy=_MAY_LIST + command) from error

    def may(self, resource: ResourceId, action: str) -> bool:
        """Tell whether whoever is signed in may do this with the resource."""
        found = self._read(f"{resource}/providers/Microsoft.Authorization/permissions", _AUTHORIZATION_VERSION)
        return any(
            _matches(one.get("actions"), action) and not _matches(one.get("notActions"), action) for one in found
        )

    def key_operators(self, resource: ResourceId) -> frozenset[str]:
        """Give the object ids of the applications that may handle the account's keys by a built-in role."""
        path = f"{resource}/providers/Microsoft.Authorization/roleAssignments"
        found = [untrusted.mapping(one.get("properties")) for one in self._read(path, _AUTHORIZATION_VERSION)]
        return frozenset(
            str(one.get("principalId"))
            for one in found
            if one.get("principalType") == "ServicePrincipal"
            and str(one.get("roleDefinitionId", "")).rpartition("/")[2].lower() in access.KEY_ROLES
        )

    def function_app(self, resource: ResourceId) -> AppFacts:
        """Read the function app's identity and settings."""
        site = self._send("GET", str(resource), _SITES_VERSION, f"function app {resource.name!r}")
        who = untrusted.mapping(site.get("identity"))
        assigned = untrusted.records(list(untrusted.mapping(who.get("userAssignedIdentities")).values()))
        own = who.get("principalId")
        return AppFacts(
            name=resource.name,
            principals={str(one.get("clientId")): str(one.get("principalId")) for one in assigned},
            principal=str(own) if own else None,
            settings=self._settings(resource),
        )

    def grant(self, resource: ResourceId, tenant: str, object_id: str, policy: access.Policy) -> None:
        """Add to the vault's access policies; nobody's are taken away."""
        permissions = {"secrets": sorted(policy.secrets), "storage": sorted(policy.storage)}
        entry = {"tenantId": tenant, "objectId": object_id, "permissions": permissions}
        body = json.dumps({"properties": {"accessPolicies": [entry]}}).encode()
        with self._translated(f"access policies of vault {resource.name!r}"), self._vaults(resource) as client:
            client.vaults.update_access_policy(resource.group, resource.name, "add", io.BytesIO(body))

    def change_settings(self, resource: ResourceId, changes: Mapping[str, str]) -> None:
        """Set these app settings, and leave the others as they are now; the app restarts.

        Resource Manager writes them all at once, and offers no condition: its operations on app settings have neither
        an etag nor If-Match, and no PATCH (https://learn.microsoft.com/rest/api/appservice/web-apps). So they are read
        right before they are written, which leaves others the time of one request to be overwritten in.
        """
        what = f"settings of function app {resource.name!r}"
        settings = {**self._settings(resource), **changes}
        self._send("PUT", f"{resource}/config/appsettings", _SITES_VERSION, what, {"properties": settings})

    def _settings(self, resource: ResourceId) -> dict[str, str]:
        path, what = f"{resource}/config/appsettings/list", f"settings of function app {resource.name!r}"
        return untrusted.mapping(self._send("POST", path, _SITES_VERSION, what).get("properties"))

    def _options(self, version: str) -> dict[str, Any]:
        return {
            "api_version": version,
            "base_url": self._url,
            "credential_scopes": [self._scope],
            "retry_policy": _retries(),
            "transport": retries.transport(),
        }

    def _storage(self, resource: ResourceId) -> contextlib.closing[StorageManagementClient]:
        options = self._options(_STORAGE_VERSION)
        return contextlib.closing(StorageManagementClient(self._credential, resource.subscription, **options))

    def _vaults(self, resource: ResourceId) -> contextlib.closing[KeyVaultManagementClient]:
        options = self._options(_VAULTS_VERSION)
        return contextlib.closing(KeyVaultManagementClient(self._credential, resource.subscription, **options))

    def _read(self, path: str, version: str) -> list[dict[str, Any]]:
        """Read all pages of a list. Raises ResourceManagerError for one that goes on elsewhere, or for ever."""
        found: list[dict[str, Any]] = []
        page: str | None = path
        for _ in range(_MOST_PAGES):
            if page is None:
                return found
            answer = self._send("GET", page, version, "roles")
            found += untrusted.records(answer.get("value"))
            page = self._next(answer.get("nextLink"))
        raise ResourceManagerError(f"{self._url} lists roles on more than {_MOST_PAGES} pages")

    def _next(self, link: object) -> str | None:
        """Take the next page's URL; never on another host, as the token goes there too."""
        if not link:
            return None
        try:
            same = _origin(str(link)) == _origin(self._url)
        except ValueError:
            same = False
        if not same:
            raise ResourceManagerError(
                f"{self._url} names a next page on another host, which was not asked: {untrusted.one_line(link)}",
                remedy="Look for a proxy in between that changes answers.",
            )
        return str(link)

    def _send(
        self, method: str, path: str, version: str, what: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        url = path if path.startswith("https://") else f"{self._url}{path}?api-version={version}"
        with self._translated(what):
            response = self._rest.send_request(HttpRequest(method, url, headers=_HEADERS, json=body))
            response.raise_for_status()
            found = response.json()
        if not isinstance(found, dict):
            raise ResourceManagerError(f"{self._url} does not answer as Resource Manager does")
        return found

    @contextlib.contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            with activity.of(f"Resource Manager, for {what}"):
                yield
        except HttpResponseError as error:
            if error.response is None:  # it broke off
                raise ResourceManagerError(f"{self._url} does not answer ({type(error).__name__})") from error
            raise self._explained(error, what) from error
        except (ServiceRequestError, ServiceResponseError, OSError) as error:
            trouble = network_errors.explain(error, self._url, "AZURE_RESOURCE_MANAGER", _UNREACHABLE)
            raise ResourceManagerError(trouble.text, remedy=trouble.remedy) from error
        except (ValueError, TypeError, AttributeError) as error:  # the SDK hands on what it does not understand
            raise ResourceManagerError(f"{self._url} does not answer as Resource Manager does") from error

    def _explained(self, error: HttpResponseError, what: str) -> errors.RotatorError:
        code = error.error.code if error.error else None
        said = f"Resource Manager answered {error.status_code} ({code or 'no code'}) for {what}"
        if isinstance(error, ClientAuthenticationError):
            return IdentityError(f"{self._url} takes no token of this identity's")
        if error.status_code == HTTPStatus.FORBIDDEN:
            return ResourceManagerForbiddenError(said)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return ResourceNotFoundError(said)
        return ResourceManagerError(said)


def _retries() -> retries.BoundedRetryPolicy:
    """A policy belongs to one pipeline: it knows the next one there."""
    return retries.BoundedRetryPolicy(retry_total=4)


def _vault_facts(name: str, found: Any) -> VaultFacts:
    policies: dict[str, access.Policy] = {}
    for entry in found.access_policies or []:
        if entry.application_id:  # a compound identity: it allows the object alone nothing
            continue
        policy = access.Policy(_verbs(entry.permissions.secrets), _verbs(entry.permissions.storage))
        policies[entry.object_id] = policies.get(entry.object_id, access.Policy()).union(policy)
    return VaultFacts(
        name=name,
        url=str(found.vault_uri or "").rstrip("/"),
        tenant=str(found.tenant_id),
        rbac=bool(found.enable_rbac_authorization),
        policies=policies,
    )


def _account_facts(name: str, found: Any) -> AccountFacts:
    limit = found.sas_policy.sas_expiration_period if found.sas_policy else None
    endpoint = str(found.primary_endpoints.blob or "").rstrip("/") if found.primary_endpoints else ""
    return AccountFacts(
        name=name,
        blob_endpoint=endpoint or None,
        shared_key=found.allow_shared_key_access is not False,
        sas_limit=_timespan(limit),
    )


def _keys(found: Any) -> Iterator[AccountKey]:
    """Give the account's keys; beside them may be those of Kerberos, which sign no SAS."""
    for key in found:
        name = getattr(key, "key_name", None)
        if isinstance(name, str) and name in NAMES:
            yield AccountKey(name, SecretText(str(key.value or "")), _made(key.creation_time))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443}.get(parts.scheme)


def _made(moment: object) -> datetime.datetime | None:
    """When a key was made; the SDK hands on as text what it cannot read as a time."""
    if isinstance(moment, datetime.datetime):
        return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return untrusted.moment(moment)


def _account_id(text: str) -> ResourceId:
    try:
        return ResourceId.parse(text, resource_id.STORAGE_ACCOUNT)
    except ValueError as error:
        raise ResourceManagerError(f"the vault names no storage account that it manages: {error}") from error


def _verbs(found: object) -> frozenset[str]:
    verbs = found if isinstance(found, list) else []
    return frozenset(str(getattr(verb, "value", verb)).lower() for verb in verbs)


def _matches(patterns: object, action: str) -> bool:
    found = patterns if isinstance(patterns, list) else []
    return any(fnmatch.fnmatchcase(action.lower(), str(pattern).lower()) for pattern in found)


def _timespan(text: object) -> datetime.timedelta | None:
    """Read .NET's `days.hours:minutes:seconds`."""
    form = _DAYS.fullmatch(str(text or ""))
    if form is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in form.groups())
    return datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
