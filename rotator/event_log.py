"""One line of JSON for each decision of a run, so that a log can be queried and not only read.

The Functions worker hands the host a record's message alone, without what `extra` holds; so all of it is the message.
"""

import contextlib
import contextvars
import datetime
import enum
import json
import logging
from collections.abc import Iterator

from rotator import redaction, timestamps

_run = contextvars.ContextVar("run", default="")


class Event(enum.StrEnum):
    """An event: its value is a stable name for queries, its `text` is for people."""

    text: str

    def __new__(cls, name: str, text: str) -> "Event":
        """Make a member that equals its name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.text = text
        return member

    RUN_BUSY = "run_busy", "left to another run"
    RUN_FAILED = "run_failed", "failed"
    TARGET_DUE = "target_due", "due"
    TARGET_UNCHANGED = "target_unchanged", "unchanged"
    TARGET_ROTATED = "target_rotated", "rotated"
    TARGET_FAILED = "target_failed", "failed"
    SAS_DEFINITION_SET = "sas_definition_set", "definition set"
    SAS_DEFINITION_RECOVERING = "sas_definition_recovering", "recovering"
    SAS_ISSUED = "sas_issued", "issued"
    SAS_NOT_PROVEN = "sas_not_proven", "not proven"
    SECRET_CHANGED = "secret_changed", "changed meanwhile"
    REMOTE_SHELL_KILLED = "remote_shell_killed", "remote shell killed"
    KEY_ROTATION_RESUMED = "key_rotation_resumed", "resumed"
    KEY_ROTATION_FORCED = "key_rotation_forced", "continued by force"
    KEY_ROTATION_WAITING = "key_rotation_waiting", "waiting"
    KEY_ROTATION_SKIPPED = "key_rotation_skipped", "keys left as they are"
    KEY_ROTATION_UNFINISHED = "key_rotation_unfinished", "unfinished"
    KEY_ROTATION_FAILED = "key_rotation_failed", "failed"
    KEY_REGENERATED = "key_regenerated", "regenerated"
    KEY_REGENERATED_DESPITE_ERROR = "key_regenerated_despite_error", "regenerated despite an error"
    DELEGATION_KEYS_REVOKED = "delegation_keys_revoked", "user delegation keys revoked"
    CHECK_DONE = "check_done", "checked"
    REPORT_NOT_KEPT = "report_not_kept", "the report was not kept"
    METRICS_NOT_RECORDED = "metrics_not_recorded", "metrics were not recorded"
    WEBHOOK_NOT_NOTIFIED = "webhook_not_notified", "NOTIFY_WEBHOOK_URL was not notified"


@contextlib.contextmanager
def of_run(name: str) -> Iterator[None]:
    """Name the run in each line of this block."""
    token = _run.set(name)
    try:
        yield
    finally:
        _run.reset(token)


def log(
    logger: logging.Logger, level: int, event: Event, *, exc_info: BaseException | None = None, **fields: object
) -> None:
    """Log an event with its fields, None left out; a field `text` takes the place of the event's own."""
    if not logger.isEnabledFor(level):
        return
    known = {"event": event, "text": event.text, "run": _run.get() or None, **fields}
    line = {name: _plain(value) for name, value in known.items() if value is not None}
    text = json.dumps(line, ensure_ascii=False)
    # Only what a terminal would act on is escaped.
    shown = "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)
    logger.log(level, "%s", shown, exc_info=exc_info, stacklevel=2)


def _plain(value: object) -> object:
    """Return a JSON value, scrubbed before it is JSON: scrubbing the line could cut an escape sequence in half."""
    if isinstance(value, datetime.datetime):
        return timestamps.text(value)
    return value if isinstance(value, bool | int | float) else redaction.scrub(str(value))
