"""Checks what Key Vault has as the issuer: the managed account, its keys, and the SAS definition."""

from rotator import errors, timestamps
from rotator.azure.errors import ResourceManagerForbiddenError
from rotator.azure.host_storage import storage_settings
from rotator.azure.managed_account import StorageBundle, StoredDefinition
from rotator.checks import remedies
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import DependencyError, Found, PlanCheck, Results
from rotator.checks.vault_permissions import DefinitionRead, DefinitionWritable, ManagedAccountRead, VaultCheck
from rotator.issuers import keyvault
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Plan
from rotator.rotation import state
from rotator.rotation.keys import task


class KeyVaultCheck(PlanCheck[Found]):
    """A check of what only Key Vault as the issuer has."""

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether Key Vault issues the SAS."""
        return plan.account.issuer is IssuerKind.KEYVAULT


class AccountManaged(KeyVaultCheck[StorageBundle]):
    """The vault manages the account, and its own regeneration of keys ends no SAS early."""

    name = "managed account"

    def run(self, results: Results, report: Reporter) -> StorageBundle:
        """Compare the vault's regeneration period with the settings."""
        found = results.of(ManagedAccountRead)
        if found is None:
            raise DependencyError(ManagedAccountRead)
        report(Level.OK, f"{found.account} is managed, {found.active_key} signs")
        for warning in keyvault.early_ends(found, self.plan):
            report(Level.WARNING, warning)
        twice = keyvault.regenerated_twice(found, self.plan)
        if twice:
            report(Level.WARNING, twice, "", f"{self.context.remedies.onboard()} --no-auto-regenerate")
        return found


class DefinitionPresent(KeyVaultCheck[bool]):
    """The SAS definition is as the settings want it; the result is whether there is one to mint a SAS from."""

    name = "SAS definition"

    def run(self, results: Results, report: Reporter) -> bool:
        """Compare it with the settings, and report an unfinished key rotation, which is in its tags."""
        stored = results.of(DefinitionRead)
        self._require_account(results)
        for problem in state.unreadable_entries(stored.tags):
            report(Level.WARNING, problem)
        self._report_pending(stored, report)
        if stored.differs:
            self._report_change(stored, results, report)
        else:
            report(Level.OK, f"{self.plan.grant.label} is as the settings want it")
        return stored.validity is not None

    @staticmethod
    def _require_account(results: Results) -> None:
        """Without a managed account there can be no definition; one that may not be read makes no difference."""
        try:
            missing = results.of(ManagedAccountRead) is None
        except DependencyError:
            return
        if missing:
            raise DependencyError(AccountManaged)

    @staticmethod
    def _report_pending(stored: StoredDefinition, report: Reporter) -> None:
        before = state.readable_pending(stored.tags)
        if before:
            text = f"run {before.run} began to {before.operation} keys and did not finish: the next run resumes it"
            report(Level.WARNING, f"{text}, and needs all that a key rotation needs")

    def _report_change(self, stored: StoredDefinition, results: Results, report: Reporter) -> None:
        problem = "does not exist" if stored.validity is None else "is not as the settings want it"
        text = f"{self.plan.grant.name!r} {problem}"
        deleted = results.find(DefinitionWritable)
        if deleted is None:
            report(Level.WARNING, text)  # why a rotation cannot set it is in that check's own finding
            return
        then = "recovers and sets it" if deleted else "sets it"
        remedy = "Do nothing, or rotate now."
        report(Level.WARNING, f"{text}: the next rotation {then}", remedy, remedies.ROTATE_NOW)


class KeysRegenerable(VaultCheck[None], PlanCheck[None]):
    """The identity may have the account's keys regenerated."""

    name = "vault permission storage regeneratekey"

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether the timer has keys regenerated, by the vault."""
        return _rotates_keys(plan)

    def run(self, results: Results, report: Reporter) -> None:
        """Ask the vault to regenerate a key, in a way in which it regenerates none."""
        self.require_vault(results)
        self.context.vault.may_regenerate()
        report(Level.OK, "the vault would accept the request; whether Resource Manager would shows only in a rotation")

    def resource_id(self, results: Results) -> str:
        """Return that of the managed account, where it may be read."""
        found = results.find(AccountManaged)
        return found.resource_id if found else super().resource_id(results)


class KeysListed(PlanCheck[None]):
    """The identity may list the account's keys, and the app itself does not depend on them."""

    name = "account keys"

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether the timer has keys regenerated, by the vault."""
        return _rotates_keys(plan)

    def run(self, results: Results, report: Reporter) -> None:
        """List them, and report how old they are."""
        managed = results.of(AccountManaged)
        storage_settings.check(self.context.environment, managed.account)
        keys = self.context.key_lister.keys(managed.resource_id)
        account = keyvault.account_state(results.of(DefinitionRead), managed, keys)
        reason = task.due_by_age(self.plan, account, self.context.clock())
        made = (f"{key.name} of {timestamps.text(key.created) if key.created else '?'}" for key in keys.keys)
        report(Level.OK, f"{', '.join(made)}; {f'due: {reason}' if reason else 'none is due'}")

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return what lets the identity list them."""
        if not isinstance(error, ResourceManagerForbiddenError):
            return ""
        return self.context.remedies.key_operator(results.of(AccountManaged).resource_id, results.of(SignedIn))


def _rotates_keys(plan: Plan) -> bool:
    return plan.account.issuer is IssuerKind.KEYVAULT and plan.account.key_rotation_period is not None
