"""Signs SAS here, by azure-storage-blob: account SAS, and SAS for a container, a directory or a blob.

The SDK is imported where it is used: what signs nothing does without its time.
"""

import base64
import dataclasses
import datetime
from typing import Any

from rotator import errors, sas
from rotator.azure.account_keys import AccountKey
from rotator.azure.user_delegation import DelegationKey
from rotator.plan.account import Grant
from rotator.redaction import SecretText
from rotator.sas import Sas, Scope


@dataclasses.dataclass(frozen=True)
class Window:
    """From when until when a SAS is to be valid, in UTC; it has whole seconds."""

    start: datetime.datetime
    expiry: datetime.datetime


def with_account_key(account: str, key: AccountKey, grant: Grant, window: Window) -> Sas:
    """Sign an account SAS or, for a grant with a container, a service SAS."""
    _check_key(key.value)
    common = {"account_name": account, "account_key": key.value.reveal(), **_common(grant, window)}
    if grant.scope is not Scope.ACCOUNT:
        return _for_container(grant, common)
    from azure.storage.blob import AccountSasPermissions, ResourceTypes, Services, generate_account_sas

    token = generate_account_sas(
        **common,
        services=Services.from_string(grant.services),  # type: ignore[no-untyped-call]
        resource_types=ResourceTypes.from_string(grant.resource_types),  # type: ignore[no-untyped-call]
        permission=AccountSasPermissions.from_string(grant.permissions),  # type: ignore[no-untyped-call]
    )
    return sas.parse(SecretText(token))


def with_delegation_key(account: str, key: DelegationKey, grant: Grant, window: Window, correlation_id: str) -> Sas:
    """Sign a user delegation SAS; the GUID `correlation_id` names it in storage's logs."""
    _check_key(key.value)
    delegated = {"account_name": account, "user_delegation_key": key.for_sdk(), "correlation_id": correlation_id}
    return _for_container(grant, {**delegated, **_common(grant, window)})


def _check_key(value: SecretText) -> None:
    """Raise SasError for a key that is no base64, where the SDK would raise an error of its own."""
    try:
        base64.b64decode(value.reveal(), validate=True)
    except ValueError:
        raise errors.SasError("what was listed as the key to sign with is no key, as it is not base64") from None


def _common(grant: Grant, window: Window) -> dict[str, Any]:
    return {
        "start": window.start,
        "expiry": window.expiry,
        "protocol": grant.protocol,
        "ip": grant.ip,
        "encryption_scope": grant.encryption_scope,
    }


def _for_container(grant: Grant, common: dict[str, Any]) -> Sas:
    """`from_string` puts the permissions into the order that the service wants."""
    from azure.storage.blob import (
        BlobSasPermissions,
        ContainerSasPermissions,
        generate_blob_sas,
        generate_container_sas,
    )

    if grant.scope is Scope.CONTAINER:
        permission = ContainerSasPermissions.from_string(grant.permissions)
        token = generate_container_sas(container_name=grant.container or "", permission=permission, **common)
    else:
        token = generate_blob_sas(
            container_name=grant.container or "",
            blob_name=grant.prefix or grant.blob or "",
            is_directory=grant.scope is Scope.DIRECTORY,
            permission=BlobSasPermissions.from_string(grant.permissions),
            **common,
        )
    return sas.parse(SecretText(token), path=grant.path)
