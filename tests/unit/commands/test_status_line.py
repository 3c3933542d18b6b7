"""The line that shows what a command waits for: its text, and that it is only shown in a terminal."""

import contextlib
import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rotator import activity
from rotator.commands.status_line import StatusLine
from rotator.stopwatch import Step, Stopwatch
from tests.unit.plan.test_loader import SAMPLE

ROOT = Path(__file__).resolve().parents[3]
SAFE = "Ctrl-C is safe: nothing is changed"
ERASE = "\r\x1b[K"


def line(after: float = 0.0) -> str:
    return StatusLine(SAFE, shown=False).text(time.monotonic() + after)


def test_it_says_what_is_waited_for_how_long_and_what_ctrl_c_means() -> None:
    assert line() == f"Working; {SAFE}"
    with activity.of("the identity endpoint, for a token"):
        assert line(21) == f"Waiting for: the identity endpoint, for a token, for 21 s; {SAFE}"
        assert line(125) == f"Waiting for: the identity endpoint, for a token, for 2 min 5 s; {SAFE}"
    assert line() == f"Working; {SAFE}"


def test_of_a_known_time_it_says_how_much_is_left_and_that_the_old_key_lives() -> None:
    with Stopwatch().step(Step.WAIT, lasts=120):
        assert line(20) == (
            "Waiting for: consumers, to see the new SAS, 1 min 40 s left; "
            "Ctrl-C leaves the old key alive: the next run resumes it"
        )
        assert "0 s left" in line(200)


def test_in_a_narrow_terminal_what_ctrl_c_means_is_not_what_is_cut() -> None:
    shown, now = StatusLine(SAFE, shown=False), time.monotonic()
    assert shown.text(now, 30) == "Working; Ctrl-C is safe"
    with activity.of("Key Vault, for secret 'sandboxaccount-blobrwu4hours'"):
        whole = "Waiting for: Key Vault, for secret 'sandboxaccount-blobrwu4hours', for 0 s; Ctrl-C is safe"
        assert shown.text(now, len(whole) + 1) == whole
        assert shown.text(now, 62) == "Waiting for: Key Vault, for secret '…, for 0 s; Ctrl-C is safe"
        assert shown.text(now, 39) == "Waiting for: …, for 0 s; Ctrl-C is safe"
        for width in range(200):
            assert len(shown.text(now, width)) <= max(width, 1)
    with Stopwatch().step(Step.WAIT, lasts=120):
        assert shown.text(time.monotonic(), 76).endswith(" left; Ctrl-C leaves the old key alive")


def test_the_innermost_activity_is_shown_until_it_ends() -> None:
    with activity.of("Key Vault"):
        with contextlib.suppress(ValueError), activity.of("the identity endpoint"):
            assert "the identity endpoint" in line()
            raise ValueError
        assert "Key Vault" in line()


def test_of_many_at_once_the_one_that_still_waits_is_shown() -> None:
    done, over = threading.Event(), threading.Event()

    def wait() -> None:
        with activity.of("the slow one"):
            done.set()
            over.wait(10)

    thread = threading.Thread(target=wait)
    thread.start()
    done.wait(10)
    with activity.of("a quick one"):
        pass
    assert "the slow one" in line()
    over.set()
    thread.join()


def test_an_interrupted_run_says_what_it_still_waits_for() -> None:
    shown = StatusLine(SAFE, shown=False)
    shown.stop()
    with activity.of("the cluster"):
        assert shown.text(time.monotonic()) == "Stopping; waiting for: the cluster, for 0 s"


# In a real terminal, with an identity endpoint that never answers


@pytest.fixture
def mute() -> Iterator[dict[str, str]]:
    """The settings of an environment in which nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = {name: text for name, text in os.environ.items() if not name.startswith(("AZURE_", "KUBERNETES_"))}
        endpoint = f"http://127.0.0.1:{server.getsockname()[1]}/msi/token"
        mute = {"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": "header", "AzureWebJobsStorage": ""}
        address = {"KUBERNETES_DNS": "127.0.0.1", "KUBERNETES_SSH_PORT": str(server.getsockname()[1])}
        yield {**here, **SAMPLE, **mute, **address, "TERM": "xterm", "AZURE_RESOURCE_MANAGER": "https://127.0.0.1:1"}


@contextlib.contextmanager
def in_terminal(
    settings: dict[str, str], *arguments: str, width: int = 100
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    given = {name: text for name, text in settings.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "rotator", *arguments]
    with subprocess.Popen(command, env=given, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        yield process, ours
    os.close(ours)


def until(terminal: int, words: str) -> str:
    """What is sent until these words are, or nobody has the other end any more."""
    sent = b""
    with contextlib.suppress(OSError):
        while words.encode() not in sent:
            sent += os.read(terminal, 65536)
    return sent.decode()


@pytest.mark.parametrize("arguments", [["status"], ["plan"]])
def test_a_command_that_only_looks_says_so_and_ends_at_once(mute: dict[str, str], arguments: list[str]) -> None:
    mute["KEYVAULT_BASEURL"] = f"https://127.0.0.1:{mute['KUBERNETES_SSH_PORT']}"
    with in_terminal(mute, *arguments) as (process, terminal):
        sent = until(terminal, "Waiting for: ")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        sent += until(terminal, "never sent")
    assert process.returncode == 130
    assert time.monotonic() - began < 5  # what it waits for takes longer by far
    assert "Waiting for: " in sent
    assert f"{ERASE}Interrupted. Nothing was changed." in sent
    assert "Traceback" not in sent


def test_an_interrupted_run_ends_with_130_and_words(mute: dict[str, str]) -> None:
    mute["KEYVAULT_BASEURL"] = f"https://127.0.0.1:{mute['KUBERNETES_SSH_PORT']}"
    with in_terminal(mute, "rotate", width=200) as (process, terminal):  # the line is whole, whatever it waits for
        sent = until(terminal, "the next run finishes")
        process.send_signal(signal.SIGINT)
        sent += until(terminal, "never sent")
    assert process.returncode == 130, sent
    assert "Interrupted. The run was stopped. Run it again" in sent
    assert "Traceback" not in sent


def test_a_narrow_terminal_gets_one_line(mute: dict[str, str]) -> None:
    mute["KEYVAULT_BASEURL"] = f"https://127.0.0.1:{mute['KUBERNETES_SSH_PORT']}"
    with in_terminal(mute, "status", width=40) as (process, terminal):
        sent = until(terminal, "…")
        process.send_signal(signal.SIGINT)
        until(terminal, "never sent")
    assert all(len(shown) <= 37 for shown in sent.split(ERASE))


def test_there_is_none_where_it_would_disturb(mute: dict[str, str]) -> None:
    nothing = {**mute, "KEYVAULT_BASEURL": "https://127.0.0.1:1", "KUBERNETES_SSH_PORT": "1"}
    ways = {"--json": ("status", "--json"), "-v": ("status", "-v"), "a dumb terminal": ("status",)}
    with contextlib.ExitStack() as stack:  # at the same time: each waits for the identity endpoint
        terminals = {
            way: stack.enter_context(in_terminal({**nothing, **({"TERM": "dumb"} if " " in way else {})}, *words))[1]
            for way, words in ways.items()
        }
        sent = {way: until(terminal, "never sent") for way, terminal in terminals.items()}
    assert [way for way, text in sent.items() if "Waiting for" in text or ERASE in text] == []
    assert all(sent.values())
