"""The composition of a preflight: the looks of a plan, wired to the vault, the masters and storage."""

import contextlib
from collections.abc import Mapping

from rotator.azure import identity, key_vault, resource_manager, server_time
from rotator.azure.host_storage import storage_settings
from rotator.azure.host_storage.probe import HostStorageProbe
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.azure.identity import TokenCredential
from rotator.azure.managed_account import blob_suffix
from rotator.checks import runner
from rotator.checks.channel_ssh import MasterChecks
from rotator.checks.findings import Checkup
from rotator.checks.issuer_keyvault import VaultChecks
from rotator.checks.storage import StorageChecks
from rotator.delivery.ssh import connection, private_key
from rotator.issuers import keyvault, proof
from rotator.plan.plan import Plan
from rotator.rotation import lock
from rotator.rotation.account import AccountReader
from rotator.rotation.issuance import Issuance
from rotator.rotation.services import Services

_PROOF_SECONDS = 10.0  # a person waits


def check(
    plan: Plan,
    credential: TokenCredential,
    environment: Mapping[str, str],
    announce: runner.Progress,
    *,
    at_once: int = 8,
) -> Checkup:
    """Look at everything that a rotation of this plan needs, at so many things at once."""
    with contextlib.ExitStack() as stack:
        issuer = stack.enter_context(contextlib.closing(keyvault.KeyVaultIssuer(plan.account, credential)))
        services = Services(
            issuer=issuer,
            prover=proof.StorageProver(seconds=_PROOF_SECONDS),
            connector=connection.SshConnector(),
            key_lister=resource_manager.AccountKeyList(plan.resource_manager, credential),
        )
        at_vault = VaultChecks(
            plan,
            issuer,
            services.key_lister,
            whoami=lambda: identity.whoami(credential, key_vault.scope(plan.account.host)),
            time_at=server_time.at,
            clock=services.clock,
            place=environment,
        )
        at_master = MasterChecks(
            plan,
            connection.SshConnector(),
            public_line=private_key.public_line,
            clock=services.clock,
            remedies=lambda: at_vault.remedies,
            secret_file=at_vault.secret_file,
            stack=stack,
        )
        at_storage = StorageChecks(
            plan,
            issuer,
            services.prover,
            Issuance(plan, services, AccountReader(plan, services)),
            own=_own(plan, environment, credential),
            time_at=server_time.at,
            clock=services.clock,
            remedies=lambda: at_vault.remedies,
        )
        looks = [*at_vault.looks(), *at_master.looks(), *at_storage.looks()]
        return runner.run(looks, announce, services.clock, at_once=at_once)


def _own(
    plan: Plan, environment: Mapping[str, str], credential: TokenCredential
) -> tuple[HostStorage, HostStorageProbe] | None:
    found = storage_settings.find(environment, blob_suffix(plan.account.host) or "blob.core.windows.net")
    return (found, HostStorageProbe(found, plan, lock.lease_name(plan), credential)) if found else None
