"""Time limits and retries of requests to Azure's services, so that a run ends within its function's time."""

import math
from typing import Any

from azure.core.pipeline.policies import RetryPolicy

from rotator.azure import bounded_http

CONNECT_SECONDS = 10
READ_SECONDS = 30
WHOLE_SECONDS = 40  # for one try of a request, from connecting to the last byte of some kilobytes
_LONGEST_WAIT_SECONDS = 60.0


def transport(
    *, connect: float = CONNECT_SECONDS, read: float = READ_SECONDS, whole: float = WHOLE_SECONDS
) -> bounded_http.Transport:
    """Make one client's transport with these time limits, in seconds."""
    return bounded_http.Transport(whole=whole, connect=connect, read=read)


class BoundedRetryPolicy(RetryPolicy[Any, Any]):
    """Retries as the SDK does and honours Retry-After, but does not retry if that is over a minute."""

    def __init__(self, *, retry_total: int) -> None:
        super().__init__(
            retry_total=retry_total, retry_backoff_factor=0.5, retry_backoff_max=10, timeout=_LONGEST_WAIT_SECONDS
        )

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
