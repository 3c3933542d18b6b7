"""A vault: what is in it, who may do what with it, and what tests change about it.

https://learn.microsoft.com/azure/key-vault/general/about-keys-secrets-certificates
"""

import dataclasses
import datetime
import time
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

from sandbox.azure import identity
from sandbox.key_vault import errors, managed_storage, secret_store
from sandbox.server import faults

DAY = 24 * 3600  # seconds
LONGEST_RETENTION = 90  # days
PROVIDER = "/providers/Microsoft.KeyVault/vaults"
# What the original sample's access policy grants.
SAMPLE_PERMISSIONS = frozenset({"secrets/get", "storage/setsas", "storage/getsas"})


@dataclasses.dataclass(frozen=True)
class Call:
    """One authorised request: the names in its path, its JSON, and the caller's client id and object id."""

    names: tuple[str, ...]
    body: dict[str, Any]
    client_id: str
    object_id: str


class Vault:
    """A vault; `policies` are its access policies by object id, each a set as in {"secrets/get"}.

    `compound_policies` name an application besides the object: they allow nothing to a caller that comes without it.
    `url` is the value of KEYVAULT_BASEURL, empty until the vault is served. `minted` lists every SAS handed out.

    Tests change what follows:

    - `permissions`: the system-assigned identity's policy. `policy_delay`: seconds until `set_policy` takes effect.
      `policy_code`: the error code for a missing permission. `rbac`: roles count then,
      and no policy; `opens_data` says whether an object id may take a data action at a scope.
    - `firewall`: the addresses and networks that are let through, None for every one. `private`: the vault takes
      requests through private endpoints only, of which there are none here.
    - `clock_skew`: how far its clock is ahead, by which it mints too. `tamper`: applied to each minted SAS.
      `sas_start_offset`: a SAS then has a start time.
    - `deletion_seconds`, `recovery_seconds`: how long these take. `retention_days`, `purge_protection`: of soft
      deletion.
    - `faults`: answers instead of the real ones.
    - What Resource Manager says when the vault goes there for an account's keys: `caller_may_manage_keys`, and
      `authorizes` with an object id, an action and a scope. With `asks_first` the vault goes there before it looks at
      the request's body, which no source says. `service_status`: the status when the vault itself is refused.
    """

    name = "sandbox"
    location = "westeurope"

    def __init__(self, tokens: identity.Identity) -> None:
        self._identity = tokens
        self._outdated: dict[str, tuple[float, set[str]]] = {}
        self.url = ""
        self.secrets = secret_store.SecretStore()
        self.storage = managed_storage.ManagedStorage()
        self.resource_id = f"/subscriptions/{uuid.UUID(int=0)}/resourceGroups/sandbox{PROVIDER}/{self.name}"
        self.service_principal_id = str(uuid.uuid4())
        self.policies: dict[str, set[str]] = {tokens.object_id: set(SAMPLE_PERMISSIONS)}
        self.compound_policies: dict[tuple[str, str], set[str]] = {}
        self.policy_delay = 0.0
        self.policy_code = errors.POLICY_CODES[0]
        self.rbac = False
        self.firewall: set[str] | None = None
        self.private = False
        self.clock_skew = datetime.timedelta()
        self.tamper: Callable[[str], str] | None = None
        self.sas_start_offset: datetime.timedelta | None = None
        self.recovery_seconds = self.deletion_seconds = 0.0
        self.retention_days, self.purge_protection = 90, True
        self.faults: list[faults.Fault] = []
        self.caller_may_manage_keys = True
        self.opens_data: Callable[[str, str, str], bool] = lambda _object_id, _action, _scope: False
        self.authorizes: Callable[[str, str, str], bool] = lambda _object_id, _action, _scope: True
        self.asks_first = False
        self.service_status = 400
        self.minted: list[str] = []

    @property
    def resource(self) -> str:
        """The audience that the challenge asks for.

        SDKs accept a challenge only when the vault's host ends with a dot and the resource's host. An address
        has no domain, so it is cut at its first dot: "0.0.1:port" fits "127.0.0.1:port"; nobody contacts it.
        """
        return f"https://0.0.1:{urllib.parse.urlsplit(self.url).port}"

    def now(self) -> datetime.datetime:
        """Return the time by its clock."""
        return datetime.datetime.now(datetime.UTC) + self.clock_skew

    @property
    def recovery(self) -> dict[str, Any]:
        """The attributes that say how what is deleted can be recovered."""
        level = "CustomizedRecoverable" if self.retention_days < LONGEST_RETENTION else "Recoverable"
        more = "" if self.purge_protection else "+Purgeable"
        return {"recoveryLevel": f"{level}{more}", "recoverableDays": self.retention_days}

    def deletion(self, path: str, deleted: int) -> dict[str, Any]:
        """Return what an answer has about an object that was deleted then, in unix seconds."""
        purged = deleted + self.retention_days * DAY
        return {"recoveryId": f"{self.url}/deleted{path}", "deletedDate": deleted, "scheduledPurgeDate": purged}

    @property
    def permissions(self) -> set[str]:
        """The access policy of the sandbox's system-assigned identity."""
        return self.policies.setdefault(self._identity.object_id, set())

    @permissions.setter
    def permissions(self, permissions: set[str]) -> None:
        self.policies[self._identity.object_id] = permissions

    def set_policy(self, object_id: str, permissions: set[str]) -> None:
        """Change an access policy; what it granted before is still granted for `policy_delay`."""
        self._outdated[object_id] = (time.monotonic() + self.policy_delay, self.granted(object_id))
        self.policies[object_id] = permissions

    def settle(self) -> None:
        """Let every change of a policy take effect now."""
        self._outdated.clear()

    def granted(self, object_id: str) -> set[str]:
        """Return what the access policy of an object id grants at this moment."""
        until, before = self._outdated.get(object_id, (0.0, set()))
        return before if time.monotonic() < until else self.policies.get(object_id, set())
