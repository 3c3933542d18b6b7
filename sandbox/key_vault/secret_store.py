"""Key Vault's ordinary secrets: versions, attributes, soft delete."""

import dataclasses
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from sandbox.key_vault import errors

NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LARGEST_VALUE = 25 * 1024  # bytes


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
    """Secrets by name, each a list of versions, the current one last; `deleted` are soft-deleted, at `deleted_at`."""

    def __init__(self) -> None:
        self.secrets: dict[str, list[SecretVersion]] = {}
        self.deleted: dict[str, list[SecretVersion]] = {}
        self.deleted_at: dict[str, int] = {}
        self._settled: dict[str, float] = {}  # on the monotonic clock: until then a deletion or recovery is under way

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
            raise errors.bad_parameter(f"The request URI contains an invalid name: {name}")
        if len(version.value.encode()) > LARGEST_VALUE:
            raise errors.bad_parameter("The secret value is larger than 25k bytes.")
        if name in self.deleted:
            settling = self.settling(name)
            raise errors.being_deleted("Secret", name) if settling else errors.deleted("Secret", name)
        if self.settling(name):
            raise errors.being_recovered("Secret", name)
        self.secrets.setdefault(name, []).append(version)
        return version

    def get(self, name: str, version: str = "") -> SecretVersion:
        """Return a version, the current one by default; a disabled one is refused as in the real service."""
        wanted = self._find(name, version)
        if not wanted.enabled:
            raise errors.disabled()
        return wanted

    def update(self, name: str, version: str, body: Mapping[str, Any]) -> SecretVersion:
        """Change what a client sent of a version's attributes; a disabled one is enabled this way."""
        found, attributes = self._find(name, version), body.get("attributes") or {}
        found.enabled = attributes.get("enabled", found.enabled)
        found.not_before = attributes.get("nbf", found.not_before)
        found.expires = attributes.get("exp", found.expires)
        found.tags = body.get("tags") or found.tags
        return found

    def settling(self, name: str) -> bool:
        """Whether a deletion or a recovery is under way."""
        return time.monotonic() < self._settled.get(name, 0.0)

    def settle(self) -> None:
        """Be done with every deletion and recovery now."""
        self._settled.clear()

    def delete(self, name: str, seconds: float = 0.0) -> SecretVersion:
        """Soft-delete all versions, which takes this long."""
        self.get(name)
        self.deleted[name] = self.secrets.pop(name)
        self.deleted_at[name] = int(time.time())
        self._settled[name] = time.monotonic() + seconds
        return self.deleted[name][-1]

    def deleted_secret(self, name: str) -> SecretVersion:
        """Return the current version of a soft-deleted secret, or a 404."""
        if name not in self.deleted or self.settling(name):
            raise _not_found(name)
        return self.deleted[name][-1]

    def recover(self, name: str, seconds: float = 0.0) -> SecretVersion:
        """Bring a soft-deleted secret back, which takes this long."""
        self.deleted_secret(name)
        self.secrets[name] = self.deleted.pop(name)
        self._settled[name] = time.monotonic() + seconds
        return self.secrets[name][-1]

    def _find(self, name: str, version: str) -> SecretVersion:
        wanted = [one for one in self.secrets.get(name, []) if version in ("", one.version)]
        if not wanted or self.settling(name):
            raise _not_found(name)
        return wanted[-1]


def _not_found(name: str) -> errors.VaultError:
    return errors.not_found("SecretNotFound", "secret", name)


def from_body(body: Mapping[str, Any]) -> SecretVersion:
    """Return what a client sent to be set; VaultError without a value."""
    value = body.get("value")
    if not isinstance(value, str):
        raise errors.bad_parameter("Property 'value' is required.")
    attributes = body.get("attributes") or {}
    return SecretVersion(
        value,
        content_type=body.get("contentType"),
        enabled=attributes.get("enabled", True),
        not_before=attributes.get("nbf"),
        expires=attributes.get("exp"),
        tags=body.get("tags") or {},
    )


def bundle(
    origin: str, name: str, version: SecretVersion, recovery: Mapping[str, Any], *, with_value: bool = True
) -> dict[str, Any]:
    """Return a version as Key Vault answers it; `recovery` are the attributes that tell how the vault recovers it."""
    attributes: dict[str, Any] = {"enabled": version.enabled}
    if version.not_before is not None:
        attributes["nbf"] = version.not_before
    if version.expires is not None:
        attributes["exp"] = version.expires
    attributes |= {"created": version.created, "updated": version.created, **recovery}
    answer: dict[str, Any] = {"value": version.value} if with_value else {}
    if version.content_type is not None:
        answer["contentType"] = version.content_type
    answer |= {"id": f"{origin}/secrets/{name}/{version.version}", "attributes": attributes}
    return {**answer, "tags": version.tags} if version.tags else answer
