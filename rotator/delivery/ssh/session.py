"""A session, which is an SSH connection after the login: runs remote commands, bounded in time and output."""

import contextlib
import secrets
import select
import threading
import time
from types import TracebackType
from typing import Self

import paramiko

from rotator.delivery.errors import (
    CommandError,
    CommandKilledError,
    ConnectionLostError,
    OutputUnboundedError,
    SshError,
    TimedOutError,
)
from rotator.delivery.ssh import remote_output
from rotator.delivery.ssh.shell import Result
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText

_CHUNK = 65536  # bytes
_BREAK_NOTICED_SECONDS = 0.5  # in which paramiko's thread ends after the connection broke
_POLL_SECONDS = 0.002
# Of each stream. A delivery prints a Secret twice, which has up to 1 MiB of data, 256 KiB of annotations, and
# managedFields that grow when kubectl indents them.
_MOST_MEBIBYTES = 16
_NO_COMMANDS = (
    "Let this user run commands on the master: no forced command (`command=` in authorized_keys, ForceCommand in "
    "sshd_config), and a login shell such as /bin/sh (usermod --shell)."
)


class Session:
    """A connection to a verified host on which the user is logged in."""

    def __init__(self, transport: paramiko.Transport, cluster: Cluster) -> None:
        self._transport = transport
        self._cluster = cluster

    def start(self, command: str, *, seconds: float) -> "Command":
        """Start a command that must end within so many seconds; raises SshError."""
        timeout = Timeout(self._transport, seconds, f"a command on {self._cluster}").__enter__()
        # The command's output begins after this line: a shell's start-up file may print something before.
        start_mark = f"rotator-{secrets.token_hex(8)}"
        try:
            channel = self._transport.open_session(timeout=seconds)
            channel.exec_command(f"echo {start_mark}; {command}")
        except BaseException as error:
            timeout.__exit__(None, None, None)
            if isinstance(error, SshError) or not isinstance(error, Exception):
                raise
            timeout.check(error)  # paramiko raises errors of many kinds about what a host sends
            if not self._transport.is_active():
                raise ConnectionLostError(
                    f"the connection to {self._cluster} broke before a command could be started: {error_text(error)}"
                ) from error
            raise CommandError(
                f"{self._cluster} does not run commands: {error_text(error)}",
                remedy=f"{_NO_COMMANDS} Check MaxSessions, too.",
            ) from error
        return Command(channel, self._transport, timeout, self._cluster, start_mark)


class Command:
    """A running remote command."""

    def __init__(
        self,
        channel: paramiko.Channel,
        transport: paramiko.Transport,
        timeout: "Timeout",
        cluster: Cluster,
        start_mark: str,
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._timeout = timeout
        self._cluster = cluster
        self._start_mark = f"{start_mark}\n".encode()
        self._stdout = bytearray()
        self._stderr = bytearray()

    def wait_for(self, line: str) -> str:
        """Return stdout up to `line`, or all of it if the command ends without it; raises OutputUnboundedError."""
        wanted = f"{line}\n".encode()
        searched = 0
        while self._stdout.find(wanted, max(0, searched - len(wanted))) < 0:
            searched = len(self._stdout)
            if not self._read():
                break
        return self._stdout_text()

    def finish(self, stdin: SecretText | None = None) -> Result:
        """Send stdin, close it, and wait for the end.

        Raises CommandKilledError, ConnectionLostError, TimedOutError, OutputUnboundedError, or CommandError if
        something else ran instead of the command.
        """
        try:
            # A command that ends early does not read its stdin; then its status says why.
            with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
                if stdin is not None:
                    self._channel.sendall(stdin.reveal().encode())
                self._channel.shutdown_write()
            while self._read():
                pass
        finally:
            self._close()
        self._check_timeout()
        status = self._status()
        if not self._has_started():
            text = remote_output.quote(f"{self._stdout_text()}\n{self._stderr_text()}")
            raise CommandError(
                f"{self._cluster} does not run commands: {text or 'it printed nothing'}", remedy=_NO_COMMANDS
            )
        return Result(status, self._stdout_text(), self._stderr_text())

    def _has_started(self) -> bool:
        return self._start_mark in self._stdout

    def _stdout_text(self) -> str:
        """The command's own stdout, without what was printed before it started."""
        before, start_mark, after = self._stdout.partition(self._start_mark)
        return (after if start_mark else before).decode(errors="replace")

    def _stderr_text(self) -> str:
        return self._stderr.decode(errors="replace")

    def _read(self) -> bool:
        """Read what has arrived on both streams, and wait for it if nothing has; False at their end."""
        select.select([self._channel], [], [], 1.0)
        # Before the buffers: paramiko's thread may add the last data and the close between two lines of ours.
        closed = self._channel.closed
        got = False
        while self._channel.recv_ready():
            self._append(self._stdout, self._channel.recv(_CHUNK))
            got = True
        while self._channel.recv_stderr_ready():
            self._append(self._stderr, self._channel.recv_stderr(_CHUNK))
            got = True
        if not got and not closed:
            time.sleep(_POLL_SECONDS)  # at the streams' end the select above no longer waits
        # The exit status may come after the streams' end, and only the channel's close is after everything.
        return got or not closed

    def _append(self, stream: bytearray, data: bytes) -> None:
        stream += data
        if len(stream) > _MOST_MEBIBYTES * 2**20:
            self._close()
            raise OutputUnboundedError(
                f"a command on {self._cluster} printed more than {_MOST_MEBIBYTES} MiB; the rest was not read, and "
                "what the command did is not known"
            )

    def _close(self) -> None:
        self._timeout.__exit__(None, None, None)
        self._channel.close()

    def _check_timeout(self) -> None:
        try:
            self._timeout.check(None)
        except TimedOutError as error:
            if self._has_started():
                raise
            # For example, internal-sftp waits for its client.
            text = f"{error}, and it printed nothing at all: the account may not run commands"
            raise TimedOutError(text, remedy=f"{_NO_COMMANDS} {error.remedy}") from error

    def _status(self) -> int:
        if self._channel.exit_status >= 0:
            return self._channel.exit_status
        # paramiko ignores the exit-signal message (RFC 4254 section 6.10). A broken connection ends the transport's
        # thread; a signal does not.
        self._transport.join(_BREAK_NOTICED_SECONDS)
        if self._transport.is_alive():
            raise CommandKilledError(f"the command on {self._cluster} was ended by a signal")
        raise ConnectionLostError(
            f"the connection to {self._cluster} broke before the command ended; if it had all its input, it finishes "
            "alone"
        )


class Timeout:
    """Closes the transport when a step takes too long, which ends every wait inside paramiko."""

    def __init__(self, transport: paramiko.Transport, seconds: float, step: str) -> None:
        self._step, self._seconds, self._expired = step, seconds, False
        self._transport = transport
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def check(self, error: BaseException | None) -> None:
        """Raise TimedOutError if this time-out ended the step, or the SshError with which the transport ended."""
        ended = self._transport.saved_exception
        if isinstance(ended, SshError):
            raise ended
        if self._expired:
            raise TimedOutError(f"{self._step} took longer than {self._seconds:g} s") from error

    def _expire(self) -> None:
        self._expired = True
        self._transport.close()


def error_text(error: BaseException) -> str:
    """The message of an error of the connection, without its number and full stop."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
    return text.strip().rstrip(".") or type(error).__name__
