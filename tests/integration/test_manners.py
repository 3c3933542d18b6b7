"""The command line in a real terminal and in a pipe: progress, colour, and none of it where nobody looks."""

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TextIO

import pytest

from sandbox.master.server import Master
from sandbox.world import World
from tests import secrets_in
from tests.integration.conftest import ROOT, Cluster, command_line, environment, fresh_command_line, plain, rotate

CONTROL = re.compile(r"\x1b\[[0-9;?]*([A-Za-z])")
COLOURED = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|9[0-7]|4[0-8])(?:;[0-9;]*)?m")
WIDTH = 140


def in_terminal(world: World, *arguments: str, interrupted_after: str = "", **settings: str) -> tuple[int, str]:
    """Exit code of the command in a terminal, and everything that was sent to it; Ctrl-C comes after these words."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    given = {**environment(world), "TERM": "xterm-256color", **settings}
    for name in {"COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"} - set(settings):
        given.pop(name, None)
    with subprocess.Popen(
        [sys.executable, "-m", "rotator", *arguments], env=given, cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        sent = b""
        with contextlib.suppress(OSError):  # Linux says EIO once nobody has the other end any more
            while part := os.read(ours, 65536):
                sent += part
                if interrupted_after and interrupted_after.encode() in sent:
                    process.send_signal(signal.SIGINT)
                    interrupted_after = ""
    os.close(ours)
    return process.returncode, sent.decode()


def test_a_check_shows_its_progress_in_a_terminal(world: World) -> None:
    code, sent = in_terminal(world, "check")
    assert code == 0
    kinds = set(CONTROL.findall(sent))
    assert {"A", "K"} <= kinds  # up, and erase: what was shown is replaced
    assert COLOURED.search(sent)
    assert sent.rindex("\x1b[?25h") > sent.index("\x1b[?25l")  # the cursor is back in the end
    assert not secrets_in.found(world, sent)


def test_an_interrupted_check_ends_with_words(world: World) -> None:
    """It doesn't wait for what does not answer."""
    master = world.master
    assert isinstance(master, Master)
    master.mute = True
    with subprocess.Popen(
        [sys.executable, "-m", "rotator", "check", "-v"],
        env=environment(world),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        printed, stderr = process.communicate(timeout=60)
    assert "check_done" in first
    assert process.returncode == 130, stderr
    assert "Interrupted. Nothing was changed." in stderr
    assert "Traceback" not in stderr
    assert printed == ""


def test_an_interrupted_check_leaves_the_terminal_as_it_was(world: World) -> None:
    master = world.master
    assert isinstance(master, Master)
    master.mute = True
    code, sent = in_terminal(world, "check", interrupted_after="key1 signs")
    assert code == 130, sent
    assert "\x1b[?25h" in sent[sent.rindex("\x1b[?25l") :]
    assert sent.endswith("\nInterrupted. Nothing was changed.\r\n")
    assert "Traceback" not in sent


def test_a_check_that_logs_shows_no_progress_which_its_lines_would_tear(world: World) -> None:
    code, sent = in_terminal(world, "check", "-v")
    assert code == 0
    assert set(CONTROL.findall(sent)) <= {"m"}
    logged = [line for line in sent.splitlines() if "INFO rotator." in line]
    assert len(logged) > 20
    assert [line for line in logged if not re.match(r"\d{4}-\d\d-\d\d ", line)] == []


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_output_cannot_show_is_replaced_and_nothing_else_is_lost(world: World, encoding: str) -> None:
    world.vault.firewall = {"192.0.2.0/24"}
    done = fresh_command_line(world, "rotate", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (1, "")
    assert "the vault's firewall: az keyvault network-rule add --name ? --ip-address 127.0.0.1" in done.stdout


@pytest.mark.parametrize("command", ["rotate", "status"])
def test_each_command_says_its_words_on_an_output_that_cannot_show_them_all(world: World, command: str) -> None:
    done = command_line(world, command, PYTHONIOENCODING="ascii", KUBERNETES_DNS="bücher…")
    assert done.returncode == 2
    assert "KUBERNETES_DNS" in done.stderr
    assert "Traceback" not in done.stderr


def test_json_is_plain_ascii_whatever_it_tells(world: World) -> None:
    world.vault.firewall = {"192.0.2.0/24"}
    done = command_line(world, "rotate", "--json", PYTHONIOENCODING="ascii")
    assert done.stdout.isascii()
    assert "network-rule add --name …" in str(json.loads(done.stdout))


def printing_to(world: World, output: TextIO, *arguments: str) -> tuple[int, str]:
    """Exit code of a command whose standard output that is, and what it says on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "rotator", *arguments],
        env=environment(world),
        cwd=ROOT,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [["status", "--json"], ["status"], ["--help"], ["rotate"]])
def test_an_output_that_takes_no_more_is_told_in_words(world: World, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        result = printing_to(world, full, *words)
    assert result == (1, "standard output cannot be written: No space left on device\n")


def test_a_reader_that_has_gone_is_nobodys_defect(world: World) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        assert printing_to(world, gone, "status") == (1, "")


def test_a_dumb_terminal_gets_words_only(world: World) -> None:
    code, sent = in_terminal(world, "status", TERM="dumb", KUBERNETES_DNS="not a host")
    assert code == 2
    assert "\x1b" not in sent


def test_a_check_shows_no_progress_in_a_pipe(world: World) -> None:
    done = command_line(world, "check")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout
    assert done.stdout.count("host key") == 1


def test_a_check_with_json_shows_no_progress_in_a_terminal_either(world: World) -> None:
    code, sent = in_terminal(world, "check", "--json")
    assert code == 0
    assert "\x1b" not in sent


def test_a_command_that_fails_leaves_the_cursor_visible(world: World) -> None:
    code, sent = in_terminal(world, "check", KUBERNETES_SECRET_NAME="Not_A_Name")
    assert code == 2
    assert sent.count("\x1b[?25l") <= sent.count("\x1b[?25h")


@pytest.mark.parametrize("command", ["check", "status", "rotate", "plan"])
def test_no_colour_is_used_where_none_is_wanted(world: World, command: str) -> None:
    code, sent = in_terminal(world, command, NO_COLOR="1")
    assert code in {0, 1}
    assert COLOURED.search(sent) is None


def test_an_error_has_no_colour_where_none_is_wanted(world: World) -> None:
    assert COLOURED.search(in_terminal(world, "status", KUBERNETES_DNS="not a host")[1])
    assert COLOURED.search(in_terminal(world, "status", KUBERNETES_DNS="not a host", NO_COLOR="1")[1]) is None


def test_colour_that_is_forced_brings_no_progress_into_a_pipe(world: World) -> None:
    done = command_line(world, "check", FORCE_COLOR="1")
    assert set(CONTROL.findall(done.stdout)) <= {"m"}


def test_a_table_is_as_wide_as_the_terminal(world: World) -> None:
    rotate(world)
    _, sent = in_terminal(world, "status")
    lines = CONTROL.sub("", sent).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= WIDTH
    assert Cluster(world).annotation("run") in plain(sent)


def test_debug_shows_a_traceback_that_holds_no_secret(world: World) -> None:
    rotate(world)
    world.vault.permissions.discard("storage/get")
    asked = ("revoke", "--no-lease")
    without, shown = command_line(world, *asked), command_line(world, *asked, "--debug")
    assert without.returncode == shown.returncode == 1
    assert "Traceback" not in without.stdout + without.stderr
    assert "Traceback" in shown.stderr
    assert "VaultForbiddenError" in shown.stderr
    assert not secrets_in.found(world, shown.stdout + shown.stderr, Cluster(world).value())
