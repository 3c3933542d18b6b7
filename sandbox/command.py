"""`python -m sandbox`: start everything, print where it is and the settings, stay up until Ctrl-C."""

import argparse
import contextlib
import fcntl
import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox import issuers, programs, world
from sandbox.options import Options

SETTINGS_FILE = Path(".sandbox/settings.env")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox; 0 after a clean stop, 2 when a part is missing."""
    parsed = _parser().parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        options = _options(parsed)
        with _locked(parsed.settings), world.World(options) as running:
            _write(parsed.settings, running.command_line_settings)
            print(_overview(running, parsed.settings), flush=True)
            ended.wait()
    except (programs.MissingProgramError, _SettingsInUseError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    return 0


class _SettingsInUseError(Exception):
    """Another sandbox has its settings in that file."""


@contextlib.contextmanager
def _locked(settings_file: Path) -> Iterator[None]:
    """Lock the settings file, until the process ends at the latest; _SettingsInUseError when it is locked already."""
    settings_file.parent.mkdir(parents=True, exist_ok=True)
    with settings_file.with_name(f"{settings_file.name}.lock").open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = shlex.quote(str(settings_file.with_name(f"second-{settings_file.name}")))
            raise _SettingsInUseError(
                f"another sandbox is running, and its settings are in {settings_file}. Stop it, or let this one write "
                f"its settings elsewhere: --settings {other} (make sandbox ARGS='--settings {other}')"
            ) from None
        yield


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox",
        description="The services around the rotator on loopback: Azure's, an SSH master and a Kubernetes API.",
    )
    parser.add_argument("--sshd", action="store_true", help="OpenSSH's sshd as the master")
    parser.add_argument(
        "--envtest",
        nargs="?",
        const="",
        metavar="DIR",
        help="the real kube-apiserver and etcd from DIR, by default from $KUBEBUILDER_ASSETS",
    )
    parser.add_argument("--azurite", action="store_true", help="Azurite as the blob storage")
    parser.add_argument(
        "--minimal-permissions",
        action="store_true",
        help="the vault grants what the original sample's access policy grants, and no more",
    )
    parser.add_argument(
        "--issuer",
        choices=issuers.ISSUERS,
        default="keyvault",
        help="what issues the SAS: settings and roles are those that it needs (default: %(default)s)",
    )
    parser.add_argument(
        "--settings",
        type=Path,
        default=SETTINGS_FILE,
        metavar="FILE",
        help="where the rotator's settings are written (default: %(default)s)",
    )
    return parser


def _options(parsed: argparse.Namespace) -> Options:
    programs.require_kubectl()
    if parsed.sshd:
        programs.require_sshd()
    if parsed.azurite:
        programs.require_azurite()
    return Options(
        sshd=parsed.sshd,
        envtest=None if parsed.envtest is None else programs.envtest_assets(parsed.envtest),
        azurite=parsed.azurite,
        minimal_permissions=parsed.minimal_permissions,
        issuer=parsed.issuer,
    )


def _overview(running: world.World, settings_file: Path) -> str:
    places = {
        "identity": running.identity.url,
        "resources": running.resource_manager.url,
        "vault": running.vault.url,
        "storage": running.settings["STORAGE_BLOB_ENDPOINT"],
        "master": f"ssh://{running.master.username}@127.0.0.1:{running.master.port}",
        "kubeconfig": str(running.cluster.kubeconfig),
        "settings": str(settings_file),
    }
    lines = ["The sandbox is up; Ctrl-C stops it.", ""]
    lines += [f"  {name:<11} {place}" for name, place in places.items()]
    return "\n".join([*lines, "", *_exports(running.command_line_settings)])


def _exports(settings: dict[str, str]) -> list[str]:
    """Lines for a shell, in which another issuer's settings may still be set."""
    others = sorted({*issuers.SETTINGS, "AZURE_CLIENT_ID"} - settings.keys())
    # A quote within single quotes is written '\'' in every POSIX shell.
    escaped = {name: value.replace("'", "'\\''") for name, value in settings.items()}
    exports = [f"export {name}='{value}'" for name, value in escaped.items()]
    return [f"unset {' '.join(others)}", *exports] if others else exports


def _write(path: Path, settings: dict[str, str]) -> None:
    """For the owner only: the identity header opens the sandbox's identity, though nothing else."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(_exports(settings)) + "\n")
