"""What of a run is worth telling in a chat, and its words there, in which nothing foreign is more than words."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from rotator import redaction, timestamps
from rotator.reporting.report import Failed, KeyReport, Report, Rotated, TargetReport

_MOST_CHARACTERS = 3000
_MOST_QUOTED = 500
_WHERE_TO_LOOK = "python -m rotator status"
# What is done to keys is told whatever becomes of it; that it waits is not: the next run says so again.
_KEY_OUTCOMES = {"done", "unfinished", "failed"}

_Quote = Callable[[str], str]


def worth_telling(report: Report) -> bool:
    """Whether somebody should hear of this run: it failed, repaired drift, or did something to the account's keys."""
    return report.trigger != "plan" and (report.failed or bool(_drifted(report)) or _key(report) is not None)


def compose(report: Report, *, teams: bool) -> dict[str, Any]:
    """Give the message as Teams takes it, or else as Slack and many others do.

    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using
    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    """
    if teams:
        return _card([_headline(report), *_bounded(report, _plain)])
    return {"text": "\n".join([f"*{_headline(report)}*", *_bounded(report, _code)])}


def _card(lines: list[str]) -> dict[str, Any]:
    # In a TextRun, unlike in a TextBlock, Markdown means nothing
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
    """Words in one line, without secrets, control characters and excess."""
    printable = "".join(letter if letter.isprintable() else " " for letter in redaction.scrub(words))
    line = " ".join(printable.split())
    return line if len(line) <= _MOST_QUOTED else f"{line[:_MOST_QUOTED]}…"


def _code(words: str) -> str:
    """The same as code, within which Slack and its like know no formatting, emoji or names.

    Slack wants &, < and > escaped (https://docs.slack.dev/messaging/formatting-message-text), and makes a link of a
    URL even there: the invisible word joiner (U+2060) keeps it from seeing one.
    """
    line = _plain(words).replace("`", "'").replace("://", ":\u2060//")
    return f"`{line.replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')}`"


def _headline(report: Report) -> str:
    failed, drifted, key = len(_failed(report)), len(_drifted(report)), _key(report)
    whole = f"of {len(report.targets)} {'target' if len(report.targets) == 1 else 'targets'}"
    told = [
        "the run was refused, or broke off" if report.error else "",
        f"{failed} {whole} failed" if failed else "",
        f"{drifted} {whole} had drifted and {'was' if drifted == 1 else 'were'} repaired" if drifted else "",
        f"{key.operation} of account keys {key.outcome}" if key else "",
    ]
    return f"Rotator: {'; '.join(filter(None, told))}"


def _bounded(report: Report, quote: _Quote) -> Iterator[str]:
    """The first lines, one at least, that are no longer than bearable together, and the last."""
    lines = list(_lines(report, quote))
    lengths = itertools.accumulate(len(line) for line in lines)
    fitting = sum(length <= _MOST_CHARACTERS for length in lengths) or 1
    yield from lines[:fitting]
    if lines[fitting:]:
        yield f"and {len(lines[fitting:])} more"
    asked_by = quote(report.asked_by or report.trigger)
    yield f"Run {quote(report.run)}, asked for by {asked_by}. Look closer with {quote(_WHERE_TO_LOOK)}"


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
    told = [
        f"{label} {quote(', '.join(names))}"
        for label, names in (("regenerated", key.regenerated), ("to come", key.remaining), ("cut off", key.cut_off))
        if names
    ]
    yield f"{key.operation}, as {quote(key.reason)}: {'; '.join(told) or 'nothing was regenerated'}"
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
    return report.key if report.key and report.key.outcome in _KEY_OUTCOMES else None
