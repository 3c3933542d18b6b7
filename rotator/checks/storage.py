"""Looks at storage: whether it accepts a SAS of the vault's, and whether the app's own has what runs need."""

import datetime
from collections.abc import Callable
from typing import NoReturn, Protocol

from rotator import errors, sas
from rotator.azure.errors import NoAnswerError, StorageRefusedError, StorageUnreachableError, VaultError
from rotator.azure.host_storage.lease import Holder
from rotator.azure.host_storage.storage_settings import HostStorage
from rotator.azure.permissions import Principal
from rotator.checks import clock_skew
from rotator.checks.findings import Level
from rotator.checks.remedies import Remedies
from rotator.checks.runner import Check, NotKnownError, OverError, Reporter, Results
from rotator.delivery import manifest
from rotator.delivery.manifest import LiveSecret
from rotator.issuers.interface import Issuer, Prover
from rotator.plan.plan import Plan
from rotator.rotation.issuance import Issuance
from rotator.sas import Sas

_BY_FIREWALL = "AuthorizationFailure"
_WITHOUT_KEYS = "KeyBasedAuthenticationNotPermitted"
# Why storage refuses any SAS, whatever the definition lets it grant.
_WHATEVER_IT_GRANTS = (_WITHOUT_KEYS, _BY_FIREWALL, "answered 404")


class OwnBlobs(Protocol):
    """The app's own storage, looked at without taking or making anything."""

    def whoami(self) -> Principal:
        """Who opens it, which need not be the vault's identity."""

    def holder(self) -> Holder | str | None:
        """Who has the lease; raises LeaseUnavailableError, also where it could not be taken."""

    def container(self) -> bool:
        """Whether the container for reports is there; raises ArchiveError, also where it could not be written."""


class StorageChecks:
    """The looks. `remedies` gives the commands once the identity is known."""

    def __init__(
        self,
        plan: Plan,
        issuer: Issuer,
        prover: Prover,
        issuance: Issuance,
        *,
        own: tuple[HostStorage, OwnBlobs] | None,
        time_at: clock_skew.TimeAt,
        clock: Callable[[], datetime.datetime],
        remedies: Callable[[], Remedies],
    ) -> None:
        self._plan = plan
        self._issuer = issuer
        self._prover = prover
        self._issuing = issuance
        self._own = own
        self._time_at = time_at
        self._clock = clock
        self._remedies = remedies

    def looks(self) -> list[Check]:
        """Give them in an order in which each comes after those that it needs."""
        rotates_keys = self._plan.key_rotation_period is not None
        looks = [
            Check("SAS", self._sas),
            Check("storage", self._storage),
            Check("held SAS", self._held, severity=Level.WARNING),
            # A plain rotation goes on without; one of the keys does not.
            Check("lease", self._lease, self._own_command, Level.FAILURE if rotates_keys else Level.WARNING),
        ]
        if self._plan.report_container:
            looks.append(Check("reports", self._reports, self._own_command, Level.WARNING))
        return looks

    def _sas(self, known: Results, say: Reporter) -> Sas:
        known.of("vault permission secrets get")
        if not known.of("SAS definition"):
            say(Level.SKIPPED, "there is no SAS definition to mint one from yet")
            raise OverError
        differs = self._differs(known)
        try:
            issued = sas.parse(self._issuer.mint(self._plan.definition))
        except (VaultError, errors.SasError) as error:
            if not differs:
                raise
            say(Level.SKIPPED, f"the SAS definition as it is mints none: {error}")
            raise OverError from error
        try:
            sas.check(issued, self._plan.definition, self._clock())
        except errors.SasError as error:
            if not differs:
                raise
            say(Level.SKIPPED, f"the SAS definition as it is mints another than is wanted: {error}")
            return issued
        say(Level.OK, f"the vault mints {issued} as it should")
        return issued

    def _differs(self, known: Results) -> bool:
        """Whether a rotation sets the definition before it mints from it."""
        return bool(known.of("vault permission storage getsas").differs)

    def _storage(self, known: Results, say: Reporter) -> None:
        if not self._plan.prove:
            say(Level.WARNING, "SAS are delivered without a trial: ROTATION_PROVE is false", *self._setting("true"))
            return
        if self._plan.blob_endpoint is None:
            known.of("vault permission storage getsas")
        endpoint = self._endpoint(say)
        self._reach(endpoint, say)
        issued: Sas = known.of("SAS")
        try:
            say(Level.OK, f"{endpoint}: {self._prover.prove(issued, endpoint)}")
        except StorageUnreachableError as error:
            self._unreachable(error, say)
        except StorageRefusedError as error:
            if self._differs(known) and not any(code in str(error) for code in _WHATEVER_IT_GRANTS):
                text = f"{_told(error)}; the next rotation sets the SAS definition, and tries what that mints"
                say(Level.WARNING, text, "Let a rotation do it now.", "python -m rotator rotate --force")
                return
            say(Level.FAILURE, str(error), error.remedy, self._unlock(known, error, endpoint))
            raise OverError from error

    def _reach(self, endpoint: str, say: Reporter) -> None:
        before = self._clock()
        try:
            theirs = self._time_at(endpoint)
        except NoAnswerError as error:
            self._unreachable(error, say)
        # Whether it makes storage refuse a SAS is seen by trying one.
        clock_skew.compare(endpoint, clock_skew.ahead(theirs, before, self._clock()), say)

    def _unreachable(self, error: errors.RotatorError, say: Reporter) -> NoReturn:
        # One that is only concluded may not be how storage is reached from here; SAS are then delivered untried.
        say(Level.FAILURE if self._plan.blob_endpoint else Level.WARNING, str(error), error.remedy)
        raise OverError from error

    def _held(self, known: Results, say: Reporter) -> None:
        """Try what consumers use now; a rotation would replace it, whatever storage says of it."""
        if not self._plan.prove:
            say(Level.SKIPPED, "ROTATION_PROVE is false")
            return
        known.of("storage")
        held: LiveSecret | None = known.of("Secret")
        found = manifest.held_sas(held, self._plan.targets[0]) if held else None
        if found is None:
            say(Level.SKIPPED, "the Secret holds no SAS to try")
            return
        try:
            say(Level.OK, f"{found}: {self._prover.prove(found, self._endpoint(say))}")
        except StorageRefusedError as error:
            text = f"consumers are refused: {_told(error)}"
            say(Level.WARNING, text, "Rotate now.", "python -m rotator rotate --force")

    def _setting(self, value: str) -> tuple[str, str]:
        return "Set ROTATION_PROVE=true.", self._remedies().setting("ROTATION_PROVE", value)

    def _endpoint(self, say: Reporter) -> str:
        found = self._plan.blob_endpoint or self._issuing.account.endpoint()
        if found is None:
            command = self._remedies().setting("STORAGE_BLOB_ENDPOINT", "https://<account>.blob.core.windows.net")
            say(Level.WARNING, "where storage is is not known, so SAS are delivered without a trial", "", command)
            raise OverError
        return found

    def _unlock(self, known: Results, error: errors.RotatorError, endpoint: str) -> str:
        if _BY_FIREWALL in str(error):
            return self._remedies().through_storage_firewall(endpoint)
        if _WITHOUT_KEYS not in str(error):
            return ""
        try:
            return self._remedies().shared_key(known.of("managed account").account)
        except NotKnownError:
            return self._remedies().shared_key("<the storage account>")

    def _lease(self, known: Results, say: Reporter) -> None:
        known.of("identity")
        if self._own is None:
            command = self._remedies().setting("AzureWebJobsStorage__accountName", "<account>")
            text = "no storage of the app's own is set: nothing keeps two runs from meeting, and keys are left alone"
            say(
                Level.FAILURE if self._plan.key_rotation_period else Level.WARNING,
                text,
                "Set AzureWebJobsStorage__accountName.",
                command,
            )
            return
        holder = self._own[1].holder()
        if holder:
            say(Level.WARNING, f"a run is in progress: {holder}", "Wait for it to end.")
        else:
            say(Level.OK, "it can be taken: no run is in progress")

    def _reports(self, known: Results, say: Reporter) -> None:
        known.of("identity")
        if self._own is None:
            command = self._remedies().setting("AzureWebJobsStorage__accountName", "<account>")
            text = "REPORT_CONTAINER is set, but no storage of the app's own that has it"
            say(Level.WARNING, text, "Set AzureWebJobsStorage__accountName.", command)
            return
        there = self._own[1].container()
        where = "is there" if there else "is made by the next run"
        say(Level.OK, f"container {self._plan.report_container} {where}, and may be written")

    def _own_command(self, error: errors.RotatorError) -> str:
        url = self._own[0].blob_url if self._own else None
        if self._own is None or url is None:
            return ""
        if _BY_FIREWALL in str(error):
            return self._remedies().through_storage_firewall(url)
        lacks_role = "AuthorizationPermissionMismatch" in str(error)
        return self._remedies().blob_owner(url, self._own[1].whoami()) if lacks_role else ""


def _told(error: errors.RotatorError) -> str:
    return str(error).removesuffix("; it was not delivered")
