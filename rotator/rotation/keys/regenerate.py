"""Regenerates a key: records it before, requests it once, and checks the keys after, whatever the vault answered."""

import logging

from rotator import errors, event_log
from rotator.azure.account_keys import AccountKeys
from rotator.azure.errors import (
    ResourceLockedError,
    ResourceManagerError,
    ResourceManagerForbiddenError,
    VaultError,
    VaultForbiddenError,
)
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState
from rotator.rotation import state
from rotator.rotation.account import AccountReader
from rotator.rotation.services import Services
from rotator.rotation.state import Pending
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)

_REFUSED = (VaultError, ResourceManagerError)
_FORBIDDEN = (VaultForbiddenError, ResourceManagerForbiddenError, ResourceLockedError)


class Regeneration:
    """The changes of one run to the account's keys; `done` names the keys that it regenerated.

    `may_clear` is for an operation that this run begins: if the issuer forbids the first regeneration, the record
    is cleared, as later runs could not do it either. `cleared` says that there is nothing left to resume.
    """

    def __init__(self, services: Services, account: AccountReader, *, may_clear: bool) -> None:
        self._services = services
        self._account = account
        self._may_clear = may_clear
        self.done: list[str] = []
        self.cleared = False

    def record(self, pending: Pending) -> None:
        """Record what is pending, so that any later run can resume it."""
        self.cleared = False
        entries = self._account.state().entries
        self._services.fence()
        self._services.run_state.save({**entries, state.PENDING_TAG: pending.text()})

    def clear_record(self) -> None:
        """Remove that record."""
        entries = dict(self._account.refresh().entries)
        entries.pop(state.PENDING_TAG, None)
        self._services.fence()
        self._services.run_state.save(entries)
        self.cleared = True

    def regenerate(self, pending: Pending, name: str) -> None:
        """Regenerate a key and make it the active one, unless an earlier run did.

        Raises VaultError, ResourceManagerError, LeaseLostError, or ActiveKeyError when the regenerated key is not the
        active one.
        """
        account_state = self._account.refresh()
        if not pending.regenerated(name, listed(account_state)):
            if account_state.active == name:
                raise _still_active(name, self._services.issuer.name)
            account_state = self._change(pending, name, account_state)
        if account_state.active is None or not pending.regenerated(account_state.active, listed(account_state)):
            raise _not_made_active(name, account_state.active, self._services.issuer.name)

    def _change(self, pending: Pending, name: str, account_state: AccountState) -> AccountState:
        self._services.admit(listed(account_state).account)
        self._services.fence()
        try:
            with Stopwatch().step(Step.REGENERATE):
                self._services.issuer.regenerate(name)
            self.done.append(name)
        except _REFUSED as error:
            if not pending.regenerated(name, listed(self._account.refresh())):
                if isinstance(error, _FORBIDDEN) and name == pending.first and self._may_clear:
                    self.clear_record()  # nothing has begun, and no later run could do it either
                raise
            self.done.append(name)
            event_log.log(logger, logging.WARNING, Event.KEY_REGENERATED_DESPITE_ERROR, key=name, answer=error)
        after = self._account.refresh()
        if not pending.regenerated(name, listed(after)):
            self.done.remove(name)
            raise errors.KeyRotationError(
                f"{self._services.issuer.name} says that it regenerated {name}, but the account has the same key as "
                "before",
                remedy="Wait some minutes; the next run checks again by itself.",
            )
        event_log.log(logger, logging.WARNING, Event.KEY_REGENERATED, key=name, account=listed(after).account)
        return after


def listed(account_state: AccountState) -> AccountKeys:
    """Return the keys of an account state that was read with them; raises KeyRotationError for any other."""
    if account_state.keys is None:
        raise errors.KeyRotationError("the account's keys were not listed", remedy="Please report this defect.")
    return account_state.keys


def _still_active(name: str, issuer: str) -> errors.ActiveKeyError:
    return errors.ActiveKeyError(
        f"{name} is {issuer}'s active key now, and regenerating it would end the SAS that were just issued",
        remedy=f"Find out who made {name} the active key since, and make the other one active again.",
    )


def _not_made_active(name: str, active: str | None, issuer: str) -> errors.ActiveKeyError:
    return errors.ActiveKeyError(
        f"{name} was regenerated, but {active} is {issuer}'s active key",
        remedy=f"Make {name} the active key (PATCH /storage/<name> with activeKeyName); the next run resumes the "
        "operation.",
    )
