"""Accounts on a real sshd that run something else in place of our commands, or run them by another shell.

sshd starts a login shell as `SHELL -c COMMAND`, and so does a forced command here.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator import app
from rotator.checks.findings import Finding, Level
from sandbox.master.openssh import OpenSshMaster
from sandbox.world import World
from tests import surroundings
from tests.integration.checkups import levels, only, wrong
from tests.integration.conftest import options_for, rotate

pytestmark = pytest.mark.real


class Account:
    """The account on the master, and what its key is made to run."""

    def __init__(self, world: World) -> None:
        self.world = world
        assert isinstance(world.master, OpenSshMaster)
        configuration = (world.master.directory / "sshd_config").read_text()
        found = re.search("^AuthorizedKeysFile (.*)$", configuration, re.MULTILINE)
        assert found
        self._keys = Path(found[1])
        self._line = self._keys.read_text()

    def force(self, command: str) -> None:
        quoted = command.replace('"', '\\"')
        self._keys.write_text(f'command="{quoted}" {self._line}')

    def free(self) -> None:
        self._keys.write_text(self._line)

    def failing(self) -> Finding:
        """Check and return the one failure; a rotation must fail, too."""
        checkup = app.check(environment=self.world.settings)
        assert {each for each in wrong(checkup) if each[1] is Level.FAILURE} == {("remote shell", Level.FAILURE)}
        assert {one.check for one in checkup.findings if one.level is Level.SKIPPED} >= {"kubectl", "Secret", "dry run"}
        assert rotate(self.world, forced=True).failed
        return only(checkup, "remote shell", Level.FAILURE)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(options_for("sshd")) as running:
        yield running


@pytest.fixture
def account(world: World, monkeypatch: pytest.MonkeyPatch) -> Account:
    return Account(surroundings.enter(world, monkeypatch))


@pytest.fixture(autouse=True)
def restored(world: World) -> Iterator[None]:
    before = Account(world)
    yield
    before.free()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("internal-sftp", "This service allows sftp connections only."),
        ("/usr/sbin/nologin", "This account is currently not available."),
        ("echo hello", "hello"),
        ("true", "it printed nothing"),
        ("echo 'no commands, please' >&2; exit 3", "no commands, please"),
    ],
)
def test_an_account_that_runs_something_else_is_reported_with_what_it_said(
    account: Account, command: str, expected: str
) -> None:
    account.force(command)
    finding = account.failing()
    assert f"does not run commands: {expected}" in finding.text
    assert "command=" in finding.remedy
    (outcome,) = rotate(account.world, forced=True).as_json()["targets"]
    assert (outcome["error"], expected in outcome["message"]) == ("CommandError", True)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "zsh", "busybox sh", "fish", "csh", "tcsh"])
def test_a_check_finds_a_login_shell_that_a_delivery_cannot_use(account: Account, shell: str) -> None:
    """Whatever the check says, a delivery agrees."""
    if shutil.which(shell.partition(" ")[0]) is None:
        pytest.skip(f"{shell} is not installed")
    account.force(f'{shell} -c "$SSH_ORIGINAL_COMMAND"')
    checkup = app.check(environment=account.world.settings)
    works = levels(checkup, "remote shell") == {Level.OK}
    assert rotate(account.world, forced=True).failed != works
    assert works or shell in {"fish", "csh", "tcsh"}
    if not works:
        assert "login shell" in account.failing().remedy
