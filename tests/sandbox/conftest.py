"""The Azure side of the sandbox alone: no cluster, no master."""

import dataclasses
from collections.abc import Iterator

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache

from sandbox.azure import accounts, identity
from sandbox.blob import server as blob
from sandbox.key_vault import server as vault
from sandbox.server import background, certificates, journal

ACCOUNT = "sandboxaccount"


@dataclasses.dataclass
class Azure:
    authority: certificates.Authority
    journal: journal.Journal
    identity: identity.Identity
    vault: vault.Vault
    account: accounts.StorageAccount
    blob: blob.BlobService


@pytest.fixture(scope="session")
def loop() -> Iterator[background.Background]:
    running = background.Background()
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def azure(
    loop: background.Background, authority: certificates.Authority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Azure]:
    record = journal.Journal()
    tokens = identity.Identity(record)
    account = accounts.StorageAccount(ACCOUNT)
    services = (
        tokens,
        vault.Vault(record, authority, tokens),
        blob.BlobService(record, authority, {ACCOUNT: account}),
    )
    for service in services:
        loop.run(service.start())
    http_challenge_cache.clear()
    monkeypatch.setenv("IDENTITY_ENDPOINT", tokens.url)
    monkeypatch.setenv("IDENTITY_HEADER", tokens.header)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle_path))
    services[1].storage.manage(account)
    yield Azure(authority, record, tokens, services[1], account, services[2])
    for service in services:
        loop.run(service.stop())


@pytest.fixture
def client(azure: Azure) -> Iterator[SecretClient]:
    """The SDK as an app uses it, with an api-version that has managed storage; the rest is in the environment."""
    with (
        ManagedIdentityCredential() as credential,
        SecretClient(azure.vault.url, credential, api_version="7.4", retry_backoff_factor=0.01) as made,
    ):
        yield made
