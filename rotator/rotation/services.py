"""What a run works with: the vault, the account's keys, storage, the masters, the time, and leave to act."""

import dataclasses
import datetime
import time
from collections.abc import Callable

from rotator.delivery.interface import Connector, unfenced
from rotator.issuers.interface import Issuer, KeyLister, Prover


def _utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _admit_all(_account: str) -> None:
    """Any account's keys may be regenerated."""


def _untold(_url: str) -> None:
    """Nothing there says what time it is."""


@dataclasses.dataclass(frozen=True)
class Services:
    """What a run works with; the clock gives the time in UTC.

    `fence` is called right before each change, and raises LeaseLostError when another run may have begun. `admit`
    raises unless an account's keys may be regenerated from here. `time_at` asks a URL what time it is there, which is
    None where that is not told; it raises NoAnswerError.
    """

    issuer: Issuer
    prover: Prover
    connector: Connector
    key_lister: KeyLister
    clock: Callable[[], datetime.datetime] = _utc_now
    sleep: Callable[[float], None] = time.sleep
    fence: Callable[[], None] = unfenced
    admit: Callable[[str], None] = _admit_all
    time_at: Callable[[str], datetime.datetime | None] = _untold
