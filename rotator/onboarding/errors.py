"""Why onboarding cannot continue."""

from rotator.azure.managed_account import StorageBundle
from rotator.errors import RotatorError
from rotator.plan.account import Account


class OnboardingError(RotatorError):
    """A setting, an option or a resource has to be corrected before onboarding can continue."""


class AlreadyManagedError(OnboardingError):
    """The vault manages another storage account under this name, or this account under another name."""


class MissingRoleError(OnboardingError):
    """Key Vault's application, the operator or the app lacks its role on the storage account."""


class SharedKeyError(OnboardingError):
    """The storage account refuses every SAS that an account key signs."""


class ConfirmationNeededError(OnboardingError):
    """There is no terminal at which somebody could confirm the host key or the changes."""


class DeclinedError(OnboardingError):
    """The operator did not confirm."""

    remedy = "Nothing was changed."


def name_taken(vault: str, account: Account, found: StorageBundle) -> AlreadyManagedError:
    """Return the error for a name under which the vault manages, or managed, another storage account."""
    name = account.managed_account
    return AlreadyManagedError(
        f"{vault} manages another storage account as {name!r}, or did before it was deleted: {found.resource_id}",
        remedy=f"Choose another {account.origin('managed_account')} for this one.",
    )
