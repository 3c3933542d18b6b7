import ast
from pathlib import Path

import pytest

from rotator.azure.errors import FunctionAppForbiddenError
from rotator.azure.function_facts import HostStatus
from rotator.deployment import listing
from rotator.deployment.errors import FunctionsDisabledError, FunctionsNotListedError
from rotator.deployment.progress import Progress, ProgressKind
from tests.fakes.deployment import FakeApp, Time

ROOT = Path(__file__).resolve().parents[3]
SETTING = "Microsoft.Azure.WebJobs.Host: '%ROTATION_SCHEDULE%' does not resolve to a value."


def wait_until_listed(app: FakeApp, seconds: float = 600.0) -> list[Progress]:
    lines: list[Progress] = []
    listing.wait_until_listed(app, Time().wait(seconds), lines.append)
    return lines


def not_listed(app: FakeApp) -> FunctionsNotListedError:
    with pytest.raises(FunctionsNotListedError) as caught:
        wait_until_listed(app)
    return caught.value


def test_the_functions_are_those_of_the_app() -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text())
    names = [
        str(call.args[0].value)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "app.function_name"
        if isinstance(call.args[0], ast.Constant)
    ]
    assert sorted(names) == sorted(listing.FUNCTIONS)


def test_functions_that_are_listed_are_synced_once_as_a_new_package_may_have_other_triggers() -> None:
    app = FakeApp()
    assert [(line.kind, line.text) for line in wait_until_listed(app)] == [
        (ProgressKind.DONE, "all 8 functions are listed")
    ]
    assert app.syncs == 1


def test_triggers_are_synced_until_the_functions_are_listed() -> None:
    app = FakeApp(listed_after=3)
    *waiting, done = wait_until_listed(app)
    assert [line.text for line in waiting] == [
        "waiting for the functions to be listed: only WarmUp is; 1st sync, 0 s",
        "waiting for the functions to be listed: only WarmUp is; 2nd sync, 0 s",
    ]
    assert {line.kind for line in waiting} == {ProgressKind.WAITING}
    assert done.kind is ProgressKind.DONE


def test_what_is_missing_is_named_where_others_are_listed() -> None:
    first = ("rotate_now", "status")
    app = FakeApp(listed=first)
    error = not_listed(app)
    assert str(error).startswith("rotate_on_schedule, rotate_due, revoke_now, check, ready, health not listed after")
    assert "only rotate_now, status, WarmUp are" in str(error)


def test_wait_is_bounded_and_asks_ten_seconds_apart_in_the_end() -> None:
    time = Time()
    with pytest.raises(FunctionsNotListedError):
        listing.wait_until_listed(FakeApp(listed_after=None), time.wait(60), lambda _line: None)
    assert time.slept == [0.5, 1, 2, 4, 8, 10, 10, 10, 10, 4.5]


@pytest.mark.parametrize("starting", [1, 2, 5])
def test_host_that_is_starting_is_waited_for(starting: int) -> None:
    app = FakeApp(starting=starting)
    lines = wait_until_listed(app)
    assert all("Resource Manager answered 400 (BadRequest)" in line.text for line in lines[:-1])
    assert lines[-1].kind is ProgressKind.DONE


def test_without_permission_to_sync_it_goes_on_listing_and_says_so_once() -> None:
    lines: list[Progress] = []
    app = FakeApp(listed_after=None, forbidden=frozenset({"sync"}))
    with pytest.raises(FunctionsNotListedError):
        listing.wait_until_listed(app, Time().wait(5), lines.append)
    warnings = [line.text for line in lines if line.kind is ProgressKind.WARNING]
    assert warnings == ["the triggers are not synced: no role allows sync. Assign a role."]
    assert "without a sync" in lines[-1].text
    assert len(lines) > 3


def test_without_permission_to_list_nothing_is_waited_for() -> None:
    with pytest.raises(FunctionAppForbiddenError) as caught:
        wait_until_listed(FakeApp(forbidden=frozenset({"functions"})))
    assert caught.value.remedy == "Assign a role."


def test_functions_that_were_never_listed_end_with_what_the_host_says() -> None:
    error = not_listed(FakeApp(listed_after=None, status=HostStatus("Error", (f"first\nline\n{SETTING}", "second"))))
    assert error.exit_code == 4
    _, state, *lines = str(error).splitlines()
    assert state == "the host is in the state Error"
    assert lines == [f"  - first line {SETTING}", "  - second"]
    assert "app setting" in error.remedy


def test_host_without_an_error_is_said_to_have_none() -> None:
    error = not_listed(FakeApp(listed_after=None))
    assert "the host is in the state Running, without an error" in str(error)
    assert "log" in error.remedy


def test_state_of_the_host_that_cannot_be_read_is_not_known() -> None:
    error = not_listed(FakeApp(listed_after=None, forbidden=frozenset({"host_status"})))
    assert "the host's state is not known: no role allows host_status" in str(error)


@pytest.mark.parametrize("disabled", [{"rotate_on_schedule"}, {"rotate_now", "ready"}])
def test_disabled_function_is_an_ending_of_its_own(disabled: set[str]) -> None:
    with pytest.raises(FunctionsDisabledError) as caught:
        wait_until_listed(FakeApp(disabled=frozenset(disabled)))
    assert caught.value.exit_code == 4
    assert all(f"AzureWebJobs.{name}.Disabled" in caught.value.remedy for name in disabled)


def test_disabled_function_of_somebody_else_does_not_matter() -> None:
    assert wait_until_listed(FakeApp(disabled=frozenset({"WarmUp"})))[-1].kind is ProgressKind.DONE


@pytest.mark.parametrize(
    ("number", "word"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st")]
)
def test_syncs_are_counted_in_words(number: int, word: str) -> None:
    assert listing._ordinal(number) == word
