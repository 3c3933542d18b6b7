"""Recommends another issuer where Key Vault's deprecated one is in use, and names what a move to it takes."""

import dataclasses

from rotator import errors
from rotator.checks import move
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import Results
from rotator.checks.issuer_keyvault import AccountManaged, KeyVaultCheck
from rotator.checks.move import Move
from rotator.plan import issuer_change
from rotator.plan.account import IssuerKind


class IssuerCurrent(KeyVaultCheck[None]):
    """Key Vault's managed storage works, and is deprecated: never a warning, as who upgrades need not act.

    MicrosoftDocs/azure-security-docs withdrew its documentation on 2026-04-08, without a date for its end.
    """

    name = "issuer"

    def run(self, results: Results, report: Reporter) -> None:
        """Look up what the recommended issuer needs."""
        results.require(SignedIn)
        preview = self._preview(results)
        missing = f"; missing for it: {'; '.join(_short(preview))}" if preview and preview.missing else ""
        text = (
            "Key Vault's managed storage works, and Microsoft has deprecated it; recommended is "
            f"{IssuerKind.USERDELEGATION}{missing}. Next step: python -m rotator plan --issuer "
            f"{IssuerKind.USERDELEGATION}"
        )
        report(Level.OK, text)

    def _preview(self, results: Results) -> Move | None:
        managed = results.find(AccountManaged)
        context = self.context
        try:
            change = issuer_change.propose(
                context.environment, self.plan, IssuerKind.USERDELEGATION, managed.resource_id if managed else None
            )
            following = dataclasses.replace(context, plan=change.plan) if change.plan else None
            return move.preview(change, following, "")
        except errors.RotatorError:  # it is no part of a rotation
            return None


def _short(preview: Move) -> list[str]:
    settings = [finding.text for finding in preview.missing if finding.check == "settings"]
    return settings + [finding.check for finding in preview.missing if finding.check != "settings"]
