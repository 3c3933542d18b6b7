"""One command on the master, carried out as sshd does it for a session without a terminal.

https://www.rfc-editor.org/rfc/rfc4254#section-6.5
"""

import asyncio
import contextlib
import os
import shlex
import signal
from pathlib import Path
from typing import Protocol, cast

import asyncssh

STDERR = 2


class Host(Protocol):
    """What a command needs of the master that it runs on."""

    directory: Path
    greeting: str
    exec_delay: float
    drop_after_stdin_bytes: int | None

    def environment(self) -> dict[str, str]:
        """Return everything that a command finds in its environment."""
        ...

    def began(self, command: "RemoteCommand") -> None:
        """Note a command that a client asked for; it hasn't been started yet."""
        ...

    def ended(self, command: "RemoteCommand") -> None:
        """Note that a command is over; its status hasn't been reported yet."""
        ...


class RemoteCommand(asyncssh.SSHServerSession[bytes]):
    """The channel's end: what it receives goes to the process, as fast as that reads.

    When the connection drops, the process isn't ended: its stdin comes to an end and its output is closed.
    """

    def __init__(self, host: Host) -> None:
        self.line = ""
        self.over = asyncio.Event()
        self._host = host
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._process: asyncio.SubprocessTransport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early = bytearray()
        self._received = 0
        self._at_end = False
        self._process_reads = True

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """Hold on to the channel; shell, pty and subsystem requests are refused by default."""
        self._channel = chan

    def pty_requested(self, *_request: object) -> bool:
        """Refuse a terminal."""
        return False

    def exec_requested(self, command: str) -> bool:
        """Take the command."""
        self.line = command
        return True

    def session_started(self) -> None:
        """Start the process, though not within this callback."""
        self._host.began(self)
        self._task = asyncio.get_running_loop().create_task(self._start())

    def data_received(self, data: bytes, datatype: int | None) -> None:
        """Pass stdin on, up to where the connection is meant to drop."""
        del datatype
        limit = self._host.drop_after_stdin_bytes
        allowed = data if limit is None else data[: max(0, limit - self._received)]
        self._received += len(allowed)
        self._write(allowed)
        if limit is not None and self._received >= limit and self._channel is not None:
            self._channel.get_connection().abort()

    def eof_received(self) -> bool:
        """End the process's stdin; its output goes on."""
        self._end_stdin()
        return True

    def pause_writing(self) -> None:
        """Stop reading output that the client isn't taking."""
        for pipe in self._outputs():
            pipe.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        for pipe in self._outputs():
            pipe.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the process alone, with nobody at the other end of its pipes."""
        del exc
        self._channel = None
        self._end_stdin()
        for pipe in self._outputs():
            pipe.close()

    def process_started(self, process: asyncio.SubprocessTransport) -> None:
        """Hand over what came before there was a process."""
        self._process = process
        early, self._early = bytes(self._early), bytearray()
        self._write(early)
        if self._at_end:
            self._end_stdin()
        if self._channel is None:
            self.connection_lost(None)

    def process_wrote(self, descriptor: int, data: bytes) -> None:
        """Send output to the client, if it's still there."""
        if self._channel is not None:
            self._channel.write(data, asyncssh.EXTENDED_DATA_STDERR if descriptor == STDERR else None)

    def process_reads(self, *, willing: bool) -> None:
        """Let the client send stdin, or hold it up; the channel's window does the rest."""
        self._process_reads = willing
        if willing:
            # Not at once: asyncio's pipe closes early if it's given data and their end while it is telling us this.
            asyncio.get_running_loop().call_soon(self._read_on)
        elif self._channel is not None:
            self._channel.pause_reading()

    def process_over(self, status: int) -> None:
        """Report how the process ended, once its output is complete."""
        self._host.ended(self)
        if self._channel is not None:
            if status >= 0:
                self._channel.exit(status)
            else:
                self._channel.exit_with_signal(signal.Signals(-status).name.removeprefix("SIG"))
        self.over.set()

    def kill(self) -> None:
        """End the process and those that it started."""
        if self._process is None:
            if self._task is not None:
                self._task.cancel()
            self.over.set()
        else:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.get_pid(), signal.SIGKILL)
        self.connection_lost(None)

    def _read_on(self) -> None:
        if self._process_reads and self._channel is not None:
            self._channel.resume_reading()

    async def _start(self) -> None:
        await asyncio.sleep(self._host.exec_delay)
        await asyncio.get_running_loop().subprocess_exec(
            lambda: _Process(self),
            *("/bin/sh", "-c", f"{self._greet()}{self.line}"),
            env=self._host.environment(),
            cwd=self._host.directory,
            start_new_session=True,
        )

    def _greet(self) -> str:
        return f"printf '%s\\n' {shlex.quote(self._host.greeting)}; " if self._host.greeting else ""

    def _write(self, data: bytes) -> None:
        stdin = self._stdin()
        if self._process is None:
            self._early += data
        elif stdin is not None and not stdin.is_closing():
            stdin.write(data)

    def _end_stdin(self) -> None:
        self._at_end = True
        stdin = self._stdin()
        if stdin is not None and not stdin.is_closing():
            stdin.write_eof()

    def _stdin(self) -> asyncio.WriteTransport | None:
        pipe = self._process.get_pipe_transport(0) if self._process is not None else None
        return cast("asyncio.WriteTransport | None", pipe)

    def _outputs(self) -> list[asyncio.ReadTransport]:
        pipes = [self._process.get_pipe_transport(number) for number in (1, STDERR)] if self._process else []
        return [cast("asyncio.ReadTransport", pipe) for pipe in pipes if pipe is not None]


class _Process(asyncio.SubprocessProtocol):
    """The process's end of the same command."""

    def __init__(self, command: RemoteCommand) -> None:
        self._command = command
        self._transport: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self._command.process_started(self._transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._command.process_wrote(fd, data)

    def pause_writing(self) -> None:
        self._command.process_reads(willing=False)

    def resume_writing(self) -> None:
        self._command.process_reads(willing=True)

    def process_exited(self) -> None:
        stdin = self._transport.get_pipe_transport(0) if self._transport is not None else None
        if stdin is not None:
            stdin.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Both the process has ended and its pipes are closed."""
        del exc
        if self._transport is not None:
            status = self._transport.get_returncode()
            self._transport.close()
            self._command.process_over(0 if status is None else status)
