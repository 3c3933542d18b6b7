"""Everything that a run works with, put together: an account, its vault, masters, and the clock at NOW."""

import dataclasses
import datetime
import json
from typing import Self

from rotator import app, timestamps
from rotator.azure.account_keys import AccountKeys
from rotator.azure.errors import LeaseLostError
from rotator.delivery.live_secret import Document
from rotator.issuers.interface import Issuer, RunState
from rotator.issuers.keyvault import KeyVaultIssuer
from rotator.issuers.storagekey import SINCE, StorageKeyIssuer
from rotator.issuers.userdelegation import UserDelegationIssuer
from rotator.plan.account import Grant, IssuerKind
from rotator.plan.plan import Plan, Target
from rotator.reporting.report import Report, TargetReport, Trigger
from rotator.rotation import state
from rotator.rotation.request import Request
from rotator.rotation.run import Run
from rotator.rotation.services import Services
from rotator.rotation.state import Operation
from tests.fakes.account import Account, Clock
from tests.fakes.examples import CLUSTER, LONG_AGO, RESOURCE_ID, TARGET, plan
from tests.fakes.master import Master
from tests.fakes.services import Calls, Delegation, KeyList, Network, Records, Storage, Vault

HOST = "master.example.com"
FAR = dataclasses.replace(TARGET, cluster=dataclasses.replace(CLUSTER, host="far"))


class World:
    """Masters are made for the targets' hosts; `held` is what the first one's cluster holds already."""

    def __init__(
        self, *targets: Target, held: Document | None = None, issuer: IssuerKind = IssuerKind.KEYVAULT
    ) -> None:
        self.targets = targets or (TARGET,)
        self.issuer = issuer
        self.calls = Calls()
        self.clock = Clock()
        self.account = Account(self.clock)
        self.vault = Vault(self.calls, self.account)
        self.key_list = KeyList(self.calls, self.account)
        self.delegation = Delegation(self.calls, self.account)
        self.records = Records(self.calls)
        self.storage = Storage(self.calls, self.account)
        self.network = Network(self.calls, _masters(self.targets, held))
        self.plan: Plan = planned(issuer, *self.targets)
        self.slept: list[float] = []
        self.ahead = datetime.timedelta(0)  # of the clocks of vault, account and storage: this host's
        self.storage_ahead = datetime.timedelta(0)
        self.without_dates = False  # no answer has a date
        self.reports: dict[Target, TargetReport] = {}
        self._lost: LeaseLostError | None = None

    @property
    def master(self) -> Master:
        return self.network.masters[self.targets[0].cluster.host]

    @property
    def entries(self) -> dict[str, str]:
        """What runs recorded for later ones."""
        return self.vault.tags if self.issuer is IssuerKind.KEYVAULT else self.records.saved

    @property
    def pending(self) -> str | None:
        """What they recorded of an operation on account keys that is not finished."""
        return self.entries.get(state.PENDING_TAG)

    @property
    def active(self) -> str:
        """The key that signs."""
        return self.vault.active if self.issuer is IssuerKind.KEYVAULT else self.keys().newest.name

    @property
    def services(self) -> Services:
        issuer, run_state = self._issuer()
        return Services(
            issuer=issuer,
            run_state=run_state,
            secrets=self.vault,
            prover=self.storage,
            connector=self.network,
            clock=self._now,
            sleep=self._sleep,
            fence=self._fence,
            admit=self._admit,
            time_at=self._time_at,
        )

    def _issuer(self) -> tuple[Issuer, RunState]:
        if self.issuer is IssuerKind.STORAGEKEY:
            return StorageKeyIssuer(self.plan, self.key_list, self.records, clock=self._now), self.records
        if self.issuer is IssuerKind.USERDELEGATION:
            known = (self.plan, self.delegation, self.key_list, self.records)
            return UserDelegationIssuer(*known, clock=self._now), self.records
        managed = KeyVaultIssuer(self.plan, self.vault, self.key_list, clock=self._now, sleep=self._sleep)
        return managed, managed

    def _now(self) -> datetime.datetime:
        return self.clock() + self.ahead

    def run(self, *, forced: bool = False) -> Run:
        self.reports = {}
        return Run(self.plan, self.services, trigger=Trigger.CLI, forced=forced, reported=self.reports)

    def rotate(self, *, forced: bool = False) -> Report:
        return self._checked(self.run(forced=forced).rotate())

    def run_operation(self, operation: Operation, *, forced: bool = False) -> Report:
        """A run that was asked to do this with the account's keys."""
        return self._requested(Request(Trigger.CLI, "test", forced=forced, operation=operation))

    def timer(self) -> Report:
        """A run of the schedule."""
        return self._requested(Request(Trigger.TIMER, "timer"))

    def http(self) -> Report:
        """A plain rotation that was asked for."""
        return self._requested(Request(Trigger.HTTP, "somebody", forced=True))

    def _requested(self, request: Request) -> Report:
        run = self.run(forced=request.forced and request.operation is None)
        return self._checked(app.carry_out(run, request))

    def settled(self) -> Self:
        """Have every target hold a SAS of the active key, and go on an hour later with nothing recorded."""
        assert not self.rotate().failed
        if self.issuer is IssuerKind.STORAGEKEY:  # a key that may have signed before is left alone for long
            self.records.saved[SINCE] = timestamps.text(LONG_AGO)
        self.clock.forward(hours=1)
        self.again()
        return self

    def again(self) -> None:
        """Let another run begin, with nothing recorded and nothing failing."""
        self.calls.forget()
        self._lost = None
        self.slept.clear()

    def move_to(self, issuer: IssuerKind) -> None:
        """Go on with another issuer of the same account's SAS."""
        self.issuer, self.plan = issuer, planned(issuer, *self.targets)

    def keys(self) -> AccountKeys:
        """The account's keys as they are."""
        return KeyList(Calls(), self.account).keys(RESOURCE_ID)

    def value(self, target: Target) -> str:
        """The SAS that a target holds."""
        return self.network.masters[target.cluster.host].value(target.secret, target.data_key)

    def signers(self) -> list[str | None]:
        """Which key signed the SAS of each target; None for one that storage refuses."""
        values = [self.value(target) for target in self.targets]
        return [self.account.signer(value) if self.account.accepts(value) else None for value in values]

    def _checked(self, report: Report) -> Report:
        text = json.dumps(report.as_json())
        assert self.network.open == 0
        assert "the private key" not in text
        assert [signature for signature in self.vault.minted if signature in text] == []
        assert [key for key in self.account.made if self.account.value(key) in text] == []
        return report

    def _sleep(self, seconds: float) -> None:
        with self.calls.call("sleep"):
            self.slept.append(seconds)
            self.clock.forward(seconds=seconds)

    def _time_at(self, url: str) -> datetime.datetime | None:
        with self.calls.call("time at"):
            if self.without_dates:
                return None
        return self.clock() + (self.storage_ahead if "blob" in url else datetime.timedelta(0))

    def _fence(self) -> None:
        if self._lost:
            raise self._lost
        try:
            with self.calls.call("fence"):
                """Nobody else may write."""
        except LeaseLostError as error:
            self._lost = error
            raise

    def _admit(self, account: str | None) -> None:
        with self.calls.call("admit"):
            assert account in (self.account.name, None)


def planned(issuer: IssuerKind, *targets: Target) -> Plan:
    """A plan for this issuer: user delegation SAS are for one container."""
    if issuer is IssuerKind.KEYVAULT:
        return plan(*targets)
    chosen = plan(*targets, issuer=issuer, storage_account=RESOURCE_ID)
    if issuer is IssuerKind.STORAGEKEY:
        return chosen
    return dataclasses.replace(chosen, grant=Grant(container="pictures", permissions="rl"))


def _masters(targets: tuple[Target, ...], held: Document | None) -> dict[str, Master]:
    hosts = dict.fromkeys(target.cluster.host for target in targets)
    masters = {host: Master(*(each for each in targets if each.cluster.host == host)) for host in hosts}
    if held is not None:
        masters[targets[0].cluster.host].secrets[held["metadata"]["name"]] = held
    return masters
