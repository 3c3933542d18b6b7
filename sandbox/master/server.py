"""The Kubernetes master as an SSH client sees it: asyncssh's server, which runs real commands."""

import asyncio
import contextlib
import datetime
import os
import socket
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from sandbox.master import clock, keys
from sandbox.master.command import RemoteCommand
from sandbox.server import journal

SECONDS_FOR_COMMANDS_TO_END = 1.0


class Master:
    """Public-key login for one user, and commands without a terminal; nothing else of SSH.

    `commands`, `connections` and `auth_attempts` (one for each connection and user name) tell what happened.
    The other plain attributes change what happens next, from any thread.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        journal: journal.Journal,
        directory: Path,
        kubeconfig: Path,
        username: str = "rotator",
        host_key_types: Sequence[str] = keys.HOST_KEY_TYPES,
    ) -> None:
        self.directory = directory
        self.kubeconfig = kubeconfig
        self.username = username
        self.port = 0
        self.host_key_types = tuple(host_key_types)
        self.fingerprints: dict[str, str] = {}
        self.authorized_keys: list[str] = []

        self.commands: list[str] = []
        self.connections = 0
        self.auth_attempts = 0

        self.accept_auth = True
        self.mute = False  # takes connections and never says a word
        self.exec_delay = 0.0  # seconds
        self.greeting = ""  # what the login shell's startup file prints before each command
        self.drop_after_stdin_bytes: int | None = None
        self.kubectl: Path | None = None  # a directory that comes first on the commands' PATH
        self.clock_skew = datetime.timedelta()  # how far ahead `date` is, in whole seconds

        self._journal = journal
        self._host_keys: dict[str, asyncssh.SSHKey] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._silent: list[socket.socket] = []
        self._open: set[asyncssh.SSHServerConnection] = set()
        self._running: set[RemoteCommand] = set()

    async def start(self) -> None:
        """Listen; port and host keys stay the same from one start to the next."""
        self.directory.mkdir(parents=True, exist_ok=True)
        clock.install(self.directory / "clock")
        self._host_keys = {
            kind: self._host_keys.get(kind) or keys.generate_host_key(kind) for kind in self.host_key_types
        }
        self.fingerprints = {kind: key.get_fingerprint() for kind, key in self._host_keys.items()}
        options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Connection(self),
            server_host_keys=list(self._host_keys.values()),
            allow_pty=False,
            agent_forwarding=False,
            encoding=None,
            gss_host=None,
        )
        self._loop = asyncio.get_running_loop()
        self._listener = socket.create_server((self.host, self.port))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._keep(self._loop.create_task(self._accept(self._listener, options)))

    async def stop(self) -> None:
        """Drop the connections, give commands a moment to end, then end them."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listener.close()
        self._drop()
        await self._end_commands()

    def drop_connections(self) -> None:
        """Abort every TCP connection at once; commands go on, as after a network failure."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._drop)

    def environment(self) -> dict[str, str]:
        """Return everything that a command finds in its environment."""
        path = os.environ.get("PATH", os.defpath)
        environment = {
            "PATH": f"{self.kubectl}{os.pathsep}{path}" if self.kubectl else path,
            "HOME": str(self.directory),
            "KUBECONFIG": str(self.kubeconfig),
        }
        return clock.skewed(environment, self.directory / "clock", self.clock_skew)

    def began(self, command: RemoteCommand) -> None:
        """Note a command that is about to run."""
        self.commands.append(command.line)
        self._running.add(command)
        self.record("exec", "before")

    def ended(self, command: RemoteCommand) -> None:
        """Note that it ended."""
        self._running.discard(command)
        self.record("exec", "after")

    def record(self, action: str, phase: str) -> None:
        """Add to the journal; commands aren't quoted there, they may hold anything."""
        self._journal.record("master", action, self.username, phase)

    def opened(self, connection: asyncssh.SSHServerConnection) -> None:
        """Note a connection to drop when asked to."""
        self._open.add(connection)

    def closed(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection."""
        self._open.discard(connection)

    async def _accept(self, listener: socket.socket, options: asyncssh.SSHServerConnectionOptions) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            self.connections += 1
            self.record("connect", "before")
            if self.mute:
                self._silent.append(connection)
            else:
                self._keep(loop.create_task(_serve(connection, options)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _drop(self) -> None:
        for connection in list(self._open):
            connection.abort()
        while self._silent:
            self._silent.pop().close()

    async def _end_commands(self) -> None:
        left = list(self._running)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_all_over(left), SECONDS_FOR_COMMANDS_TO_END)
        for command in list(self._running):
            command.kill()
        await _all_over(left)


class _Connection(asyncssh.SSHServer):
    """One connection: who may enter, and what for. Passwords and forwarding are refused by default."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._master.opened(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._connection is not None:
            self._master.closed(self._connection)

    def begin_auth(self, username: str) -> bool:
        """Keys have been exchanged, so the client has seen the host key and stayed."""
        del username
        self._master.record("connect", "after")
        self._master.auth_attempts += 1
        self._master.record("auth", "before")
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        offered = key.export_public_key("openssh").split()[1].decode()
        known = any(offered in line.split() for line in list(self._master.authorized_keys))
        return self._master.accept_auth and username == self._master.username and known

    def auth_completed(self) -> None:
        self._master.record("auth", "after")

    def session_requested(self) -> RemoteCommand:
        return RemoteCommand(self._master)


async def _serve(connection: socket.socket, options: asyncssh.SSHServerConnectionOptions) -> None:
    """Return once the client is let in; a client that isn't, or leaves, is nothing to report."""
    with contextlib.suppress(OSError, asyncssh.Error):
        await asyncssh.run_server(connection, options=options)


async def _all_over(commands: Sequence[RemoteCommand]) -> None:
    await asyncio.gather(*(command.over.wait() for command in commands))
