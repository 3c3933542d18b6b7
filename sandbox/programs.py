"""Programs that the sandbox doesn't bring along: whether they are there, and how to get them."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


class MissingProgramError(Exception):
    """Something that was asked for isn't installed; the message says what to do."""


def require_kubectl() -> None:
    """The master runs the real kubectl, whatever the API behind it."""
    if shutil.which("kubectl") is None:
        raise MissingProgramError(
            "kubectl is missing: the sandbox's master runs the real one. "
            "How to install it: https://kubernetes.io/docs/tasks/tools/"
        )


def require_sshd() -> str:
    """Return the path of OpenSSH's server, which is often not on an ordinary user's PATH."""
    search = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    found = shutil.which("sshd", path=search)
    if found is None:
        raise MissingProgramError("--sshd: OpenSSH's sshd is missing; it is in the package openssh-server")
    return found


def require_azurite() -> list[str]:
    """Return the command of Azurite, which is looked for in AZURITE_JS, on the PATH and in node_modules."""
    node = shutil.which("node")
    script = os.environ.get("AZURITE_JS")
    program = shutil.which("azurite") or shutil.which("azurite", path="node_modules/.bin")
    if node is None or not (script or program):
        raise MissingProgramError(
            "--azurite needs Node and Azurite: npm install azurite, or AZURITE_JS=/path/to/azurite.js"
        )
    return [node, script] if script else [str(program)]


def envtest_assets(directory: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the directory with kube-apiserver and etcd, KUBEBUILDER_ASSETS when none is named."""
    chosen = directory or environment.get("KUBEBUILDER_ASSETS", "")
    if not chosen:
        raise MissingProgramError("--envtest needs a directory, or KUBEBUILDER_ASSETS set to one")
    for program in ("kube-apiserver", "etcd"):
        if not os.access(Path(chosen) / program, os.X_OK):
            raise MissingProgramError(f"--envtest: there is no program {program} in {chosen}")
    return Path(chosen)
