"""All checks of a rotation in their order, and the services that they use for one plan."""

import contextlib
from collections.abc import Mapping
from typing import Any

from rotator.azure import identity, key_vault, resource_manager, server_time
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.probe import HostStorageProbe
from rotator.azure.identity import TokenCredential
from rotator.azure.managed_account import blob_suffix
from rotator.azure.managed_storage import ManagedStorage
from rotator.checks import (
    channel_ssh,
    host_storage,
    issuer_keyvault,
    kubernetes,
    kubernetes_secret,
    runner,
    storage,
    vault_permissions,
)
from rotator.checks import identity as identity_checks
from rotator.checks.context import Context
from rotator.checks.findings import Checkup
from rotator.checks.runner import Check
from rotator.delivery.ssh.connection import SshConnector
from rotator.issuers.keyvault import KeyVaultIssuer
from rotator.issuers.proof import StorageProver
from rotator.plan.plan import Plan
from rotator.rotation import lock
from rotator.rotation.account import AccountReader
from rotator.rotation.services import Services, utc_now

# In the order of their findings. Each comes after those whose results it needs.
CHECKS: tuple[type[Check[Any]], ...] = (
    identity_checks.SettingsConsistent,
    identity_checks.SignedIn,
    vault_permissions.VaultReachable,
    vault_permissions.PrivateKeyRead,
    vault_permissions.ManagedAccountRead,
    vault_permissions.DefinitionRead,
    vault_permissions.DefinitionWritable,
    issuer_keyvault.AccountManaged,
    issuer_keyvault.DefinitionPresent,
    vault_permissions.PassphraseRead,
    issuer_keyvault.KeysRegenerable,
    issuer_keyvault.KeysListed,
    channel_ssh.PrivateKeyValid,
    channel_ssh.MasterReachable,
    channel_ssh.HostKeyPinned,
    channel_ssh.LoggedIn,
    channel_ssh.ScriptRunnable,
    channel_ssh.MasterClockRight,
    kubernetes.KubectlFound,
    kubernetes.ApiServerReachable,
    kubernetes.NamespaceFound,
    kubernetes_secret.MayGet,
    kubernetes_secret.LiveSecretRead,
    kubernetes_secret.MayCreate,
    kubernetes_secret.MayDelete,
    kubernetes_secret.MayUpdate,
    kubernetes_secret.DryRunAccepted,
    storage.SasMinted,
    storage.SasAccepted,
    storage.LiveSasAccepted,
    host_storage.LeaseAvailable,
    host_storage.ReportsWritable,
)
PROOF_SECONDS = 10.0  # a person waits


def check(
    plan: Plan,
    credential: TokenCredential,
    environment: Mapping[str, str],
    announce: runner.Progress,
    *,
    at_once: int = 8,
    proof_seconds: float = PROOF_SECONDS,
) -> Checkup:
    """Check everything that a rotation of this plan needs, at most `at_once` things at a time; changes nothing.

    A SAS that storage refuses is tried again for `proof_seconds`.
    """
    with contextlib.ExitStack() as stack:
        context = _context(plan, credential, environment, stack, proof_seconds)
        return runner.run(CHECKS, context, announce, at_once=at_once)


def _context(
    plan: Plan,
    credential: TokenCredential,
    environment: Mapping[str, str],
    stack: contextlib.ExitStack,
    proof_seconds: float,
) -> Context:
    vault = stack.enter_context(contextlib.closing(ManagedStorage(plan.account, credential)))
    keys = resource_manager.AccountKeyList(plan.resource_manager, credential)
    issuer = KeyVaultIssuer(plan, vault, keys, clock=utc_now)
    services = Services(
        issuer=issuer,
        run_state=issuer,
        secrets=vault,
        prover=StorageProver(seconds=proof_seconds, named=plan.account.origin("blob_endpoint")),
        connector=SshConnector(),
    )
    return Context(
        plan=plan,
        environment=environment,
        sign_in=lambda: identity.whoami(credential, key_vault.scope(plan.account.host)),
        vault=vault,
        key_lister=keys,
        prover=services.prover,
        account=AccountReader(plan, services),
        connector=SshConnector(),
        host_storage=_host_storage(plan, environment, credential),
        clock=services.clock,
        time_at=server_time.at,
        stack=stack,
    )


def _host_storage(plan: Plan, environment: Mapping[str, str], credential: TokenCredential) -> HostStorageProbe | None:
    found = storage_settings.find(environment, blob_suffix(plan.account.host))
    return HostStorageProbe(found, plan, lock.lease_name(plan), credential) if found else None
