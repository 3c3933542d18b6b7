"""A key that is regenerated while the real Azurite runs."""

import contextlib
import http.client
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import programs
from sandbox.azure import account_sas, accounts
from sandbox.blob import azurite
from sandbox.server import background, certificates, processes

pytestmark = pytest.mark.real

FIELDS = {"sv": "2020-12-06", "ss": "b", "srt": "sco", "sp": "r", "se": "2099-01-01T00:00:00Z"}


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        programs.require_azurite()
    except programs.MissingProgramError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def account() -> accounts.StorageAccount:
    return accounts.StorageAccount("alpha")


@pytest.fixture
def emulator(
    loop: background.Background, authority: certificates.Authority, account: accounts.StorageAccount, tmp_path: Path
) -> Iterator[azurite.Azurite]:
    running = azurite.Azurite(tmp_path / "azurite", {account.name: account}, authority)
    with contextlib.ExitStack() as stack:
        stack.enter_context(loop.serving(running))
        content = {"hello.txt": (b"hello", "text/plain")}
        running.fill(account.name, "pictures", content)
        yield running


def test_a_regenerated_key_s_sas_is_refused_and_the_other_key_s_never_is(
    emulator: azurite.Azurite, authority: certificates.Authority, account: accounts.StorageAccount
) -> None:
    old, other = (account_sas.token(account.name, account.keys[key], FIELDS) for key in ("key1", "key2"))

    def status(sas: str) -> int:
        url = urllib.parse.urlsplit(f"{emulator.blob_url(account.name)}/pictures/hello.txt?{sas}")
        connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=authority.client_context(), timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", f"{url.path}?{url.query}")
            return connection.getresponse().status

    assert (status(old), status(other)) == (200, 200)
    account.regenerate("key1")
    new = account_sas.token(account.name, account.keys["key1"], FIELDS)
    until = time.monotonic() + 5
    while status(old) == 200 and time.monotonic() < until:
        assert status(other) == 200
    assert (status(old), status(new), status(other)) == (403, 200, 200)


def test_the_file_with_the_keys_is_private_and_goes_with_azurite(
    loop: background.Background, emulator: azurite.Azurite, account: accounts.StorageAccount, tmp_path: Path
) -> None:
    def holders() -> list[Path]:
        files = (path for path in (tmp_path / "azurite").iterdir() if path.is_file())
        return [path for path in files if account.keys["key2"] in path.read_text()]

    account.regenerate("key2")
    assert [path.stat().st_mode & 0o777 for path in holders()] == [0o600]
    loop.run(emulator.stop())
    assert holders() == []
    account.regenerate("key2")
    assert holders() == []


def test_an_azurite_that_keeps_its_accounts_in_another_way_does_not_start(
    loop: background.Background, authority: certificates.Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constants = tmp_path / "common" / "utils" / "constants.js"
    constants.parent.mkdir(parents=True)
    constants.write_text("")
    (tmp_path / "common" / "AccountDataStore.js").write_text("exports.default = class {};")
    (tmp_path / "azurite.js").write_text("setInterval(() => 0, 1000);")
    monkeypatch.setenv("AZURITE_JS", str(tmp_path / "azurite.js"))
    other = azurite.Azurite(tmp_path / "azurite", {}, authority)
    with pytest.raises(processes.NotReadyError, match="ended before it was ready"):
        loop.run(other.start())
    loop.run(other.stop())
    assert "knows 3.37" in (tmp_path / "azurite" / "azurite.log").read_text()
