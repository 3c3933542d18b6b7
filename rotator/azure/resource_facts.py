"""Azure resources as onboarding needs them, read from Resource Manager's answers.

An answer is an object of the SDK, or JSON where the resource is read by REST. Neither is trusted to be complete.
"""

import dataclasses
import datetime
import re
from collections.abc import Mapping
from typing import Any, Self

from rotator import untrusted
from rotator.azure.permissions import Policy

# .NET's TimeSpan, [days.]hours:minutes:seconds[.fraction]: at most 8 digits of days, and 7 of the fraction
# (https://learn.microsoft.com/dotnet/standard/base-types/standard-timespan-format-strings).
_TIMESPAN = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d{1,7})?")


@dataclasses.dataclass(frozen=True)
class VaultFacts:
    """A key vault; `policies` are its access policies by the identity's object id, `rbac` says that it ignores them."""

    name: str
    url: str
    tenant: str
    rbac: bool
    policies: Mapping[str, Policy]

    @classmethod
    def from_answer(cls, name: str, properties: Any) -> Self:
        """Read a vault's properties, as https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/get has them."""
        policies: dict[str, Policy] = {}
        for entry in properties.access_policies or []:
            if entry.application_id:  # a compound identity: it grants the object id alone nothing
                continue
            policy = Policy(_verbs(entry.permissions.secrets), _verbs(entry.permissions.storage))
            policies[entry.object_id] = policies.get(entry.object_id, Policy()).union(policy)
        return cls(
            name=name,
            url=str(properties.vault_uri or "").rstrip("/"),
            tenant=str(properties.tenant_id),
            rbac=bool(properties.enable_rbac_authorization),
            policies=policies,
        )


@dataclasses.dataclass(frozen=True)
class AccountFacts:
    """A storage account; `sas_limit` is the longest validity of a SAS by its SAS expiration policy, if it has one."""

    name: str
    blob_endpoint: str | None
    shared_key: bool
    sas_limit: datetime.timedelta | None

    @classmethod
    def from_answer(cls, name: str, account: Any) -> Self:
        """Read an account, as https://learn.microsoft.com/rest/api/storagerp/storage-accounts/get-properties has it."""
        limit = account.sas_policy.sas_expiration_period if account.sas_policy else None
        endpoint = str(account.primary_endpoints.blob or "").rstrip("/") if account.primary_endpoints else ""
        return cls(
            name=name,
            blob_endpoint=endpoint or None,
            shared_key=account.allow_shared_key_access is not False,  # null means allowed
            sas_limit=timespan(limit),
        )


@dataclasses.dataclass(frozen=True)
class AppFacts:
    """A function app: `principals` are the object ids of its user-assigned identities by client id.

    `principal` is the object id of its system-assigned identity, if it has one; `settings` are all app settings, some
    of which may be secret.
    """

    name: str
    principals: Mapping[str, str]
    principal: str | None
    settings: Mapping[str, str] = dataclasses.field(repr=False)

    @classmethod
    def from_answer(cls, name: str, site: Mapping[str, Any], settings: Mapping[str, str]) -> Self:
        """Read a site, as https://learn.microsoft.com/rest/api/appservice/web-apps/get has it."""
        identity = untrusted.mapping(site.get("identity"))
        assigned = untrusted.records(list(untrusted.mapping(identity.get("userAssignedIdentities")).values()))
        own = identity.get("principalId")
        return cls(
            name=name,
            principals={str(one.get("clientId")): str(one.get("principalId")) for one in assigned},
            principal=str(own) if own else None,
            settings=settings,
        )


def _verbs(found: object) -> frozenset[str]:
    verbs = found if isinstance(found, list) else []
    return frozenset(str(getattr(verb, "value", verb)).lower() for verb in verbs)


def timespan(text: object) -> datetime.timedelta | None:
    """Read .NET's TimeSpan; None for any other text."""
    form = _TIMESPAN.fullmatch(str(text or ""))
    if form is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in form.groups())
    return datetime.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
