"""Output of remote commands as error messages may quote it: short, in one line, without anything that may be a value.

The API server may repeat what it was sent, so its messages are reduced to ordinary words. Output may be of any length,
so it is shortened before it is searched, and every pattern takes a time linear in its length.
"""

import re

from rotator import redaction

_LONGEST_QUOTE = 400  # characters, as all of these
# What is scrubbed is far more than what is searched after it, so that no secret that is cut in two gets that far.
_MOST_SCRUBBED = 1 << 20
_MOST_SEARCHED = 16 << 10
_LEFT_OUT = "[…]"

# Lines that are printed on success as well: k3s' log, warnings of the API server, of snap and of sudo, klog's.
_NOISE = re.compile(
    r"(?i)time=\"[^\"]{1,60}\" level=(?:debug|info|warning) |warning: |sudo: unable to resolve host |"
    r"[IWE][0-9]{4} [0-9:.]{1,20} |mkdir: cannot create directory '?/run/user/"
)

# After these words of the API server's own, it may repeat what it was sent.
_ECHO = re.compile(
    r"denied (?:the )?request|failed calling webhook|\((?:Invalid|BadRequest|InternalError)\)|is invalid: |"
    r"cannot be handled as a|is forbidden: (?!User \"|exceeded quota|unable to create new content|cannot set block)"
)
# Up to the end if the quotation is not closed: looking for another end of each would take quadratic time.
_QUOTED = re.compile(r'((?:Invalid|Unsupported|Duplicate) value: )?"((?:[^"\\]|\\.?)*)(?:"|$)')
# Matches in only one way: if each word of a path could match in two, 2**n ways would be tried.
_WORD = r"[A-Z]?[a-z]+(?:[A-Z][a-z]+)*"
# What explains an error and is no value: words, names and paths of words, small numbers, addresses, keys of `data`.
_ORDINARY = re.compile(
    rf"(?:{_WORD}(?:['./:_-]{_WORD})*|[A-Z]{{2,6}}|[0-9]{{1,3}}|v[0-9]|base64|x509|\[secret\]|"
    r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?|(?:data|metadata\.labels|metadata\.annotations)\[[\w./-]{1,253}\]|"
    r"https://[\w.-]{1,253}(?::[0-9]{1,5})?(?:/[a-z-]{1,40}){0,4}/?(?:\?timeout=[0-9]{1,3}m?s)?)?"
)
_PUNCTUATION = "\"'`.,;:!?*()-<>\\|/"


def quote(stderr: str) -> str:
    """Quote stderr in one line, without values.

    Secrets that this process knows are masked, and so is what looks like base64. Where the API server, or a webhook
    of it, may repeat what it was sent, only ordinary words and names remain.
    """
    scrubbed = redaction.scrub_quotation(shortened(stderr, _MOST_SCRUBBED))
    text = " ".join(without_noise(shortened(scrubbed)).split()) or " ".join(shortened(scrubbed).split())
    text = re.sub(r"[A-Za-z0-9+/=_%-]{60,}", redaction.MASK, text)
    if echo := _ECHO.search(text):
        text = text[: echo.end()] + _ordinary_words(text[echo.end() :])
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…"


def shortened(text: str, most: int = _MOST_SEARCHED) -> str:
    """The beginning and the end of a text that is too long: the command is at the start, its error at the end."""
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-(most // 2) :]}"


def without_noise(text: str) -> str:
    """Leave out lines that are printed on success as well."""
    return "\n".join(line for line in text.split("\n") if not _NOISE.match(line))


def _ordinary_words(text: str) -> str:
    """Leave out what may be a value."""
    text = _QUOTED.sub(_name_or_nothing, text)
    shown: list[str] = []
    for word in text.split(" "):
        ordinary = word.startswith(_LEFT_OUT) or _ORDINARY.fullmatch(word.strip(_PUNCTUATION))
        one = word if ordinary else _LEFT_OUT + (word[-1] if word.endswith((",", ";", ":", ".")) else "")
        if not (shown and shown[-1] == one == _LEFT_OUT):
            shown.append(one)
    return " ".join(shown)


def _name_or_nothing(quoted: re.Match[str]) -> str:
    """Keep a quoted name of one word; leave out values that the API server marks as such, and texts."""
    before, text = quoted.groups()
    return f"{before or ''}{_LEFT_OUT}" if before or " " in text else quoted[0]
