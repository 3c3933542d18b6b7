"""A terminal in which remedies are run as they were printed, by somebody who administers Azure and the cluster."""

import dataclasses
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from sandbox.resource_manager import roles, server
from sandbox.world import World
from tests.remedies import session

ROOT = Path(__file__).resolve().parents[2]
KEY_VAULT_APPLICATION = "cfa8b339-82a2-471a-a3c9-0fc0be7a4093"  # the same in every tenant of the public cloud


@dataclasses.dataclass(frozen=True)
class Done:
    """A line that was run: its exit status, stdout and stderr, and the variables that it exported."""

    status: int
    output: str
    stderr: str
    exported: dict[str, str] = dataclasses.field(repr=False)


class Shell:
    """Runs lines in `directory` with /bin/sh, where az and kubectl find the world's services.

    Its administrator is Owner of the subscription, has every permission in the vault, and is not the identity that
    the rotator runs as. Until `sign_out` they are signed in. What a line exports is there for the next one.
    """

    def __init__(self, world: World, directory: Path) -> None:
        self._world = world
        self.directory = directory
        self.environment = self._surroundings()
        self._client_id, self.object_id = str(uuid.uuid4()), str(uuid.uuid4())
        self._appoint()
        self._install()
        self._profile.touch()

    def sign_out(self) -> None:
        """`az logout`."""
        self._profile.unlink()

    def run(self, line: str, stdin: str = "") -> Done:
        """Run a command line, with pipes, substitutions and chains as in any shell."""
        before = {**self.environment, session.VARIABLE: self._signed_in().as_text()}
        reader, writer = os.pipe()
        script = f"{line}\nstatus=$?\nenv -0 >/dev/fd/{writer}\nexit $status"
        with os.fdopen(reader, "rb") as variables:
            with os.fdopen(writer, "wb"):
                ran = self._run(script, stdin, before, writer)
            exported = _changed(before, variables.read().decode())
        self.environment |= exported
        return Done(ran.returncode, ran.stdout, ran.stderr, exported)

    def carry_out(self, line: str) -> str:
        """Run a line that must succeed, and return what it printed."""
        done = self.run(line)
        assert done.status == 0, f"{line}\n{done.stderr}"
        return done.output

    def _run(
        self, script: str, stdin: str, environment: Mapping[str, str], writer: int
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["/bin/sh", "-c", script],
            input=stdin,
            env=environment,
            cwd=self.directory,
            pass_fds=(writer,),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _surroundings(self) -> dict[str, str]:
        path = os.pathsep.join((str(self._tools), str(Path(sys.executable).parent), os.environ["PATH"]))
        kubeconfig = str(self._world.cluster.administrator_kubeconfig)
        own = {"PATH": path, "HOME": str(self.directory), "KUBECONFIG": kubeconfig, "PYTHONPATH": str(ROOT)}
        return {**self._world.settings, **own}

    @property
    def _profile(self) -> Path:
        return self.directory / "signed-in"

    @property
    def _tools(self) -> Path:
        return self.directory / "bin"

    def _install(self) -> None:
        self._tools.mkdir(parents=True, exist_ok=True)
        program = self._tools / "az"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tests.remedies.az "$@"\n')
        program.chmod(0o755)

    def _appoint(self) -> None:
        world = self._world
        world.identity.user_assigned[self._client_id] = self.object_id
        world.resource_manager.people.add(self.object_id)
        subscription = f"/subscriptions/{world.account.subscription_id}"
        owner = roles.Assignment(subscription, roles.OWNER, self.object_id, "User")
        world.resource_manager.role_assignments.append(owner)
        world.vault.policies[self.object_id] = {"secrets/all", "storage/all"}

    def _signed_in(self) -> session.Session:
        world = self._world
        tokens = {
            audience: world.identity.issue(audience, self._client_id, scp="user_impersonation")
            for audience in world.identity.audiences
        }
        return session.Session(
            resource_manager=world.resource_manager.url,
            subscription=world.account.subscription_id,
            tenant=world.identity.tenant_id,
            certificate_authority=str(world.authority.ca_path),
            profile=str(self._profile),
            management_audience=server.AUDIENCE,
            vault_audience=world.vault.resource,
            tokens=tokens,
            directory=self._directory(),
        )

    def _directory(self) -> dict[str, str]:
        """Whom `--assignee` finds: by object id, by client id, and Key Vault by its names too."""
        world = self._world
        key_vault = world.vault.service_principal_id
        known = {**world.identity.user_assigned, world.identity.client_id: world.identity.object_id}
        known |= {KEY_VAULT_APPLICATION: key_vault, "https://vault.azure.net": key_vault}
        return known | {object_id: object_id for object_id in known.values()}


def _changed(before: Mapping[str, str], dump: str) -> dict[str, str]:
    after = dict(one.split("=", 1) for one in dump.split("\0") if one)
    own = {"PWD", "OLDPWD", "SHLVL", "_"}
    return {name: text for name, text in after.items() if name not in own and before.get(name) != text}
