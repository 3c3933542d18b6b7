"""What commands print: text and JSON without secrets, and the console for what has colour.

Text from elsewhere (kubectl, a Secret, an Azure service) may hold a secret, markup or control characters. Everything
that a command prints goes through `printable`, `text` or `json_text`.
"""

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from rotator import redaction

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_UNLIMITED = 1_000_000  # columns
# How the outcomes of targets, key rotations and runs are shown.
OUTCOME_STYLES = {
    "rotated": "green",
    "done": "green",
    "unchanged": "cyan",
    "due": "yellow",
    "waiting": "yellow",
    "no report": "yellow",
    "failed": "bold red",
    "unfinished": "bold red",
}


def printable(words: str) -> str:
    """Mask secrets, and replace what a terminal would act on instead of showing it."""
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in redaction.scrub(words))


def json_text(value: Any, *, indent: int | None = None) -> str:
    """Return JSON with secrets masked, in each text by itself: masking the whole could leave text that is not JSON."""
    return json.dumps(redaction.scrubbed(value), indent=indent)


def text(words: str, style: str = "") -> "Text":
    """Return printable text for rich, in which brackets are not markup."""
    from rich.text import Text

    return Text(printable(words), style)


def console() -> "Console":
    """Return rich's console: plain unless standard output is a terminal, without colour where NO_COLOR is set.

    Output into a pipe or a file is searched line by line, so lines are not folded there, unless COLUMNS is set.
    """
    from rich.console import Console

    folded = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, width=None if folded else _UNLIMITED)
