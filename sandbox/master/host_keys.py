"""Host keys of a master, of the types and sizes that `ssh-keygen -A` makes."""

import asyncssh

TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")


def generate(key_type: str) -> asyncssh.SSHKey:
    """Make a key; its `get_fingerprint()` is what `ssh-keygen -l` prints."""
    if key_type == "ssh-rsa":
        return asyncssh.generate_private_key(key_type, key_size=3072)
    return asyncssh.generate_private_key(key_type)
