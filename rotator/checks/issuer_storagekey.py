"""Checks what account keys as the issuer need: a key that may be listed, and the permission to regenerate keys."""

import dataclasses

from rotator import errors, timestamps
from rotator.azure import permissions
from rotator.azure.account_keys import AccountKeys
from rotator.azure.errors import ResourceManagerError, ResourceManagerForbiddenError
from rotator.azure.host_storage import storage_settings
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import AlreadyReportedError, PlanCheck, Results
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Plan
from rotator.rotation.keys import task


class KeyCheck(PlanCheck[AccountKeys | None]):
    """A check of what a rotation does with account keys through Resource Manager."""

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether the rotator signs with account keys."""
        return plan.account.issuer is IssuerKind.STORAGEKEY

    @property
    def account_id(self) -> str:
        """The account's resource id."""
        return self.plan.account.storage_account or ""

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return what lets the identity list and regenerate keys."""
        if not isinstance(error, ResourceManagerForbiddenError):
            return ""
        return self.context.remedies.key_operator(self.account_id, results.of(SignedIn))


class SigningKeyListed(KeyCheck):
    """The identity may list the account's keys, the newest of which signs."""

    name = "signing key"

    def run(self, results: Results, report: Reporter) -> AccountKeys:
        """List them, and report how old they are."""
        results.require(SignedIn)
        keys = self.context.key_lister.keys(self.account_id)
        made = (f"{key.name} of {timestamps.text(key.created) if key.created else '?'}" for key in keys.keys)
        text = f"{keys.newest.name} signs ({', '.join(made)})"
        if self.plan.account.key_rotation_period is not None:
            storage_settings.check(self.context.environment, self.plan.account.name)
            reason = self._due(keys)
            text += f"; {f'due: {reason}' if reason else 'none is due'}"
        report(Level.OK, text)
        return keys

    def _due(self, keys: AccountKeys) -> str | None:
        state = dataclasses.replace(self.context.account.state(), keys=keys, active=keys.newest.name)
        return task.due_by_age(self.plan, state, self.context.clock())


class RegenerationAllowed(KeyCheck):
    """The identity may regenerate keys, which a key rotation and a revocation do."""

    name = "role for key regeneration"

    @property
    def severity(self) -> Level:
        """A failure where the timer regenerates keys; otherwise only who asks for it is refused."""
        return Level.FAILURE if self.plan.account.key_rotation_period is not None else Level.WARNING

    def run(self, results: Results, report: Reporter) -> None:
        """Look it up among the identity's roles."""
        principal = results.of(SignedIn)
        try:
            roles = self.context.lookup.roles(self.account_id)
        except ResourceManagerError as error:
            report(Level.SKIPPED, f"not checked: {error}")
            raise AlreadyReportedError from error
        if roles.allow(permissions.REGENERATE_KEY):
            report(Level.OK, f"{principal.name} may regenerate the account's keys")
            return
        text = f"{principal.name} may not regenerate the account's keys, which a key rotation and a revocation need"
        remedy = f"Assign the role {permissions.KEY_OPERATOR_NAME!r} on the account."
        report(self.severity, text, remedy, self.context.remedies.key_operator(self.account_id, principal))
