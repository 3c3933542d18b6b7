"""All services at once, wired to each other, with what a first rotation needs already in place."""

import contextlib
import http.client
import os
import tempfile
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sandbox import issuers
from sandbox.azure import signatures
from sandbox.azure.accounts import StorageAccount
from sandbox.azure.identity import Identity
from sandbox.blob import picture
from sandbox.blob.server import BlobService
from sandbox.functions.host import FunctionsHost, WorkerProcess, start_interpreter
from sandbox.functions.site import SiteFront
from sandbox.key_vault.server import VaultServer
from sandbox.key_vault.state import Vault
from sandbox.kubernetes.client import Client
from sandbox.listeners.insights import Insights
from sandbox.listeners.webhook import Webhook
from sandbox.master import keys
from sandbox.options import Options
from sandbox.resource_manager.initial_resources import InitialResources
from sandbox.resource_manager.server import ResourceManagerServer
from sandbox.resource_manager.state import ResourceManager
from sandbox.server.background import Background
from sandbox.server.certificates import Authority
from sandbox.server.journal import Journal
from sandbox.server.service import Service

if TYPE_CHECKING:
    from sandbox.blob.azurite import Azurite

ACCOUNT = "sandboxaccount"
APP_ACCOUNT = "sandboxappstorage"
CONTAINER = "pictures"
PICTURE = picture.NAME
KEY_SECRET = "privatekey"
PASSPHRASE_SECRET = "privatekeypassphrase"
SECRET_NAME = "storage-sas"
HOST_KEY_TYPE = "ssh-ed25519"
REPORT_CONTAINER = "rotation-reports"
_LOOPBACK = "127.0.0.1,localhost"


class World:
    """A context manager: everything runs inside of it, in one background thread.

    `settings` is the environment that the rotator needs. With Azurite, `blob` isn't started and Azurite holds
    the same accounts, containers and blobs. Of the accounts in `storage` the second is the function app's own.
    `vault_id`, `function_app_id`, `app_client_id` and `app_object_id` (of the function app's identity) say what
    Resource Manager has, `deployed` what is deployed there. `site` is where the app answers, once it was started.

    `rights` are those of the rotator's identity: the system-assigned one, which is the operator's too, with the issuer
    `keyvault`, and the function app's with the others, which has what the issuer needs and no more.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.journal = Journal()
        self.storage = {name: StorageAccount(name) for name in (ACCOUNT, APP_ACCOUNT)}
        self.settings: dict[str, str] = {}
        self.azurite: Azurite | None = None
        self.webhook: Webhook | None = None
        self.insights: Insights | None = None
        self._background = Background()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start everything; what has started is stopped again when the rest can't."""
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        """Stop everything, the last started first."""
        self._stack.close()

    @property
    def command_line_settings(self) -> dict[str, str]:
        """`settings`, and what commands take beside: where reports are kept, and which resources there are.

        A proxy leads to none of them. Of the two spellings programs look for one or the other.
        """
        return {
            **self.settings,
            "REPORT_CONTAINER": REPORT_CONTAINER,
            "STORAGE_ACCOUNT_ID": self.account.resource_id,
            "KEY_VAULT_ID": self.vault_id,
            "FUNCTION_APP_ID": self.function_app_id,
            "KEY_VAULT_SERVICE_PRINCIPAL_ID": self.vault.service_principal_id,
            "NO_PROXY": _LOOPBACK,
            "no_proxy": _LOOPBACK,
        }

    @property
    def account(self) -> StorageAccount:
        """The storage account that the vault manages."""
        return self.storage[ACCOUNT]

    def issuer_settings(self, issuer: issuers.Issuer) -> dict[str, str]:
        """Return `settings` for another issuer, for which `allow_issuer` has to be called."""
        others = set(issuers.settings(self.options.issuer, self.account, CONTAINER))
        kept = {name: text for name, text in self.settings.items() if name not in others}
        return {**kept, **issuers.settings(issuer, self.account, CONTAINER)}

    def allow_issuer(self, issuer: issuers.Issuer) -> None:
        """Give the rotator what another issuer needs beside what it has; `keyvault` ends the vault's RBAC mode."""
        self.rights.assign_for(issuer)
        if issuer == "keyvault":
            self.rights.open_vault()

    def blob_endpoint(self, account: str) -> str:
        """Return where an account's blobs are, without a slash at the end."""
        return self.azurite.blob_url(account) if self.azurite else self.blob.url(account)

    def read_secret(self, namespace: str, name: str) -> dict[str, Any] | None:
        """Read a Secret as the cluster's administrator; None when there is none."""
        return Client(self.cluster.administrator_kubeconfig).secret(namespace, name)

    def blob_status(self, sas: str) -> int:
        """Read the picture with a SAS and return the HTTP status."""
        url = urllib.parse.urlsplit(f"{self.settings['STORAGE_BLOB_ENDPOINT']}/{CONTAINER}/{PICTURE}")
        context = self.authority.client_context()
        connection = http.client.HTTPSConnection(url.hostname or "", url.port, context=context, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", f"{url.path}?{sas.lstrip('?')}")
            with connection.getresponse() as response:
                return response.status

    def start_app(
        self,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        start: Callable[[Path, Mapping[str, str]], WorkerProcess] = start_interpreter,
    ) -> FunctionsHost:
        """Start the app in this directory behind its site, as its deployment does; it stops with the world at last.

        It gets `settings`, or `environment` instead of these and this process's own.
        """
        self.stop_app()
        self.site.host = FunctionsHost(directory, environment or {**os.environ, **self.settings}, start)
        self.deployed.functions = tuple(self.site.host.functions)
        return self.site.host

    def stop_app(self) -> None:
        """Stop the app, if it runs."""
        running, self.site.host = self.site.host, None
        if running is not None:
            running.stop()

    def secret_values(self) -> list[str]:
        """Return every secret value that the sandbox knows so far, for a search for leaks."""
        account_keys = [
            key
            for account in self.storage.values()
            for key in (*account.keys.values(), *account.retired_keys, *account.delegation_keys.issued)
        ]
        pem_lines = [line for line in self.key_pair.private_text.splitlines() if not line.startswith("-----")]
        minted = self.vault.minted
        tokens = [*minted, *(f"?{token}" for token in minted), *self.identity.issued, self.identity.header]
        tokens += [self.webhook.token] if self.webhook else []
        tokens += self.deployed.secret_values()
        signed = [*(signatures.of_token(token) for token in minted), *self.blob.signatures]
        quoted = [urllib.parse.quote(signature, safe) for signature in signed for safe in ("", "/")]  # SDKs leave "/"
        values = [*account_keys, *self.vault.secrets.values(), *pem_lines, *tokens, *signed, *quoted]
        return list(dict.fromkeys(value for value in values if value))

    def _start(self) -> None:
        self.directory = self.options.directory or Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-"))
        )
        self.directory.mkdir(parents=True, exist_ok=True)
        self.authority = Authority(self.directory / "tls")
        self.key_pair = keys.generate(self.options.key_type, with_passphrase=self.options.passphrase)
        self._stack.enter_context(self._background)
        self._start_azure()
        self._start_listeners()
        self._start_cluster()
        self.settings.update(self._settings())

    def _start_azure(self) -> None:
        self.identity = Identity(self.journal)
        self.vault = Vault(self.identity)
        self.vault.rbac = self._rotator_is_app
        self.blob = BlobService(self.journal, self.authority, self.storage, self.identity)
        self._start_resource_manager()
        self._fill_vault()
        self._run(self.identity)
        self._run(VaultServer(self.vault, self.journal, self.authority, self.identity))
        if self.options.azurite:
            self._start_azurite()
        else:
            self._run(self.blob)
            self._fill_blob_service()

    def _start_resource_manager(self) -> None:
        self.resource_manager = ResourceManager(self.identity, self.storage, self.blob_endpoint)
        initial = InitialResources(self.identity, self.vault, self.storage[APP_ACCOUNT])
        initial.register(self.resource_manager, self.blob)
        self.vault_id, self.function_app_id = initial.vault_id, initial.function_app_id
        self.app_client_id, self.app_object_id = initial.app_client_id, initial.app_object_id
        rotator_id = self.app_object_id if self._rotator_is_app else self.identity.object_id
        self.rights = issuers.Rights(rotator_id, self.resource_manager, self.vault, self.account, CONTAINER)
        self._run(ResourceManagerServer(self.resource_manager, self.journal, self.authority, self.identity))
        self._start_site()

    def _start_site(self) -> None:
        resource = self.resource_manager.sites[self.function_app_id]
        self.deployed = resource.deployed
        self.site = SiteFront(self.deployed, self.journal, self.authority)
        self._run(self.site)
        self._stack.callback(self.stop_app)
        resource.address = f"127.0.0.1:{self.site.port}"

    def _start_listeners(self) -> None:
        if self.options.webhook:
            self.webhook = Webhook(self.authority)
            self._run(self.webhook)
        if self.options.insights:
            self.insights = Insights(self.authority, self.identity)
            self._run(self.insights)

    def _start_cluster(self) -> None:
        self.cluster, server = self.options.make_cluster(self.journal, self.authority, self.directory / "cluster")
        self._run(server)
        self.master = self.options.make_master(self.journal, self.directory / "master", self.cluster.kubeconfig)
        if self.options.onboarded:
            self.master.authorized_keys.append(self.key_pair.public_line)
        self._run(self.master)

    def _start_azurite(self) -> None:
        from sandbox.blob.azurite import Azurite  # here, as the SDK in it takes half a second

        self.azurite = Azurite(self.directory / "azurite", self.storage, self.authority)
        self._run(self.azurite)
        for account in self.storage:
            self.azurite.fill(account, CONTAINER, picture.content())

    def _fill_vault(self) -> None:
        self.vault.storage.known_accounts |= {account.resource_id: account for account in self.storage.values()}
        self.vault.policies.clear()
        self.rights.assign_for(self.options.issuer)
        if not self.options.onboarded:
            return
        self.vault.secrets.put(KEY_SECRET, self.key_pair.private_text)
        if self.key_pair.passphrase is not None:
            self.vault.secrets.put(PASSPHRASE_SECRET, self.key_pair.passphrase)
        if self.options.issuer == "keyvault":
            self.rights.open_vault(self.app_object_id, minimal=self.options.minimal_permissions)

    @property
    def _rotator_is_app(self) -> bool:
        return self.options.issuer != "keyvault"

    def _fill_blob_service(self) -> None:
        self.blob.put_container(ACCOUNT, CONTAINER)
        for name, (data, content_type) in picture.content().items():
            self.blob.put_blob(ACCOUNT, CONTAINER, name, data, content_type)

    def _run(self, service: Service) -> None:
        self._stack.enter_context(self._background.serving(service))

    def _settings(self) -> dict[str, str]:
        settings = {
            "KEYVAULT_BASEURL": self.vault.url,
            "KUBERNETES_DNS": "127.0.0.1",
            "KUBERNETES_SSH_PORT": str(self.master.port),
            "KUBERNETES_SSH_USERNAME": self.master.username,
            "KUBERNETES_SSH_FINGERPRINT": f"{HOST_KEY_TYPE} {self.master.fingerprints[HOST_KEY_TYPE]}",
            "KUBERNETES_SECRET_NAME": SECRET_NAME,
            "STORAGE_BLOB_ENDPOINT": self.blob_endpoint(ACCOUNT),
            "AZURE_RESOURCE_MANAGER": self.resource_manager.url,
            "IDENTITY_ENDPOINT": self.identity.url,
            "IDENTITY_HEADER": self.identity.header,
            **issuers.settings(self.options.issuer, self.account, CONTAINER),
            **({"AZURE_CLIENT_ID": self.app_client_id} if self._rotator_is_app else {}),
            **self._app_storage(),
            **(self.webhook.settings if self.webhook else {}),
            **(self.insights.settings if self.insights else {}),
            "REQUESTS_CA_BUNDLE": str(self.authority.bundle_path),
        }
        if self.key_pair.passphrase is not None:
            settings["KUBERNETES_SSH_PASSPHRASE_SECRET"] = PASSPHRASE_SECRET
        return settings

    def _app_storage(self) -> dict[str, str]:
        """How the app reaches its own account: by its identity, or with Azurite, which knows no roles, by key."""
        if self.azurite is None:
            return {"AzureWebJobsStorage__blobServiceUri": self.blob.url(APP_ACCOUNT)}
        return {"AzureWebJobsStorage": self.azurite.connection_string(APP_ACCOUNT)}
