"""All checks of a rotation, in their order."""

from typing import Any

from rotator.checks import (
    account_policy,
    host_storage,
    issuer_keyvault,
    issuer_storagekey,
    issuer_userdelegation,
    kubernetes,
    kubernetes_secret,
    python_version,
    recommendation,
    runner,
    schedule,
    ssh,
    storage,
    vault_permissions,
)
from rotator.checks import identity as identity_checks
from rotator.checks.context import Context
from rotator.checks.findings import Checkup
from rotator.checks.interface import Check

# In the order of their findings. Each comes after those whose results it needs.
CHECKS: tuple[type[Check[Any]], ...] = (
    identity_checks.SettingsConsistent,
    schedule.FailuresTolerated,
    python_version.PythonSupported,
    identity_checks.SignedIn,
    vault_permissions.VaultReachable,
    vault_permissions.PrivateKeyRead,
    vault_permissions.ManagedAccountRead,
    vault_permissions.DefinitionRead,
    vault_permissions.DefinitionWritable,
    issuer_keyvault.AccountManaged,
    recommendation.IssuerCurrent,
    issuer_keyvault.DefinitionPresent,
    vault_permissions.PassphraseRead,
    vault_permissions.VaultMode,
    issuer_keyvault.KeysRegenerable,
    issuer_keyvault.KeysListed,
    issuer_storagekey.SigningKeyListed,
    issuer_storagekey.RegenerationAllowed,
    issuer_userdelegation.DelegationAllowed,
    issuer_userdelegation.DataRoleHeld,
    issuer_userdelegation.RevocationAllowed,
    ssh.PrivateKeyValid,
    ssh.MasterReachable,
    ssh.HostKeyPinned,
    ssh.LoggedIn,
    ssh.ScriptRunnable,
    ssh.MasterClockRight,
    kubernetes.KubectlFound,
    kubernetes.ApiServerReachable,
    kubernetes.NamespaceFound,
    kubernetes_secret.MayGet,
    kubernetes_secret.LiveSecretRead,
    kubernetes_secret.MayCreate,
    kubernetes_secret.MayDelete,
    kubernetes_secret.MayUpdate,
    kubernetes_secret.DryRunAccepted,
    storage.SasIssued,
    storage.SasAccepted,
    account_policy.AccountRead,
    account_policy.SharedKeyAllowed,
    account_policy.SasPolicyMet,
    account_policy.KeyPolicyMet,
    account_policy.NetworksAdmitted,
    account_policy.Unlocked,
    storage.LiveSasAccepted,
    host_storage.LeaseAvailable,
    host_storage.ReportsWritable,
    host_storage.TimerFires,
)
PROOF_SECONDS = 10.0  # for which a SAS is tried that storage refuses: a person waits


def check(context: Context, announce: runner.Progress, *, at_once: int = 8) -> Checkup:
    """Check everything that a rotation of this plan needs, at most `at_once` things at a time; changes nothing."""
    return runner.run(CHECKS, context, announce, at_once=at_once)
