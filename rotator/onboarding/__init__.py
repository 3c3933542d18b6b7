"""What no template can do: from a vault and a master to a rotation that works."""
