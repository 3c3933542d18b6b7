"""The Azure side of the sandbox alone: no cluster, no master."""

import dataclasses
from collections.abc import Iterator

import pytest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared import http_challenge_cache

from sandbox.azure import accounts, identity
from sandbox.blob.server import BlobService
from sandbox.key_vault.server import VaultServer
from sandbox.key_vault.state import Vault
from sandbox.server import background, certificates, journal

ACCOUNT = "sandboxaccount"


@dataclasses.dataclass
class Azure:
    authority: certificates.Authority
    journal: journal.Journal
    identity: identity.Identity
    vault: Vault
    account: accounts.StorageAccount
    blob: BlobService


@pytest.fixture(scope="session")
def loop() -> Iterator[background.Background]:
    with background.Background() as running:
        yield running


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
    vault = Vault(tokens)
    vault.storage.manage(account)
    blob = BlobService(record, authority, {ACCOUNT: account})
    server = VaultServer(vault, record, authority, tokens)
    with loop.serving(tokens), loop.serving(server), loop.serving(blob):
        http_challenge_cache.clear()
        monkeypatch.setenv("IDENTITY_ENDPOINT", tokens.url)
        monkeypatch.setenv("IDENTITY_HEADER", tokens.header)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle_path))
        yield Azure(authority, record, tokens, vault, account, blob)


@pytest.fixture
def client(azure: Azure) -> Iterator[SecretClient]:
    """The SDK as an app uses it, with an api-version that has managed storage; the rest is in the environment."""
    with (
        ManagedIdentityCredential() as credential,
        SecretClient(azure.vault.url, credential, api_version="7.4", retry_backoff_factor=0.01) as made,
    ):
        yield made
