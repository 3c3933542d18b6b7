"""A session on a proven host: remote commands, their streams and their end, bounded in time and in size."""

import contextlib
import secrets
import select
import threading
import time
from types import TracebackType
from typing import Self

import paramiko

from rotator.delivery import interface
from rotator.delivery.errors import (
    CommandError,
    CommandKilledError,
    ConnectionLostError,
    OutputUnboundedError,
    SshError,
    TimedOutError,
)
from rotator.delivery.ssh import remote_output
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText

_CHUNK = 65536
_BREAK_SEEN_SECONDS = 0.5
_SETTLE_SECONDS = 0.002
# For each stream. A delivery prints a Secret twice, which has up to 1 MiB of data, 256 KiB of annotations, and
# managedFields that grow when kubectl indents them.
_MOST_MEBIBYTES = 16
_NO_COMMANDS = (
    "Let this user run commands on the master: no forced command (`command=` in authorized_keys, ForceCommand in "
    "sshd_config), and a login shell such as /bin/sh (usermod --shell)."
)


class Session:
    """A connection to a proven host, as the user."""

    def __init__(self, transport: paramiko.Transport, cluster: Cluster) -> None:
        self._transport = transport
        self._cluster = cluster

    def start(self, command: str, *, seconds: float) -> "Command":
        """Start a command that may take so many seconds until its end; raises SshError."""
        limit = Limit(self._transport, seconds, f"a command on {self._cluster}").__enter__()
        # A shell's startup file may greet, on stdout too.
        beginning = f"rotator-{secrets.token_hex(8)}"
        try:
            channel = self._transport.open_session(timeout=seconds)
            channel.exec_command(f"echo {beginning}; {command}")
        except BaseException as error:
            limit.__exit__(None, None, None)
            if isinstance(error, SshError) or not isinstance(error, Exception):
                raise
            limit.check(error)  # paramiko raises whatever it stumbles over in what a host sends
            if not self._transport.is_active():
                raise ConnectionLostError(
                    f"the connection to {self._cluster} broke before a command could be started: {words(error)}"
                ) from error
            raise CommandError(
                f"{self._cluster} does not run commands: {words(error)}",
                remedy=f"{_NO_COMMANDS} Check MaxSessions, too.",
            ) from error
        return Command(channel, self._transport, limit, self._cluster, beginning)


class Command:
    """A running remote command."""

    def __init__(
        self,
        channel: paramiko.Channel,
        transport: paramiko.Transport,
        limit: "Limit",
        cluster: Cluster,
        beginning: str,
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._limit = limit
        self._cluster = cluster
        self._beginning = f"{beginning}\n".encode()
        self._stdout = bytearray()
        self._stderr = bytearray()

    def wait_for(self, line: str) -> str:
        """Give stdout up to `line`, or all of it if the command ends without it; raises OutputUnboundedError."""
        wanted = f"{line}\n".encode()
        searched = 0
        while self._stdout.find(wanted, max(0, searched - len(wanted))) < 0:
            searched = len(self._stdout)
            if not self._read():
                break
        return self._printed()

    def finish(self, stdin: SecretText | None = None) -> interface.Result:
        """Send stdin, close it, and wait for the end.

        Raises CommandKilledError, ConnectionLostError, TimedOutError, OutputUnboundedError, or CommandError where
        something else ran in place of the command.
        """
        try:
            # A command that ends early does not read its stdin: its status says why.
            with contextlib.suppress(OSError, paramiko.SSHException, EOFError):
                if stdin is not None:
                    self._channel.sendall(stdin.reveal().encode())
                self._channel.shutdown_write()
            while self._read():
                pass
        finally:
            self._end()
        self._check_limit()
        status = self._status()
        if not self._has_begun():
            said = remote_output.quote(f"{self._printed()}\n{self._printed_aside()}")
            raise CommandError(
                f"{self._cluster} does not run commands: {said or 'it said nothing'}", remedy=_NO_COMMANDS
            )
        return interface.Result(status, self._printed(), self._printed_aside())

    def _has_begun(self) -> bool:
        return self._beginning in self._stdout

    def _printed(self) -> str:
        """What the command itself printed."""
        before, beginning, after = self._stdout.partition(self._beginning)
        return (after if beginning else before).decode(errors="replace")

    def _printed_aside(self) -> str:
        return self._stderr.decode(errors="replace")

    def _read(self) -> bool:
        """Take what has come on both streams, waiting for some; False at their end."""
        select.select([self._channel], [], [], 1.0)
        # Before the buffers: paramiko's thread may add the last data and the close between two lines of ours.
        closed = self._channel.closed
        got = False
        while self._channel.recv_ready():
            self._keep(self._stdout, self._channel.recv(_CHUNK))
            got = True
        while self._channel.recv_stderr_ready():
            self._keep(self._stderr, self._channel.recv_stderr(_CHUNK))
            got = True
        if not got and not closed:
            time.sleep(_SETTLE_SECONDS)  # at the streams' end the select above waits no longer
        # The exit status may come after the streams' end, and only the channel's close is after everything.
        return got or not closed

    def _keep(self, stream: bytearray, data: bytes) -> None:
        stream += data
        if len(stream) > _MOST_MEBIBYTES * 2**20:
            self._end()
            raise OutputUnboundedError(
                f"a command on {self._cluster} printed more than {_MOST_MEBIBYTES} MiB; the rest was not read, and "
                "what the command did is not known"
            )

    def _end(self) -> None:
        self._limit.__exit__(None, None, None)
        self._channel.close()

    def _check_limit(self) -> None:
        try:
            self._limit.check(None)
        except TimedOutError as error:
            if self._has_begun():
                raise
            # As of internal-sftp, which waits for its client.
            text = f"{error}, and it printed nothing at all: the account may not run commands"
            raise TimedOutError(text, remedy=f"{_NO_COMMANDS} {error.remedy}") from error

    def _status(self) -> int:
        if self._channel.exit_status >= 0:
            return self._channel.exit_status
        # paramiko drops the exit-signal message. A broken connection ends the transport's thread; a signal does not.
        self._transport.join(_BREAK_SEEN_SECONDS)
        if self._transport.is_alive():
            raise CommandKilledError(f"the command on {self._cluster} was ended by a signal")
        raise ConnectionLostError(
            f"the connection to {self._cluster} broke before the command's end; with all its input, it finishes alone"
        )


class Limit:
    """Closes the transport when a step takes too long, which ends every wait inside paramiko, bounded or not."""

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
        """Raise TimedOutError if it was this limit that ended the step, or why the transport itself ended it."""
        ended = self._transport.saved_exception
        if isinstance(ended, SshError):
            raise ended
        if self._expired:
            raise TimedOutError(f"{self._step} took longer than {self._seconds:g} s") from error

    def _expire(self) -> None:
        self._expired = True
        self._transport.close()


def words(error: BaseException) -> str:
    """Give what an error of the connection says, without its number and full stop."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else f"{error}"
    return said.strip().rstrip(".") or type(error).__name__
