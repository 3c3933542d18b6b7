"""The chat message about a run: which runs get one, and its text, in which foreign text cannot act as markup."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from rotator import redaction, timestamps
from rotator.reporting.report import Failed, KeyReport, Report, Rotated, TargetReport, Trigger

_MAX_CHARACTERS = 3000  # of all lines but the first and the last
_MAX_QUOTED = 500  # characters of one foreign text
_STATUS_COMMAND = "python -m rotator status"
# Not "waiting" and "due": each run until the key rotation would send a message.
_REPORTED_KEY_OUTCOMES = {"done", "unfinished", "failed"}

_Quote = Callable[[str], str]


def is_worth_a_message(report: Report) -> bool:
    """Whether to send a message: the run failed, repaired drift, or changed the account's keys."""
    return report.trigger != Trigger.PLAN and (report.failed or bool(_drifted(report)) or _key(report) is not None)


def compose(report: Report, *, teams: bool) -> dict[str, Any]:
    """Compose the message for Teams, or else for Slack and the many services that take its format.

    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """
    if teams:
        return _card([_headline(report), *_bounded(report, _plain)])
    return {"text": "\n".join([f"*{_headline(report)}*", *_bounded(report, _code)])}


def _card(lines: list[str]) -> dict[str, Any]:
    # A TextRun, unlike a TextBlock, does not interpret Markdown
    # (https://learn.microsoft.com/adaptive-cards/schema-explorer/text-run).
    runs = [{"type": "TextRun", "text": line, "weight": "Default"} for line in lines]
    runs[0]["weight"] = "Bolder"
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "RichTextBlock", "inlines": [run]} for run in runs],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": content}],
    }


def _plain(words: str) -> str:
    """Text in one line of 500 characters at most, without secrets and control characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in redaction.scrub(words))
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_QUOTED else f"{line[:_MAX_QUOTED]}…"


def _code(words: str) -> str:
    """The same as inline code, in which Slack interprets no formatting, emoji or mentions.

    &, < and > must be escaped (https://docs.slack.dev/messaging/formatting-message-text). Slack makes a link of a URL
    even in code: the invisible word joiner (U+2060) prevents that.
    """
    line = _plain(words).replace("`", "'").replace("://", ":\u2060//")
    return f"`{line.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}`"


def _headline(report: Report) -> str:
    failed, drifted, key = len(_failed(report)), len(_drifted(report)), _key(report)
    whole = f"of {len(report.targets)} {'target' if len(report.targets) == 1 else 'targets'}"
    parts = [
        "the run was refused, or broke off" if report.error else "",
        f"{failed} {whole} failed" if failed else "",
        f"{drifted} {whole} had drifted and {'was' if drifted == 1 else 'were'} repaired" if drifted else "",
        f"{key.operation} of account keys {key.outcome}" if key else "",
    ]
    return f"Rotator: {'; '.join(filter(None, parts))}"


def _bounded(report: Report, quote: _Quote) -> Iterator[str]:
    """The first lines, up to 3000 characters in all but one line at least, and the last."""
    lines = list(_lines(report, quote))
    lengths = itertools.accumulate(len(line) for line in lines)
    fitting = sum(length <= _MAX_CHARACTERS for length in lengths) or 1
    yield from lines[:fitting]
    if lines[fitting:]:
        yield f"and {len(lines[fitting:])} more"
    asked_by = quote(report.asked_by or report.trigger)
    yield f"Run {quote(report.run)}, asked for by {asked_by}. For the status: {quote(_STATUS_COMMAND)}"


def _lines(report: Report, quote: _Quote) -> Iterator[str]:
    if report.error:
        yield _failure(report.error, quote)
    key = _key(report)
    if key:
        yield from _key_lines(key, quote)
    for target, failed in _failed(report):
        yield f"{quote(target.target)} failed: {_failure(failed, quote)}"
    for target, rotated in _drifted(report):
        until = timestamps.text(rotated.expires)
        yield f"{quote(target.target)} had drifted: {quote(rotated.reason)}. It holds a new SAS, until {until}."


def _key_lines(key: KeyReport, quote: _Quote) -> Iterator[str]:
    parts = [
        f"{label} {quote(', '.join(names))}"
        for label, names in (("regenerated", key.regenerated), ("to come", key.remaining), ("cut off", key.cut_off))
        if names
    ]
    yield f"{key.operation}, as {quote(key.reason)}: {'; '.join(parts) or 'nothing was regenerated'}"
    if key.failure:
        yield f"{key.operation} {key.outcome}: {_failure(key.failure, quote)}"


def _failure(failed: Failed, quote: _Quote) -> str:
    remedy = f" What to do: {quote(failed.remedy)}" if failed.remedy else ""
    return f"{failed.error}: {quote(failed.message)}{remedy}"


def _failed(report: Report) -> list[tuple[TargetReport, Failed]]:
    return [(target, target.outcome) for target in report.targets if isinstance(target.outcome, Failed)]


def _drifted(report: Report) -> list[tuple[TargetReport, Rotated]]:
    outcomes = [(target, target.outcome) for target in report.targets if isinstance(target.outcome, Rotated)]
    return [(target, rotated) for target, rotated in outcomes if rotated.drift]


def _key(report: Report) -> KeyReport | None:
    return report.key if report.key and report.key.outcome in _REPORTED_KEY_OUTCOMES else None
