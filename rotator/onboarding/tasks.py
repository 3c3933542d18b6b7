"""What a rotation needs and onboarding makes: access policies, the managed account, the SSH key, the app settings.

Each task is read and compared first. It has a change only where something is missing, so a second onboarding changes
nothing.
"""

import dataclasses
import datetime
import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping

import isodate

from rotator.azure import az_commands, permissions
from rotator.azure.managed_account import StorageBundle
from rotator.azure.resource_manager import ResourceManager
from rotator.delivery.ssh import login_secrets, private_key
from rotator.delivery.ssh.login_secrets import VaultSecret
from rotator.onboarding import errors, requirements, shell_commands
from rotator.onboarding.errors import AlreadyManagedError
from rotator.onboarding.request import OnboardingRequest
from rotator.onboarding.requirements import Facts
from rotator.onboarding.steps import Step, StepOutcome
from rotator.onboarding.vault_setup import VaultSetup
from rotator.plan.account import Account
from rotator.redaction import SecretText

_REGENERATION_PERIOD = datetime.timedelta(days=30)


@dataclasses.dataclass(frozen=True)
class Task:
    """Something that a rotation needs; `change` makes it, and is None where it is there already."""

    title: str
    text: str
    equivalent: str
    change: Callable[[], None] | None

    def step(self, outcome: StepOutcome) -> Step:
        """Return the line that reports this task; its outcome is UNCHANGED where there is nothing to change."""
        return Step(self.title, outcome if self.change else StepOutcome.UNCHANGED, self.text, self.equivalent)


class Tasks:
    """The tasks of one onboarding. A method, and a task's change, may raise a VaultError or a ResourceManagerError.

    `public_keys` has the public half of each SSH key by its name in the vault, once `ssh_keys` has been called.
    """

    def __init__(
        self, request: OnboardingRequest, facts: Facts, resource_manager: ResourceManager, vault: VaultSetup
    ) -> None:
        self._request = request
        self._facts = facts
        self._resource_manager = resource_manager
        self._vault = vault
        self.public_keys: dict[str, str] = {}
        self._held_passphrases: dict[VaultSecret, SecretText | None] = {}
        self._passphrases: dict[VaultSecret, SecretText] = {}  # as they will be in the vault

    def operator_policy(self) -> Task:
        """Return the task of the operator's access policy, which the other tasks need to read the vault."""
        wanted = permissions.for_operator(manages=self._manages)
        return self._policy("operator's access policy", self._facts.operator, wanted)

    def app_policy(self) -> Iterator[Task]:
        """Yield the task of the app's access policy, where there is an app; raises OnboardingError."""
        principal = requirements.app_principal(self._request, self._facts.app)
        if principal:
            rotates = self._request.key_rotation and self._manages
            more = permissions.KEY_ROTATION if rotates else permissions.Policy()
            wanted = permissions.for_app(manages=self._manages)
            yield self._policy("app's access policy", principal, wanted.union(more))

    @property
    def _manages(self) -> bool:
        """Whether the vault is to manage the storage account."""
        return not self._request.plan.account.issuer.signs_here

    def _policy(self, title: str, object_id: str, wanted: permissions.Policy) -> Task:
        vault = self._facts.vault
        held = vault.policies.get(object_id, permissions.Policy())
        command = az_commands.set_policy(vault.name, object_id, held.union(wanted))
        if held.covers(wanted):
            return Task(title, f"{object_id} has {wanted}", command, None)

        def grant() -> None:
            self._resource_manager.grant(self._request.vault, vault.tenant, object_id, wanted)

        return Task(title, f"grant {object_id} {wanted}", command, grant)

    def managed_account(self) -> Task:
        """Return the task that lets the vault manage the storage account, or changes when it regenerates the keys.

        The active key of an account that is managed already is never changed: SAS in use depend on it.
        """
        name = self._request.plan.account.managed_account
        found = self._vault.managed_account()
        wanted = self._wanted_account(found)
        if found is None:
            return self._new_managed_account(name, wanted)
        self._check_same_account(found)
        command = shell_commands.vault_request("patch", self._url("storage", name), wanted.regeneration)
        if found.auto_regenerate == wanted.auto_regenerate and found.period == wanted.period:
            text = f"{name}: {found.active_key} active, {_regeneration(wanted)}"
            return Task("managed account", text, command, None)
        text = f"change {name}: {_regeneration(wanted)}"
        return Task("managed account", text, command, lambda: self._vault.change_regeneration(wanted))

    def _wanted_account(self, found: StorageBundle | None) -> StorageBundle:
        request = self._request
        # Not both the vault and the timer: either would invalidate SAS that the other counts on.
        automatic = found.auto_regenerate if found else request.plan.account.key_rotation_period is None
        period = found.period if found else _REGENERATION_PERIOD
        return StorageBundle(
            request.account.text,
            request.active_key,
            automatic if request.auto_regenerate is None else request.auto_regenerate,
            request.period or period,
            period_text=found.period_text if found and not request.period else "",
        )

    def _new_managed_account(self, name: str, wanted: StorageBundle) -> Task:
        vault = self._facts.vault.name
        other = self._vault.name_of(wanted.resource_id)
        if other:
            assignment = self._request.plan.account.assignment("managed_account", shlex.quote(other))
            raise AlreadyManagedError(
                f"{vault} already manages {self._facts.account.name}, as {other!r}",
                remedy=f"Set {assignment}; two names would regenerate each other's keys.",
            )
        deleted = self._vault.deleted_managed_account()
        if deleted:
            self._check_same_account(deleted)
            text = f"recover the deleted {name}: {deleted.active_key} active, {_regeneration(wanted)}"
            command = shell_commands.vault_request("post", self._url("deletedstorage", name, "recover"))
            return Task("managed account", text, command, lambda: self._vault.recover(wanted))
        text = f"let the vault manage {name}: {wanted.active_key} active, {_regeneration(wanted)}"
        command = shell_commands.vault_request("put", self._url("storage", name), wanted.bundle)
        return Task("managed account", text, command, lambda: self._vault.manage(wanted))

    def _check_same_account(self, found: StorageBundle) -> None:
        if not self._request.account.same_as(found.resource_id):
            raise errors.name_taken(self._facts.vault.name, self._request.plan.account, found)

    def _url(self, *path: str) -> str:
        return "/".join((self._facts.vault.url, *path))

    def ssh_keys(self) -> Iterator[Task]:
        """Yield the tasks of each SSH key and its passphrase: the operator's, else those in the vault, else new ones.

        Clusters may share them. Raises PrivateKeyError.
        """
        for cluster in (master.cluster for master in self._request.masters):
            if cluster.key_secret not in self.public_keys:
                yield from self._ssh_key(login_secrets.private_key(cluster), login_secrets.passphrase(cluster))

    def _ssh_key(self, secret: VaultSecret, passphrase_secret: VaultSecret | None) -> Iterator[Task]:
        held = self._vault.secret(secret.name)
        key, passphrase = self._request.ssh_key or held, self._request.passphrase
        if passphrase_secret:
            passphrase = self._passphrase(passphrase_secret, is_new_key=key is None)
        key = key or private_key.generate(passphrase)
        self.public_keys[secret.name] = private_key.public_line(key, passphrase)
        # The passphrase first: every rotation would fail with a key whose passphrase is not there yet.
        if passphrase_secret and passphrase and passphrase_secret not in self._passphrases:
            self._passphrases[passphrase_secret] = passphrase
            held_passphrase = self._held_passphrases[passphrase_secret]
            yield self._write_secret(passphrase_secret, "the SSH key's passphrase", passphrase, held_passphrase)
        yield self._write_secret(secret, self.public_keys[secret.name], key, held)

    def _passphrase(self, secret: VaultSecret, *, is_new_key: bool) -> SecretText | None:
        """Return what the secret will hold: a new passphrase only for a new key."""
        if secret in self._passphrases:
            return self._passphrases[secret]
        held = self._held_passphrases[secret] = self._vault.secret(secret.name)
        found = self._request.passphrase or held
        return SecretText(secrets.token_urlsafe(32)) if found is None and is_new_key else found

    def _write_secret(self, secret: VaultSecret, text: str, value: SecretText, held: SecretText | None) -> Task:
        """Return the task that writes a secret; `text` describes its value without showing it."""
        name = secret.name
        command = az_commands.set_secret(self._facts.vault.name, name, "<file>")
        if held is not None and held.reveal() == value.reveal():
            return Task(secret.title, f"{name}: {text}", command, None)

        def write() -> None:
            self._vault.write_secret(name, value, secret.content_type)

        return Task(secret.title, f"write {name}: {text}", command, write)

    def app_settings(self, settings: Mapping[str, str]) -> Iterator[Task]:
        """Yield the task that sets the app settings that differ from `settings`, where there is a function app."""
        app, resource = self._facts.app, self._request.function_app
        if app is None or resource is None:
            return
        wanted = dict(settings)
        if self._facts.account.blob_endpoint:
            wanted.setdefault(Account.usual_origin("blob_endpoint"), self._facts.account.blob_endpoint)
        if len(app.principals) == 1 and not app.principal and not app.settings.get("AZURE_CLIENT_ID"):
            (wanted["AZURE_CLIENT_ID"],) = app.principals
        changed = {name: text for name, text in wanted.items() if app.settings.get(name) != text}
        if not changed:
            yield Task("app settings", f"{app.name} has every setting", "", None)
            return
        yield Task(
            "app settings",
            f"set {', '.join(changed)} in {app.name}",
            az_commands.set_app_settings(az_commands.by_id(resource), changed),
            lambda: self._resource_manager.change_settings(resource, changed),
        )


def _regeneration(wanted: StorageBundle) -> str:
    if not wanted.auto_regenerate:
        return "keys not regenerated by the vault"
    return f"keys regenerated every {wanted.every or isodate.duration_isoformat(_REGENERATION_PERIOD)}"
