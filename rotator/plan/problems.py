"""What is wrong with a value that an operator wrote, in words; never with a value that may be a secret."""

import re
from collections.abc import Mapping
from typing import Any

from rotator import redaction
from rotator.plan.setting import Setting

_LONGEST_SHOWN = 100  # characters of a value in an error message


def explain(origin: str, setting: Setting, text: str | None, reason: str) -> str:
    """What is wrong at `origin`, with an example; `text` is what was written, None if nothing was."""
    example = f"for example {setting.example}"
    if text is None:
        return f"{origin} is missing: {setting.description}; {example}"
    return f"{origin} is wrong{_in_brackets(text) if setting.shown else ''}: {reason}; {example}"


def reason(problem: Mapping[str, Any]) -> str:
    """The reason in one of the errors of a pydantic.ValidationError: a rule of ours, or pydantic's own."""
    text = str(problem["ctx"]["error"]) if "error" in problem.get("ctx", {}) else str(problem["msg"])
    return text[:1].lower() + text[1:]


def _in_brackets(text: str) -> str:
    """The value in brackets, but not if it is long or may be a secret that was put into the wrong setting."""
    may_be_secret = redaction.scrub(text) != text or re.search(r"(?i)key=|password|://[^/]*@|[\w~.+/-]{40,}", text)
    return "" if may_be_secret or len(text) > _LONGEST_SHOWN or "\n" in text else f" ({text})"
