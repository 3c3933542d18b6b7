"""Azure Resource Manager: vaults, storage accounts, function apps, roles and who holds them."""
