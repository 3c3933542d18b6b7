"""Time limits and retries of requests to Azure's services, so that a run ends within its function's time."""

import math
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from azure.core.pipeline.policies import RetryPolicy

from rotator.azure import bounded_http

CONNECT_SECONDS = 10
READ_SECONDS = 30
WHOLE_SECONDS = 40  # for one try of a request, from connecting to the last byte of some kilobytes
_LONGEST_WAIT_SECONDS = 60.0
_COUNTLESS = 1000  # of retries, where time alone bounds them


def transport(
    *, connect: float = CONNECT_SECONDS, read: float = READ_SECONDS, whole: float = WHOLE_SECONDS
) -> bounded_http.Transport:
    """Make one client's transport with these time limits, in seconds."""
    return bounded_http.Transport(whole=whole, connect=connect, read=read)


class BoundedRetryPolicy(RetryPolicy[Any, Any]):
    """Retries as the SDK does and honours Retry-After, but does not retry if that is over a minute."""

    def __init__(self, *, retry_total: int, **options: Any) -> None:
        bounds = {"retry_backoff_factor": 0.5, "retry_backoff_max": 10, "timeout": _LONGEST_WAIT_SECONDS}
        super().__init__(retry_total=retry_total, **{**bounds, **options})

    def get_retry_after(self, response: Any) -> float | None:
        """Read Retry-After in seconds; None if it is neither a number nor a date, where the SDK would raise."""
        try:
            found = super().get_retry_after(response)
        except (ValueError, TypeError, OverflowError, AttributeError):
            return None
        return found if found is not None and math.isfinite(found) and found >= 0 else None

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Whether to send the request again."""
        return super().is_retry(settings, response) and (self.get_retry_after(response) or 0) <= _LONGEST_WAIT_SECONDS


class PersistentRetryPolicy(BoundedRetryPolicy):
    """Retries until `seconds` have passed since the first failure in a row, for a service that becomes available late.

    It retries 401 too. One policy serves all requests of a client: after that time each further request is sent once,
    until one succeeds.
    """

    def __init__(self, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        counts = dict.fromkeys(("retry_connect", "retry_read", "retry_status"), _COUNTLESS)
        super().__init__(retry_total=_COUNTLESS, retry_on_status_codes=[HTTPStatus.UNAUTHORIZED], **counts)
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failing_since: float | None = None

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Whether to send the request again; an answer that needs no retry ends the failures in a row."""
        again = super().is_retry(settings, response)
        if not again:
            with self._lock:
                self._failing_since = None
        return again

    def increment(self, settings: dict[str, Any], response: Any = None, error: Exception | None = None) -> bool:
        """Count a failure; return whether there is time for another try, after the pause before it."""
        with self._lock:
            since = self._failing_since = self._clock() if self._failing_since is None else self._failing_since
        counted = super().increment(settings, response, error)
        asked_for = 0 if error else self.get_retry_after(response) or 0
        left = since + self._seconds - self._clock()
        return counted and max(asked_for, self.get_backoff_time(settings)) < left
