"""What Azure's services in the sandbox share: accounts and their keys, SAS, identity, firewalls, errors."""
