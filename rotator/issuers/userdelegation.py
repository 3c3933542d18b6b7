"""User delegation keys as the issuer: storage gives one to the app's identity, and SAS are signed with it here.

No account key is needed, nor allowed. A SAS can do no more than the identity itself may do at that moment.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import datetime
from collections.abc import Callable, Mapping
from typing import Protocol

from rotator import errors
from rotator.azure import sas_signing
from rotator.azure.errors import UserDelegationError
from rotator.azure.user_delegation import DelegationKey
from rotator.issuers import local_window, sas_check
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import Capabilities, IssuedSas, SasRequest
from rotator.plan.issuer_rules import BACKDATED, LONGEST_DELEGATION
from rotator.plan.plan import Plan
from rotator.sas import Sas

# So many seconds are left for SAS that are to be told apart by the second of their expiry.
_APART = datetime.timedelta(minutes=10)


class DelegationKeys(Protocol):
    """Storage, which gives user delegation keys. Raises IdentityError or a UserDelegationError."""

    def key(self, start: datetime.datetime, expiry: datetime.datetime) -> DelegationKey:
        """Get a key for these times."""


class DelegationRevoker(Protocol):
    """Resource Manager, which revokes them. Raises IdentityError or a ResourceManagerError."""

    def revoke_delegation_keys(self, account_id: str) -> None:
        """Revoke all user delegation keys of an account."""


class Records(Protocol):
    """What earlier runs recorded; None where that could not be read."""

    entries: Mapping[str, str] | None


class UserDelegationIssuer:
    """The issuer of one plan's SAS, which a user delegation key signs. The key is kept for a run: it signs with it."""

    capabilities = Capabilities(sas_for_each_target=True, account_keys=False, signs_here=True)
    name = "storage"
    url = None

    def __init__(
        self,
        plan: Plan,
        delegation: DelegationKeys,
        revoker: DelegationRevoker,
        records: Records,
        *,
        clock: Callable[[], datetime.datetime],
    ) -> None:
        self._plan = plan
        self._grant = plan.grant
        self._delegation = delegation
        self._revoker = revoker
        self._records = records
        self._clock = clock
        self._key: DelegationKey | None = None

    def state(self, *, keys: bool) -> AccountState:  # noqa: ARG002  # there are none
        """Say what is known of the account, without a request; there are no keys to list."""
        return AccountState(account=self._plan.account.name, entries=self._records.entries or {})

    def prepare(self) -> None:
        """Do nothing: nothing has to be set up."""

    def issue(self, request: SasRequest, _state: AccountState, _refresh: Callable[[], AccountState]) -> IssuedSas:
        """Sign a SAS, with a key that storage gives for it and for the others of this run."""
        issued = self._sign(request)
        sas_check.check(issued, self._grant, self._clock(), latest=None)
        return IssuedSas(issued)

    def mint(self) -> Sas:
        """Sign a SAS, and return it unchecked."""
        return self._sign(SasRequest())

    def regenerate(self, _key: str) -> None:
        """Raise KeyRotationError: no account key signs these SAS."""
        raise errors.KeyRotationError(
            "no account key signs the SAS, so that none is regenerated",
            remedy="To end the SAS that are in use, revoke them.",
        )

    def revoke_delegation_keys(self) -> None:
        """Let Resource Manager revoke all of the account's; raises KeyRotationError where its id is not known."""
        if self._plan.account.storage_account is None:
            origin = self._plan.account.origin("storage_account")
            raise errors.KeyRotationError(
                "Resource Manager revokes user delegation keys, and the account's resource id is not known",
                remedy=f"Set {origin} to it.",
            )
        self._key = None
        self._revoker.revoke_delegation_keys(self._plan.account.storage_account)

    def _sign(self, request: SasRequest) -> Sas:
        key = self._key_for(self._clock())
        window = local_window.of(self._grant.validity, self._clock(), request, latest=key.expiry)
        return sas_signing.with_delegation_key(
            self._plan.account.name, key, self._grant, window, request.correlation_id
        )

    def _key_for(self, now: datetime.datetime) -> DelegationKey:
        wanted = now.replace(microsecond=0) + self._grant.validity
        if self._key is None or self._key.expiry < wanted:
            start = now.replace(microsecond=0) - BACKDATED
            self._key = self._delegation.key(start, min(wanted + _APART, start + LONGEST_DELEGATION))
        if self._key.expiry <= now:
            raise UserDelegationError("storage gave a user delegation key that has expired already")
        return self._key
