"""The account state as one run knows it: kept once it was read, re-read on request, with or without the keys."""

import dataclasses
from collections.abc import Iterator, Mapping

from rotator import errors
from rotator.azure.errors import ResourceManagerError, RunStateError, VaultForbiddenError
from rotator.delivery import template
from rotator.delivery.template import Values
from rotator.issuers.account_state import AccountState
from rotator.issuers.interface import IssuedSas
from rotator.plan.plan import Plan
from rotator.rotation import state
from rotator.rotation.services import Services


class AccountReader:
    """Reads the account state, and keeps it for all callers until it is re-read. A RotatorError is kept likewise."""

    def __init__(self, plan: Plan, services: Services) -> None:
        self._plan = plan
        self._services = services
        self._state: AccountState | errors.RotatorError | None = None
        self._latest: AccountState | None = None
        self._keyed = False
        self._problems: dict[str, None] = {}  # in their order, each once

    def state(self) -> AccountState:
        """Return the kept account state, or read it where none is kept.

        Raises what the issuer does; an error that is kept without a new request.
        """
        if self._state is None:
            try:
                self._state = self._latest = self._read()
            except errors.RotatorError as error:  # what failed once is not requested again for each target
                self._state = error
        if isinstance(self._state, errors.RotatorError):
            raise self._state
        return self._state

    def refresh(self) -> AccountState:
        """Re-read the account state; raises as `state` does."""
        self._state = None
        return self.state()

    def latest(self) -> AccountState:
        """Return the last state that could be read; raises as `state` does when there is none."""
        return self._latest or self.state()

    @property
    def place(self) -> str:
        """Where the entries of earlier runs are, for messages."""
        return self._services.run_state.place

    @property
    def warnings(self) -> tuple[str, ...]:
        """A warning for all that was unreadable in any reading so far, even if the run has replaced it since."""
        return tuple(self._problems)

    def with_keys(self) -> AccountState:
        """Re-read the account state with the account's keys, as all later readings do; raises as `state` does."""
        self._keyed = True
        return self.refresh()

    def with_keys_if_allowed(self) -> AccountState:
        """Re-read the account state, with the keys where these can be listed, else without; raises as `state` does."""
        try:
            return self.with_keys()
        except (ResourceManagerError, RunStateError, VaultForbiddenError):
            self.without_keys()
            return self.state()

    def without_keys(self) -> None:
        """Read again at the next call, and from then on without the account's keys."""
        self._keyed, self._state = False, None

    def retry(self) -> None:
        """Discard a kept error, so that the next call of `state` reads again. A state that could be read stays."""
        if isinstance(self._state, errors.RotatorError):
            self._state = None

    def replace_entries(self, entries: Mapping[str, str]) -> None:
        """Continue with entries that were just saved, which prepared the account too, without reading it again."""
        if isinstance(self._state, AccountState):
            self._state = dataclasses.replace(self._state, entries=entries, prepared=True)
        if self._latest:
            self._latest = dataclasses.replace(self._latest, entries=entries, prepared=True)

    def prepared(self) -> None:
        """Continue with an account that was just prepared, as far as possible, without reading it again."""
        if isinstance(self._state, AccountState):
            self._state = dataclasses.replace(self._state, prepared=True)

    def endpoint(self) -> str | None:
        """Return the blob endpoint: as set, or concluded from the account's name; None where that is not known.

        Raises as `state` does, also where the endpoint is set.
        """
        return self._plan.account.endpoint_of(self.state().account)

    def values(self, issued: IssuedSas) -> Values:
        """Return what a Secret's templates may ask for, as far as it is known; raises as `state` does."""
        endpoint = self.endpoint()
        return Values(
            sas=issued.sas,
            account=self.state().account or template.account_in(endpoint),
            blob_endpoint=endpoint,
            container=self._plan.grant.container,
            account_key=issued.account_key,
            blob=self._plan.grant.blob,
        )

    def _read(self) -> AccountState:
        run_state = self._services.run_state
        try:
            entries = run_state.load()
        except RunStateError as error:
            if self._keyed:  # an unfinished key rotation may be recorded there
                raise
            entries = {}
            self._problems[f"what earlier runs recorded is not known, so no key is rotated: {error}"] = None
        self._problems |= dict.fromkeys(state.unreadable_entries(entries, run_state.place))
        self._problems |= dict.fromkeys(self._left_by_another_issuer(entries))
        return dataclasses.replace(self._services.issuer.state(keys=self._keyed), entries=entries)

    def _left_by_another_issuer(self, entries: Mapping[str, str]) -> Iterator[str]:
        """Describe what a run with another issuer began, and runs with this one cannot finish."""
        capabilities, issuer = self._services.issuer.capabilities, self._plan.account.origin("issuer")
        if entries.get(state.PENDING_TAG) and not capabilities.account_keys:
            yield (
                f"a key rotation is unfinished, and this issuer has no account keys: set {issuer} to what it was, and "
                f"let a run finish it ({state.PENDING_TAG} {self.place} says which)"
            )
        if entries.get(state.REVOKING_TAG) and capabilities.account_keys:
            yield (
                f"a revocation of user delegation keys is unfinished, and this issuer has none to revoke: set {issuer} "
                f"to what it was, and let a run finish it ({state.REVOKING_TAG} {self.place} says which run began it)"
            )
