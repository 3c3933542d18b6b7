"""Blob leases: while one is held, the blob is changed by who knows its id, and by nobody else.

https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

import enum
import math
import time
import uuid
from collections.abc import Mapping

from sandbox.blob.errors import BlobError

ACTIONS = ("acquire", "renew", "change", "release", "break")
INFINITE = -1
_DURATIONS = (INFINITE, *range(15, 61))
_BREAK_PERIODS = range(61)


class State(enum.StrEnum):
    """What a lease is in; a leased or breaking one locks the blob."""

    AVAILABLE = "available"
    LEASED = "leased"
    EXPIRED = "expired"
    BREAKING = "breaking"
    BROKEN = "broken"


class Lease:
    """A blob's lease, by the monotonic clock; an expired one keeps its id until the blob is changed or leased."""

    def __init__(self) -> None:
        self._id = ""
        self._seconds = 0.0
        self._until = 0.0
        self._is_broken = False

    @property
    def state(self) -> State:
        """The state at this moment."""
        if not self._id:
            return State.AVAILABLE
        running = time.monotonic() < self._until
        if self._is_broken:
            return State.BREAKING if running else State.BROKEN
        return State.LEASED if running else State.EXPIRED

    @property
    def is_locked(self) -> bool:
        """Whether the blob is changed with the lease's id only."""
        return self.state in {State.LEASED, State.BREAKING}

    @property
    def headers(self) -> dict[str, str]:
        """What a blob's answer says about its lease."""
        headers = {"x-ms-lease-status": "locked" if self.is_locked else "unlocked", "x-ms-lease-state": self.state}
        if self.state is State.LEASED:
            headers["x-ms-lease-duration"] = "infinite" if math.isinf(self._seconds) else "fixed"
        return headers

    def carry_out(self, action: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        """Do one of the ACTIONS as the request's headers say; the answer's status and headers, or a BlobError."""
        given = _guid(headers, "x-ms-lease-id", required=action in {"renew", "change", "release"})
        proposed = _guid(headers, "x-ms-proposed-lease-id", required=action == "change")
        match action:
            case "acquire":
                self._acquire(_number(headers, "x-ms-lease-duration", _DURATIONS), proposed or str(uuid.uuid4()))
                return 201, {"x-ms-lease-id": self._id}
            case "renew":
                self._renew(given)
            case "change":
                self._change(given, proposed)
            case "release":
                self._release(given)
                return 200, {}
            case _:
                seconds = self._break(_break_period(headers))
                return 202, {"x-ms-lease-time": str(math.ceil(seconds))}
        return 200, {"x-ms-lease-id": self._id}

    def check(self, given: str | None, *, writing: bool) -> None:
        """Judge a request on the blob by the lease id that it gives; a BlobError unless it may go on."""
        if given is None:
            if writing and self.is_locked:
                raise BlobError(412, "LeaseIdMissing")
        elif self.state is State.AVAILABLE:
            raise BlobError(412, "LeaseNotPresentWithBlobOperation")
        elif given.lower() != self._id:
            raise BlobError(412, "LeaseIdMismatchWithBlobOperation")
        elif not self.is_locked:
            raise BlobError(412, "LeaseLost")

    def blob_changed(self) -> None:
        """Forget a lease that has ended: it can't be renewed any more."""
        if not self.is_locked:
            self._id = ""

    def expire(self) -> None:
        """Let the time of a lease pass at once; an infinite one stays."""
        if not math.isinf(self._until):
            self._until = 0.0

    def _acquire(self, seconds: int, proposed: str) -> None:
        if self.state is State.BREAKING and proposed == self._id:
            raise BlobError(409, "LeaseIsBreakingAndCannotBeAcquired")
        if self.is_locked and proposed != self._id:
            raise BlobError(409, "LeaseAlreadyPresent")
        self._id, self._is_broken = proposed, False
        self._seconds = math.inf if seconds == INFINITE else float(seconds)
        self._until = time.monotonic() + self._seconds

    def _renew(self, given: str) -> None:
        self._check_own(given)
        if self._is_broken:
            raise BlobError(409, "LeaseIsBrokenAndCannotBeRenewed")
        self._until = time.monotonic() + self._seconds

    def _change(self, given: str, proposed: str) -> None:
        if not self.is_locked:
            raise BlobError(409, "LeaseNotPresentWithLeaseOperation")
        if self._id not in (given, proposed):
            raise BlobError(409, "LeaseIdMismatchWithLeaseOperation")
        if self._is_broken:
            raise BlobError(409, "LeaseIsBreakingAndCannotBeChanged")
        self._id = proposed

    def _release(self, given: str) -> None:
        self._check_own(given)
        self._id = ""

    def _break(self, period: int | None) -> float:
        """Return the seconds until another lease can be acquired; a running one's time isn't made longer."""
        if self.state is State.AVAILABLE:
            raise BlobError(409, "LeaseNotPresentWithLeaseOperation")
        now = time.monotonic()
        left = max(0.0, self._until - now)
        if period is not None:
            left = min(left, period)
        elif math.isinf(left):
            left = 0.0
        self._is_broken, self._until = True, now + left
        return left

    def _check_own(self, given: str) -> None:
        if given != self._id:
            raise BlobError(409, "LeaseIdMismatchWithLeaseOperation")


def _guid(headers: Mapping[str, str], name: str, *, required: bool) -> str:
    text = headers.get(name, "")
    if not text and not required:
        return ""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise BlobError(400, "InvalidHeaderValue" if text else "MissingRequiredHeader") from None


def _number(headers: Mapping[str, str], name: str, allowed: tuple[int, ...] | range) -> int:
    text = headers.get(name, "")
    if not text:
        raise BlobError(400, "MissingRequiredHeader")
    number = next((number for number in allowed if str(number) == text), None)
    if number is None:
        raise BlobError(400, "InvalidHeaderValue")
    return number


def _break_period(headers: Mapping[str, str]) -> int | None:
    name = "x-ms-lease-break-period"
    return _number(headers, name, _BREAK_PERIODS) if headers.get(name) else None
