"""The Azure resources and the master as onboarding sees them, and what it needs of whatever reads and changes them."""

import dataclasses
import datetime
from collections.abc import Mapping

from rotator.azure import permissions


@dataclasses.dataclass(frozen=True)
class VaultFacts:
    """A vault as Resource Manager describes it."""

    name: str
    url: str
    tenant: str
    rbac: bool
    policies: Mapping[str, permissions.Policy]


@dataclasses.dataclass(frozen=True)
class AccountFacts:
    """A storage account as Resource Manager describes it; `sas_limit` is the longest life of a SAS that it wants."""

    name: str
    blob_endpoint: str | None
    shared_key: bool
    sas_limit: datetime.timedelta | None


@dataclasses.dataclass(frozen=True)
class AppFacts:
    """A function app: its user-assigned identities (object id by client id), its own one, and all its settings."""

    name: str
    principals: Mapping[str, str]
    principal: str | None
    settings: Mapping[str, str] = dataclasses.field(repr=False)
