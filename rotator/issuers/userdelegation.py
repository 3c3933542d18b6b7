"""User delegation keys as the issuer: storage gives one to the app's identity, and SAS are signed with it here.

No account key is needed, nor allowed. A SAS can do no more than the identity itself may do at that moment.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

import dataclasses
import datetime
from collections.abc import Callable
from typing import Protocol

from rotator import errors, sas, timestamps
from rotator.azure import sas_signing
from rotator.azure.errors import UserDelegationError
from rotator.azure.user_delegation import DelegationKey
from rotator.issuers import local_window, sas_check
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import Capabilities, IssuedSas, Records, SasRequest
from rotator.plan.consistency import MARGIN
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
        self._asked_until = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        # A key that was asked for until so much earlier still serves other SAS of this run.
        self._reused_for = sas.tolerance(self._grant.validity) / 2

    def state(self, *, keys: bool) -> AccountState:  # noqa: ARG002  # there are none
        """Say what is known of the account, without a request; there are no keys to list."""
        return AccountState(account=self._plan.account.name, entries=self._records.entries or {})

    def prepare(self) -> None:
        """Do nothing: nothing has to be set up."""

    def issue(self, request: SasRequest, _state: AccountState, _refresh: Callable[[], AccountState]) -> IssuedSas:
        """Sign a SAS, with a key that storage gives for it and for the others of this run."""
        issued = self._sign(request)
        now = self._clock()
        short = self._grant.validity - (issued.expiry - now)
        if short <= sas.tolerance(self._grant.validity):
            sas_check.check(issued, self._grant, now, latest=None)
            return IssuedSas(issued)
        return IssuedSas(issued, warnings=(self._check_shorter(issued, now),))

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

    def _check_shorter(self, issued: Sas, now: datetime.datetime) -> str:
        """Check a SAS that ends with its key, before the time that was asked for; returns a warning.

        Raises UserDelegationError for one that the next run would not replace in time.
        """
        until, left = timestamps.text(issued.expiry), issued.expiry - now
        if left < self._plan.longest_interval + MARGIN:
            raise UserDelegationError(
                f"storage gave a user delegation key that ends at {until}, before the next run could replace its SAS",
                remedy="Check this host's clock, and what in Azure limits the lifetime of keys.",
            )
        sas_check.check(issued, dataclasses.replace(self._grant, validity=left), now, latest=None)
        return f"the SAS ends at {until}, as storage gave no user delegation key for longer"

    def _sign(self, request: SasRequest) -> Sas:
        key = self._key_for(self._clock())
        window = local_window.of(self._grant.validity, self._clock(), request, latest=key.expiry)
        return sas_signing.with_delegation_key(
            self._plan.account.name, key, self._grant, window, request.correlation_id
        )

    def _key_for(self, now: datetime.datetime) -> DelegationKey:
        wanted = now.replace(microsecond=0) + self._grant.validity
        if self._key is None or self._asked_until < wanted - self._reused_for:
            start = now.replace(microsecond=0) - BACKDATED
            self._asked_until = min(wanted + _APART, start + LONGEST_DELEGATION)
            self._key = self._delegation.key(start, self._asked_until)
        if self._key.expiry <= now:
            raise UserDelegationError("storage gave a user delegation key that has expired already")
        return self._key
