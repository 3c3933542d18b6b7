"""Checks the vault, and each permission that the identity needs there, by requests that change nothing."""

import abc
import contextlib
from collections.abc import Collection, Hashable

from rotator import errors, sas
from rotator.azure.errors import (
    KeyAccessForbiddenError,
    ManagedAccountNotFoundError,
    RbacVaultError,
    VaultDisabledError,
    VaultError,
    VaultFirewallError,
    VaultForbiddenError,
    VaultSecretNotFoundError,
)
from rotator.azure.managed_account import StorageBundle, StoredDefinition
from rotator.checks import clock
from rotator.checks.context import Context
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import AlreadyReportedError, Check, Found, PlanCheck, Results, cluster_of
from rotator.delivery.ssh import login_secrets
from rotator.delivery.ssh.login_secrets import VaultSecret
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Cluster, Plan
from rotator.redaction import SecretText


class VaultReachable(PlanCheck[None]):
    """The vault answers, and its clock agrees with ours."""

    name = "vault"

    def run(self, _results: Results, report: Reporter) -> None:
        """Ask the vault for the time, without a token."""
        account, before = self.plan.account, self.context.clock()
        theirs = self.context.time_at(account.vault)
        report(Level.OK, f"{account.host} answers")
        off = clock.ahead(theirs, before, self.context.clock())
        # A SAS lives by the vault's clock, and one that lives too short or too long is not delivered.
        clock.compare(account.host, off, report, bound=sas.tolerance(self.plan.grant.validity))


class VaultCheck(Check[Found]):
    """A check that sends requests to the vault as the identity that is signed in."""

    def require_vault(self, results: Results) -> None:
        """Raise DependencyError unless somebody is signed in and the vault answers."""
        results.require(SignedIn, VaultReachable)

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return what lets the identity do what the vault refuses."""
        commands, principal = self.context.remedies, results.of(SignedIn)
        if isinstance(error, RbacVaultError):
            signs_here = self.plan.account.issuer.signs_here
            return commands.secrets_user(principal) if signs_here else commands.access_policies()
        if isinstance(error, KeyAccessForbiddenError):
            return commands.key_operators(self.resource_id(results), principal)
        if isinstance(error, VaultForbiddenError):
            return commands.policy(principal)
        if isinstance(error, VaultFirewallError):
            return commands.through_firewall(error.address)
        return commands.onboard() if isinstance(error, ManagedAccountNotFoundError) else ""

    def resource_id(self, _results: Results) -> str:
        """Return the storage account's resource id, as far as earlier checks know it."""
        return "<resource id of the storage account>"


class VaultSecretRead(VaultCheck[SecretText]):
    """The identity may read a secret of the vault; the result is its value. Clusters may share one."""

    def __init__(self, context: Context, secret: VaultSecret) -> None:
        super().__init__(context, secret)
        self.secret = secret

    @staticmethod
    @abc.abstractmethod
    def secret_of(cluster: Cluster) -> VaultSecret | None:
        """Return the secret that this cluster needs; None where it needs none."""

    @classmethod
    def subjects(cls, plan: Plan) -> Collection[Hashable]:
        """Every such secret, once."""
        needed = map(cls.secret_of, plan.clusters)
        return tuple(dict.fromkeys(secret for secret in needed if secret))

    @classmethod
    def subject_for(cls, subject: Hashable) -> Hashable:
        """The secret that the cluster, or the target's cluster, needs."""
        return cls.secret_of(cluster_of(subject))

    @classmethod
    def has_several(cls, plan: Plan) -> bool:
        """Whether there are several such secrets."""
        return len(cls.subjects(plan)) > 1

    def run(self, results: Results, report: Reporter) -> SecretText:
        """Read it."""
        self.require_vault(results)
        found = self.context.vault.secret(self.secret.name)
        report(Level.OK, f"secret {self.secret.name!r} can be read")
        return found

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return what puts the secret there, or enables it."""
        if isinstance(error, VaultDisabledError):
            return self.context.remedies.enable(self.secret.name)
        if isinstance(error, VaultSecretNotFoundError):
            return self.context.remedies.recover(self.secret)
        return super().command(error, results)


class PrivateKeyRead(VaultSecretRead):
    """The identity may read the SSH key."""

    name = "vault permission secrets get"

    @staticmethod
    def secret_of(cluster: Cluster) -> VaultSecret | None:
        """The SSH key."""
        return login_secrets.private_key(cluster)


class PassphraseRead(VaultSecretRead):
    """The identity may read the SSH key's passphrase."""

    name = "passphrase"

    @staticmethod
    def secret_of(cluster: Cluster) -> VaultSecret | None:
        """The passphrase."""
        return login_secrets.passphrase(cluster)


class ManagedStorageCheck(VaultCheck[Found], PlanCheck[Found]):
    """A check of what only Key Vault as the issuer needs of the vault."""

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether Key Vault issues the SAS."""
        return plan.account.issuer is IssuerKind.KEYVAULT


class ManagedAccountRead(ManagedStorageCheck[StorageBundle | None]):
    """The identity may read the managed account's record; the result is None where the vault has no such account."""

    name = "vault permission storage get"

    def run(self, results: Results, report: Reporter) -> StorageBundle | None:
        """Read it."""
        self.require_vault(results)
        try:
            found = self.context.vault.managed()
        except ManagedAccountNotFoundError as error:
            deleted = ": it is soft-deleted, and onboarding recovers it" if self._is_deleted() else ""
            report(Level.FAILURE, f"{error}{deleted}", error.advice, self.context.remedies.onboard())
            return None
        except VaultForbiddenError as error:
            if self.plan.account.key_rotation_period:
                raise
            # A rotation works without it, a key rotation does not.
            report(Level.WARNING, str(error), error.advice, self.command(error, results))
            raise AlreadyReportedError from error
        report(Level.OK, f"the record of {self.plan.account.managed_account!r} can be read")
        return found

    def _is_deleted(self) -> bool:
        """Whether it is soft-deleted, as far as the vault says so."""
        with contextlib.suppress(VaultError):
            return self.context.vault.is_deleted()
        return False


class DefinitionRead(ManagedStorageCheck[StoredDefinition]):
    """The identity may read SAS definitions; the result is the plan's own one as the vault has it."""

    name = "vault permission storage getsas"

    def run(self, results: Results, report: Reporter) -> StoredDefinition:
        """Read it."""
        self.require_vault(results)
        found = self.context.vault.stored(self.plan.grant)
        report(Level.OK, "SAS definitions can be read")
        return found


class DefinitionWritable(ManagedStorageCheck[bool]):
    """The identity may set SAS definitions; the result is whether the plan's own one is to be recovered first."""

    name = "vault permission storage setsas"

    def run(self, results: Results, report: Reporter) -> bool:
        """Ask the vault to set it, in a way in which it sets nothing."""
        self.require_vault(results)
        try:
            deleted = self.context.vault.may_store(self.plan.grant)
        except VaultForbiddenError as error:
            stored = results.find(DefinitionRead)
            if self.plan.account.key_rotation_period or stored is None or stored.differs:
                raise
            text = f"{error}; the SAS definition is as the settings want it, but a run could not change it or its tags"
            report(Level.WARNING, text, error.advice, self.command(error, results))
            raise AlreadyReportedError from error
        report(Level.OK, "SAS definitions can be recovered and set" if deleted else "SAS definitions can be set")
        return deleted


class VaultMode(VaultCheck[None], PlanCheck[None]):
    """How the vault grants access; where it has the SSH key alone, roles do that with less than access policies."""

    name = "vault mode"

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether the vault has the SSH key alone. Managed storage needs access policies."""
        return plan.account.issuer.signs_here

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the vault for what this issuer does not need: its refusal shows the mode."""
        results.require_any(PrivateKeyRead)
        mode = self.context.vault.uses_roles()
        if mode:
            report(Level.OK, "the vault uses Azure roles (RBAC mode)")
            return
        why = "the vault uses access policies" if mode is False else "the identity may use managed storage too"
        remedy = "When everybody who uses the vault has a role there, put it into RBAC mode."
        command = self.context.remedies.roles_of_vault(results.of(SignedIn))
        report(Level.OK, f"{why}, which this issuer does not need: a role for secrets is enough", remedy, command)
