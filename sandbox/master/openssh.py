"""The master with OpenSSH's own sshd in place of asyncssh's.

https://man.openbsd.org/sshd_config
"""

import asyncio
import contextlib
import getpass
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import asyncssh

from sandbox import programs
from sandbox.master import keys, local_user
from sandbox.server import processes

SEPARATION_DIRECTORY = Path("/run/sshd")
# What lets a suite connect in quick succession, and be refused at will. PerSourcePenalties are of OpenSSH 9.8.
MANY_CONNECTIONS = ("MaxStartups 100", "MaxSessions 100", "PerSourcePenalties no")


class OpenSshMaster:
    """An sshd in the foreground, with its own configuration; only the authorized keys may log in.

    It lets in the user that it runs as; root's sshd lets in a user made for it, because root's shell may have slow
    start-up files. `authorized_keys` are read at the start.

    `options` are lines for sshd_config that come before all others, so that they win; limits on connections are
    OpenSSH's own without them.
    """

    host = "127.0.0.1"

    def __init__(self, directory: Path, kubeconfig: Path, options: Sequence[str] = ()) -> None:
        self.options = tuple(options)
        self.directory = directory
        self.kubeconfig = kubeconfig
        self.port = 0
        self.username = getpass.getuser()
        self.fingerprints: dict[str, str] = {}
        self.authorized_keys: list[str] = []
        self.log = directory / "sshd.log"
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Write keys and configuration, and return once sshd listens."""
        program = programs.require_sshd()
        self.directory.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            home = await self._prepare_home(stack)
            if self.port == 0:
                (self.port,) = processes.free_ports(1)
            configuration = await self._configure(program, home)
            sshd = processes.Child([program, "-D", "-e", "-f", str(configuration)], self.log)
            stack.push_async_callback(sshd.stop)
            await sshd.start(lambda: processes.accepts_connections(self.port))
            stack.push_async_callback(_end_sessions, sshd)
            self._stack = stack.pop_all()

    async def stop(self) -> None:
        """Stop sshd and the connections that it serves."""
        await self._stack.aclose()

    async def _prepare_home(self, stack: contextlib.AsyncExitStack) -> local_user.Home:
        """Return the login's home, which holds its authorized keys and kubeconfig."""
        if os.geteuid() == 0:
            SEPARATION_DIRECTORY.mkdir(mode=0o755, parents=True, exist_ok=True)
        user = await asyncio.to_thread(local_user.find_or_add)
        home = stack.enter_context(local_user.home(user, self.directory))
        self.username = home.username
        home.write("authorized_keys", "".join(f"{line}\n" for line in self.authorized_keys))
        if home.is_foreign:
            await home.copy_kubeconfig(self.kubeconfig)
        return home

    async def _configure(self, program: str, home: local_user.Home) -> Path:
        path = self.directory / "sshd_config"
        options = [*self.options, *self._options(home)]
        path.write_text("\n".join(options) + "\n")
        check = await asyncio.create_subprocess_exec(program, "-t", "-f", path, stderr=asyncio.subprocess.DEVNULL)
        if await check.wait():
            older = [each for each in options if not each.startswith("PerSourcePenalties")]
            path.write_text("\n".join(older) + "\n")
        return path

    def _options(self, home: local_user.Home) -> list[str]:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home.path),
            "KUBECONFIG": str(home.path / "kubeconfig" if home.is_foreign else self.kubeconfig),
        }
        return [
            f"Port {self.port}",
            f"ListenAddress {self.host}",
            "PidFile none",
            "LogLevel VERBOSE",
            *(f"HostKey {path}" for path in self._host_keys()),
            f"AllowUsers {home.username}",
            f"AuthorizedKeysFile {home.path / 'authorized_keys'}",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "StrictModes no",
            "UsePAM no",
            "DisableForwarding yes",
            "PermitTTY no",
            "SetEnv " + " ".join(f'"{name}={value}"' for name, value in environment.items()),
        ]

    def _host_keys(self) -> list[Path]:
        paths = {key_type: self.directory / f"host_{key_type}" for key_type in keys.HOST_KEY_TYPES}
        for key_type, path in paths.items():
            if not path.exists():
                path.touch(mode=0o600)
                keys.generate_host_key(key_type).write_private_key(path)
            self.fingerprints[key_type] = asyncssh.read_private_key(path).get_fingerprint()
        return list(paths.values())


async def _end_sessions(sshd: processes.Child) -> None:
    """End what serves the open connections: sshd itself leaves it running when it ends."""
    for pid in sshd.children():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
