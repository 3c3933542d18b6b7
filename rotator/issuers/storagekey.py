"""Account keys as the issuer: listed and regenerated through Resource Manager, and SAS are signed here.

The key that was made last is the active one. Resource Manager could sign SAS too (listAccountSas), but signs them as
version 2015-04-05 did: without an encryption scope, and valid from its own now on.
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Protocol

from rotator import errors, timestamps, untrusted
from rotator.azure import sas_signing
from rotator.azure.account_keys import AccountKeys
from rotator.azure.managed_account import StoredDefinition
from rotator.issuers import local_window, sas_check
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import Capabilities, IssuedSas, Records, SasRequest
from rotator.plan.plan import Plan
from rotator.sas import Sas

VALIDITY = "rotator-validity"  # of the SAS that are issued now, as an ISO 8601 duration
SINCE = "rotator-since"  # when runs began to issue SAS this way


class KeyOperations(Protocol):
    """What Resource Manager does with account keys. Raises IdentityError or a ResourceManagerError."""

    url: str

    def keys(self, account_id: str) -> AccountKeys:
        """List an account's keys."""

    def regenerate(self, account_id: str, key: str) -> None:
        """Regenerate a key."""


class StorageKeyIssuer:
    """The issuer of one plan's SAS, which account keys sign. The keys are kept for a run: it signs with them."""

    capabilities = Capabilities(sas_for_each_target=True, account_keys=True, signs_here=True)
    name = "Resource Manager"

    def __init__(
        self, plan: Plan, operations: KeyOperations, records: Records, *, clock: Callable[[], datetime.datetime]
    ) -> None:
        self._plan = plan
        self._grant = plan.grant
        self._operations = operations
        self._records = records
        self._clock = clock
        self._keys: AccountKeys | None = None  # as they were listed last

    @property
    def url(self) -> str:
        """Resource Manager's URL."""
        return self._operations.url

    def state(self, *, keys: bool) -> AccountState:
        """Say what is known of the account without a request; with `keys`, list them."""
        listed = self._list() if keys else None
        entries = self._records.entries
        if entries is None:  # nothing can be recorded either
            return AccountState(account=self._plan.account.name, keys=listed, active=_active(listed))
        stored = self._stored(entries)
        return AccountState(
            account=self._plan.account.name,
            active=_active(listed),
            active_since=untrusted.iso_time(entries.get(SINCE)) or self._clock(),  # what signed before is not known
            keys=listed,
            prepared=not stored.differs,
            validity=stored.validity,
            sas_until=stored.sas_until,
            entries=entries,
        )

    def prepare(self) -> None:
        """Record how long the SAS live that are issued from now on; raises RunStateError."""
        entries, now = self._records.entries or {}, self._clock()
        wanted = self._stored(entries).tags_for(self._grant, now, entries)
        wanted[VALIDITY] = self._grant.validity_period
        if untrusted.iso_time(wanted.get(SINCE)) is None:
            wanted[SINCE] = timestamps.text(now)
        self._records.save(wanted)

    def issue(self, request: SasRequest, state: AccountState, _refresh: Callable[[], AccountState]) -> IssuedSas:
        """Sign a SAS with the active key."""
        issued = self._sign(request, state.keys or self._keys or self._list())
        sas_check.check(issued.sas, self._grant, self._clock(), latest=None)
        return issued

    def mint(self) -> Sas:
        """Sign a SAS, and return it unchecked."""
        return self._sign(SasRequest(), self._list()).sas

    def regenerate(self, key: str) -> None:
        """Let Resource Manager regenerate a key, which makes it the active one."""
        self._keys = None
        self._operations.regenerate(self._account_id, key)

    def revoke_delegation_keys(self) -> None:
        """Raise KeyRotationError: account keys sign these SAS."""
        raise errors.KeyRotationError("account keys sign the SAS, and no user delegation key")

    @property
    def _account_id(self) -> str:
        return self._plan.account.storage_account or ""

    def _list(self) -> AccountKeys:
        self._keys = self._operations.keys(self._account_id)
        return self._keys

    def _sign(self, request: SasRequest, keys: AccountKeys) -> IssuedSas:
        key = keys.newest
        window = local_window.of(self._grant.validity, self._clock(), request)
        issued = sas_signing.with_account_key(self._plan.account.name, key, self._grant, window)
        return IssuedSas(issued, key.name, key.value)

    def _stored(self, entries: Mapping[str, str]) -> StoredDefinition:
        span = untrusted.span(entries.get(VALIDITY))
        since = untrusted.iso_time(entries.get(SINCE))
        differs = entries.get(VALIDITY) != self._grant.validity_period or since is None
        return StoredDefinition(differs=differs, tags=entries, validity=span.longest if span else None)


def _active(keys: AccountKeys | None) -> str | None:
    return keys.newest.name if keys else None
