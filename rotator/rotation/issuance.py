"""Issuing and proving one SAS for all targets of a run, and knowing which key signed it."""

import dataclasses
import logging

from rotator import errors, event_log, sas
from rotator.azure.errors import StorageUnreachableError, VaultForbiddenError
from rotator.azure.managed_account import blob_suffix
from rotator.event_log import Event
from rotator.issuers.account_state import AccountState, StoredDefinition
from rotator.plan.plan import Plan, Target
from rotator.rotation import delivered, tags
from rotator.rotation.services import Services
from rotator.sas import Sas
from rotator.stopwatch import Stopwatch

logger = logging.getLogger(__name__)

_MINTS = 3  # as often as the active key may change while one SAS is issued


@dataclasses.dataclass(frozen=True)
class IssuedSas:
    """A SAS that may be delivered, which key signed it, and how storage accepted it."""

    sas: Sas
    signer: str | None
    proof: str
    warnings: tuple[str, ...] = ()


class Issuance:
    """What vault and account say, read once, and the SAS that is issued from it, once."""

    def __init__(self, plan: Plan, services: Services) -> None:
        self._plan = plan
        self._services = services
        self._issued: IssuedSas | Exception | None = None
        self._account_state: AccountState | errors.RotatorError | None = None
        self._latest: AccountState | None = None
        self._keyed = False
        self._problems: dict[str, None] = {}  # in their order, each once
        self.definition_changed = False

    def account_state(self) -> AccountState:
        """Give what vault and account say, read once; raises IdentityError, VaultError or ResourceManagerError."""
        if self._account_state is None:
            try:
                self._account_state = self._latest = self._read()
            except errors.RotatorError as error:  # what failed once is not asked for each target anew
                self._account_state = error
        if isinstance(self._account_state, errors.RotatorError):
            raise self._account_state
        return self._account_state

    def refreshed(self) -> AccountState:
        """Read that anew."""
        self._account_state = None
        return self.account_state()

    def latest(self) -> AccountState:
        """Give the last reading that succeeded; raises what the first one raised when there is none."""
        return self._latest or self.account_state()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the readings so far could not be read, also where the run has replaced it since."""
        return tuple(self._problems)

    def with_keys(self) -> AccountState:
        """From now on the account's keys are listed too."""
        self._keyed = True
        return self.refreshed()

    def without_keys(self) -> None:
        """From now on the account's keys are not listed any more."""
        self._keyed, self._account_state = False, None

    def _read(self) -> AccountState:
        stored = self._services.issuer.stored(self._plan.definition)
        self._problems |= dict.fromkeys(tags.problems(stored.tags))
        try:
            managed = self._services.issuer.managed()
        except VaultForbiddenError:
            if self._keyed:
                raise
            return AccountState(stored, None)
        return AccountState(stored, managed, self._services.ring.keys(managed.resource_id) if self._keyed else None)

    def note_delivery(self, target: Target) -> tuple[str, ...]:
        """Note in the vault that this target has a SAS now, once; gives a warning where that did not succeed."""
        if delivered.before(self.latest().stored.tags, target):
            return ()
        definition = self._plan.definition
        try:
            stored = self._services.issuer.stored(definition)
            noted = delivered.noted(stored.tags_for(definition, self._services.clock()), target)
            if noted == dict(stored.tags):
                return ()
            self._services.fence()
            self._services.issuer.store(definition, noted)
        except Exception as error:  # noqa: BLE001  # the delivery is done, and a note of it is not worth a failure
            return (f"that {target} has a SAS was not noted, so its deletion will not be told as drift: {error}",)
        self._keep(dataclasses.replace(stored, differs=False, tags=noted, validity=definition.validity))
        return ()

    def _keep(self, stored: StoredDefinition) -> None:
        """Go on with what was just stored, without reading it again."""
        if isinstance(self._account_state, AccountState):
            self._account_state = dataclasses.replace(self._account_state, stored=stored)
        if self._latest:
            self._latest = dataclasses.replace(self._latest, stored=stored)

    def forget(self) -> None:
        """Have the next SAS minted anew, and what could not be read tried again."""
        self._issued = None
        if isinstance(self._account_state, errors.RotatorError):
            self._account_state = None

    def issue(self, seconds: Stopwatch) -> IssuedSas:
        """Issue and prove one SAS for all targets of the run; its failure is theirs too."""
        if self._issued is None:
            try:
                self._issued = self._issue_once(seconds)
            except Exception as error:  # noqa: BLE001  # what failed once is not asked for each target anew
                self._issued = error
        if isinstance(self._issued, Exception):
            raise self._issued
        return self._issued

    def _issue_once(self, seconds: Stopwatch) -> IssuedSas:
        definition = self._plan.definition
        with seconds.step("issue"):
            if self.account_state().stored.differs:
                kept = self.account_state().stored.tags_for(definition, self._services.clock())
                self._services.fence()
                self._services.issuer.store(definition, kept)
                self.definition_changed = True
            issued, signer = self._mint()
        event_log.log(
            logger,
            logging.INFO,
            Event.SAS_ISSUED,
            fingerprint=issued.fingerprint,
            expires=issued.expiry,
            definition=definition.label,
            signing_key=signer,
        )
        with seconds.step("prove"):
            proof, warnings = self._prove(issued)
        return IssuedSas(issued, signer, proof, warnings)

    def _mint(self) -> tuple[Sas, str | None]:
        """Get a SAS of which it is certain that the active key signed it, where that can be."""
        for attempt in range(_MINTS):
            if attempt:
                self._services.sleep(1.0)
            before = self.account_state()
            issued = sas.parse(self._services.issuer.mint(self._plan.definition))
            sas.check(issued, self._plan.definition, self._services.clock())
            if before.managed is None:
                return issued, None
            if before.keys is not None and before.signer(issued) == before.active:
                return issued, before.active
            # Otherwise the vault has turned to its other key meanwhile, or would tell so by another active key.
            now = self.refreshed()
            if before.keys is None and now.active == before.active:
                return issued, before.active
        raise errors.ActiveKeyError(
            f"the SAS that {self._plan.account.name!r} mints are not signed by the key that the vault says is active",
            remedy="Look for what else regenerates or switches this account's keys; outside Key Vault nothing should.",
        )

    def endpoint(self) -> str | None:
        """Give where SAS are tried: as set, or concluded from the account's name; None where that is not known."""
        managed, suffix = self.account_state().managed, blob_suffix(self._plan.account.host)
        if self._plan.blob_endpoint or managed is None or suffix is None:
            return self._plan.blob_endpoint
        return f"https://{managed.account}.{suffix}"

    def _prove(self, issued: Sas) -> tuple[str, tuple[str, ...]]:
        if not self._plan.prove:
            return "left out: ROTATION_PROVE is false", ()
        endpoint = self.endpoint()
        if endpoint is None:
            warning = (
                "the SAS was not tried on storage: set STORAGE_BLOB_ENDPOINT, or let the identity read the account"
            )
            event_log.log(
                logger,
                logging.WARNING,
                Event.SAS_NOT_PROVEN,
                reason=warning,
                remedy="Give the identity the vault permission 'storage get', or set STORAGE_BLOB_ENDPOINT.",
            )
            return "left out: no STORAGE_BLOB_ENDPOINT", (warning,)
        try:
            return self._services.prover.prove(issued, endpoint), ()
        except StorageUnreachableError as error:
            if self._plan.blob_endpoint:
                raise
            # An endpoint that was only concluded from the account's name may not be how storage is reached from here.
            warning = f"the SAS was not tried on storage: {error}"
            event_log.log(logger, logging.WARNING, Event.SAS_NOT_PROVEN, reason=warning, remedy=error.remedy)
            return "left out: the concluded endpoint does not answer", (warning,)
