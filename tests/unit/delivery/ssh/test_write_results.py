"""What is made of the output of the script: warnings, conflicts and errors."""

import pytest

from rotator.delivery.errors import CommandFailedError
from rotator.delivery.interface import WriteMethod
from rotator.delivery.ssh import write_results
from rotator.delivery.ssh.script import ScriptOutput
from tests.fakes.examples import TARGET


def test_second_try_after_a_write_that_was_none_is_a_warning() -> None:
    steps = {"write status": "ok 0\n", "create again status": "ok 0\n"}
    (warning,) = write_results.warnings(ScriptOutput(steps), TARGET, None)
    assert warning == "kubectl needed a second try: what it had written was not there"


@pytest.mark.parametrize(
    ("method", "steps", "changed"),
    [
        (WriteMethod.CREATE, {"write status": "exists 1\n"}, True),
        (WriteMethod.UPDATE, {"write status": "conflict 1\n"}, True),
        (WriteMethod.UPDATE, {"write status": "missing 1\n"}, True),
        (WriteMethod.UPDATE, {"write status": "refused 1\n"}, False),
        (WriteMethod.RECREATE, {"delete status": "conflict 1\n"}, True),
        (WriteMethod.RECREATE, {"delete status": "ok 0\n", "write status": "exists 1\n"}, True),
        (WriteMethod.RECREATE, {"delete again status": "conflict 1\n", "protected": ""}, False),
        (WriteMethod.RECREATE, {"create again status": "exists 1\n", "delete unclear": ""}, False),
    ],
)
def test_conflict_is_a_change_by_others_unless_it_is_of_our_own_making(
    method: WriteMethod, steps: dict[str, str], changed: bool
) -> None:
    assert write_results.changed_by_others(ScriptOutput(steps), method) is changed


@pytest.mark.parametrize(
    ("step", "text"), [("no pipes", "no named pipe can be made on"), ("no printf", "has no built-in printf")]
)
def test_what_the_master_lacks_is_named_and_nothing_was_changed(step: str, text: str) -> None:
    output = ScriptOutput({step: "mktemp: No space left on device\n"})
    assert write_results.lacks_requirement(output)
    error = write_results.start_error(output, 70, "", TARGET)
    assert isinstance(error, CommandFailedError)
    assert text in str(error)
    assert str(error).endswith("; nothing was changed")


def test_secret_that_cannot_be_read_back_is_not_known() -> None:
    missing = 'Error from server (NotFound): secrets "storage-sas" not found\n'
    outputs = [
        {"confirm": "not JSON\n", "confirm status": "0\n"},
        {"confirm": "\n", "confirm status": "1\n", "confirm stderr": "connection refused\n"},
        {},
        {"confirm": "\n", "confirm status": "1\n", "confirm stderr": missing},
    ]
    found = [write_results.read_back(ScriptOutput(each)) for each in outputs]
    assert [(each.secret, each.known) for each in found] == [(None, False), (None, False), (None, False), (None, True)]
