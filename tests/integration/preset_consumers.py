"""What consumers make of their Secret, where their own parser is in Go or Java and cannot be run here.

Each function is the rule of one consumer, from its source or documentation, and returns the URL of the blob
`hello.txt` that it would ask for, unless the docstring says otherwise.
"""

import json
import urllib.parse
from collections.abc import Mapping
from typing import Any

from azure.core.credentials import AzureSasCredential
from azure.storage.blob import BlobServiceClient

from rotator.plan.presets import Preset
from tests.integration.preset_storage import CONTAINER
from tests.integration.public_names import SUFFIX

BLOB = "hello.txt"
PATH = f"{CONTAINER}/{BLOB}"

# Where a connection string is, in which presets.
CONNECTION_STRINGS = {
    Preset.CONNECTION_STRING: "AZURE_STORAGE_CONNECTION_STRING",
    Preset.KEDA: "connection",
    Preset.LOKI: "connection_string",
}

Secret = Mapping[str, str]


def csi_blob(secret: Secret) -> str:
    """blob-csi-driver, pkg/blob/blob.go: values are trimmed; blobfuse2 takes the token with or without `?`."""
    account, token = (secret[f"azurestorageaccount{name}"].strip() for name in ("name", "sastoken"))
    return f"https://{account}.blob.{SUFFIX}/{PATH}?{token.removeprefix('?')}"


def velero(secret: Secret) -> str:
    """velero-plugin-for-microsoft-azure, backupstoragelocation.md: `config` names the line and the endpoint."""
    config = {
        "storageAccountSASTokenEnvVar": "AZURE_STORAGE_ACCOUNT_ACCESS_KEY",
        "storageAccountBlobEndpoint": f"https://sandboxaccount.blob.{SUFFIX}/",
    }
    lines = dict(line.split("=", 1) for line in secret["cloud"].splitlines())
    token = lines[config["storageAccountSASTokenEnvVar"]].removeprefix("?")
    return f"{config['storageAccountBlobEndpoint']}{PATH}?{token}"


def walg(secret: Secret) -> str:
    """wal-g, pkg/storages/azure/configure.go: a `?` is put before the token if there is none; a key would win."""
    assert "AZURE_STORAGE_ACCESS_KEY" not in secret
    token = secret["AZURE_STORAGE_SAS_TOKEN"]
    query = token if token.startswith("?") else f"?{token}"
    return f"https://{secret['AZURE_STORAGE_ACCOUNT']}.blob.{SUFFIX}/{PATH}{query}"


def flux(secret: Secret) -> str:
    """source-controller, docs/spec/v1/buckets.md: the token's fields are merged with those of `spec.endpoint`."""
    fields = urllib.parse.parse_qsl(secret["sasKey"].removeprefix("?"), strict_parsing=True)
    return f"https://sandboxaccount.blob.{SUFFIX}/{PATH}?{urllib.parse.urlencode(fields)}"


def argo(secret: Secret) -> str:
    """argo-workflows, workflow/artifacts/azure/azure.go: a token has `&name=value`, and comes after a `?`."""
    token = secret["shared-access-key"]
    assert "&" in token, "taken for an account key"
    return f"https://sandboxaccount.blob.{SUFFIX}/{PATH}?{token}"


def elasticsearch(secret: Secret) -> str:
    """elasticsearch, AzureStorageSettings: account and token become a connection string."""
    account, token = (secret[f"azure.client.default.{name}"] for name in ("account", "sas_token"))
    return go_sdk(f"DefaultEndpointsProtocol=https;AccountName={account};SharedAccessSignature={token}")


def keda(secret: Secret) -> str:
    """keda, pkg/scalers/azure/azure_storage.go: Go's SDK gets the parameter `connection`."""
    return go_sdk(secret["connection"])


def loki(secret: Secret) -> str:
    """loki, pkg/storage/bucket/azure, and thanos-io/objstore: Go's SDK gets the setting `connection_string`."""
    return go_sdk(secret["connection_string"])


def dapr(secret: Secret) -> str:
    """dapr, bindings/azure/blobstorage, and other programs with Go's SDK."""
    return go_sdk(secret["AZURE_STORAGE_CONNECTION_STRING"])


def go_sdk(connection_string: str) -> str:
    """azure-sdk-for-go, azblob's ParseConnectionString: names as they are written, `<endpoint>/?<token>`."""
    fields = dict(part.split("=", 1) for part in connection_string.split(";") if part)
    assert "AccountKey" not in fields, "a key would win"
    built = (
        f"{fields.get('DefaultEndpointsProtocol', 'https')}://{fields['AccountName']}"
        f".blob.{fields.get('EndpointSuffix', SUFFIX)}"
    )
    service = f"{fields.get('BlobEndpoint', built).rstrip('/')}/?{fields['SharedAccessSignature']}"
    return service.replace("/?", f"/{PATH}?", 1)


def airflow(connection: str) -> BlobServiceClient:
    """The client that the provider makes now: hooks/wasb.py, get_conn, of version 15."""
    url, extra = _airflow_connection(connection)
    return BlobServiceClient(url, credential=AzureSasCredential(extra["sas_token"]), **extra)


def airflow_before(connection: str) -> BlobServiceClient:
    """The client that providers made for years: the token is joined to the URL as it is."""
    url, extra = _airflow_connection(connection)
    return BlobServiceClient(f"{url.rstrip('/')}/{extra['sas_token']}", **extra)


def _airflow_connection(connection: str) -> tuple[str, dict[str, Any]]:
    """Read a connection in the form of JSON, which Airflow takes from 2.3.0 on."""
    fields = json.loads(connection)
    assert fields["conn_type"] == "wasb"
    return fields["host"] or f"https://{fields['login']}.blob.{SUFFIX}/", fields["extra"]
