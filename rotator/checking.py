"""The composition of a preflight: the looks of a plan, wired to the vault, the masters and storage."""

import contextlib
from collections.abc import Mapping

from azure.core.credentials import TokenCredential

from rotator import app_storage, clocks, identity, preflight, privatekey, ring, ssh, storage, turn, vault, vault_client
from rotator.app_storage import AppStorage
from rotator.findings import Checkup
from rotator.issuing import Issuing
from rotator.managed import blob_suffix
from rotator.master_checks import MasterChecks
from rotator.own_blobs import OwnBlobs
from rotator.services import Services
from rotator.storage_checks import StorageChecks
from rotator.targets import Plan
from rotator.vault_checks import VaultChecks

_PROOF_SECONDS = 10.0  # a person waits


def check(
    plan: Plan,
    credential: TokenCredential,
    environment: Mapping[str, str],
    announce: preflight.Announce,
    *,
    at_once: int = 8,
) -> Checkup:
    """Look at everything that a rotation of this plan needs, at so many things at once."""
    with contextlib.ExitStack() as stack:
        issuer = stack.enter_context(contextlib.closing(vault.Vault(plan.account, credential)))
        services = Services(
            issuer=issuer,
            prover=storage.Prover(seconds=_PROOF_SECONDS),
            connector=ssh.Ssh(),
            ring=ring.Ring(plan.resource_manager, credential),
        )
        at_vault = VaultChecks(
            plan,
            issuer,
            services.ring,
            whoami=lambda: identity.whoami(credential, vault_client.scope(plan.account.host)),
            time_at=clocks.at,
            clock=services.clock,
            place=environment,
        )
        at_master = MasterChecks(
            plan,
            ssh.Ssh(),
            public_line=privatekey.public_line,
            clock=services.clock,
            remedies=lambda: at_vault.remedies,
            secret_file=at_vault.secret_file,
            stack=stack,
        )
        at_storage = StorageChecks(
            plan,
            issuer,
            services.prover,
            Issuing(plan, services),
            own=_own(plan, environment, credential),
            time_at=clocks.at,
            clock=services.clock,
            remedies=lambda: at_vault.remedies,
        )
        looks = [*at_vault.looks(), *at_master.looks(), *at_storage.looks()]
        return preflight.run(looks, announce, services.clock, at_once=at_once)


def _own(plan: Plan, environment: Mapping[str, str], credential: TokenCredential) -> tuple[AppStorage, OwnBlobs] | None:
    found = app_storage.find(environment, blob_suffix(plan.account.host) or "blob.core.windows.net")
    return (found, OwnBlobs(found, plan, turn.lease_name(plan), credential)) if found else None
