"""Words from the master as they may be shown: short, in one line, and without anything that may be a value.

They may be of any length, so that they are cut before anything is searched in them, and every pattern takes a time
linear in what is left. And they may repeat what the API server was sent.
"""

import re

from rotator import redaction

_LONGEST_QUOTE = 400
# In characters. The first is far more than what is cut off again: a secret on its edge does not reach the second.
_MOST_SCRUBBED = 1 << 20
_MOST_SEARCHED = 16 << 10
_LEFT_OUT = "[…]"

# Lines that go with success as well: k3s' log, warnings of the API server, of snap and of sudo, klog's.
_NOISE = re.compile(
    r"(?i)time=\"[^\"]{1,60}\" level=(?:debug|info|warning) |warning: |sudo: unable to resolve host |"
    r"[IWE][0-9]{4} [0-9:.]{1,20} |mkdir: cannot create directory '?/run/user/"
)

# After these words, which are the API server's own, it may repeat what it was sent.
_ECHO = re.compile(
    r"denied (?:the )?request|failed calling webhook|\((?:Invalid|BadRequest|InternalError)\)|is invalid: |"
    r"cannot be handled as a|is forbidden: (?!User \"|exceeded quota|unable to create new content|cannot set block)"
)
# Up to the end where it is not closed: to look at each quotation mark for another end takes quadratic time.
_QUOTED = re.compile(r'((?:Invalid|Unsupported|Duplicate) value: )?"((?:[^"\\]|\\.?)*)(?:"|$)')
# In one way only: of two for each word of a path, all of 2**n are tried.
_WORD = r"[A-Z]?[a-z]+(?:[A-Z][a-z]+)*"
# What tells what is wrong: words, names and paths made of words, small numbers, addresses, keys of `data`.
_TELLING = re.compile(
    rf"(?:{_WORD}(?:['./:_-]{_WORD})*|[A-Z]{{2,6}}|[0-9]{{1,3}}|v[0-9]|base64|x509|\[secret\]|"
    r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?|(?:data|metadata\.labels|metadata\.annotations)\[[\w./-]{1,253}\]|"
    r"https://[\w.-]{1,253}(?::[0-9]{1,5})?(?:/[a-z-]{1,40}){0,4}/?(?:\?timeout=[0-9]{1,3}m?s)?)?"
)
_AROUND = "\"'`.,;:!?*()-<>\\|/"


def quote(stderr: str) -> str:
    """Give kubectl's words in one line without anything that may be a value: a server may quote the manifest.

    Secrets that this process knows are masked, and so is what looks like base64. Where the API server, or a webhook
    of it, may repeat what it was sent, only ordinary words and names are left.
    """
    scrubbed = redaction.scrub_quotation(bounded(stderr, _MOST_SCRUBBED))
    words = " ".join(without_noise(bounded(scrubbed)).split()) or " ".join(bounded(scrubbed).split())
    words = re.sub(r"[A-Za-z0-9+/=_%-]{60,}", redaction.MASK, words)
    if echo := _ECHO.search(words):
        words = words[: echo.end()] + _telling(words[echo.end() :])
    return words if len(words) <= _LONGEST_QUOTE else f"{words[:_LONGEST_QUOTE]}…"


def bounded(text: str, most: int = _MOST_SEARCHED) -> str:
    """Give the beginning and the end of a text that is too long: what failed is at the end, what ran at the start."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-(most // 2) :]}"


def without_noise(text: str) -> str:
    """Leave out the lines that say nothing of a failure."""
    return "\n".join(line for line in text.split("\n") if not _NOISE.match(line))


def _telling(words: str) -> str:
    """Leave out what may be a value."""
    words = _QUOTED.sub(_name_or_nothing, words)
    kept: list[str] = []
    for word in words.split(" "):
        tells = word.startswith(_LEFT_OUT) or _TELLING.fullmatch(word.strip(_AROUND))
        shown = word if tells else _LEFT_OUT + (word[-1] if word.endswith((",", ";", ":", ".")) else "")
        if not (kept and kept[-1] == shown == _LEFT_OUT):
            kept.append(shown)
    return " ".join(kept)


def _name_or_nothing(quoted: re.Match[str]) -> str:
    before, text = quoted.groups()
    return f"{before or ''}{_LEFT_OUT}" if before or " " in text else quoted[0]
