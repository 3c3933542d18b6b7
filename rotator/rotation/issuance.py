"""Issues and proves one SAS for all targets of a run, and records which targets received one."""

import dataclasses
import logging

from rotator import event_log
from rotator.azure.errors import StorageUnreachableError
from rotator.event_log import Event
from rotator.plan.plan import Plan, Target
from rotator.reporting import report
from rotator.rotation import state
from rotator.rotation.account import AccountReader
from rotator.rotation.services import Services
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class IssuedSas:
    """A SAS that may be delivered, which key signed it, and how storage accepted it."""

    sas: Sas
    signer: str | None
    proof: str
    warnings: tuple[str, ...] = ()


class Issuance:
    """The one SAS of a run: issued and proven when the first target needs it."""

    def __init__(self, plan: Plan, services: Services, account: AccountReader) -> None:
        self._plan = plan
        self._services = services
        self.account = account
        self._issued: IssuedSas | Exception | None = None
        self.definition_changed = False

    def record_delivery(self, target: Target) -> tuple[str, ...]:
        """Record in the run state, once, that this target has a SAS now; returns a warning where that failed."""
        if state.was_delivered(self.account.latest().entries, target):
            return ()
        try:
            entries = self._services.run_state.load()
            recorded = state.with_delivery(entries, target)
            if recorded == dict(entries):
                return ()
            self._services.fence()
            self._services.run_state.save(recorded)
        except Exception as error:  # noqa: BLE001  # the delivery is done; a missing record of it is no failure
            why = report.failure(error).message
            return (f"that {target} has a SAS was not recorded, so its deletion will not be reported as drift: {why}",)
        self.account.replace_entries(recorded)
        return ()

    def reset(self) -> None:
        """Issue a new SAS at the next call of `issue`, and read the account again if that failed."""
        self._issued = None
        self.account.retry()

    def issue(self, stopwatch: Stopwatch) -> IssuedSas:
        """Issue and prove one SAS for all targets of the run. If that fails, each of them fails by the same error."""
        if self._issued is None:
            try:
                self._issued = self._issue_once(stopwatch)
            except Exception as error:  # noqa: BLE001  # what failed once is not requested again for each target
                self._issued = error
        if isinstance(self._issued, Exception):
            raise self._issued
        return self._issued

    def _issue_once(self, stopwatch: Stopwatch) -> IssuedSas:
        with stopwatch.step(Step.ISSUE):
            if not self.account.state().prepared:
                self._services.fence()
                self._services.issuer.prepare()
                self.definition_changed = True
            issued, signer = self._services.issuer.issue(self.account.state(), self.account.refresh)
        event_log.log(
            logger,
            logging.INFO,
            Event.SAS_ISSUED,
            fingerprint=issued.fingerprint,
            expires=issued.expiry,
            definition=self._plan.grant.label,
            signing_key=signer,
        )
        with stopwatch.step(Step.PROVE):
            proof, warnings = self._prove(issued)
        return IssuedSas(issued, signer, proof, warnings)

    def _prove(self, issued: Sas) -> tuple[str, tuple[str, ...]]:
        if not self._plan.prove:
            return f"left out: {self._plan.origin('prove')} is false", ()
        endpoint, origin = self.account.endpoint(), self._plan.account.origin("blob_endpoint")
        if endpoint is None:
            warning = f"the SAS was not tried on storage: set {origin}, or let the identity read the account"
            event_log.log(
                logger,
                logging.WARNING,
                Event.SAS_NOT_PROVEN,
                reason=warning,
                remedy=f"Grant the identity the vault permission 'storage get', or set {origin}.",
            )
            return f"left out: no {origin}", (warning,)
        try:
            return self._services.prover.prove(issued, endpoint), ()
        except StorageUnreachableError as error:
            if self._plan.account.blob_endpoint:
                raise
            # An endpoint that was only concluded from the account's name may not be how storage is reached from here.
            warning = f"the SAS was not tried on storage: {error}"
            event_log.log(logger, logging.WARNING, Event.SAS_NOT_PROVEN, reason=warning, remedy=error.remedy)
            return "left out: the concluded endpoint does not answer", (warning,)
