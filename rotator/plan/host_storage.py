"""The app settings of the host storage, which the Functions host reads, too."""

from typing import Annotated

from pydantic.dataclasses import dataclass

from rotator.plan.model import CONFIG, Model
from rotator.plan.setting import Setting
from rotator.plan.setting_types import BlobUrl, ClientId, StorageAccountName


@dataclass(config=CONFIG, frozen=True, kw_only=True)
class HostStorageSettings(Model):
    """Ways to the host storage. Validated with all others; what opens the storage finds it in the environment."""

    connection_string: Annotated[
        str | None,
        Setting(
            "AzureWebJobsStorage",
            "the app's own storage, by connection string",
            example="UseDevelopmentStorage=true",
        ),
    ] = None
    account: Annotated[
        StorageAccountName | None,
        Setting("AzureWebJobsStorage__accountName", "the app's own storage, by identity", example="myappstorage"),
    ] = None
    client_id: Annotated[
        ClientId | None,
        Setting(
            "AzureWebJobsStorage__clientId",
            "the identity for the app's own storage, if it is not the app's only one",
            example="00000000-0000-0000-0000-000000000000",
        ),
    ] = None
    blob_endpoint: Annotated[
        BlobUrl | None,
        Setting(
            "AzureWebJobsStorage__blobServiceUri",
            "the app's own blob storage, by identity",
            example="https://myappstorage.blob.core.windows.net",
        ),
    ] = None
