"""One line of JSON for each decision of a run, so that a log can be asked and not only read.

The Functions worker hands the host a record's message alone, without what `extra` holds; so all of it is the message.
"""

import contextlib
import contextvars
import datetime
import json
import logging
from collections.abc import Iterator

from rotator import redaction, timestamps

_run = contextvars.ContextVar("run", default="")


@contextlib.contextmanager
def of_run(name: str) -> Iterator[None]:
    """Name the run in each line of this block."""
    token = _run.set(name)
    try:
        yield
    finally:
        _run.reset(token)


def log(
    logger: logging.Logger, level: int, event: str, *, exc_info: BaseException | None = None, **fields: object
) -> None:
    """Log what was decided, with its reason among the fields; None is left out."""
    known = {"event": event, "run": _run.get() or None, **fields}
    line = {name: _plain(value) for name, value in known.items() if value is not None}
    text = json.dumps(line, ensure_ascii=False)
    # Escaped is only what would act on whoever reads the log in a terminal.
    shown = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
    logger.log(level, "%s", shown, exc_info=exc_info, stacklevel=2)


def _plain(value: object) -> object:
    """Give a JSON value, scrubbed before it is JSON: the log filter might take half an escape out of the line."""
    if isinstance(value, datetime.datetime):
        return timestamps.text(value)
    return value if isinstance(value, bool | int | float) else redaction.scrub(str(value))
