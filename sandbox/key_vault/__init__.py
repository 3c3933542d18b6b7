"""Key Vault's data plane: secrets, managed storage accounts and SAS definitions."""
