"""What it costs to scrub a log line while many secrets are alive, against looking for each of them in turn."""

import datetime

from bench import figures
from bench.options import Choice
from rotator import redaction, secret_forms
from rotator.redaction import MASK, SecretText
from sandbox.azure import account_sas, accounts

ALIVE = (10, 1_000, 10_000)
MOST_MILLISECONDS = 0.1  # for a usual line
LINES = 100  # scrubbed for one figure, as one takes less than what a clock can tell
# As rotator/event_log.py writes them.
LINE = (
    '{"event": "rotated", "run": "20261130T210832Z-13df24", "target": "default/storage-sas@127.0.0.1", '
    '"strategy": "recreate", "reason": "its SAS expires within the margin", "fingerprint": "97723b92bcb16dd2", '
    '"expires": "2026-12-01T01:08:43Z", "definition": "blobrwu4hours@e995dd1560ef", "proof": "accepted"}'
)


def show(choice: Choice) -> None:
    """Print both ways for each number of secrets, and whether ours keeps to the limit with the most."""
    print(f"\nScrubbing a log line of {len(LINE)} characters, milliseconds (median)")
    alive: list[SecretText] = []
    forms: list[str] = []
    key, now = accounts.new_key(), datetime.datetime.now(datetime.UTC)
    for count in ALIVE:
        for token in (_token(key, now + datetime.timedelta(seconds=each)) for each in range(len(alive), count)):
            alive.append(SecretText(token))
            forms += secret_forms.of(token, foreign=False).everywhere
        _check(alive)
        base, ours = _measure(forms, choice.rounds)
        figures.row(f"{count:,} alive, form by form (baseline)", base, base, digits=3)
        figures.row(f"{count:,} alive, ours", ours, base, digits=3)
    verdict = "under" if ours * 1000 < MOST_MILLISECONDS else "NOT under"
    print(f"  ours with {count:,} secrets alive: {ours * 1000:.3f} ms, {verdict} {MOST_MILLISECONDS} ms")
    print(f"  ours is {base / ours:,.0f} times faster than form by form")


def _measure(forms: list[str], rounds: int) -> tuple[float, float]:
    """Seconds for one line, by the baseline and by ours."""
    (base,) = figures.medians({"baseline": lambda: one_by_one(LINE, forms)}, rounds).values()
    (many,) = figures.medians({"ours": lambda: [redaction.scrub(LINE) for _ in range(LINES)]}, rounds).values()
    return base, many / LINES


def one_by_one(text: str, forms: list[str]) -> str:
    """Mask as one would first write it: look for each form of each secret, one after the other."""
    for form in forms:
        text = text.replace(form, MASK)
    return text


def _check(alive: list[SecretText]) -> None:
    """Raise RuntimeError unless a secret is found in the line, and nothing else is: the figures would mean nothing."""
    for secret in (alive[0], alive[-1]):
        if redaction.scrub(LINE + secret.reveal()) != LINE + MASK:
            raise RuntimeError("a living secret is not masked as it should be")


def _token(key: str, expires: datetime.datetime) -> str:
    fields = {"sv": "2018-03-28", "ss": "b", "srt": "sco", "sp": "rwu", "spr": "https"}
    return account_sas.token("sandboxaccount", key, fields | {"se": account_sas.format_time(expires)})
