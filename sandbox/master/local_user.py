"""Who logs in at the real sshd: the current user, or when that is root, a user without start-up files."""

import asyncio
import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAME = "rotator-sandbox"


class Home:
    """A directory that belongs to the user who logs in."""

    def __init__(self, path: Path, user: pwd.struct_passwd) -> None:
        self.path = path
        self.username = user.pw_name
        self._user = user

    @property
    def is_foreign(self) -> bool:
        """Whether the user is another one than the sandbox runs as, who can't read its files."""
        return self._user.pw_uid != os.geteuid()

    def write(self, name: str, text: str) -> None:
        """Write a file that only the user may read."""
        path = self.path / name
        path.touch(mode=0o600)
        path.write_text(text)
        self._hand_over(path)

    async def copy_kubeconfig(self, source: Path) -> None:
        """Write it as `kubeconfig`, with the certificates that it names in it."""
        command = ("kubectl", "config", "view", "--raw", "--flatten", "--kubeconfig", str(source))
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        output, _ = await process.communicate()
        self.write("kubeconfig", output.decode())

    def _hand_over(self, path: Path) -> None:
        if self.is_foreign:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)


def find_or_add() -> pwd.struct_passwd:
    """Return the user to log in as; root adds one to the system, once, where it can."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(NAME)
    add = shutil.which("useradd", path="/usr/sbin:/sbin")
    if add is not None:
        # No login by password, yet not locked either: sshd refuses a locked account ("!") its keys too.
        options = ("--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/sh", "--password", "*")
        subprocess.run([add, *options, NAME], check=False, capture_output=True)
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        return pwd.getpwuid(0)


@contextlib.contextmanager
def home(user: pwd.struct_passwd, directory: Path) -> Iterator[Home]:
    """Yield a home: the directory itself, or one that another user reaches where the directory is out of reach."""
    if user.pw_uid == os.geteuid():
        yield Home(directory, user)
        return
    with tempfile.TemporaryDirectory(prefix="sandbox-home-") as name:
        os.chown(name, user.pw_uid, user.pw_gid)
        yield Home(Path(name), user)
