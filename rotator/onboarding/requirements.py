"""What must be in place before onboarding changes anything.

Each check returns the step that reports it, or raises the error whose remedy has the command that fixes it.
"""

import dataclasses
import datetime

from rotator.azure import az_commands, permissions
from rotator.azure.errors import RbacVaultError
from rotator.azure.resource_facts import AccountFacts, AppFacts, VaultFacts
from rotator.azure.resource_manager import ResourceManager
from rotator.delivery.errors import HostKeyRejectedError
from rotator.onboarding import shell_commands
from rotator.onboarding.errors import MissingRoleError, OnboardingError, SharedKeyError
from rotator.onboarding.request import Master, OnboardingRequest
from rotator.onboarding.steps import Step, StepOutcome
from rotator.plan import host_keys, issuer_rules
from rotator.plan.host_keys import HostKey


@dataclasses.dataclass(frozen=True)
class Facts:
    """What Resource Manager returns before anything is changed; `operator` is the object id of who is signed in."""

    vault: VaultFacts
    account: AccountFacts
    app: AppFacts | None
    operator: str


def check_vault(request: OnboardingRequest, vault: VaultFacts) -> Step:
    """Check that the vault is the plan's, and uses access policies if it is to manage the account.

    Raises RbacVaultError, OnboardingError.
    """
    if vault.rbac and not request.plan.account.issuer.signs_here:
        raise RbacVaultError(
            f"vault {vault.name} is in RBAC mode, for which managed storage is not documented",
            remedy="Switch it to access policies, after everybody who uses it by role has one: "
            f"{az_commands.use_access_policies(vault.name)}; or use a separate vault.",
        )
    expected, origin = request.plan.account.vault, request.plan.account.origin("vault")
    if vault.url.lower() != expected.lower():
        raise OnboardingError(
            f"{origin} is {expected}, but the vault is {vault.url}",
            remedy=f"Correct {origin}, or name the other vault with --vault.",
        )
    return Step("vault", StepOutcome.CHECKED, f"{vault.name} uses {'Azure roles' if vault.rbac else 'access policies'}")


def check_account(request: OnboardingRequest, account: AccountFacts) -> Step:
    """Check that the storage account accepts the SAS that the plan's issuer issues; raises SharedKeyError."""
    issuer = request.plan.account.issuer
    if not account.shared_key and issuer.has_account_keys:
        whose = "that an account key signed" if issuer.signs_here else "of the vault"
        raise SharedKeyError(
            f"storage account {account.name} has shared key access disabled: it refuses every SAS {whose}",
            remedy=az_commands.allow_shared_key(az_commands.by_id(request.account)),
        )
    grant = request.plan.grant
    backdated = issuer_rules.BACKDATED if issuer.signs_here else datetime.timedelta()
    if account.sas_limit and grant.validity + backdated > account.sas_limit:
        wanted = f"{grant.origin('validity')} is {grant.validity}"
        text = f"its SAS policy allows {account.sas_limit}, but {wanted}: it may refuse the SAS"
    else:
        signer = "an account key" if issuer.has_account_keys else "a user delegation key"
        text = f"it accepts a SAS that {signer} signs"
    return Step("storage account", StepOutcome.CHECKED, f"{account.name}: {text}")


def check_roles(request: OnboardingRequest, facts: Facts, resource_manager: ResourceManager) -> Step:
    """Check who has access to the account's keys; raises MissingRoleError, ResourceManagerError.

    Key Vault reads and regenerates the keys as its own application and on behalf of its caller: the operator, and
    with key rotation the app. Without `key_vault_principal` any other application is assumed to be Key Vault's.
    """
    account, role = facts.account.name, permissions.KEY_OPERATOR_NAME
    holders = resource_manager.key_operators(request.account)
    principal = app_principal(request, facts.app) if request.key_rotation else None
    key_vault = request.key_vault_principal
    if not holders - {principal} or (key_vault and key_vault not in holders):
        application = permissions.key_vault_application(request.plan.account.host)
        raise MissingRoleError(
            f"Key Vault's application lacks the role {role!r} on {account}",
            remedy=_assign_key_operator(request, application),
        )
    if not resource_manager.may(request.account, permissions.LIST_KEYS):
        raise MissingRoleError(
            f"you ({facts.operator}) may not list the keys of {account}, which the vault does on your behalf",
            remedy=_assign_key_operator(request, facts.operator),
        )
    if principal and principal not in holders:
        raise MissingRoleError(
            f"the app ({principal}) lacks the role {role!r} on {account}, which the vault needs to regenerate keys on "
            "its behalf",
            remedy=_assign_key_operator(request, principal),
        )
    which = "Key Vault's application and you" if key_vault else "an application (assumed to be Key Vault's) and you"
    return Step("roles", StepOutcome.CHECKED, f"{which} have access to the account's keys")


def _assign_key_operator(request: OnboardingRequest, assignee: str) -> str:
    scope = az_commands.word(str(request.account))
    return az_commands.assign_role(permissions.KEY_OPERATOR_NAME, scope, assignee)


def check_host_key(master: Master, shown: tuple[HostKey, ...]) -> Step:
    """Check that the master shows a pinned key, if any is pinned; raises HostKeyRejectedError."""
    cluster, listed, pins = master.cluster, ", ".join(map(str, shown)), ", ".join(map(str, master.pins))
    if not master.pins:
        text = f"{cluster} shows {listed}"
    elif any(host_keys.is_pinned(key, master.pins) for key in shown):
        text = f"{cluster} shows the expected {pins}"
    else:
        raise HostKeyRejectedError(
            f"{cluster} shows {listed}, but expected is {pins}; nothing was changed",
            remedy=f"Compare at the master's console: {host_keys.ON_THE_CONSOLE}. Correct "
            f"{cluster.origin('fingerprints')} only if that is what it prints.",
        )
    return Step("host key", StepOutcome.CHECKED, text, shell_commands.scan_host_keys(cluster))


def app_principal(request: OnboardingRequest, app: AppFacts | None) -> str | None:
    """Return the object id of the identity that the app uses, None without an app; raises OnboardingError."""
    if request.app_principal or app is None:
        return request.app_principal
    found = app.principals.get(app.settings.get("AZURE_CLIENT_ID", "")) or app.principal
    if not found and len(app.principals) == 1:
        (found,) = app.principals.values()
    if not found:
        raise OnboardingError(
            f"function app {app.name} has no identity for the rotator to use",
            remedy="Assign it a managed identity; for a user-assigned one, set AZURE_CLIENT_ID to its client id.",
        )
    return found
