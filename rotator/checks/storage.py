"""Checks that the SAS that the settings ask for can be issued, and that storage accepts it and the one in use."""

from http import HTTPStatus
from typing import NoReturn

from rotator import errors
from rotator.azure import account_probe
from rotator.azure.errors import (
    BY_FIREWALL,
    NoAnswerError,
    ResourceManagerForbiddenError,
    StorageRefusedError,
    StorageUnreachableError,
    UserDelegationForbiddenError,
    VaultError,
)
from rotator.checks import clock, remedies
from rotator.checks.findings import Level, Reporter
from rotator.checks.identity import SignedIn
from rotator.checks.interface import AlreadyReportedError, PlanCheck, Results, TargetCheck
from rotator.checks.issuer_keyvault import AccountManaged, DefinitionPresent
from rotator.checks.kubernetes_secret import LiveSecretRead
from rotator.checks.vault_permissions import DefinitionRead, PrivateKeyRead
from rotator.delivery import held_values
from rotator.issuers import sas_check
from rotator.plan.account import IssuerKind
from rotator.sas import Sas

_WITHOUT_KEYS = "KeyBasedAuthenticationNotPermitted"
_WITHOUT_ROLE = "AuthorizationPermissionMismatch"
_UNKNOWN = "<the storage account>"


class SasIssued(PlanCheck[Sas]):
    """A SAS is issued as the settings want it; the result is that SAS, which nobody gets."""

    name = "SAS"

    def run(self, results: Results, report: Reporter) -> Sas:
        """Issue one."""
        if self.plan.account.issuer is IssuerKind.KEYVAULT:
            return self._by_vault(results, report)
        results.require(SignedIn)
        issued = self.context.issuer.mint()
        sas_check.check(issued, self.plan.grant, self.context.clock(), latest=None)
        report(Level.OK, f"{issued} was signed as it should be")
        return issued

    def _by_vault(self, results: Results, report: Reporter) -> Sas:
        """Let the vault mint one. A problem with it is no failure where the next rotation sets the definition first."""
        results.require_any(PrivateKeyRead)  # a SAS is read as a secret too
        if not results.of(DefinitionPresent):
            report(Level.SKIPPED, "not checked: there is no SAS definition yet to mint one from")
            raise AlreadyReportedError
        differs = results.of(DefinitionRead).differs
        minted = self._mint(report, differs=differs)
        try:
            sas_check.check(minted, self.plan.grant, self.context.clock())
        except errors.SasError as error:
            if not differs:
                raise
            report(Level.SKIPPED, f"the present SAS definition mints another SAS than the settings want: {error}")
            return minted
        report(Level.OK, f"the vault mints {minted} as it should")
        return minted

    def _mint(self, report: Reporter, *, differs: bool) -> Sas:
        try:
            return self.context.issuer.mint()
        except (VaultError, errors.SasError) as error:
            if not differs:
                raise
            report(Level.SKIPPED, f"the present SAS definition mints no SAS: {error}")
            raise AlreadyReportedError from error

    def command(self, error: errors.RotatorError, results: Results) -> str:
        """Return the role with which this identity gets what signs."""
        account = self.plan.account.storage_account or "<resource id of the storage account>"
        if isinstance(error, UserDelegationForbiddenError):
            return self.context.remedies.delegator(account, results.of(SignedIn))
        if isinstance(error, ResourceManagerForbiddenError):
            return self.context.remedies.key_operator(account, results.of(SignedIn))
        return ""


class SasAccepted(PlanCheck[str | None]):
    """Storage answers, its clock agrees with ours, and it accepts what is issued.

    The result is the account's blob endpoint; None where no SAS is to be tried.
    """

    name = "storage"

    def run(self, results: Results, report: Reporter) -> str | None:
        """Try the SAS that was issued, where a rotation would."""
        if not self.plan.prove:
            command = self.context.remedies.setting(self.plan.setting("prove"), "true")
            text = f"a SAS is delivered without trying it on storage: {self.plan.origin('prove')} is false"
            report(Level.WARNING, text, f"Set {self.plan.assignment('prove', 'true')}.", command)
            return None
        if self.plan.account.blob_endpoint is None:
            results.require(SignedIn if self.plan.account.issuer.signs_here else DefinitionRead)
        endpoint = self._endpoint(report)
        self._compare_clocks(endpoint, report)
        issued = results.of(SasIssued)
        try:
            report(Level.OK, f"{endpoint}: {self.context.prover.prove(issued, endpoint)}")
        except StorageUnreachableError as error:
            self._report_unreachable(error, report)
        except StorageRefusedError as error:
            self._report_refused(error, endpoint, results, report)
        return endpoint

    def _endpoint(self, report: Reporter) -> str:
        found = self.plan.account.blob_endpoint or self.context.account.endpoint()
        if found is None:
            name = self.plan.account.setting("blob_endpoint")
            command = self.context.remedies.setting(name, "https://<account>.blob.core.windows.net")
            text = "the blob endpoint is not known, so a SAS is delivered without trying it on storage"
            report(Level.WARNING, text, "", command)
            raise AlreadyReportedError
        return found

    def _compare_clocks(self, endpoint: str, report: Reporter) -> None:
        before = self.context.clock()
        try:
            theirs = self.context.time_at(endpoint)
        except NoAnswerError as error:
            self._report_unreachable(error, report)
        # Whether storage refuses a SAS because of its clock shows when one is tried.
        clock.compare(endpoint, clock.ahead(theirs, before, self.context.clock()), report)

    def _report_unreachable(self, error: errors.RotatorError, report: Reporter) -> NoReturn:
        # An endpoint concluded from the account's name may not be how storage is reached: then a SAS is not tried.
        report(Level.FAILURE if self.plan.account.blob_endpoint else Level.WARNING, str(error), error.remedy)
        raise AlreadyReportedError from error

    def _report_refused(self, error: StorageRefusedError, endpoint: str, results: Results, report: Reporter) -> None:
        if self._is_replaced(results) and not _refuses_any(error):
            text = f"{error.refusal}; the next rotation sets the SAS definition, and tries a new SAS"
            report(Level.WARNING, text, "Rotate now.", remedies.ROTATE_NOW)
            return
        report(Level.FAILURE, str(error), error.remedy, self._admit(error, endpoint, results))
        raise AlreadyReportedError from error

    def _is_replaced(self, results: Results) -> bool:
        """Whether the next rotation tries another SAS, of another definition."""
        return self.plan.account.issuer is IssuerKind.KEYVAULT and results.of(DefinitionRead).differs

    def _admit(self, error: StorageRefusedError, endpoint: str, results: Results) -> str:
        """Return the command that lets requests from here through, or allows SAS at all."""
        account = self.plan.account
        if error.storage_code == BY_FIREWALL:
            return self.context.remedies.through_storage_firewall(endpoint)
        if error.storage_code == _WITHOUT_ROLE and account.issuer is IssuerKind.USERDELEGATION:
            resource = account.storage_account or "<resource id of the storage account>"
            scope = account_probe.container_id(resource, self.plan.grant.container or "")
            return self.context.remedies.data_role(scope, results.of(SignedIn))
        if error.storage_code != _WITHOUT_KEYS:
            return ""
        managed = results.find(AccountManaged)
        return self.context.remedies.shared_key(managed.account if managed else account.name or _UNKNOWN)


class LiveSasAccepted(TargetCheck[None]):
    """Storage accepts the SAS that consumers use now; a rotation would replace it in any case."""

    name = "held SAS"

    @property
    def severity(self) -> Level:
        """A warning: no rotation depends on the SAS that it replaces."""
        return Level.WARNING

    def run(self, results: Results, report: Reporter) -> None:
        """Try what the Secret holds."""
        endpoint = results.of(SasAccepted)
        if endpoint is None:
            report(Level.SKIPPED, f"not checked: {self.plan.origin('prove')} is false")
            return
        live = results.of(LiveSecretRead)
        found = held_values.held_sas(live, self.target) if live else None
        if found is None:
            report(Level.SKIPPED, "not checked: the Secret holds no SAS")
            return
        try:
            report(Level.OK, f"{found}: {self.context.prover.prove(found, endpoint)}")
        except StorageRefusedError as error:
            report(Level.WARNING, f"consumers are refused: {error.refusal}", "Rotate now.", remedies.ROTATE_NOW)


def _refuses_any(error: StorageRefusedError) -> bool:
    """Whether storage refuses each SAS in this way, whatever the SAS definition lets it grant."""
    return error.status == HTTPStatus.NOT_FOUND or error.storage_code in (_WITHOUT_KEYS, BY_FIREWALL)
