"""How long Azure's services are waited for, so that no run outlasts its function's time."""

from typing import Any

from azure.core.pipeline.policies import RetryPolicy

CONNECT_SECONDS = 10
READ_SECONDS = 30
_LONGEST_WAIT_SECONDS = 60.0


class BoundedRetryPolicy(RetryPolicy[Any, Any]):
    """Retries as the SDK does, honouring Retry-After, unless that asks for over a minute: then the answer stands."""

    def __init__(self, *, retry_total: int) -> None:
        super().__init__(
            retry_total=retry_total, retry_backoff_factor=0.5, retry_backoff_max=10, timeout=_LONGEST_WAIT_SECONDS
        )

    def is_retry(self, settings: dict[str, Any], response: Any) -> bool:
        """Tell whether the request is sent again."""
        return super().is_retry(settings, response) and (self.get_retry_after(response) or 0) <= _LONGEST_WAIT_SECONDS
