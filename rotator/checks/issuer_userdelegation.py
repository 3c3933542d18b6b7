"""Checks which roles the identity has of those that user delegation SAS need.

A SAS can do no more than the identity that asked for its key may do: the rights are the intersection.
https://learn.microsoft.com/rest/api/storageservices/create-user-delegation-sas
"""

from rotator.azure import account_probe, data_actions, permissions
from rotator.azure.errors import ResourceManagerError
from rotator.azure.permissions import Roles
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import AlreadyReportedError, PlanCheck, Results
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Plan

_UNKNOWN = "<resource id of the storage account>"


class RoleCheck(PlanCheck[None]):
    """A check of one role."""

    @classmethod
    def applies(cls, plan: Plan) -> bool:
        """Whether user delegation keys sign the SAS."""
        return plan.account.issuer is IssuerKind.USERDELEGATION

    @property
    def account_id(self) -> str:
        """The account's resource id, as far as the settings have it."""
        return self.plan.account.storage_account or _UNKNOWN

    def roles(self, scope: str, report: Reporter) -> Roles:
        """Look up what the identity may do there; raises AlreadyReportedError where that is not known."""
        if self.plan.account.storage_account is None:
            origin = self.plan.account.origin("storage_account")
            report(Level.SKIPPED, f"not checked: {origin} is not set")
            raise AlreadyReportedError
        try:
            return self.context.lookup.roles(scope)
        except ResourceManagerError as error:
            report(Level.SKIPPED, f"not checked: {error}")
            raise AlreadyReportedError from error


class DelegationAllowed(RoleCheck):
    """The identity may get user delegation keys of the account."""

    name = "role for delegation"

    def run(self, results: Results, report: Reporter) -> None:
        """Look it up among its roles on the account; of those on a container it would be of no use."""
        principal = results.of(SignedIn)
        if self.roles(self.account_id, report).allow(permissions.DELEGATE):
            report(Level.OK, f"{principal.name} may get user delegation keys")
            return
        name = permissions.BLOB_DELEGATOR_NAME
        text = f"{principal.name} may not get user delegation keys: it lacks the role {name!r} on the account"
        remedy = "Assign it, and wait some minutes."
        report(Level.FAILURE, text, remedy, self.context.remedies.delegator(self.account_id, principal))


class DataRoleHeld(RoleCheck):
    """The identity may do with the container's blobs all that the SAS allow."""

    name = "role for data"

    @property
    def scope(self) -> str:
        """The container's resource id."""
        return account_probe.container_id(self.account_id, self.plan.grant.container or "")

    def run(self, results: Results, report: Reporter) -> None:
        """Compare its actions on data there with the SAS's permissions.

        A rotation fails where not even reading is allowed, as the SAS is tried by that. The rest is a warning.
        """
        principal = results.of(SignedIn)
        wanted, where = self.plan.grant.permissions, f"in container {self.plan.grant.container!r}"
        missing = data_actions.not_held(wanted, self.roles(self.scope, report))
        if not missing:
            report(Level.OK, f"{principal.name} may do {where} what the SAS allow ({wanted})")
            return
        origin = self.plan.grant.origin("permissions")
        text = f"the SAS allow {missing!r} ({origin}) without effect: {principal.name} may not do that itself {where}"
        remedy = (
            f"Assign the role {data_actions.role_for(wanted)!r} on the container, or delegate less. Or there is no "
            f"such container: check {self.plan.grant.origin('container')}."
        )
        level = Level.FAILURE if self.plan.prove and set("rl") & set(missing) else Level.WARNING
        report(level, text, remedy, self.context.remedies.data_role(self.scope, principal))


class RevocationAllowed(RoleCheck):
    """The identity may revoke the account's user delegation keys, which nothing but a revocation does."""

    name = "role for revocation"

    def run(self, results: Results, report: Reporter) -> None:
        """Look it up among its roles on the account."""
        principal = results.of(SignedIn)
        if self.roles(self.account_id, report).allow(permissions.REVOKE_DELEGATION_KEYS):
            report(Level.OK, f"{principal.name} may revoke user delegation keys")
            return
        text = f"{principal.name} may not revoke the account's user delegation keys: `revoke` would be refused"
        remedy = "Assign a role with that action, or have somebody else ready who may revoke them after a leak."
        report(Level.WARNING, text, remedy, self.context.remedies.revoker(self.account_id, principal))
