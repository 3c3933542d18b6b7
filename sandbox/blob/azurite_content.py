"""The sandbox's container and blobs, put into Azurite with azure-storage-blob."""

from collections.abc import Mapping
from pathlib import Path

from azure.storage.blob import BlobServiceClient, ContentSettings

from sandbox.azure import accounts


def fill(
    endpoint: str,
    account: accounts.StorageAccount,
    ca_path: Path,
    container: str,
    blobs: Mapping[str, tuple[bytes, str]],
) -> None:
    """Create the container and its blobs, given as data and content type by name."""
    credential = {"account_name": account.name, "account_key": account.keys["key1"]}
    with BlobServiceClient(endpoint, credential=credential, connection_verify=str(ca_path)) as service:
        client = service.create_container(container)
        for name, (data, content_type) in blobs.items():
            client.upload_blob(name, data, content_settings=ContentSettings(content_type=content_type))
