"""What `status` prints of what anybody may have written into a Secret."""

import datetime
import io
from contextlib import redirect_stdout

from rotator.commands import status
from rotator.reporting.status import State, Status, TargetStatus
from tests.fakes.examples import NOW

HOSTILE = "[/x][bold red]\x1b]0;pwned\x07\x9b31m\u202e"
HALF_AN_HOUR = datetime.timedelta(minutes=30)


def test_markup_and_control_characters_of_a_secret_are_shown_and_do_nothing() -> None:
    target = TargetStatus("default/s@m", State.LATE, HOSTILE, signing_key=HOSTILE, run=HOSTILE, expires=NOW)
    with redirect_stdout(io.StringIO()) as printed:
        status._print_status(Status(NOW, NOW + HALF_AN_HOUR, HALF_AN_HOUR, (target,)))
    assert "".join(printed.getvalue().split()).count("[/x][boldred]") >= 2
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(printed.getvalue())
