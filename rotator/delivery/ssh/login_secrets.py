"""The vault secrets with which the rotator logs in to a master: the SSH key, and the passphrase that opens it."""

import dataclasses

from rotator.plan.plan import Cluster


@dataclasses.dataclass(frozen=True)
class VaultSecret:
    """A secret in the vault by its `name` there, with its content type.

    `title` says what it is, `file` is what shown commands call the file that it is written from.
    """

    name: str
    title: str
    file: str
    content_type: str

    def __str__(self) -> str:
        return self.name


def private_key(cluster: Cluster) -> VaultSecret:
    """The SSH key that the cluster's master accepts."""
    return VaultSecret(cluster.key_secret, "SSH key", "id_ed25519", "application/x-pem-file")


def passphrase(cluster: Cluster) -> VaultSecret | None:
    """The passphrase of that key; None where it has none."""
    name = cluster.passphrase_secret
    return VaultSecret(name, "SSH passphrase", "passphrase.txt", "text/plain") if name else None
