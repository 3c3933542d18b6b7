"""Looks at identity and vault: who this is, what it may do there, and what the vault has for a rotation."""

import dataclasses
import datetime
from collections.abc import Callable, Mapping
from typing import Protocol

from rotator import errors, sas, timestamps
from rotator.azure.errors import (
    IdentityError,
    KeyAccessForbiddenError,
    ManagedAccountNotFoundError,
    RbacVaultError,
    ResourceManagerForbiddenError,
    VaultDisabledError,
    VaultFirewallError,
    VaultForbiddenError,
    VaultSecretNotFoundError,
)
from rotator.azure.host_storage import storage_settings
from rotator.azure.managed_account import StorageBundle
from rotator.azure.permissions import Principal
from rotator.checks import clock_skew
from rotator.checks.findings import Level
from rotator.checks.remedies import Remedies
from rotator.checks.runner import Check, NotKnownError, OverError, Reporter, Results
from rotator.issuers.account_state import AccountState, StoredDefinition
from rotator.issuers.interface import Issuer, KeyLister
from rotator.plan.plan import Plan
from rotator.redaction import SecretText
from rotator.rotation import state
from rotator.rotation.keys import due
from rotator.rotation.state import Pending
from rotator.sas import SasDefinition


class Vault(Issuer, Protocol):
    """The vault, which can also be asked whether it would."""

    def may_store(self, definition: SasDefinition) -> bool:
        """Tell whether it must be recovered first; raises VaultForbiddenError unless it may be set so."""

    def may_regenerate(self) -> None:
        """Raise VaultForbiddenError unless keys may be regenerated; changes nothing."""


class VaultChecks:
    """The looks, and the `remedies` that know the identity once it is known."""

    def __init__(
        self,
        plan: Plan,
        vault: Vault,
        key_lister: KeyLister,
        *,
        whoami: Callable[[], Principal],
        time_at: clock_skew.TimeAt,
        clock: Callable[[], datetime.datetime],
        place: Mapping[str, str],
    ) -> None:
        self._plan = plan
        self._vault = vault
        self._ring = key_lister
        self._whoami = whoami
        self._time_at = time_at
        self._clock = clock
        self._place = place
        self._unmanaged = False
        self._resource_id = ""
        self.remedies = Remedies(plan, place)

    def _sign_in(self, error: errors.RotatorError) -> str:
        return "" if isinstance(error, IdentityError) and error.unanswered else self.remedies.sign_in()

    def looks(self) -> list[Check]:
        """Give them in an order in which each comes after those that it needs."""
        cluster = self._plan.targets[0].cluster
        looks = [
            Check("settings", self._settings),
            Check("identity", self._identity, self._sign_in),
            Check("vault", self._reach),
            Check("vault permission secrets get", self._secret(cluster.key_secret), self._command(cluster.key_secret)),
            Check("vault permission storage get", self._managed, self._command()),
            Check("vault permission storage getsas", self._stored, self._command()),
            Check("vault permission storage setsas", self._may_store, self._command()),
            Check("managed account", self._account),
            Check("SAS definition", self._definition),
        ]
        if cluster.passphrase_secret:
            name = cluster.passphrase_secret
            looks.append(Check("passphrase", self._secret(name), self._command(name)))
        if self._plan.key_rotation_period:
            looks.append(Check("vault permission storage regeneratekey", self._may_regenerate, self._command()))
            looks.append(Check("account keys", self._keys))
        return looks

    def _settings(self, _known: Results, say: Reporter) -> None:
        for warning in self._plan.warnings:
            say(Level.WARNING, warning)
        if not self._plan.warnings:
            say(Level.OK, "complete and in themselves sound")

    def _identity(self, _known: Results, say: Reporter) -> Principal:
        who = self._whoami()
        self.remedies = dataclasses.replace(self.remedies, who=who)
        say(Level.OK, f"signs in as {who.name}")
        return who

    def _reach(self, _known: Results, say: Reporter) -> None:
        before = self._clock()
        theirs = self._time_at(self._plan.account.vault_url)
        say(Level.OK, f"{self._plan.account.host} answers")
        off = clock_skew.ahead(theirs, before, self._clock())
        # A SAS lives by the vault's clock, and one that lives too short or too long is not delivered.
        clock_skew.compare(self._plan.account.host, off, say, bound=sas.tolerance(self._plan.definition.validity))

    def _ready(self, known: Results) -> None:
        known.of("identity")
        known.of("vault")

    def _secret(self, name: str) -> Callable[[Results, Reporter], SecretText]:
        def act(known: Results, say: Reporter) -> SecretText:
            self._ready(known)
            found = self._vault.secret(name)
            say(Level.OK, f"secret {name!r} can be read")
            return found

        return act

    def _managed(self, known: Results, say: Reporter) -> StorageBundle:
        self._ready(known)
        try:
            found = self._vault.managed()
        except ManagedAccountNotFoundError as error:
            self._unmanaged = True
            say(Level.FAILURE, str(error), error.remedy, self.remedies.onboard())
            raise OverError from error
        except VaultForbiddenError as error:
            if self._plan.key_rotation_period:
                raise
            # A plain rotation does without.
            say(Level.WARNING, str(error), error.remedy, self._command()(error))
            raise OverError from error
        say(Level.OK, f"the record of {self._plan.account.name!r} can be read")
        return found

    def _stored(self, known: Results, say: Reporter) -> StoredDefinition:
        self._ready(known)
        found = self._vault.stored(self._plan.definition)
        say(Level.OK, "SAS definitions can be read")
        return found

    def _may_store(self, known: Results, say: Reporter) -> bool:
        """Tell whether the definition must be recovered first."""
        self._ready(known)
        try:
            deleted = self._vault.may_store(self._plan.definition)
        except VaultForbiddenError as error:
            if self._plan.key_rotation_period or self._differs(known):
                raise
            text = f"{error}; the SAS definition is as it is wanted, but a run could not change it, nor note in it"
            say(Level.WARNING, text, error.remedy, self._command()(error))
            raise OverError from error
        say(Level.OK, "SAS definitions can be recovered and set" if deleted else "SAS definitions can be set")
        return deleted

    def _differs(self, known: Results) -> bool:
        try:
            stored: StoredDefinition = known.of("vault permission storage getsas")
        except NotKnownError:
            return True
        return stored.differs

    def _may_regenerate(self, known: Results, say: Reporter) -> None:
        self._ready(known)
        known.over("managed account")
        self._vault.may_regenerate()
        say(Level.OK, "the vault would take the request; what Resource Manager says to the vault shows only then")

    def _account(self, known: Results, say: Reporter) -> StorageBundle:
        found: StorageBundle = known.of("vault permission storage get")
        self._resource_id = found.resource_id
        say(Level.OK, f"{found.account} is managed, {found.active_key} signs")
        for warning in due.period_warnings(found, self._plan):
            switch_off = f"{self.remedies.onboard()} --no-auto-regenerate" if "--no-auto-regenerate" in warning else ""
            say(Level.WARNING, warning, "", switch_off)
        return found

    def _definition(self, known: Results, say: Reporter) -> bool:
        """Tell whether there is one to mint a SAS from."""
        stored: StoredDefinition = known.of("vault permission storage getsas")
        known.over("vault permission storage get")
        if self._unmanaged:
            raise NotKnownError("managed account")
        wanted = self._plan.definition
        for problem in state.unreadable_tags(stored.tags):
            say(Level.WARNING, problem)
        before = self._pending(stored)
        if before:
            text = f"{before.operation} is not done yet, which run {before.run} began; the next run goes on"
            say(Level.WARNING, f"{text}, for which it needs what a key rotation needs")
        if stored.differs:
            self._change(known, say, stored)
        else:
            say(Level.OK, f"{wanted.label} is as the settings want it")
        return stored.validity is not None

    @staticmethod
    def _pending(stored: StoredDefinition) -> Pending | None:
        try:
            return state.pending_of(stored.tags)
        except errors.KeyRotationError:  # of which the tags' problems tell
            return None

    def _change(self, known: Results, say: Reporter, stored: StoredDefinition) -> None:
        wanting = "is not there" if stored.validity is None else "is not as the settings want it"
        text = f"{self._plan.definition.name!r} {wanting}"
        try:
            then = "recovers and sets it" if known.of("vault permission storage setsas") else "sets it"
        except NotKnownError:
            say(Level.WARNING, text)  # what keeps a rotation from setting it has its own line
            return
        remedy = "Nothing needs to be done; or let a rotation do it now."
        say(Level.WARNING, f"{text}: the next rotation {then}", remedy, "python -m rotator rotate --force")

    def _keys(self, known: Results, say: Reporter) -> None:
        managed: StorageBundle = known.of("managed account")
        storage_settings.check(self._place, managed.account)
        try:
            keys = self._ring.keys(managed.resource_id)
        except ResourceManagerForbiddenError as error:
            say(Level.FAILURE, str(error), error.remedy, self.remedies.key_operator(managed.resource_id))
            raise OverError from error
        aged = due.due_by_age(
            self._plan, AccountState(known.of("vault permission storage getsas"), managed, keys), self._clock()
        )
        made = ", ".join(f"{key.name} of {timestamps.text(key.created) if key.created else '?'}" for key in keys.keys)
        say(Level.OK, f"{made}; {f'due: {aged}' if aged else 'none is due'}")

    def _command(self, secret: str = "") -> Callable[[errors.RotatorError], str]:
        def command(error: errors.RotatorError) -> str:
            remedies = self.remedies
            ways: tuple[tuple[type[errors.RotatorError], Callable[[], str]], ...] = (
                (RbacVaultError, remedies.access_policies),
                (KeyAccessForbiddenError, self._key_operators),
                (VaultForbiddenError, remedies.policy),
                (VaultFirewallError, lambda: remedies.through_firewall(getattr(error, "address", ""))),
                (VaultDisabledError, lambda: remedies.enable(secret)),
                (VaultSecretNotFoundError, lambda: remedies.secret_back(secret, *self._file(secret))),
                (ManagedAccountNotFoundError, remedies.onboard),
            )
            return next((way() for kind, way in ways if isinstance(error, kind)), "")

        return command

    def _key_operators(self) -> str:
        return self.remedies.key_operators(self._resource_id or "<resource id of the storage account>")

    def secret_file(self, name: str) -> str:
        """Give the command that puts the private key, or its passphrase, into the vault."""
        return self.remedies.secret(name, *self._file(name))

    def _file(self, name: str) -> tuple[str, ...]:
        is_key = name == self._plan.targets[0].cluster.key_secret
        return ("id_ed25519", "application/x-pem-file") if is_key else ("passphrase.txt",)
