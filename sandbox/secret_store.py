"""Key Vault's ordinary secrets: versions, attributes, soft delete."""

import dataclasses
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from sandbox import vault_errors

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LARGEST_VALUE = 25 * 1024  # bytes
RECOVERY = {"recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}


@dataclasses.dataclass
class SecretVersion:
    """One value of a secret; times are unix seconds."""

    value: str = dataclasses.field(repr=False)
    content_type: str | None = None
    enabled: bool = True
    not_before: int | None = None
    expires: int | None = None
    tags: dict[str, str] = dataclasses.field(default_factory=dict)
    version: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    created: int = dataclasses.field(default_factory=lambda: int(time.time()))


class SecretStore:
    """Secrets by name, each a list of versions, the current one last; `deleted` are soft-deleted."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[SecretVersion]] = {}
        self.deleted: dict[str, list[SecretVersion]] = {}

    def values(self) -> list[str]:
        """Every value of every version, for a search for leaks."""
        names = [*self.secrets.values(), *self.deleted.values()]
        return [version.value for versions in names for version in versions]

    def put(self, name: str, value: str, content_type: str | None = None) -> SecretVersion:
        """Add a version, from within the process."""
        return self.add(name, SecretVersion(value, content_type))

    def add(self, name: str, version: SecretVersion) -> SecretVersion:
        """Add a version unless the name is wrong or taken by a soft-deleted secret."""
        if not NAME.fullmatch(name):
            raise vault_errors.bad_parameter(f"The request URI contains an invalid name: {name}")
        if len(version.value.encode()) > LARGEST_VALUE:
            raise vault_errors.bad_parameter("The secret value is larger than 25k bytes.")
        if name in self.deleted:
            raise vault_errors.deleted("Secret", name)
        self.secrets.setdefault(name, []).append(version)
        return version

    def get(self, name: str, version: str = "") -> SecretVersion:
        """Return a version, the current one by default; a disabled one is refused as in the real service."""
        wanted = self._find(name, version)
        if not wanted.enabled:
            raise vault_errors.disabled()
        return wanted

    def update(self, name: str, version: str, body: Mapping[str, Any]) -> SecretVersion:
        """Change what a client sent of a version's attributes; a disabled one is enabled this way."""
        found, attributes = self._find(name, version), body.get("attributes") or {}
        found.enabled = attributes.get("enabled", found.enabled)
        found.not_before = attributes.get("nbf", found.not_before)
        found.expires = attributes.get("exp", found.expires)
        found.tags = body.get("tags") or found.tags
        return found

    def delete(self, name: str) -> SecretVersion:
        """Soft-delete all versions."""
        self.get(name)
        self.deleted[name] = self.secrets.pop(name)
        return self.deleted[name][-1]

    def recover(self, name: str) -> SecretVersion:
        """Bring a soft-deleted secret back."""
        if name not in self.deleted:
            raise vault_errors.not_found("SecretNotFound", f"Deleted Secret not found: {name}")
        self.secrets[name] = self.deleted.pop(name)
        return self.secrets[name][-1]

    def _find(self, name: str, version: str) -> SecretVersion:
        wanted = [one for one in self.secrets.get(name, []) if version in ("", one.version)]
        if not wanted:
            text = f"A secret with (name/id) {name} was not found in this key vault."
            raise vault_errors.not_found("SecretNotFound", text)
        return wanted[-1]


def from_body(body: Mapping[str, Any]) -> SecretVersion:
    """Return what a client sent to be set; VaultError without a value."""
    value = body.get("value")
    if not isinstance(value, str):
        raise vault_errors.bad_parameter("Property 'value' is required.")
    attributes = body.get("attributes") or {}
    return SecretVersion(
        value,
        content_type=body.get("contentType"),
        enabled=attributes.get("enabled", True),
        not_before=attributes.get("nbf"),
        expires=attributes.get("exp"),
        tags=body.get("tags") or {},
    )


def bundle(origin: str, name: str, version: SecretVersion, *, with_value: bool = True) -> dict[str, Any]:
    """Return a version as Key Vault answers it."""
    attributes: dict[str, Any] = {"enabled": version.enabled, "created": version.created}
    attributes |= {"updated": version.created, **RECOVERY}
    if version.not_before is not None:
        attributes["nbf"] = version.not_before
    if version.expires is not None:
        attributes["exp"] = version.expires
    answer: dict[str, Any] = {"id": f"{origin}/secrets/{name}/{version.version}", "attributes": attributes}
    if version.content_type is not None:
        answer["contentType"] = version.content_type
    if version.tags:
        answer["tags"] = version.tags
    return {"value": version.value, **answer} if with_value else answer
