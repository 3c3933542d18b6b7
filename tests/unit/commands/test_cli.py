import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rotator.commands import cli, onboard
from rotator.plan import loader
from rotator.rotation import lock
from tests.fakes.examples import BUSY, HOLDER
from tests.unit.plan.test_loader import SAMPLE

NOTHING = dict.fromkeys(loader.NAMES)
MISSING = [
    "KEYVAULT_BASEURL",
    "KUBERNETES_DNS",
    "KUBERNETES_SSH_USERNAME",
    "KUBERNETES_SSH_FINGERPRINT",
    "KUBERNETES_SECRET_NAME",
    "KEYVAULT_STORAGE_NAME",
]


def invoke(*arguments: str, **settings: str) -> Result:
    """Run the command line with these settings and no others."""
    return CliRunner().invoke(cli.main, arguments, env={**NOTHING, **settings}, color=False)


@pytest.fixture
def busy() -> Iterator[None]:
    """A run in progress."""
    with lock._process_lock.held_by(HOLDER):
        yield


@pytest.mark.parametrize("command", ["rotate", "revoke", "plan"])
def test_bad_settings_are_reported_on_stderr_with_exit_code_2(command: str) -> None:
    done = invoke(command)
    assert done.exit_code == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "settings are missing or wrong:"
    assert [line.split()[1] for line in lines[1:-1]] == MISSING
    assert lines[-1] == "Correct these app settings; nothing was changed."


@pytest.mark.parametrize("command", ["rotate", "revoke", "plan"])
def test_bad_settings_are_reported_as_json_with_exit_code_2(command: str) -> None:
    done = invoke(command, "--json")
    assert done.exit_code == 2
    answer: dict[str, Any] = json.loads(done.stdout)
    assert set(answer) == {"error", "message", "remedy"}
    assert answer["error"] == "SettingsError"
    assert all(name in answer["message"] for name in MISSING)
    assert answer["remedy"] == "Correct these app settings; nothing was changed."


def test_one_wrong_setting_is_named() -> None:
    done = invoke("plan", **{**SAMPLE, "KUBERNETES_SSH_FINGERPRINT": "3ec2167eb65d55fd9a707425ef0ce5ax"})
    assert done.exit_code == 2
    assert "KUBERNETES_SSH_FINGERPRINT is wrong" in done.stderr
    assert "KEYVAULT_BASEURL" not in done.stderr


GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers"
ONBOARD = [
    "onboard",
    f"--vault={GROUP}/Microsoft.KeyVault/vaults/myvault",
    f"--storage-account={GROUP}/Microsoft.Storage/storageAccounts/mystorage",
    f"--function-app={GROUP}/Microsoft.Web/sites/myapp",
]


@pytest.mark.parametrize("command", [["rotate"], ["revoke"], ["plan"], ["check"], ["status"], ["history"], ONBOARD])
def test_misspelt_optional_setting_is_refused_by_every_command(command: list[str]) -> None:
    done = invoke(*command, **SAMPLE, KUBERNETES_NAMESPCE="prod")
    assert done.exit_code == 2
    assert "KUBERNETES_NAMESPCE is not a setting of the rotator: did you mean KUBERNETES_NAMESPACE?" in done.stderr


@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_secret_in_a_wrong_setting_is_not_printed(json_too: list[str]) -> None:
    wrong = {**SAMPLE, "KUBERNETES_NAMESPACE": "sv=2018-03-28&sig=b3BlbnNzaC1rZXkt"}
    done = invoke("rotate", *json_too, **wrong)
    assert done.exit_code == 2
    assert "b3BlbnNz" not in done.output


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("command", [["rotate"], ["rotate", "--regenerate-key"], ["revoke"], ["rotate", "--no-lease"]])
def test_run_in_progress_has_exit_code_3_and_is_named_with_its_start(command: list[str]) -> None:
    done = invoke(*command, "--json", **SAMPLE)
    assert done.exit_code == 3
    assert json.loads(done.stdout) == BUSY
    assert done.stderr == f"{BUSY['message']}\n{BUSY['remedy']}\n"


@pytest.mark.parametrize("arguments", [["--nonsense"], ["nonsense"], ["rotate", "--nonsense"], ["rotate", "extra"]])
def test_wrong_usage_has_exit_code_2(arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == 2


def test_help_lists_the_exit_codes() -> None:
    done = invoke("--help")
    assert done.exit_code == 0
    assert (
        "0 done, 1 something failed or was refused, 2 bad settings or usage, 3 another run is in progress"
        in " ".join(done.stdout.split())
    )
    assert invoke("rotate", "-h").exit_code == 0


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("rotate", ["--regenerate-key", "--force", "--no-lease", "--json", "--verbose"]),
        ("revoke", ["--force", "--no-lease", "--json", "--verbose"]),
        ("plan", ["--json", "--force", "--verbose"]),
    ],
)
def test_help_of_a_command_lists_its_options(command: str, options: list[str]) -> None:
    shown = invoke(command, "--help").stdout
    assert [option for option in options if option not in shown] == []


def test_plan_has_no_lease() -> None:
    assert invoke("plan", "--no-lease").exit_code == 2


def test_the_question_of_onboard_says_how_many_changes_there_are() -> None:
    assert onboard.question(["one"]) == "\nMake this change?\n  - one\n"
    assert onboard.question(["one", "two"]) == "\nMake these 2 changes?\n  - one\n  - two\n"
