"""azd's surroundings for the hooks: stand-ins for az, azd and Python that keep their state in files."""

import dataclasses
import os
import pty
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.infra import FOLDER

TOOLS = (
    "sh",
    "dirname",
    "mktemp",
    "printenv",
    "rm",
    "cat",
    "cp",
    "mkdir",
    "touch",
    "env",
    "grep",
    "sha256sum",
    "cut",
    "sed",
    "tail",
)

AZ = """#!/bin/sh
cd "$STATE"
case "$1 $2" in
  "account show") case "$*" in *--subscription*) cat subscription-tenant ;; *) cat tenant ;; esac ;;
  "cloud show") cat cloud ;;
  "ad sp") cat "principal-$5" ;;
  "provider show") [ "$4 $6" = "Microsoft.App subscription-1" ] || exit 99; cat registration ;;
  "functionapp config")
    [ "$3 $4 $6 $8" = "appsettings list $(cat group) $(cat app)" ] && [ -e issuer ] || exit 1
    case "$*" in *"[?name=='SAS_ISSUER'].value"*) cat issuer ;; *) exit 99 ;; esac ;;
  "storage account")
    [ "$3 $5 $7" = "list $(cat group) subscription-1" ] && [ -e accounts ] || exit 1
    case "$*" in *'allowSharedKeyAccess != `false`'*) sed -n 's/ true$//p' accounts ;; *) exit 99 ;; esac ;;
  "group exists") [ "$4 $6" = "$(cat group) subscription-1" ] && echo true || echo false ;;
  "functionapp list") [ "$4" = "$(cat group)" ] && cat app ;;
  "functionapp function")
    [ "$3 $5 $7" = "list $(cat group) $(cat app)" ] && [ -e functions ] || exit 1
    case "$*" in *"[?ends_with(name, '/rotate_due')].name"*) grep '/rotate_due$' functions || : ;; *) exit 99 ;; esac ;;
  "provider register") echo "$*" > registered; exit "$(cat registering)" ;;
  *) echo "az $*: not expected" >&2; exit 99 ;;
esac
"""
AZD = """#!/bin/sh
if [ "$*" = "provision --no-prompt" ]; then
  cat > "$STATE/provision-input"
  env > "$STATE/provisioned"
  exit "$(cat "$STATE/provisioning")"
fi
[ "$1 $2" = "env set" ] && [ $# = 4 ] || exit 99
cat >/dev/null  # as a program may do that asks
echo "$3=$4" >> "$STATE/azd-environment"
"""
PYTHON = """#!/bin/sh
case "$1 $2" in
  "-c "*) [ -e "$STATE/installed" ] ;;
  "-m pip") case "$*" in *--require-hashes*requirements.txt) touch "$STATE/installed" ;; *) exit 99 ;; esac ;;
  "-m rotator")
    shift 2
    if [ "$1" = finish-deployment ]; then
      echo "$*" >> "$STATE/finished"; env > "$STATE/environment"
      code=$(sed -n "$(grep -c '' "$STATE/finished")p" "$STATE/finishing")  # a line for each time; the last stays
      exit "${code:-$(tail -n 1 "$STATE/finishing")}"
    fi
    echo "$*" > "$STATE/onboard"; env > "$STATE/environment"
    [ -e "$STATE/lines" ] && cat "$STATE/lines" > "$3"
    exit "$(cat "$STATE/status")" ;;
  *) exit 99 ;;
esac
"""
INTERPRETER = """#!/bin/sh
case "$1 $2" in
  "-c "*) exit {refuses} ;;
  "-m venv") mkdir -p "$3/bin"; cp "$STATE/python" "$3/bin/python" ;;
  *) exit 99 ;;
esac
"""


@dataclasses.dataclass
class Surroundings:
    """A project folder with the hooks, and programs on a PATH that holds nothing else."""

    folder: Path

    def __post_init__(self) -> None:
        """Somebody is signed in to a tenant that knows Key Vault."""
        shutil.copytree(FOLDER / "hooks", self.folder / "infra/hooks")
        self.state = self.folder / "state"
        self.programs = self.folder / "programs"
        self.state.mkdir()
        self.programs.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.programs / tool).symlink_to(found)
        self.program("az", AZ)
        self.program("azd", AZD)
        self.known("tenant", "tenant-1")
        self.known("subscription-tenant", "tenant-1")
        self.known("cloud", "AzureCloud")
        self.known("registration", "NotRegistered")
        self.known("registering", "0")
        self.known("principal-cfa8b339-82a2-471a-a3c9-0fc0be7a4093", "object-public")
        self.known("principal-7e7c393b-45d0-48b1-a35e-2905ddf8183c", "object-government")
        self.known("status", "0")
        self.known("finishing", "0")
        self.known("provisioning", "0")
        self.known("group", None)

    def lists(self, *functions: str, group: str = "rg-rotator") -> None:
        """Let there be an app in this group, of which the platform lists these functions."""
        self.known("group", group)
        self.known("app", "func-1")
        self.known("functions", "\n".join(f"func-1/{each}" for each in functions))

    def program(self, name: str, text: str) -> None:
        """Put a program on the PATH."""
        self.executable(self.programs / name, text)

    def executable(self, path: Path, text: str) -> None:
        """Write a program."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def known(self, name: str, text: str | None) -> None:
        """Set a piece of the programs' state, or take it away."""
        path = self.state / name
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text + "\n")

    def written(self, name: str) -> list[str]:
        """What a program wrote down."""
        path = self.state / name
        return path.read_text().splitlines() if path.exists() else []

    def asks(self, hook: str, *, typed: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a hook at a terminal, where somebody types this."""
        keyboard, terminal = pty.openpty()
        try:
            os.write(keyboard, typed.encode())
            return self._run(hook, [], environment, stdin=terminal)
        finally:
            os.close(keyboard)
            os.close(terminal)

    def run(self, hook: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a hook as azd does, somewhere else than in the project's folder; the issuer is chosen already."""
        return self._run(hook, arguments, {"SAS_ISSUER": "keyvault", **environment}, stdin=subprocess.DEVNULL)

    def _run(
        self, hook: str, arguments: Sequence[str], environment: Mapping[str, str], *, stdin: int
    ) -> "subprocess.CompletedProcess[str]":
        surroundings: Mapping[str, str] = {
            "PATH": str(self.programs),
            "STATE": str(self.state),
            "TMPDIR": str(self.state),
            "AZURE_SUBSCRIPTION_ID": "subscription-1",
            "AZURE_ENV_NAME": "rotator",
            **environment,
        }
        command = [str(self.folder / f"infra/hooks/{hook}.sh"), *arguments]
        return subprocess.run(
            command,
            cwd=os.sep,
            env=surroundings,
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
