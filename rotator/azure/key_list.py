"""Resource Manager as what lists an account's keys; its SDKs are imported by the runs that need it only."""

import contextlib

from azure.core.credentials import TokenCredential

from rotator.azure.account_keys import AccountKeys


class AccountKeyList:
    """One Resource Manager, as one identity."""

    def __init__(self, url: str, credential: TokenCredential) -> None:
        self._url = url
        self._credential = credential

    def keys(self, account_id: str) -> AccountKeys:
        """List an account's keys; raises ResourceManagerError."""
        from rotator.azure.resource_manager import ResourceManager

        with contextlib.closing(ResourceManager(self._url, self._credential)) as manager:
            return manager.keys(account_id)
