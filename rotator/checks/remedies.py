"""The commands that repair what a check finds: az for Azure, kubectl for the cluster, python -m rotator for the rest.

They are to be pasted as they are. What they cannot know is in angle brackets; everything else is quoted for a shell.
"""

import dataclasses
import shlex
import urllib.parse
from collections.abc import Mapping

from rotator.azure import az_commands, data_actions, permissions
from rotator.azure.permissions import Principal
from rotator.delivery.ssh.login_secrets import VaultSecret
from rotator.plan import secret_settings
from rotator.plan.plan import Plan, Target

ROTATE = "python -m rotator rotate"
ROTATE_NOW = f"{ROTATE} --force"


@dataclasses.dataclass(frozen=True)
class Remedies:
    """The commands for one plan. `environment` is where App Service says which app this is.

    Permissions go to the `assignee`, or without one to the identity that a method is called with.
    """

    plan: Plan
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    assignee: Principal | None = None

    @property
    def vault(self) -> str:
        """The vault's name."""
        return self.plan.account.host.partition(".")[0]

    def sign_in(self) -> str:
        """Sign in, or assign the function app an identity."""
        app = self._app
        if app is None:
            return "" if self.environment.get("IDENTITY_ENDPOINT") else "az login"
        return az_commands.assign_identity(app, self.plan.client_id)

    def setting(self, name: str | None, value: str) -> str:
        """Set an app setting, or in a terminal the environment variable of its name; empty for no setting's value."""
        return "" if name is None else self.settings({name: value})

    def settings(self, values: Mapping[str, str]) -> str:
        """Set several settings at once; an empty value counts as none."""
        if self._app is not None:
            return az_commands.set_app_settings(self._app, values)
        return "; ".join(_export(name, value) for name, value in values.items())

    def change(self, values: Mapping[str, str]) -> str:
        """Set several settings of the function app, where the environment knows one, else as `settings` does."""
        app = self.environment.get("FUNCTION_APP_ID", "")
        if self._app is not None or not app:
            return self.settings(values)
        return az_commands.set_app_settings(f"--ids {az_commands.word(app)}", values)

    def policy(self, who: Principal) -> str:
        """Grant the identity what this plan needs of the vault, beside what it has there."""
        account = self.plan.account
        wanted = permissions.for_app(manages=not account.issuer.signs_here)
        if account.key_rotation_period is not None and not account.issuer.signs_here:
            wanted = wanted.union(permissions.KEY_ROTATION)
        return az_commands.add_policy(self.vault, (self.assignee or who).object_id, wanted)

    def secrets_user(self, who: Principal) -> str:
        """Let the identity read secrets of a vault in RBAC mode."""
        return self._assign(permissions.SECRETS_USER_NAME, az_commands.vault_id(self.vault), who)

    def roles_of_vault(self, who: Principal) -> str:
        """Put the vault into RBAC mode, in which the identity may read secrets."""
        return f"{self.secrets_user(who)}; {az_commands.use_roles(self.vault)}"

    def access_policies(self) -> str:
        """Take the vault out of RBAC mode."""
        return az_commands.use_access_policies(self.vault)

    def through_firewall(self, address: str) -> str:
        """Let an address through the vault's firewall."""
        return az_commands.allow_vault_address(self.vault, address or "<address>")

    def upload(self, secret: VaultSecret) -> str:
        """Write a secret into the vault from its file."""
        return az_commands.set_secret(self.vault, secret.name, secret.file, secret.content_type)

    def recover(self, secret: VaultSecret) -> str:
        """Recover a secret that was deleted, or write it from its file."""
        return f"{az_commands.recover_secret(self.vault, secret.name)} || {self.upload(secret)}"

    def enable(self, name: str) -> str:
        """Enable a secret."""
        return az_commands.enable_secret(self.vault, name)

    def onboard(self) -> str:
        """Let the vault manage the account. Its name is in the blob endpoint; the vault may have it under another."""
        return self._onboard(az_commands.account_id(_account(self.plan.account.blob_endpoint or "")))

    def end_regeneration(self, resource_id: str) -> str:
        """Let the vault regenerate none of the account's keys by itself; it goes on managing the account."""
        return f"{self._onboard(az_commands.word(resource_id))} --no-auto-regenerate"

    def _onboard(self, account: str) -> str:
        return f"python -m rotator onboard --vault {az_commands.vault_id(self.vault)} --storage-account {account}"

    def key_operator(self, resource_id: str, who: Principal) -> str:
        """Let the identity list and regenerate an account's keys."""
        return self._assign(permissions.KEY_OPERATOR_NAME, az_commands.word(resource_id), who)

    def key_operators(self, resource_id: str, who: Principal) -> str:
        """Let the identity and Key Vault itself do so: the vault does not say which of them lacks the role."""
        application = permissions.key_vault_application(self.plan.account.host)
        itself = az_commands.assign_role(permissions.KEY_OPERATOR_NAME, az_commands.word(resource_id), application)
        return f"{itself}; {self.key_operator(resource_id, who)}"

    def reader(self, resource_id: str, who: Principal) -> str:
        """Let the identity look at an account's properties and locks."""
        return self._assign(permissions.READER_NAME, az_commands.word(resource_id), who)

    def delegator(self, resource_id: str, who: Principal) -> str:
        """Let the identity get user delegation keys of an account."""
        return self._assign(permissions.BLOB_DELEGATOR_NAME, az_commands.word(resource_id), who)

    def data_role(self, scope: str, who: Principal) -> str:
        """Let the identity do with blobs what this plan's SAS allow."""
        role = data_actions.role_for(self.plan.grant.permissions)
        return self._assign(role, az_commands.word(scope), who)

    def revoker(self, resource_id: str, who: Principal) -> str:
        """Let the identity revoke an account's user delegation keys, which takes a custom role."""
        group = resource_id.partition("/providers/")[0]  # no smaller scope may be one of a custom role
        made = az_commands.create_role(permissions.REVOKER_NAME, permissions.REVOKE_DELEGATION_KEYS, group)
        return f"{made}; {self._assign(permissions.REVOKER_NAME, az_commands.word(resource_id), who)}"

    def blob_owner(self, blob_url: str, who: Principal) -> str:
        """Let the identity that opens the app's own storage read and write blobs there."""
        return self._assign(permissions.BLOB_OWNER_NAME, az_commands.account_id(_account(blob_url)), who)

    def through_storage_firewall(self, blob_url: str) -> str:
        """Let an address, which storage does not name, through an account's firewall."""
        return az_commands.allow_storage_address(_account(blob_url), "<address of this network>")

    def shared_key(self, account: str) -> str:
        """Let an account accept what its keys signed."""
        return az_commands.allow_shared_key(az_commands.by_name(account))

    def grant(self, target: Target, verb: str, user: str | None) -> str:
        """Grant kubectl's user the verb on the Secret; `create` on every Secret, as RBAC cannot restrict it by name.

        `auth reconcile` creates what is missing and adds to what exists, so the command can be run again, for another
        user too (https://kubernetes.io/docs/reference/access-authn-authz/rbac/#kubectl-auth-reconcile).
        """
        name = f"rotator-{target.secret}-{verb}"
        only = "" if verb == "create" else f" --resource-name={target.secret}"
        kubectl = f"kubectl --namespace {target.namespace}"
        role = f"role {name} --verb={verb} --resource=secrets{only}"
        binding = f"rolebinding {name} --role={name} {_subject(user)}"
        return "; ".join(
            f"{kubectl} create {made} --dry-run=client --output=yaml | {kubectl} auth reconcile --filename=-"
            for made in (role, binding)
        )

    def _assign(self, role: str, scope: str, who: Principal) -> str:
        return az_commands.assign_role_to(role, scope, self.assignee or who)

    @property
    def _app(self) -> str | None:
        """The words that select the function app that this is; None elsewhere."""
        app = self.environment.get("WEBSITE_SITE_NAME")
        if app is None:
            return None
        return az_commands.by_name(app, self.environment.get("WEBSITE_RESOURCE_GROUP", "<resource group>"))


def _export(name: str, value: str) -> str:
    secret = secret_settings.may_hold_secret(name, value)
    return f"export {name}=" + ('"$(cat <file>)"' if secret else shlex.quote(value))


def namespace(target: Target) -> str:
    """Create the namespace."""
    return f"kubectl create namespace {target.namespace}"


def _account(url: str) -> str:
    """Return the account that a URL names: by its path or its host's first label, unless the domain is a custom one."""
    parts = urllib.parse.urlsplit(url)
    label, blob, _ = (parts.hostname or "").partition(".blob.")
    return parts.path.strip("/") or (label.partition(".")[0] if blob else "<name of the storage account>")


def _subject(user: str | None) -> str:
    account = (user or "").removeprefix("system:serviceaccount:")
    if account != user and account.count(":") == 1:
        return f"--serviceaccount={shlex.quote(account)}"
    return f"--user={az_commands.word(user or '<the user in the kubeconfig of the master>')}"
