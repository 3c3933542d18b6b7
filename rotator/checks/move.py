"""What a move to another issuer takes: missing settings, roles and policies, and what consumers will notice."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from isodate import duration_isoformat

from rotator.checks import account_policy, issuer_keyvault, issuer_storagekey, issuer_userdelegation, runner
from rotator.checks import vault_permissions as vault
from rotator.checks.context import Context
from rotator.checks.findings import Finding, Level
from rotator.checks.identity import SignedIn
from rotator.checks.interface import Check
from rotator.plan.account import Grant, IssuerKind
from rotator.plan.issuer_change import IssuerChange
from rotator.sas import Scope

_POLICIES: tuple[type[Check[Any]], ...] = (
    account_policy.AccountRead,
    account_policy.SharedKeyAllowed,
    account_policy.SasPolicyMet,
    account_policy.NetworksAdmitted,
    account_policy.Unlocked,
)
# What can be looked up before the issuer is changed. Of the vault, what the present issuer does not need.
_CHECKS: dict[IssuerKind, tuple[type[Check[Any]], ...]] = {
    IssuerKind.KEYVAULT: (
        SignedIn,
        vault.VaultReachable,
        vault.ManagedAccountRead,
        vault.DefinitionRead,
        vault.DefinitionWritable,
        issuer_keyvault.AccountManaged,
        *_POLICIES,
    ),
    IssuerKind.STORAGEKEY: (
        SignedIn,
        issuer_storagekey.SigningKeyListed,
        issuer_storagekey.RegenerationAllowed,
        *_POLICIES,
    ),
    IssuerKind.USERDELEGATION: (
        SignedIn,
        issuer_userdelegation.DelegationAllowed,
        issuer_userdelegation.DataRoleHeld,
        issuer_userdelegation.RevocationAllowed,
        *_POLICIES,
    ),
}


@dataclasses.dataclass(frozen=True)
class Move:
    """A move from the `former` issuer to another one.

    `identity` is whose roles were looked up, empty where none were. `missing` keeps it from taking place; `remarks` do
    not. `settings` are those to change, an empty one to be removed, and `command` does that. `effects` are what
    consumers and operators will notice.
    """

    issuer: IssuerKind
    former: IssuerKind
    identity: str
    targets: tuple[str, ...]
    missing: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    settings: dict[str, str]
    command: str
    effects: tuple[str, ...]

    @property
    def possible(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "issuer": self.issuer.value,
            "former": self.former.value,
            "possible": self.possible,
            "identity": self.identity,
            "targets": list(self.targets),
            "missing": [finding.as_json() for finding in self.missing],
            "remarks": [finding.as_json() for finding in self.remarks],
            "settings": self.settings,
            "command": self.command,
            "effects": list(self.effects),
        }


def preview(change: IssuerChange, context: Context | None, command: str) -> Move:
    """Look up what a change needs; `context` is one of its plan, None where it has none. Changes nothing.

    `command` makes the change.
    """
    findings = _findings(change, context) if context else ()
    problems = tuple(Finding("settings", Level.FAILURE, problem) for problem in change.problems)
    return Move(
        issuer=change.issuer,
        former=change.former.account.issuer,
        identity=context.sign_in().name if context else "",
        targets=tuple(map(str, change.former.targets)),
        missing=problems + tuple(one for one in findings if one.level is Level.FAILURE),
        remarks=tuple(one for one in findings if one.level is Level.WARNING),
        settings=dict(change.settings),
        command=command if change.settings else "",
        effects=tuple(_effects(change)),
    )


def _findings(change: IssuerChange, context: Context) -> tuple[Finding, ...]:
    kinds = [
        kind
        for kind in _CHECKS[change.issuer]
        if change.container_known or kind is not issuer_userdelegation.DataRoleHeld
    ]
    return runner.run(kinds, context, runner.NoProgress(), logged=False).findings


def _effects(change: IssuerChange) -> Iterator[str]:
    former, plan = change.former, change.plan
    if change.issuer is former.account.issuer:
        return
    if plan is not None:
        new = plan.grant if change.container_known else None
        before, after = _scope(former.grant), _scope(new) if new else "one container"
        if before != after:
            yield f"a SAS is for {after} instead of {before}"
        if set(plan.grant.permissions) != set(former.grant.permissions):
            yield f"a SAS allows {plan.grant.permissions} instead of {former.grant.permissions}"
    validity = duration_isoformat(former.grant.validity)
    yield f"the next runs deliver SAS of {change.issuer}; those in use live to their end, at most {validity} from now"
    if change.issuer is IssuerKind.USERDELEGATION:
        yield "no account key is needed when these have ended; a revocation ends every delegation SAS of the account"


def _scope(grant: Grant) -> str:
    if grant.scope is Scope.ACCOUNT:
        return f"the whole account (services {grant.services}, resource types {grant.resource_types})"
    return f"the {grant.scope.name.lower()} {grant.path}"
