"""The blob service under contract: the sandbox's own, and Azurite where it is installed."""

import contextlib
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.storage.blob import AccessPolicy, BlobServiceClient, ContainerClient

from sandbox import programs
from sandbox.azure import account_sas, accounts, identity
from sandbox.blob import server
from sandbox.server import background, certificates, journal

CONTAINER = "pictures"
FIELDS = {"sv": "2018-03-28", "ss": "b", "srt": "sco", "sp": "rwdlac", "spr": "https"}


@dataclasses.dataclass
class BlobUnderTest:
    """An endpoint with two accounts, alpha and beta; alpha has the container with `hello.txt`.

    `tokens` issues bearer tokens that it takes, `put_policy` stores an access policy with alpha's container.
    """

    endpoint: str
    authority: certificates.Authority
    accounts: dict[str, accounts.StorageAccount]
    tokens: identity.Identity
    put_policy: Callable[[str, str, datetime.datetime], None]

    def sas(self, key: str = "key1", account: str = "alpha", **changes: str) -> str:
        """A SAS for everything, but for the changes."""
        fields = {**FIELDS, "se": "2099-01-01T00:00:00Z", **changes}
        return account_sas.token(account, self.accounts[account].keys[key], fields)

    def url(self, account: str = "alpha") -> str:
        return f"{self.endpoint}/{account}"

    def service(self, audience: str = "https://storage.azure.com") -> BlobServiceClient:
        """A client with a bearer token."""
        return BlobServiceClient(
            self.url(),
            credential=_Token(self.tokens.issue(audience)),
            connection_verify=str(self.authority.ca_path),
            api_version="2025-11-05",
            retry_total=0,
        )

    def container(self, sas: str) -> ContainerClient:
        return ContainerClient(
            self.url(),
            CONTAINER,
            credential=sas,
            connection_verify=str(self.authority.ca_path),
            api_version="2025-11-05",  # Azurite knows versions a while after the SDK
            retry_total=0,
        )


@dataclasses.dataclass(frozen=True)
class _Token:
    """A credential with one token, whatever the scope."""

    value: str = dataclasses.field(repr=False)

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self.value, int(time.time()) + 3600)


def _own(
    known: dict[str, accounts.StorageAccount], authority: certificates.Authority, tokens: identity.Identity
) -> server.BlobService:
    service = server.BlobService(journal.Journal(), authority, known, tokens)
    service.put_container("alpha", CONTAINER)
    service.put_blob("alpha", CONTAINER, "hello.txt", b"hello", "text/plain")
    return service


def _require_azurite() -> None:
    try:
        programs.require_azurite()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module", params=["own", pytest.param("azurite", marks=pytest.mark.real)])
def blobs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobUnderTest]:
    authority = certificates.Authority(tmp_path_factory.mktemp("tls"))
    known = {name: accounts.StorageAccount(name) for name in ("alpha", "beta")}
    tokens = identity.Identity(journal.Journal())
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(background.Background())
        if request.param == "own":
            service = _own(known, authority, tokens)
            stack.enter_context(running.serving(service))
            endpoint = service.url("alpha")

            def put_policy(name: str, permissions: str, expiry: datetime.datetime) -> None:
                stored = {"sp": permissions, "se": account_sas.format_time(expiry)}
                service.containers["alpha"][CONTAINER].policies[name] = stored

        else:
            _require_azurite()
            from sandbox.blob import azurite

            emulator = azurite.Azurite(tmp_path_factory.mktemp("azurite"), known, authority)
            stack.enter_context(running.serving(emulator))
            endpoint = emulator.blob_url("alpha")
            content = {"hello.txt": (b"hello", "text/plain")}
            emulator.fill("alpha", CONTAINER, content)

            def put_policy(name: str, permissions: str, expiry: datetime.datetime) -> None:
                key = {"account_name": "alpha", "account_key": known["alpha"].keys["key1"]}
                verify = str(authority.ca_path)
                with ContainerClient(endpoint, CONTAINER, credential=key, connection_verify=verify) as container:
                    container.set_container_access_policy({name: AccessPolicy(permissions, expiry)})

        yield BlobUnderTest(endpoint.removesuffix("/alpha"), authority, known, tokens, put_policy)
