"""What is compared masks the same: a figure of a way that masks less would mean nothing."""

from bench import redaction
from rotator.redaction import SecretText, scrub
from rotator.secret_forms import of

TOKEN = "se=2026-12-01T01:08:43Z&sp=rwu&sig=c2lnbmF0dXJlIG9mIGEgU0FTLCAzMiBieXRlcw%3D%3D"


def test_baseline_masks_what_ours_masks() -> None:
    alive = SecretText(TOKEN)
    line = redaction.LINE + alive.reveal()
    by_length = sorted(of(TOKEN, foreign=False).everywhere, key=len, reverse=True)
    assert redaction.one_by_one(line, by_length) == scrub(line) != line


def test_usual_line_has_nothing_to_mask() -> None:
    assert scrub(redaction.LINE) == redaction.LINE
