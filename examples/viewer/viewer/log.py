"""The log: on standard error, and without signatures whatever a library may write."""

import logging
import re

_SIGNATURE = re.compile(r"(sig=)[^&\s'\"]+", re.IGNORECASE)


class Redacting(logging.Formatter):
    """Takes signatures out of finished lines, tracebacks included: a net below, nothing here logs a URL."""

    def format(self, record: logging.LogRecord) -> str:
        """The line as usual, with every `sig=` blanked."""
        return _SIGNATURE.sub(r"\1***", super().format(record))


def set_up() -> None:
    """Log to standard error, for `kubectl logs`."""
    handler = logging.StreamHandler()
    handler.setFormatter(Redacting("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    # It logs each request's URL and headers, which is more than anybody asked for.
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
