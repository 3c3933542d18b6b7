"""Why onboarding cannot go on."""

from rotator.errors import RotatorError


class OnboardingError(RotatorError):
    """Onboarding cannot go on as things are."""


class AlreadyManagedError(OnboardingError):
    """The vault manages another storage account under this name, or this one under another name."""


class MissingRoleError(OnboardingError):
    """Key Vault or the operator lacks the role to handle the storage account's keys."""


class SharedKeyError(OnboardingError):
    """The storage account refuses every SAS that an account key signs."""


class ConfirmationNeededError(OnboardingError):
    """Nobody is there to confirm the host key, or the changes."""


class DeclinedError(OnboardingError):
    """The operator said no."""

    remedy = "Nothing was changed."
