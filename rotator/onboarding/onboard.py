"""Onboarding: what no template can do, from a vault and a master to a rotation that works.

Everything that can be looked at is looked at before anything is changed; each step says what it did, and does nothing
when that is done already.
"""

import contextlib
import datetime
import json
import secrets
import shlex
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

import isodate

from rotator.azure import permissions
from rotator.azure.errors import RbacVaultError, VaultForbiddenError
from rotator.azure.managed_account import StorageBundle
from rotator.azure.resource_id import ResourceId
from rotator.azure.resources import AccountFacts, AppFacts, VaultFacts
from rotator.delivery.errors import HostKeyRejectedError
from rotator.onboarding import steps
from rotator.onboarding.errors import (
    AlreadyManagedError,
    DeclinedError,
    MissingRoleError,
    OnboardingError,
    SharedKeyError,
)
from rotator.onboarding.steps import Confirm, Directory, Host, Keys, OnboardingRequest, Step, StepOutcome, Store, Task
from rotator.plan import host_keys as pins
from rotator.plan import secret_settings
from rotator.plan.plan import Cluster
from rotator.redaction import SecretText

KEY_TYPE = "application/x-pem-file"
_EVERY = datetime.timedelta(days=30)


class Onboarding:
    """One onboarding; `announce` gets each step as it happens."""

    def __init__(
        self,
        request: OnboardingRequest,
        *,
        directory: Directory,
        store: Store,
        host: Host,
        keys: Keys,
        announce: Callable[[Step], None],
    ) -> None:
        self._request = request
        self._directory = directory
        self._store = store
        self._host = host
        self._keys = keys
        self._announce = announce
        self._pins = ", ".join(map(str, request.pins))
        self.confirmed = False
        self.public_key = ""

    @property
    def settings(self) -> dict[str, str]:
        """The app settings that go with this onboarding; `secret_settings` knows which may hold a secret."""
        return {**self._request.settings, "KUBERNETES_SSH_FINGERPRINT": self._pins}

    def run(self, confirm: Confirm, *, dry_run: bool = False) -> None:
        """Look, ask, and do what is missing; raises a RotatorError, before `confirm` with nothing done."""
        self._vault = self._checked_vault()
        self._account = self._checked_account()
        self._app = self._directory.function_app(self._request.function_app) if self._request.function_app else None
        self._operator = self._directory.operator()
        self._check_roles()
        unknown = self._check_host()
        self._pins = str(unknown[0]) if unknown else self._pins
        self._check_own_key()
        entry = self._policy("operator's access policy", self._operator, permissions.OPERATOR)
        if entry.act:
            self._check_network()
        # Without that policy the vault does not let the operator look; the rest is then decided right after it.
        tasks = [entry] if entry.act else [entry, *self._tasks()]
        if dry_run:
            self._foretell(tasks)
            return
        if not confirm(unknown, [task.text for task in tasks if task.act]):
            raise DeclinedError("stopped before anything was changed")
        self.confirmed = True
        self._carry_out(entry)
        if entry.act:
            tasks = [entry, *self._tasks()]
        for task in tasks[1:]:
            self._carry_out(task)

    def _foretell(self, tasks: list[Task]) -> None:
        for task in tasks:
            self._tell(task, StepOutcome.WOULD)
        if tasks[0].act:
            self._announce(Step("the rest", StepOutcome.WOULD, "can be told once you may look into the vault"))

    def _carry_out(self, task: Task) -> None:
        if task.act:
            task.act()
        self._tell(task, StepOutcome.DONE)

    def _tell(self, task: Task, did: StepOutcome) -> None:
        self._announce(Step(task.title, did if task.act else StepOutcome.UNCHANGED, task.text, task.equivalent))

    def _checked_vault(self) -> VaultFacts:
        vault = self._directory.vault(self._request.vault)
        if vault.rbac:
            raise RbacVaultError(
                f"vault {vault.name} decides by Azure roles (RBAC mode), where managed storage is undocumented",
                remedy=f"Access policies are the known way: az keyvault update --name {shlex.quote(vault.name)} "
                "--enable-rbac-authorization false, after whoever uses it by role has an access policy; "
                "or take a vault of its own.",
            )
        if vault.url.lower() != self._request.plan.account.vault_url.lower():
            raise OnboardingError(
                f"KEYVAULT_BASEURL is {self._request.plan.account.vault_url}, but the vault is {vault.url}",
                remedy="Set KEYVAULT_BASEURL, or name the other vault.",
            )
        self._announce(Step("vault", StepOutcome.CHECKED, f"{vault.name} is in access-policy mode"))
        return vault

    def _checked_account(self) -> AccountFacts:
        account = self._directory.account(self._request.account)
        if not account.shared_key:
            raise SharedKeyError(
                f"storage account {account.name} has shared key access switched off: it refuses every SAS of the vault",
                remedy=f"az storage account update --ids {_word(self._request.account)} --allow-shared-key-access true",
            )
        validity = self._request.plan.definition.validity
        if account.sas_limit and validity > account.sas_limit:
            text = (
                f"its SAS policy wants at most {account.sas_limit}, SAS_VALIDITY is {validity}; it may refuse the SAS"
            )
        else:
            text = "it accepts SAS that an account key signs"
        self._announce(Step("storage account", StepOutcome.CHECKED, f"{account.name}: {text}"))
        return account

    def _check_roles(self) -> None:
        command = f"az role assignment create --role {permissions.KEY_OPERATOR} --scope {_word(self._request.account)}"
        holders = self._directory.key_operators(self._request.account)
        principal = self._principal() if self._request.key_rotation else None
        wanted = self._request.key_vault_principal
        if not holders - {principal} or (wanted and wanted not in holders):
            raise MissingRoleError(
                f"Key Vault's application lacks the role {permissions.KEY_OPERATOR_NAME!r} on {self._account.name}",
                remedy=f"{command} --assignee {permissions.key_vault_application(self._request.plan.account.host)}",
            )
        if not self._directory.may(self._request.account, permissions.LIST_KEYS):
            raise MissingRoleError(
                f"you ({self._operator}) may not list the keys of {self._account.name}, which the vault does for you",
                remedy=f"{command} --assignee {shlex.quote(self._operator)}",
            )
        if principal and principal not in holders:
            raise MissingRoleError(
                f"the app ({principal}) lacks the role {permissions.KEY_OPERATOR_NAME!r} on {self._account.name}, as "
                "whom the vault regenerates keys for it",
                remedy=f"{command} --assignee {shlex.quote(principal)}",
            )
        which = "Key Vault's application and you" if wanted else "an application (taken for Key Vault's) and you"
        self._announce(Step("roles", StepOutcome.CHECKED, f"{which} may handle the account's keys"))

    def _check_host(self) -> tuple[pins.HostKey, ...]:
        """Compare what the master shows with what is pinned; gives the keys shown when nothing is."""
        cluster = self._request.cluster
        if self._request.unseen_host:
            self._announce(
                Step("host key", StepOutcome.CHECKED, f"{self._pins} is taken unseen; each rotation compares it")
            )
            return ()
        shown = self._host.scan_host_keys(cluster)
        listed = ", ".join(map(str, shown))
        if not self._request.pins:
            self._announce(Step("host key", StepOutcome.CHECKED, f"{cluster} shows {listed}", _scan(cluster)))
            return shown
        if not any(pin.matches(key.key_type, key.blob) for pin in self._request.pins for key in shown):
            raise HostKeyRejectedError(
                f"{cluster} shows {listed}, but expected is {self._pins}; nothing was changed",
                remedy=f"Compare at the master's console: {pins.ON_THE_CONSOLE}. Correct "
                "KUBERNETES_SSH_FINGERPRINT only if that is what it prints.",
            )
        self._announce(
            Step("host key", StepOutcome.CHECKED, f"{cluster} shows the expected {self._pins}", _scan(cluster))
        )
        return ()

    def _check_network(self) -> None:
        """A vault that refuses this network does so whatever the access policy says."""
        with contextlib.suppress(VaultForbiddenError):
            self._store.managed(settling=False)

    def _check_own_key(self) -> None:
        """A file that holds no usable key is told before anything is changed."""
        if self._request.ssh_key and not (self._request.cluster.passphrase_secret and not self._request.passphrase):
            self._keys.public_line(self._request.ssh_key, self._request.passphrase)

    def _tasks(self) -> Iterator[Task]:
        yield self._management()
        principal = self._principal()
        if principal:
            more = permissions.KEY_ROTATION if self._request.key_rotation else permissions.Policy()
            yield self._policy("app's access policy", principal, permissions.APP.union(more))
        yield from self._ssh_key()
        if self._app and self._request.function_app:
            yield self._app_settings(self._app, self._request.function_app)

    def _principal(self) -> str | None:
        if self._request.app_principal or self._app is None:
            return self._request.app_principal
        client = self._app.settings.get("AZURE_CLIENT_ID", "")
        found = self._app.principals.get(client) or self._app.principal
        if not found and len(self._app.principals) == 1:
            (found,) = self._app.principals.values()
        if not found:
            raise OnboardingError(
                f"function app {self._app.name} has no identity that the rotator would use",
                remedy="Assign it a managed identity, and set AZURE_CLIENT_ID to a user-assigned one's client id.",
            )
        return found

    def _policy(self, title: str, object_id: str, wanted: permissions.Policy) -> Task:
        held = self._vault.policies.get(object_id, permissions.Policy())
        whole = held.union(wanted)
        command = (
            f"az keyvault set-policy --name {shlex.quote(self._vault.name)} --object-id {shlex.quote(object_id)} "
            f"--secret-permissions {shlex.join(sorted(whole.secrets))} "
            f"--storage-permissions {shlex.join(sorted(whole.storage))}"
        )
        if held.covers(wanted):
            return Task(title, f"{object_id} has {wanted}", command, None)

        def act() -> None:
            self._directory.grant(self._request.vault, self._vault.tenant, object_id, wanted)

        return Task(title, f"give {object_id} {wanted}", command, act)

    def _management(self) -> Task:
        title, name = "managed account", self._request.plan.account.name
        found = self._store.managed()
        wanted = self._wanted(found)
        if found is None:
            return self._first_management(title, name, wanted)
        self._check_same(found, name)
        when = _when(wanted)
        command = _send("patch", f"{self._vault.url}/storage/{name}", wanted.regeneration)
        # Which key is active is the vault's to say once it manages the account: SAS in use depend on it.
        if found.auto_regenerate == wanted.auto_regenerate and found.period == wanted.period:
            return Task(title, f"{name}: {found.active_key} active, {when}", command, None)
        return Task(title, f"{name}: change to keys {when}", command, lambda: self._store.change(wanted))

    def _wanted(self, found: StorageBundle | None) -> StorageBundle:
        request = self._request
        # Two that regenerate keys would end each other's SAS early.
        begin = self._request.plan.key_rotation_period is None
        automatic, period = (found.auto_regenerate, found.period) if found else (begin, _EVERY)
        return StorageBundle(
            request.account.text,
            request.active_key,
            automatic if request.auto_regenerate is None else request.auto_regenerate,
            request.period or period,
            period_text=found.period_text if found and not request.period else "",
        )

    def _check_same(self, found: StorageBundle, name: str) -> None:
        if not self._request.account.same_as(found.resource_id):
            raise steps.taken(self._vault.name, name, found)

    def _first_management(self, title: str, name: str, wanted: StorageBundle) -> Task:
        other = self._store.name_of(wanted.resource_id)
        if other:
            raise AlreadyManagedError(
                f"{self._vault.name} manages {self._account.name} already, as {other!r}",
                remedy=f"Set KEYVAULT_STORAGE_NAME={shlex.quote(other)}; two names would regenerate each other's keys.",
            )
        deleted = self._store.soft_deleted()
        if deleted:
            self._check_same(deleted, name)
            text = f"recover the deleted {name}: {deleted.active_key} active, {_when(wanted)}"
            command = _rest("post", f"{self._vault.url}/deletedstorage/{name}/recover")
            return Task(title, text, command, lambda: self._store.recover(wanted))
        text = f"let the vault manage {name}: {wanted.active_key} active, {_when(wanted)}"
        command = _send("put", f"{self._vault.url}/storage/{name}", wanted.bundle)
        return Task(title, text, command, lambda: self._store.manage(wanted))

    def _ssh_key(self) -> Iterator[Task]:
        cluster = self._request.cluster
        held = self._store.secret(cluster.key_secret)
        held_phrase = self._store.secret(cluster.passphrase_secret) if cluster.passphrase_secret else None
        phrase = self._request.passphrase or held_phrase
        key = self._request.ssh_key or held
        if key is None:
            phrase = phrase or (SecretText(secrets.token_urlsafe(32)) if cluster.passphrase_secret else None)
            key = self._keys.generate(phrase)
        self.public_key = self._keys.public_line(key, phrase)
        # The passphrase first: a key that waits for its passphrase would stop every rotation.
        if cluster.passphrase_secret and phrase:
            yield self._upload("SSH passphrase", cluster.passphrase_secret, phrase, held_phrase, "its passphrase")
        yield self._upload("SSH key", cluster.key_secret, key, held, self.public_key)

    def _upload(self, title: str, name: str, value: SecretText, held: SecretText | None, what: str) -> Task:
        vault = shlex.quote(self._vault.name)
        command = f"az keyvault secret set --vault-name {vault} --name {shlex.quote(name)} --file <file>"
        if held is not None and held.reveal() == value.reveal():
            return Task(title, f"{name}: {what}", command, None)
        kind = KEY_TYPE if title == "SSH key" else "text/plain"
        return Task(title, f"put into {name}: {what}", command, lambda: self._store.put_secret(name, value, kind))

    def _app_settings(self, app: AppFacts, resource: ResourceId) -> Task:
        wanted = self.settings
        if self._account.blob_endpoint:
            wanted.setdefault("STORAGE_BLOB_ENDPOINT", self._account.blob_endpoint)
        if len(app.principals) == 1 and not app.principal and not app.settings.get("AZURE_CLIENT_ID"):
            (wanted["AZURE_CLIENT_ID"],) = app.principals
        changed = {name: text for name, text in wanted.items() if app.settings.get(name) != text}
        if not changed:
            return Task("app settings", f"{app.name} has all of them", "", None)
        command = f"az functionapp config appsettings set --ids {_word(resource)} --settings "
        return Task(
            "app settings",
            f"set {', '.join(changed)} of {app.name}",
            command + secret_settings.arguments(changed),
            lambda: self._directory.change_settings(resource, changed),
        )


def _word(resource: ResourceId) -> str:
    """A resource's id for a shell: a resource group's name may hold parentheses."""
    return shlex.quote(str(resource))


def _scan(cluster: Cluster) -> str:
    return f"ssh-keyscan -p {cluster.port} {shlex.quote(cluster.host)} | ssh-keygen -lf -"


def _send(method: str, url: str, body: Mapping[str, object]) -> str:
    return f"{_rest(method, url)} --body {shlex.quote(json.dumps(body))}"


def _rest(method: str, url: str) -> str:
    audience = (urllib.parse.urlsplit(url).hostname or "").partition(".")[2]  # of the vault's cloud
    resource, whole = shlex.quote(f"https://{audience}"), shlex.quote(f"{url}?api-version=7.4")
    return f"az rest --method {method} --resource {resource} --url {whole}"


def _when(wanted: StorageBundle) -> str:
    if not wanted.auto_regenerate:
        return "not regenerated by itself"
    return f"regenerated every {wanted.every or isodate.duration_isoformat(_EVERY)}"
