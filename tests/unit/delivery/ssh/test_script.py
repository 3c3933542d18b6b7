import re
import time
from pathlib import Path

import pytest

from rotator.delivery.merge import ReplacedSecret
from rotator.delivery.ssh import script
from rotator.delivery.ssh.script import Outcome, ScriptStep
from rotator.redaction import SecretText
from tests.fakes.examples import TOKEN

MARK = "rotator-0123456789abcdef"


def test_answer_is_split_into_its_steps() -> None:
    answer = script.parse(f"motd\n{MARK} held\nline 1\nline 2\n{MARK} ready\n{MARK} done\n{MARK} confirm\n{{}}\n", MARK)
    assert answer.steps == {"": "motd\n", "held": "line 1\nline 2\n", "ready": "", "done": "", "confirm": "{}\n"}
    assert answer.has(ScriptStep.HELD)
    assert not answer.has(ScriptStep.WRITE)


def test_mark_of_another_run_is_no_step() -> None:
    assert script.parse("rotator-ffff done\n", MARK).steps == {"": "rotator-ffff done\n"}


def test_answer_shows_none_of_what_was_read() -> None:
    assert TOKEN not in repr(script.parse(f"{MARK} held\n{TOKEN}\n", MARK))


def test_stdin_is_manifests_preconditions_and_the_mark() -> None:
    former = ReplacedSecret({"uid": "u-1", "resourceVersion": "41"}, SecretText("{kept}"), SecretText("{old}"))
    options = '{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"u-1","resourceVersion":"41"}}'
    sent = script.stdin(MARK, SecretText("{new}"), former)
    assert sent.reveal() == f"{{new}}\n{{old}}\n{{kept}}\n{options}\nuid=u-1&resourceVersion=41\n{MARK}\n"
    assert str(sent) == "[secret]"


def test_what_there_is_not_stands_on_stdin_as_a_line_all_the_same() -> None:
    assert script.stdin(MARK, SecretText("{new}"), None).reveal() == f"{{new}}\n-\n-\n-\n-\n{MARK}\n"
    former = ReplacedSecret({"uid": "u-1", "resourceVersion": "41"}, SecretText("{kept}"), None)
    assert script.stdin(MARK, SecretText("{new}"), former).reveal().split("\n")[1] == "-"


def test_statuses_are_read_from_their_own_lines_only() -> None:
    printed = f"{MARK} held\n1\n{MARK} held status\n0\n{MARK} held stderr\nError (NotFound)\n"
    printed += (
        f"{MARK} write status\nrefused 1\n{MARK} delete status\nunclear none\n{MARK} create again status\nodd 77777\n"
    )
    answer = script.parse(printed, MARK)
    assert (answer.status(ScriptStep.HELD), answer.stderr(ScriptStep.HELD)) == (0, "Error (NotFound)")
    assert (answer.status(ScriptStep.WRITE), answer.outcome(ScriptStep.WRITE)) == (1, Outcome.REFUSED)
    assert (answer.status(ScriptStep.DELETE), answer.outcome(ScriptStep.DELETE)) == (None, Outcome.UNCLEAR)
    assert (answer.status(ScriptStep.CREATE_AGAIN), answer.outcome(ScriptStep.CREATE_AGAIN)) == (None, None)
    assert (answer.status(ScriptStep.VALIDATE), answer.outcome(ScriptStep.VALIDATE)) == (None, None)


def test_line_ends_of_unicode_within_the_json_do_not_break_it() -> None:
    steps = script.parse('m held\n{"note": "caf\u0085e \u2028"}\nm ready\n', "m").steps
    assert steps == {"held": '{"note": "caf\u0085e \u2028"}\n', "ready": ""}


@pytest.mark.parametrize("line", ["", "x", "rotator-ffff step"])
def test_an_answer_of_very_many_lines_is_split_in_linear_time(line: str) -> None:
    began = time.monotonic()
    answer = script.parse(f"{line}\n" * 1_000_000, MARK)
    assert time.monotonic() - began < 10
    assert answer.steps == {"": f"{line}\n" * 1_000_000}


def test_steps_are_those_that_the_script_prints() -> None:
    text = Path(script.__file__).with_name("deliver.sh").read_text()
    call = r"(?m)(?:^ *|then |\) )(?:print_step|print_secret|request|delete|create|report) ('[a-z ]+'|[a-z]+)"
    assert {name.strip("'") for name in re.findall(call, text)} == set(ScriptStep)
