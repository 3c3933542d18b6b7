"""What a run works with: vault, account keys, storage, clusters, a clock, and permission to write (lease fencing)."""

import dataclasses
import datetime
import time
from collections.abc import Callable

from rotator.delivery.interface import Connector, Fence, SecretStore
from rotator.issuers.interface import Issuer, Prover, RunState


def utc_now() -> datetime.datetime:
    """The time by this host's clock."""
    return datetime.datetime.now(datetime.UTC)


def _unknown_time(_url: str) -> None:
    """Return no time: it is not known there."""


@dataclasses.dataclass(frozen=True)
class Services:
    """What a run works with.

    `clock` returns the time in UTC. `fence` is called right before each change, and raises LeaseLostError when another
    run may have begun. `admit` raises OwnStorageError or LeaseUnavailableError unless this app may regenerate the keys
    of this account or, without one, revoke user delegation keys. `time_at` returns the time at a URL's host by its
    answer's Date header, None where it has none; it raises NoAnswerError.
    """

    issuer: Issuer
    run_state: RunState
    secrets: SecretStore
    prover: Prover
    connector: Connector
    fence: Fence
    admit: Callable[[str | None], None]
    clock: Callable[[], datetime.datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    time_at: Callable[[str], datetime.datetime | None] = _unknown_time
