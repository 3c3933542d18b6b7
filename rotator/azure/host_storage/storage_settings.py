"""The function app's own storage: where it is, and which settings open it with an account key.

Such a setting stops the app when that key is regenerated.
"""

import dataclasses
import urllib.parse
from collections.abc import Iterator, Mapping

from rotator.azure.errors import OwnStorageError
from rotator.redaction import SecretText

_SETTING = "AzureWebJobsStorage"
_PUBLIC_BLOB_SUFFIX = "blob.core.windows.net"
_PARTS = ("", "__accountName", "__blobServiceUri", "__clientId")
_ENDPOINTS = ("blobendpoint", "queueendpoint", "tableendpoint", "fileendpoint")
# App Service sets each app setting twice in the environment, and each of its connection strings under a prefix.
# https://learn.microsoft.com/azure/app-service/reference-app-settings
_AS_APP_SETTING = "APPSETTING_"
_AS_CONNECTION_STRING = "CUSTOMCONNSTR_"
_REMEDIES = {
    _SETTING: (
        "set AzureWebJobsStorage__accountName=<account> in its place, and assign the role Storage Blob Data Owner "
        "there to the app's identity"
    ),
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING": (
        "it has no identity-based form: use another storage account for it, or a Flex Consumption plan"
    ),
    "DEPLOYMENT_STORAGE_CONNECTION_STRING": (
        "let the deployment storage be read by managed identity (az functionapp deployment config set "
        "--deployment-storage-auth-type …)"
    ),
    "WEBSITE_RUN_FROM_PACKAGE": (
        "set the package's URL without a SAS, and let the app's identity read it "
        "(WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID)"
    ),
}


@dataclasses.dataclass(frozen=True)
class HostStorage:
    """Blob storage by connection string, or by URL and identity; exactly one of the two is set."""

    connection_string: SecretText | None
    blob_url: str | None
    client_id: str | None


def find(environment: Mapping[str, str], blob_suffix: str | None = None) -> HostStorage | None:
    """Find the storage in the settings; if several name one, that which the Functions host takes.

    `blob_suffix` is the domain of blob endpoints in this cloud; the public cloud's if it is not known.

    The host prefers AzureWebJobsStorage, a connection string, then __accountName, then __blobServiceUri
    (https://learn.microsoft.com/azure/azure-functions/functions-reference#connections).
    """
    found = {name: environment.get(_SETTING + name, "").strip() for name in _PARTS}
    client_id = found["__clientId"] or None
    if found[""]:
        return HostStorage(SecretText(found[""]), None, client_id)
    if found["__accountName"]:
        return HostStorage(None, f"https://{found['__accountName']}.{blob_suffix or _PUBLIC_BLOB_SUFFIX}", client_id)
    if found["__blobServiceUri"]:
        return HostStorage(None, found["__blobServiceUri"].rstrip("/"), client_id)
    return None


def settings_with_key(environment: Mapping[str, str], account: str) -> tuple[str, ...]:
    """Return the names of the settings that open this account with a key, or with a SAS that a key signed."""
    names = {
        name.removeprefix(_AS_APP_SETTING)
        for name, text in environment.items()
        if account.lower() in _accounts_opened_by(text)
    }
    return tuple(sorted(names))


def check(environment: Mapping[str, str], account: str) -> None:
    """Raise OwnStorageError if a setting of this process opens the account with a key."""
    names = settings_with_key(environment, account)
    if names:
        raise OwnStorageError(
            f"the app itself uses the storage account {account!r} with its keys, and would stop with them: "
            + ", ".join(names),
            remedy="; ".join(f"{name}: {_remedy(name)}" for name in names) + ".",
        )


def _remedy(name: str) -> str:
    plain = name.removeprefix(_AS_CONNECTION_STRING)
    return _REMEDIES.get(plain, f"set {plain}__blobServiceUri (or …__queueServiceUri, …) in its place")


def _accounts_opened_by(text: str) -> frozenset[str]:
    """Return the storage accounts that a setting's value opens by key or SAS."""
    try:
        return frozenset(name.lower() for name in _accounts(text) if name)
    except ValueError:  # no URL after all
        return frozenset()


def _accounts(text: str) -> Iterator[str]:
    """Read a URL with a SAS, or a connection string with a key or a SAS, of the account or of single endpoints.

    https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string
    """
    if text.startswith(("https://", "http://")):
        if "sig=" in text:
            yield from _in_url(text)
        return
    pairs = (part.partition("=") for part in text.split(";"))
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    if fields.get("usedevelopmentstorage", "").lower() == "true":
        yield "devstoreaccount1"
    elif fields.get("accountkey") or fields.get("sharedaccesssignature"):
        yield fields.get("accountname", "")
        for endpoint in _ENDPOINTS:
            yield from _in_url(fields.get(endpoint, ""))


def _in_url(url: str) -> Iterator[str]:
    """Yield what may be the account: the host's first label, or in path style the path's first segment."""
    parts = urllib.parse.urlsplit(url)
    yield (parts.hostname or "").partition(".")[0]
    yield parts.path.strip("/").partition("/")[0]
