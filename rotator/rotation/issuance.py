"""Issues and proves the SAS of a run's targets, and records which targets received one.

It is one SAS for all of them, or one for each where the issuer gives those at no cost.
"""

import dataclasses
import logging
import uuid

from rotator import event_log
from rotator.azure.errors import RunStateError, StorageUnreachableError
from rotator.event_log import Event
from rotator.issuers.interface import IssuedSas, SasRequest
from rotator.plan.plan import Plan, Target
from rotator.reporting import report
from rotator.rotation import state
from rotator.rotation.account import AccountReader
from rotator.rotation.services import Services
from rotator.sas import Sas
from rotator.stopwatch import Step, Stopwatch

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class ProvenSas:
    """A SAS that may be delivered, which key signed it, and how storage accepted it."""

    issued: IssuedSas
    proof: str
    warnings: tuple[str, ...] = ()

    @property
    def sas(self) -> Sas:
        """The SAS."""
        return self.issued.sas

    @property
    def signer(self) -> str | None:
        """The name of the account key that signed it, as far as that is known."""
        return self.issued.signer


class Issuance:
    """The SAS of the run `run`: issued and proven when the first target needs it."""

    def __init__(self, plan: Plan, services: Services, account: AccountReader, run: str) -> None:
        self._plan = plan
        self._services = services
        self._run = run
        self.account = account
        self._issued: ProvenSas | Exception | None = None
        self._count = 0
        self.definition_changed = False

    def record_delivery(self, target: Target) -> tuple[str, ...]:
        """Record in the run state, once, that this target has a SAS now; returns a warning where that failed."""
        if state.was_delivered(self.account.latest().entries, target):
            return ()
        try:
            entries = self._services.run_state.load()
            recorded = state.with_delivery(entries, target, self._services.run_state.longest)
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

    def issue(self, target: Target, stopwatch: Stopwatch) -> ProvenSas:
        """Issue and prove a SAS for this target. If that fails, each further target fails by the same error."""
        if self._issued is None or (
            isinstance(self._issued, ProvenSas) and self._services.issuer.capabilities.sas_for_each_target
        ):
            try:
                self._issued = self._issue_once(target, stopwatch)
            except Exception as error:  # noqa: BLE001  # what failed once is not requested again for each target
                self._issued = error
        if isinstance(self._issued, Exception):
            raise self._issued
        return self._issued

    def _issue_once(self, target: Target, stopwatch: Stopwatch) -> ProvenSas:
        issuer, warnings = self._services.issuer, tuple[str, ...]()
        with stopwatch.step(Step.ISSUE):
            if not self.account.state().prepared:
                warnings = self._prepare()
                self.account.prepared()
            request = SasRequest(self._count, self._correlation_id(target))
            found = issuer.issue(request, self.account.state(), self.account.refresh)
            issued, signer = found.sas, found.signer
            self._count += 1
        event_log.log(
            logger,
            logging.INFO,
            Event.SAS_ISSUED,
            fingerprint=issued.fingerprint,
            expires=issued.expiry,
            definition=self._plan.label,
            signing_key=signer,
            correlation_id=issued.correlation_id or None,
        )
        with stopwatch.step(Step.PROVE):
            proof, more = self._prove(issued)
        return ProvenSas(found, proof, (*warnings, *found.warnings, *more))

    def _prepare(self) -> tuple[str, ...]:
        self._services.fence()
        try:
            self._services.issuer.prepare()
        except RunStateError as error:  # what it records is for key rotations, which need the record; this one does not
            return (f"how long this run's SAS live was not recorded, which a key rotation needs to know: {error}",)
        self.definition_changed = not self._services.issuer.capabilities.signs_here
        return ()

    def _correlation_id(self, target: Target) -> str:
        """Return a GUID that anybody can derive from the run's id and the target's name, as reports have them."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._run}/{target}"))

    def _prove(self, issued: Sas) -> tuple[str, tuple[str, ...]]:
        if not self._plan.prove:
            return f"left out: {self._plan.origin('prove')} is false", ()
        endpoint, origin = self.account.endpoint(), self._plan.account.origin("blob_endpoint")
        signs_here = self._services.issuer.capabilities.signs_here
        or_read = "" if signs_here else ", or grant the identity the vault permission 'storage get'"
        if endpoint is None:
            warning = f"the SAS was not tried on storage: set {origin}, or let the identity read the account"
            event_log.log(
                logger,
                logging.WARNING,
                Event.SAS_NOT_PROVEN,
                reason=warning,
                remedy=f"Set {origin}{or_read}.",
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
