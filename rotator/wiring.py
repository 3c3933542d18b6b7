"""From a plan to what a run, a check or an onboarding works with: the place that chooses their implementations.

Azure's SDKs and paramiko are imported where they are used: bad settings are reported, and the functions are indexed,
without the SDKs' half second.
"""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from rotator.issuers.interface import PROOF_SECONDS, Issuer, RunState
from rotator.plan.account import IssuerKind
from rotator.plan.plan import Plan
from rotator.rotation import lock
from rotator.rotation.account import AccountReader
from rotator.rotation.lock import RunLock
from rotator.rotation.services import Services, utc_now

if TYPE_CHECKING:
    from rotator.azure.host_storage.probe import HostStorageProbe
    from rotator.azure.host_storage.run_state import BlobRunState, NoRunState
    from rotator.azure.identity import TokenCredential
    from rotator.azure.managed_storage import ManagedStorage
    from rotator.azure.resource_manager import AccountOperations
    from rotator.checks.context import Context
    from rotator.delivery.ssh.connection import SshConnector
    from rotator.deployment.finish import Deployment
    from rotator.deployment.progress import Announce
    from rotator.onboarding.onboard import Onboarding
    from rotator.onboarding.request import OnboardingRequest
    from rotator.onboarding.steps import Step
    from rotator.plan.resource_id import ResourceId


@contextlib.contextmanager
def signed_in(client_id: str | None, *, unattended: bool = False) -> "Iterator[TokenCredential]":
    """Return the credential of this process's identity; `client_id` is a user-assigned one's.

    Where nobody waits (`unattended`), an identity endpoint that does not answer is asked for up to a minute.
    """
    from rotator.azure import identity

    with contextlib.closing(identity.credential(client_id, unattended=unattended)) as found:
        yield found


@contextlib.contextmanager
def services(
    plan: Plan,
    credential: "TokenCredential",
    run_lock: RunLock | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    proof_seconds: float = PROOF_SECONDS,
    quick: bool = False,
) -> Iterator[Services]:
    """Return what a run of this plan works with; without a lock, only to read.

    A SAS that storage refuses is tried again for `proof_seconds`; a `quick` proof repeats no request that fails.
    """
    with _clients(plan, credential, environment) as clients:
        yield _services(plan, clients, run_lock, proof_seconds, quick=quick)


@contextlib.contextmanager
def check_context(
    plan: Plan, credential: "TokenCredential", environment: Mapping[str, str], *, proof_seconds: float
) -> "Iterator[Context]":
    """Return what checks of this plan share: a run's own services, and what asks these without changing anything."""
    from rotator.azure import account_probe, identity, key_vault
    from rotator.checks.context import Context

    with (
        _clients(plan, credential, environment) as clients,
        contextlib.closing(account_probe.AccountProbe(plan.resource_manager, credential)) as lookup,
        contextlib.ExitStack() as stack,
    ):
        found = _services(plan, clients, None, proof_seconds)
        yield Context(
            plan=plan,
            environment=environment,
            sign_in=lambda: identity.whoami(credential, key_vault.scope(plan.account.host)),
            vault=clients.vault,
            issuer=clients.issuer,
            lookup=lookup,
            key_lister=clients.keys,
            prover=found.prover,
            account=AccountReader(plan, found),
            connector=clients.connector,
            host_storage=_host_storage(plan, environment, credential),
            clock=found.clock,
            time_at=found.time_at,
            stack=stack,
        )


def storage_account_id(plan: Plan, credential: "TokenCredential") -> str | None:
    """Return the storage account's resource id: of the settings or, with Key Vault, as far as the vault says it."""
    if plan.account.issuer is not IssuerKind.KEYVAULT:
        return plan.account.storage_account
    from rotator.azure import managed_storage
    from rotator.azure.errors import IdentityError, VaultError

    with contextlib.closing(managed_storage.ManagedStorage(plan.account, credential)) as vault:
        try:
            return vault.managed().resource_id
        except (IdentityError, VaultError):
            return None


@contextlib.contextmanager
def onboarding(
    request: "OnboardingRequest", report: "Callable[[Step], None]", on_wait: Callable[[str], None]
) -> "Iterator[Onboarding]":
    """Return an onboarding as whoever is signed in: see `app.onboarding`."""
    from rotator.azure import resource_manager
    from rotator.delivery.ssh import connection
    from rotator.onboarding import vault_setup
    from rotator.onboarding.onboard import Onboarding

    with (
        signed_in(None) as credential,
        contextlib.closing(vault_setup.VaultSetup(request.plan.account, credential, on_wait=on_wait)) as vault,
        contextlib.closing(resource_manager.ResourceManager(request.plan.resource_manager, credential)) as manager,
    ):
        yield Onboarding(
            request,
            resource_manager=manager,
            vault=vault,
            connector=connection.SshConnector(),
            report=report,
        )


@contextlib.contextmanager
def deployment(
    url: str, function_app: "ResourceId", announce: "Announce", *, seconds: float, sleep: Callable[[float], None]
) -> "Iterator[Deployment]":
    """Return the end of a deployment as whoever is signed in: see `app.deployment`. `url` is Resource Manager's."""
    from rotator.azure.function_app import FunctionApp
    from rotator.azure.function_endpoint import FunctionEndpoint
    from rotator.deployment.finish import Deployment

    with signed_in(None) as credential, contextlib.closing(FunctionApp(url, function_app, credential)) as found:
        connect = lambda address: contextlib.closing(FunctionEndpoint(address))  # noqa: E731
        yield Deployment(found, connect, announce, seconds=seconds, sleep=sleep)


@dataclasses.dataclass(frozen=True)
class _Clients:
    """What talks to the vault, to Resource Manager and to the masters of one plan, each as its own class."""

    vault: "ManagedStorage"
    keys: "AccountOperations"
    connector: "SshConnector"
    issuer: Issuer
    run_state: RunState


@contextlib.contextmanager
def _clients(plan: Plan, credential: "TokenCredential", environment: Mapping[str, str]) -> Iterator[_Clients]:
    from rotator.azure import managed_storage, resource_manager
    from rotator.delivery.ssh import connection

    keys = resource_manager.AccountOperations(plan.resource_manager, credential)
    with (
        contextlib.closing(managed_storage.ManagedStorage(plan.account, credential)) as vault,
        _issuer(plan, credential, environment, vault, keys) as (issuer, run_state),
    ):
        yield _Clients(vault, keys, connection.SshConnector(), issuer, run_state)


@contextlib.contextmanager
def _issuer(
    plan: Plan,
    credential: "TokenCredential",
    environment: Mapping[str, str],
    vault: "ManagedStorage",
    keys: "AccountOperations",
) -> Iterator[tuple[Issuer, RunState]]:
    """Return the plan's issuer, and where its runs leave something for later ones."""
    if plan.account.issuer is IssuerKind.KEYVAULT:
        from rotator.issuers.keyvault import KeyVaultIssuer

        managed = KeyVaultIssuer(plan, vault, keys, clock=utc_now)
        yield managed, managed
        return
    with _run_state(plan, credential, environment) as records:
        if plan.account.issuer is IssuerKind.STORAGEKEY:
            from rotator.issuers.storagekey import StorageKeyIssuer

            yield StorageKeyIssuer(plan, keys, records, clock=utc_now), records
            return
        from rotator.azure.user_delegation import UserDelegation
        from rotator.issuers.userdelegation import UserDelegationIssuer

        delegation = UserDelegation(
            plan.account.endpoint_of(plan.account.name) or "",
            credential,
            named=plan.account.origin("blob_endpoint"),
            resource=plan.account.storage_account,
        )
        yield UserDelegationIssuer(plan, delegation, keys, records, clock=utc_now), records


@contextlib.contextmanager
def _run_state(
    plan: Plan, credential: "TokenCredential", environment: Mapping[str, str]
) -> "Iterator[BlobRunState | NoRunState]":
    from rotator.azure.host_storage import blob_containers, run_state, storage_settings

    storage = storage_settings.find(environment, plan.account.blob_suffix)
    if storage is None:
        yield run_state.NoRunState()
        return
    with (
        blob_containers.signed_in(storage, plan.client_id, credential) as signed,
        contextlib.closing(run_state.BlobRunState(storage, plan.account.name, signed)) as found,
    ):
        yield found


def _read_only(*_: object) -> None:
    """Let no write pass: whoever got no lock for a run is only to read."""
    raise RuntimeError("a write without a run's lock")


def _services(
    plan: Plan, clients: _Clients, run_lock: RunLock | None, proof_seconds: float, *, quick: bool = False
) -> Services:
    from rotator.azure import server_time
    from rotator.issuers import proof

    return Services(
        issuer=clients.issuer,
        run_state=clients.run_state,
        secrets=clients.vault,
        prover=proof.StorageProver(seconds=proof_seconds, quick=quick, named=plan.account.origin("blob_endpoint")),
        connector=clients.connector,
        fence=run_lock.fence if run_lock else _read_only,
        admit=run_lock.admit if run_lock else _read_only,
        time_at=server_time.at,
    )


def _host_storage(
    plan: Plan, environment: Mapping[str, str], credential: "TokenCredential"
) -> "HostStorageProbe | None":
    from rotator.azure.host_storage import storage_settings
    from rotator.azure.host_storage.probe import HostStorageProbe

    found = storage_settings.find(environment, plan.account.blob_suffix)
    return HostStorageProbe(found, plan, lock.lease_name(plan), credential) if found else None
