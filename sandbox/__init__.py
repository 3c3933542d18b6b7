"""What the rotator talks to, on loopback: managed identity, Key Vault, blob storage, SSH master, Kubernetes API."""
