"""One run, from what is due to the report: plan, issue, prove, deliver, confirm, for each target of a plan."""

import contextlib
import dataclasses
import datetime
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from rotator import delivery, due, errors, manifest, report, sas
from rotator.delivery import Shell
from rotator.redaction import Secret
from rotator.report import Due, Report, Rotated, TargetReport, Unchanged
from rotator.sas import Sas, SasDefinition
from rotator.targets import Cluster, Plan, Target

logger = logging.getLogger(__name__)


class Issuer(Protocol):
    """The vault: keeps secrets, and mints a SAS from a definition."""

    def secret(self, name: str) -> Secret:
        """Read a secret."""

    def definition_differs(self, definition: SasDefinition) -> bool:
        """Tell whether the definition is not as wanted."""

    def ensure_definition(self, definition: SasDefinition) -> bool:
        """Set the definition when it is not as wanted; tells whether anything was changed."""

    def mint(self, definition: SasDefinition) -> Secret:
        """Get a fresh SAS."""

    def blob_endpoint(self) -> str | None:
        """Give the account's blob endpoint, where that may be known."""


class Prover(Protocol):
    """Storage, where a SAS is tried."""

    def prove(self, sas: Sas, endpoint: str) -> str:
        """Say how the SAS was accepted; raises StorageRefusedError or StorageUnreachableError."""


class Connector(Protocol):
    """What opens connections to masters."""

    def connect(self, cluster: Cluster, key: Secret, passphrase: Secret | None) -> AbstractContextManager[Shell]:
        """Give a connection to the proven host; raises SshError."""


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@dataclasses.dataclass(frozen=True)
class Services:
    """What a run works with; the clock gives the time in UTC."""

    issuer: Issuer
    prover: Prover
    connector: Connector
    clock: Callable[[], datetime.datetime] = _utc_now


@dataclasses.dataclass(frozen=True)
class Issued:
    """A SAS that may be delivered, and how storage accepted it."""

    sas: Sas
    proof: str
    definition_changed: bool
    warnings: tuple[str, ...] = ()


class Run:
    """One run over a plan's targets. `forced`: whether fresh targets are rotated too."""

    def __init__(self, plan: Plan, services: Services, *, trigger: str, forced: bool) -> None:
        self._plan = plan
        self._services = services
        self._trigger = trigger
        self._forced = forced
        self._started = services.clock()
        self.name = f"{self._started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self._issued: Issued | Exception | None = None

    def rotate(self) -> Report:
        """Bring every target up to date; a failing target stops no other. The report says what was done."""
        return self._each(self._rotate)

    def plan(self) -> Report:
        """Say what `rotate` would do, changing nothing."""
        differs = self._services.issuer.definition_differs(self._plan.definition)
        found = self._each(self._look)
        return dataclasses.replace(found, definition_changed=differs and any(_is_due(each) for each in found.targets))

    def _each(self, act: "_Act") -> Report:
        for warning in self._plan.warnings:
            logger.warning("%s", warning)
        targets: list[TargetReport] = []
        for cluster in dict.fromkeys(target.cluster for target in self._plan.targets):
            targets += self._cluster(cluster, [each for each in self._plan.targets if each.cluster == cluster], act)
        issued = self._issued if isinstance(self._issued, Issued) else None
        return Report(
            run=self.name,
            trigger=self._trigger,
            forced=self._forced,
            started=self._started,
            finished=self._services.clock(),
            targets=tuple(targets),
            definition_changed=issued is not None and issued.definition_changed,
            warnings=self._plan.warnings,
        )

    def _cluster(self, cluster: Cluster, targets: list[Target], act: "_Act") -> list[TargetReport]:
        seconds = _Stopwatch()
        reports: list[TargetReport] = []
        try:
            with self._connect(cluster, seconds) as shell:
                # Lazily: what was done before the connection breaks stays reported.
                reports.extend(self._guarded(target, shell, act, seconds.forked()) for target in targets)
        except Exception as error:  # noqa: BLE001  # whatever befalls one cluster, the others get their turn
            done = len(reports)  # of these the outcome is known already
            reports += [self._failed(target, error, seconds) for target in targets[done:]]
        return reports

    @contextlib.contextmanager
    def _connect(self, cluster: Cluster, seconds: "_Stopwatch") -> Iterator[Shell]:
        with seconds.step("vault"):
            key = self._services.issuer.secret(cluster.key_secret)
            phrase = self._services.issuer.secret(cluster.passphrase_secret) if cluster.passphrase_secret else None
        with contextlib.ExitStack() as stack:
            with seconds.step("connect"):
                shell = stack.enter_context(self._services.connector.connect(cluster, key, phrase))
            yield shell

    def _guarded(self, target: Target, shell: Shell, act: "_Act", seconds: "_Stopwatch") -> TargetReport:
        try:
            return act(target, shell, seconds)
        except Exception as error:  # noqa: BLE001  # whatever befalls one target, the others get their turn
            return self._failed(target, error, seconds)

    def _failed(self, target: Target, error: Exception, seconds: "_Stopwatch") -> TargetReport:
        outcome = report.failure(error)
        expected = isinstance(error, errors.RotatorError)
        logger.error("%s failed: %s. %s", target, outcome.message, outcome.remedy, exc_info=None if expected else error)
        return TargetReport(str(target), target.strategy, outcome, seconds.laps)

    def _look(self, target: Target, shell: Shell, seconds: "_Stopwatch") -> TargetReport:
        with seconds.step("observe"):
            held = delivery.observe(shell, target)
        why = self._why(held, target)
        outcome = Due(why) if why else _unchanged(held)
        return TargetReport(str(target), target.strategy, outcome, seconds.laps)

    def _rotate(self, target: Target, shell: Shell, seconds: "_Stopwatch") -> TargetReport:
        with seconds.step("observe"):
            held = delivery.observe(shell, target)
        why = self._why(held, target)
        if why is None:
            logger.info("%s unchanged: its SAS is fresh", target)
            return TargetReport(str(target), target.strategy, _unchanged(held), seconds.laps)
        logger.info("%s is due: %s", target, why)
        issued = self._issue(seconds)
        order = manifest.Order(issued.sas, self._plan.definition, self.name, self._services.clock())
        with seconds.step("deliver"):
            done = delivery.deliver(shell, target, held, order)
        logger.info("%s rotated (%s): %s, %s", target, done.act.value, issued.sas, issued.proof)
        outcome = Rotated(
            reason=why,
            act=done.act.value,
            fingerprint=issued.sas.fingerprint,
            expires=issued.sas.expiry,
            definition=self._plan.definition.label,
            digest=done.digest,
            previous_digest=done.previous.digests.get(target.data_key) if done.previous else None,
            proof=issued.proof,
        )
        return TargetReport(str(target), target.strategy, outcome, seconds.laps, issued.warnings + done.warnings)

    def _why(self, held: manifest.Held | None, target: Target) -> str | None:
        why = due.reason(held, target, self._plan, self._services.clock())
        return why or ("asked for" if self._forced else None)

    def _issue(self, seconds: "_Stopwatch") -> Issued:
        """Issue and prove one SAS for all targets of the run; its failure is theirs too."""
        if self._issued is None:
            try:
                self._issued = self._issue_once(seconds)
            except Exception as error:  # noqa: BLE001  # what failed once is not asked for each target anew
                self._issued = error
        if isinstance(self._issued, Exception):
            raise self._issued
        return self._issued

    def _issue_once(self, seconds: "_Stopwatch") -> Issued:
        definition, issuer = self._plan.definition, self._services.issuer
        with seconds.step("issue"):
            changed = issuer.ensure_definition(definition)
            issued = sas.parse(issuer.mint(definition))
            sas.check(issued, definition, self._services.clock())
        logger.info("issued %s from %s", issued, definition.label)
        with seconds.step("prove"):
            proof, warnings = self._prove(issued)
        return Issued(issued, proof, changed, warnings)

    def _prove(self, issued: Sas) -> tuple[str, tuple[str, ...]]:
        if not self._plan.prove:
            return "left out: ROTATION_PROVE is false", ()
        endpoint = self._plan.blob_endpoint or self._services.issuer.blob_endpoint()
        if endpoint is None:
            warning = (
                "the SAS was not tried on storage: set STORAGE_BLOB_ENDPOINT, or let the identity read the account"
            )
            logger.warning("%s (vault permission 'storage get')", warning)
            return "left out: no STORAGE_BLOB_ENDPOINT", (warning,)
        try:
            return self._services.prover.prove(issued, endpoint), ()
        except errors.StorageUnreachableError as error:
            if self._plan.blob_endpoint:
                raise
            # An endpoint that was only concluded from the account's name may not be how storage is reached from here.
            warning = f"the SAS was not tried on storage: {error}"
            logger.warning("%s. %s", warning, error.remedy)
            return "left out: the concluded endpoint does not answer", (warning,)


_Act = Callable[[Target, Shell, "_Stopwatch"], TargetReport]


def _is_due(each: TargetReport) -> bool:
    return isinstance(each.outcome, Due)


def _unchanged(held: manifest.Held | None) -> Unchanged:
    return Unchanged("its SAS is fresh", held.moment(manifest.EXPIRES) if held else None)


class _Stopwatch:
    """Seconds by step."""

    def __init__(self, laps: dict[str, float] | None = None) -> None:
        self.laps = dict(laps or {})

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.laps[name] = self.laps.get(name, 0.0) + time.perf_counter() - began

    def forked(self) -> "_Stopwatch":
        return _Stopwatch(self.laps)
