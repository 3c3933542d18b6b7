"""One line of JSON for each decision of a run, so that a log can be asked and not only read.

The Functions worker hands the host a record's message alone, without what `extra` holds; so all of it is the message.
"""

import contextlib
import contextvars
import datetime
import json
import logging
from collections.abc import Iterator

from rotator import moments

_run = contextvars.ContextVar("run", default="")


@contextlib.contextmanager
def of_run(name: str) -> Iterator[None]:
    """Name the run in each line of this block."""
    token = _run.set(name)
    try:
        yield
    finally:
        _run.reset(token)


def tell(
    logger: logging.Logger, level: int, event: str, *, exc_info: BaseException | None = None, **fields: object
) -> None:
    """Log what was decided, with its reason among the fields; None is left out."""
    known = {"event": event, "run": _run.get() or None, **fields}
    line = {name: value for name, value in known.items() if value is not None}
    logger.log(level, "%s", json.dumps(line, default=_text, ensure_ascii=False), exc_info=exc_info, stacklevel=2)


def _text(value: object) -> str:
    return moments.text(value) if isinstance(value, datetime.datetime) else str(value)
