"""The status as a page for a wall screen: one HTML document, in which every foreign text is escaped.

Its one script fetches the next status and replaces the content. A page that reloads itself would end with the first
error page that the host answers instead, as that does not reload.
"""

import base64
import dataclasses
import datetime
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from rotator import timestamps
from rotator.reporting.report import Failed
from rotator.reporting.status import State, Status, TargetStatus

if TYPE_CHECKING:
    import jinja2

_WORST_FIRST = (State.EXPIRED, State.MISSING, State.DRIFT, State.UNKNOWN, State.LATE, State.FRESH)
_MAX_DETAILED = 6  # targets that fit a wall screen with their details; if there are more, each gets one line
_MAX_MESSAGE = 600  # characters of a message; the JSON has it whole


@dataclasses.dataclass(frozen=True)
class Page:
    """An HTML document, and the headers that it is to be sent with."""

    body: str
    headers: dict[str, str]


def render(status: Status) -> Page:
    """Render the targets, those that need attention first."""
    targets = sorted(status.targets, key=lambda target: _WORST_FIRST.index(target.state))
    return _page(
        now=status.now,
        verdict=_verdict(status),
        state=targets[0].state.value if targets else "none",
        status=status,
        targets=targets,
        counts=_counts(targets),
        compact=len(targets) > _MAX_DETAILED,
    )


def render_failure(failure: Failed, now: datetime.datetime) -> Page:
    """Render why there is no status; this page fetches the next status too, so that a screen recovers by itself."""
    return _page(now=now, verdict="The status is not known", state="unknown", failure=failure)


def _page(**values: object) -> Page:
    body = _template().render(longest=_MAX_MESSAGE, **values)
    return Page(body, _headers(_digest(body, "style"), _digest(body, "script")))


def _digest(body: str, element: str) -> str:
    """Hash the content of the first such element for a Content-Security-Policy (https://www.w3.org/TR/CSP3/)."""
    content = body.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _headers(style: str, script: str) -> dict[str, str]:
    """Allow this style and this script, which may fetch from the same origin, and nothing else.

    No referrer is sent, as the page's address may hold the function key.
    """
    allowed = (f"style-src {style}", f"script-src {script}", "connect-src 'self'")
    policy = ("default-src 'none'", *allowed, "base-uri 'none'", "form-action 'none'")
    return {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": "; ".join([*policy, "frame-ancestors 'none'"]),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


@functools.cache
def _template() -> "jinja2.Template":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        finalize=_visible,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"clock": _clock, "iso": timestamps.text, "relative": timestamps.relative}
    return environment.get_template("status.html.j2")


def _visible(value: object) -> object:
    """Show characters that are not printed as [U+…]: control characters, and those that change text direction."""
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return "".join(sign if sign.isprintable() or sign in "\n\t" else f"[U+{ord(sign):04X}]" for sign in value)


def _verdict(status: Status) -> str:
    ill, count = sum(not target.well for target in status.targets), len(status.targets)
    if not count:
        return "No target is configured"
    if not ill:
        return "All fresh"
    return f"{ill} of {count} target{'s' * (count > 1)} need{'s' * (ill == 1)} attention"


def _counts(targets: list[TargetStatus]) -> str:
    states = [target.state for target in targets]
    return ", ".join(f"{states.count(state)} {state}" for state in _WORST_FIRST if state in states)


def _clock(time: datetime.datetime, now: datetime.datetime) -> str:
    """The time in UTC, with its day if that is not today."""
    there, here = time.astimezone(datetime.UTC), now.astimezone(datetime.UTC)
    return f"{there:%H:%M:%S}" if there.date() == here.date() else f"{there:%d %b %H:%M:%S}"
