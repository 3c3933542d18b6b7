"""Checks the settings, and that this process can sign in to Azure."""

from rotator import errors
from rotator.azure.errors import IdentityError
from rotator.azure.permissions import Principal
from rotator.checks.findings import Level, Reporter
from rotator.checks.interface import PlanCheck, Results


class SettingsConsistent(PlanCheck[None]):
    """Warns of settings that are valid but odd; a plan exists only where none is wrong."""

    name = "settings"

    def run(self, _results: Results, report: Reporter) -> None:
        """Report the warnings that came up when the settings were read."""
        for warning in self.plan.warnings:
            report(Level.WARNING, warning)
        if not self.plan.warnings:
            report(Level.OK, "complete and consistent")


class SignedIn(PlanCheck[Principal]):
    """A token for the vault; the result is whose it is."""

    name = "identity"

    def run(self, _results: Results, report: Reporter) -> Principal:
        """Sign in."""
        principal = self.context.sign_in()
        report(Level.OK, f"signs in as {principal.name}")
        return principal

    def command(self, error: errors.RotatorError, _results: Results) -> str:
        """Return what gives this process an identity, unless the network is in the way."""
        return "" if isinstance(error, IdentityError) and error.unanswered else self.context.remedies.sign_in()
