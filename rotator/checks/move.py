"""What a move to another issuer takes: missing settings, roles and policies, and what consumers will notice."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from isodate import duration_isoformat

from rotator.azure import az_commands, permissions
from rotator.azure.errors import IdentityError, VaultError
from rotator.azure.permissions import Principal
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
# Of azd's environment: the app's identity, and the app.
_APP_PRINCIPAL, _FUNCTION_APP = "ROTATOR_PRINCIPAL_ID", "FUNCTION_APP_ID"
_ONE = "one container"
_MANAGED = (
    "Key Vault has to manage the account: in a vault with access policies, and with its own role on the account, "
    f"{permissions.KEY_OPERATOR_NAME}; python -m rotator onboard --issuer {IssuerKind.KEYVAULT} sees to that"
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
    not. `settings` are all that the issuer needs, an empty one to be removed, and `command` sets them. `effects` are
    what consumers and operators will notice. `note` is about the `identity`, where the app may run as another one.
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
    note: str = ""

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
            "note": self.note,
        }


def preview(change: IssuerChange, context: Context | None, command: str) -> Move:
    """Look up what a change needs; `context` is one of its plan, None where it has none. Changes nothing.

    `command` makes the change.
    """
    findings = _findings(change, context) if context else ()
    who = context.sign_in() if context else None
    problems = tuple(Finding("settings", Level.FAILURE, problem) for problem in change.problems)
    return Move(
        issuer=change.issuer,
        former=change.former.account.issuer,
        identity=who.name if who else "",
        targets=tuple(map(str, change.former.targets)),
        missing=problems + tuple(one for one in findings if one.level is Level.FAILURE),
        remarks=tuple(one for one in findings if one.level is Level.WARNING),
        settings=dict(change.settings),
        command=command if change.settings else "",
        effects=tuple(_effects(change)),
        note=_note(who, context.environment) if who and context else "",
    )


def _findings(change: IssuerChange, context: Context) -> tuple[Finding, ...]:
    kinds = [
        kind
        for kind in _CHECKS[change.issuer]
        if change.container_known or kind is not issuer_userdelegation.DataRoleHeld
    ]
    for_app = dataclasses.replace(context, assignee=_app(context.environment))
    found = runner.run(kinds, for_app, runner.NoProgress(), logged=False).findings
    return (*found, *(_regeneration_left(context) if change.issuer.signs_here else ()))


def _regeneration_left(context: Context) -> Iterator[Finding]:
    """Warn of keys that the vault goes on regenerating after a move away from it, as far as its record may be read."""
    try:
        found = context.vault.managed() if context.plan.account.managed_account else None
    except (IdentityError, VaultError):  # nothing is managed under that name, or it may not be read
        return
    if found is None or not found.auto_regenerate:
        return
    ends = ", which ends the SAS that it signed" if context.plan.account.issuer.has_account_keys else ""
    often = f" every {found.every}" if found.every else ""
    text = f"Key Vault goes on regenerating a key of {found.account} by itself{often}{ends}"
    remedy = "Switch that off before the move; end the management when Key Vault's last SAS has expired."
    command = context.remedies.end_regeneration(found.resource_id)
    yield Finding(issuer_keyvault.AccountManaged.name, Level.WARNING, text, remedy, command)


def _app(environment: Mapping[str, str]) -> Principal | None:
    """Return the app's identity, with a placeholder for an id that is not known; None where there may be no app."""
    object_id = environment.get(_APP_PRINCIPAL, "").strip()
    if not object_id and not environment.get(_FUNCTION_APP, "").strip():
        return None
    return Principal(object_id or Principal.object_id, "ServicePrincipal")


def _note(who: Principal, environment: Mapping[str, str]) -> str:
    """Say that the app may have other roles than who was looked at; nothing where that is the app itself."""
    app, object_id = environment.get(_FUNCTION_APP, "").strip(), environment.get(_APP_PRINCIPAL, "").strip()
    if environment.get("IDENTITY_ENDPOINT") or object_id == who.object_id:
        return ""
    if object_id:
        whose = f"the app's identity is {object_id}, which may have others: commands assign roles to it"
    elif app:
        shown = f"az functionapp identity show --ids {az_commands.word(app)}"
        whose = f"the app's identity may have others; its object id is in the answer of: {shown}"
    else:
        whose = "an app that runs as another identity may have others"
    return f"{whose}. After the change, POST /api/check looks with the app's own"


def _effects(change: IssuerChange) -> Iterator[str]:
    former, plan, issuer = change.former, change.plan, change.issuer
    if issuer is former.account.issuer:
        return
    if plan is not None:
        yield from _changed_sas(former.grant, plan.grant, _scope(plan.grant) if change.container_known else _ONE)
    validity = duration_isoformat(former.grant.validity)
    yield f"the next runs deliver SAS of {issuer}; those in use live to their end, at most {validity} from now"
    if issuer is IssuerKind.KEYVAULT:
        yield _MANAGED
        if former.grant.container is not None:
            yield f"{former.grant.origin('permissions')} is removed; if it was set before, set it to that"
    if former.account.issuer is IssuerKind.KEYVAULT:
        yield "Key Vault goes on managing the account until that is ended, when its last SAS has expired"
    if issuer is IssuerKind.USERDELEGATION:
        yield "no account key is needed when these have ended; a revocation ends every delegation SAS of the account"


def _changed_sas(before: Grant, after: Grant, scope: str) -> Iterator[str]:
    """Say what SAS will be in any case: what is set may be meant for the next issuer already."""
    was = _scope(before)
    yield f"a SAS will be for {scope}" + ("" if scope == was else f" instead of {was}")
    less = set(before.permissions) != set(after.permissions)
    yield (
        f"a SAS will allow {after.permissions}{f' instead of {before.permissions}' if less else ''}: "
        f"{after.origin('permissions')} has to be what consumers need, with w to write and l to list"
    )


def _scope(grant: Grant) -> str:
    if grant.scope is Scope.ACCOUNT:
        return f"the whole account (services {grant.services}, resource types {grant.resource_types})"
    return f"the {grant.scope.name.lower()} {grant.path}"
