"""Every step of a rotation looked at without changing anything: what would fail, and the command that mends it."""
